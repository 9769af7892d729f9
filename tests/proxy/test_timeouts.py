"""Time: who ends a call that takes too long, and what the others learn of it."""

import time

import grpc
import pytest

from front import Envoy
from kit.lock import Lock
from kit.world import adult


def lock(world, offer):
    """Whoever books @offer's flight waits until it is released."""
    return Lock(world.dev, f"SELECT FROM inventory WHERE flight_id = '{world.flight_id(offer)}' FOR UPDATE")


def stuck_call(world, server, client, timeout=30):
    """A booking that waits for a lock, and how it ended: (code, message, seconds, the server's event)."""
    ann = world.traveller("Ann", world.dev)
    offer = world.offer(ann)
    request = world.hold_request(ann, offer)
    client.token = ann.token
    with lock(world, offer):
        began = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            client.ask("CreateBooking", request, timeout=timeout)
        took = time.monotonic() - began
        event = server.event(lambda e: e.get("request_id") == request.request_id)
    return caught.value.code().name, caught.value.details(), took, event


def test_the_deadline_of_a_client_reaches_the_server(world, proxy, rest_server):
    """grpc-timeout passes every proxy, so that the server ends its work as well."""
    code, _, took, event = stuck_call(world, rest_server, proxy.client(), timeout=1)
    assert code == "DEADLINE_EXCEEDED" and took < 5
    assert event["status"] in ("DEADLINE_EXCEEDED", "CANCELLED"), event
    # gRPC C++ rounds up to three digits: an instant over 1000 ms leaves as 1010m.
    assert 500 < event["timeout_ms"] <= 1010, event


def test_envoy_ends_a_call_without_a_deadline(world, dev):
    """max_stream_duration: Envoy answers, and resets the stream so that the server stops."""
    with dev.sibling() as server, Envoy([server], changes=[
            ("{max_stream_duration: 15s, grpc", "{max_stream_duration: 1s, grpc")]) as proxy:
        code, message, took, event = stuck_call(world, server, proxy.client(), timeout=None)
        assert code == "DEADLINE_EXCEEDED" and 0.9 < took < 6, (code, message, took)
        assert event["status"] in ("CANCELLED", "DEADLINE_EXCEEDED"), event


def test_envoy_caps_what_a_client_asks_for(world, dev):
    with dev.sibling() as server, Envoy([server], changes=[
            ("grpc_timeout_header_max: 60s", "grpc_timeout_header_max: 1s")]) as proxy:
        code, message, took, event = stuck_call(world, server, proxy.client(), timeout=20)
        assert code == "DEADLINE_EXCEEDED" and took < 6, (code, message, took)


def test_a_route_timeout_is_no_refusal_of_the_server(world, dev):
    """The usual Envoy config has a route timeout. It is Envoy's answer; the server sees a cancelled call, and the same
    request again finds out what became of it."""
    with dev.sibling() as server, Envoy([server], changes=[
            ("                  timeout: 0s\n                  max_stream_duration: {max_stream_duration: 15s, "
             "grpc_timeout_header_max: 60s}", "                  timeout: 1s")]) as proxy:
        code, message, took, event = stuck_call(world, server, proxy.client(), timeout=20)
        assert code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") and "timeout" in message and took < 6, (code, message, took)
        assert event["status"] in ("CANCELLED", "DEADLINE_EXCEEDED"), event


def test_a_cancelled_call_is_cancelled_behind_the_proxy(world, proxy, rest_server):
    ann = world.traveller("Ann", world.dev)
    offer = world.offer(ann)
    request = world.hold_request(ann, offer, [adult()])
    with lock(world, offer) as held:
        client = proxy.client(ann.token)
        path, cls = "/faregate.v1.BookingService/CreateBooking", type(request)
        call = client.channel.unary_unary(path, cls.SerializeToString).future(
            request, timeout=20, metadata=[("authorization", "Bearer " + ann.token)])
        held.wait_for_a_waiter()
        call.cancel()
        assert rest_server.event(lambda e: e.get("request_id") == request.request_id)["status"] == "CANCELLED"
