"""What makes Envoy leave a server out: its own trouble, and nothing that a caller can bring about."""

import grpc

from front import BLIND, Envoy
from kit import stubs, wire
from kit.client import new_id
from kit.instance import until
from kit.world import PASSWORD

QUICK = [("consecutive_local_origin_failure: 5", "consecutive_local_origin_failure: 3"), ("interval: 5s", "interval: 0.5s"),
         ("base_ejection_time: 10s", "base_ejection_time: 60s"), ("max_ejection_percent: 50", "max_ejection_percent: 100")]


def ejections(proxy):
    return proxy.stat("cluster.faregate.outlier_detection.ejections_enforced_total") + \
        proxy.stat("cluster.faregate-auth.outlier_detection.ejections_enforced_total")


def many(client, path, body, count, code, **more):
    """@count calls at once, all of which end with @code."""
    metadata = [("authorization", "Bearer " + client.token)] if client.token else []
    call = client.channel.unary_unary(path)
    codes = {c.code().name for c in [call.future(body, metadata=metadata, **{"timeout": 30, **more}) for _ in range(count)]
             if isinstance(c.exception(), grpc.RpcError)}
    assert codes == {code}


def test_no_refusal_ejects_a_server(world, dev):
    """Thousands of callers who are told no, and some who send what nobody understands."""
    with dev.sibling() as server, Envoy([server], changes=QUICK) as proxy:
        ann = world.traveller("Ann", server)
        booking = world.hold(ann)
        client = proxy.client(ann.token)
        anybody = proxy.client()

        def body(method, **fields):
            return ann.request(method, **fields).SerializeToString()

        def path(method):
            return stubs.METHODS[method][0]

        many(anybody, path("GetFlight"), body("GetFlight", name="none"), 500, "INVALID_ARGUMENT")
        many(anybody, path("GetFlight"), body("GetFlight", name=f"flights/{new_id()}"), 500, "NOT_FOUND")
        many(anybody, path("ListBookings"), b"", 500, "UNAUTHENTICATED")
        many(client, path("CreateRefund"), body("CreateRefund"), 300, "PERMISSION_DENIED")
        many(client, path("CreatePaymentIntent"), body(
            "CreatePaymentIntent", parent=booking.name, amount={"units": 1, "currency_code": "USD"}), 100,
            "FAILED_PRECONDITION")
        many(client, path("SearchPlaces"), bytes(100000), 300, "RESOURCE_EXHAUSTED")
        many(anybody, path("SearchPlaces"), b"\xff\xff", 300, "INTERNAL")
        many(anybody, "/faregate.v1.FlightService/NoSuchMethod", b"", 300, "UNIMPLEMENTED")
        late = anybody.request("CreateUser", email=f"{new_id()}@example.org", password=PASSWORD).SerializeToString()
        for _ in range(20):  # by hand: a client that does not hang up at its own deadline
            assert wire.exchange(proxy.port, path("CreateUser"), wire.frame(late), grpc_timeout="2m").status == 4
        assert ejections(proxy) == 0
        until(proxy.healthy, 10, "a health check that came late has been made up for")


def test_a_server_that_is_gone_is_ejected(world, dev):
    """Nobody is at its port any more. Callers do not notice, and soon Envoy does not try it any more."""
    with dev.sibling() as gone, dev.sibling() as fine, Envoy([gone, fine], changes=[*QUICK, BLIND]) as proxy:
        client = proxy.client()
        gone.stop()

        def ejected():
            assert client.SearchPlaces(query="london").places
            return proxy.hosts()[gone.port] == "failed_outlier_check"

        until(ejected, 20, "it is left out")
        assert proxy.hosts()[fine.port] == ""
