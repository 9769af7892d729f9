"""Much at once and large things, through every proxy; what is too much is answered by the server, in its own words."""

import concurrent.futures

import grpc
import pytest

from front import Envoy, HAProxy, Nginx, take_call
from kit import stubs
from kit.client import Refusal, new_id, refused
from kit.instance import until
from kit.world import PASSWORD

from grpc.reflection.v1 import reflection_pb2 as reflection  # of protos/, by kit.stubs

PLACES = stubs.METHODS["SearchPlaces"][0]


def test_large_headers_pass(world, proxy):
    ann = world.traveller("Ann", proxy)
    extra = [(f"x-large-{i}", "v" * 900) for i in range(6)]
    assert ann.ask("GetUser", name="users/me", metadata=extra).message.email == ann.email


def test_headers_that_are_too_large(proxy):
    """The server's limit is 8 KiB; every proxy lets 16 KiB through and the answer back."""
    extra = [(f"x-large-{i}", "v" * 1500) for i in range(8)]
    with refused("RESOURCE_EXHAUSTED"):
        proxy.client().ask("SearchPlaces", query="london", metadata=extra)


def test_messages_that_are_too_large(proxy):
    """Refused by their first five bytes, while the rest is still on its way: the answer arrives all the same, always. But
    HAProxy resets such a stream with CANCEL behind the answer, and grpcio believes the reset. And HAProxy 2.6.12 forgets the
    stream after it, in one of a hundred such storms: `show fd` then has send_cnt=1 and fctl_cnt=0 (unsent, and no window to
    wait for) towards a server that has read all and has no call; it reads nothing of that client until the call gives up."""
    client = proxy.client()
    call = client.channel.unary_unary(PLACES)
    haproxys = ("CANCELLED", "DEADLINE_EXCEEDED") if isinstance(proxy, HAProxy) else ()
    refusals = 0
    for calls in [call.future(bytes(size), timeout=10) for size in (20000, 70000, 300000, 1000000) for _ in range(25)]:
        assert calls.exception() is not None
        if calls.code().name in haproxys:
            continue
        refusal = Refusal(calls.exception())
        assert (refusal.code.name, refusal.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"), refusal
        refusals += 1
    assert refusals > 0
    assert client.SearchPlaces(query="london").places


def test_large_answers_arrive_whole(proxy, dev):
    """All descriptors of a service, asked for and answered on a stream in both directions: as without a proxy."""

    def ask(server):
        asked = [reflection.ServerReflectionRequest(file_containing_symbol="faregate.v1.BookingService")] * 8
        method = server.client().channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            reflection.ServerReflectionRequest.SerializeToString, reflection.ServerReflectionResponse.FromString)
        return [list(reply.file_descriptor_response.file_descriptor_proto) for reply in method(iter(asked), timeout=20)]

    direct = ask(dev)
    assert len(direct) == 8 and sum(map(len, direct[0])) > 20000
    assert ask(proxy) == direct


def test_a_thousand_streams(world, dev):
    """Watches over ten connections of clients and few of Envoy's; each hears of the drain at once, and the end."""
    reply = stubs.health.HealthCheckResponse
    with dev.sibling("--lame-duck-ms=1500") as server, Envoy([server]) as proxy:
        channels = [grpc.insecure_channel(proxy.target, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(10)]
        watches = [channels[i % 10].unary_stream(
            "/grpc.health.v1.Health/Watch", stubs.health.HealthCheckRequest.SerializeToString, reply.FromString)(
                stubs.health.HealthCheckRequest(service="readiness"), timeout=120) for i in range(1000)]
        assert {next(watch).status for watch in watches} == {reply.SERVING}
        assert 8 <= proxy.stat("cluster.faregate.upstream_cx_active") < 40
        assert proxy.stat("cluster.faregate.upstream_rq_active") == 1000

        def rest(watch):
            seen = []
            try:
                seen.extend(message.status for message in watch)
            except grpc.RpcError as error:
                return seen, error.code().name
            return seen, "OK"

        assert server.stop() == 0
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            ends = list(pool.map(rest, watches))
        assert set(map(repr, ends)) == {repr(([reply.NOT_SERVING], "UNAVAILABLE"))}


def test_busy_and_limited_stay_what_they_are(world, dev):
    """UNAVAILABLE: ask another server. RESOURCE_EXHAUSTED: it is you. Envoy changes neither, nor the advice on when."""
    with dev.sibling("--calls-max=1") as full, Envoy([full], wait=False, changes=[
            ("unhealthy_threshold: 2", "unhealthy_threshold: 1000000")]) as proxy:
        client = proxy.client()
        for _ in range(40):  # one address: a few are free, then each waits
            with pytest.raises(grpc.RpcError) as caught:
                client.CreateSession(email="guess@example.org", password=PASSWORD)
            refusal = Refusal(caught.value)
            if refusal.code.name != "UNAUTHENTICATED":
                break
        assert (refusal.code.name, refusal.reason) == ("RESOURCE_EXHAUSTED", "LOGIN_THROTTLED") and refusal.retry_s > 0
        taken = until(lambda: take_call(full), 10, "the only call is taken")
        with refused("UNAVAILABLE", "OVERLOADED") as seen:
            client.SearchPlaces(query="london")
        assert int(seen[0].pushback_ms) > 0 and seen[0].retry_s > 0
        taken.cancel()


def test_nginx_without_te(world, auth_server, rest_server):
    """nginx sends no te unless the client did; with it taken away, the server serves as well."""
    with Nginx([rest_server], [auth_server], changes=[
            ("        grpc_set_header X-Forwarded-For", '        grpc_set_header TE "";\n        grpc_set_header X-Forwarded-For')
            ]) as proxy:
        assert proxy.client().SearchPlaces(query="london").places


def test_a_client_that_cancels_all_the_time(world, dev):
    """Its streams share Envoy's few connections with everybody. Far more resets than the server allows a connection at
    once, and nobody else's call fails."""
    with dev.sibling("--reset-burst-max=50", "--reset-rate-per-s=10") as server, Envoy([server]) as proxy:
        other = proxy.client(world.traveller("Ann", server).token)
        call = proxy.client().channel.unary_unary(stubs.METHODS["CreateUser"][0])
        body = other.request("CreateUser", email=f"{new_id()}@example.org", password=PASSWORD).SerializeToString()

        def resets():
            calls = [call.future(body, timeout=5) for _ in range(20)]
            other.ListBookings()
            for future in calls:
                future.cancel()
            return proxy.stat("cluster.faregate-auth.upstream_rq_tx_reset") > 300

        until(resets, 60, "many resets have reached the server")
