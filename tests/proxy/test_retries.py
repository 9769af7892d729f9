"""Envoy tries again: on a gRPC status it does so only where that status is in the first and last block of headers, which
is what our failures are. Two servers, one of which refuses what the other does."""

import json
import time

import grpc
import pytest

from front import BLIND, Envoy, take_call
from kit import stubs
from kit.client import new_id, refused
from kit.instance import until
from kit.patience import tries
from kit.world import adult

# The shipped policy leaves the order to chance: one of two servers may not be chosen for many calls.
IN_TURN = ("lb_policy: LEAST_REQUEST", "lb_policy: ROUND_ROBIN")
LINE = "retry_on: connect-failure,refused-stream,reset,unavailable"


def retry_on(words, retries=3):
    return [(LINE, f"retry_on: {words}"), ("num_retries: 3", f"num_retries: {retries}")]


def retried(proxy, cluster="faregate"):
    return proxy.stat(f"cluster.{cluster}.upstream_rq_retry")


def counts(server, request_id):
    return [e["status"] for e in server.events() if e.get("request_id") == request_id]


@pytest.fixture(scope="module")
def plain(dev):
    with dev.sibling("--lame-duck-ms=0") as server:
        yield server


def test_unavailable_goes_to_another_server(world, dev, plain):
    """One server is too busy for anything, because its only call is taken. What it refuses, the other one does, once."""
    with dev.sibling("--calls-max=1") as full, Envoy([full, plain], changes=[IN_TURN, BLIND]) as proxy:
        taken = until(lambda: take_call(full), 10, "the only call is taken")
        ann = world.traveller("Ann", plain)
        client = proxy.client(ann.token)
        offer = world.offer(ann)
        for made in tries(lambda: retried(proxy) > 0, 5):
            request = world.hold_request(ann, offer)
            assert client.ask("CreateBooking", request).replayed is False
            assert world.inventory(offer)[1] == made
        assert retried(proxy) > 0, "some booking begins at the busy server"
        taken.cancel()


def test_a_provider_that_is_down_is_not_asked_again(world, dev):
    """UNAVAILABLE as well, but the same from every server, and each try counts against the payer."""
    with dev.sibling("--provider-url=http://127.0.0.1:1") as lame, Envoy([lame]) as proxy:
        ann = world.traveller("Ann", proxy)
        booking = world.hold(ann)
        with refused("UNAVAILABLE", "PROVIDER_UNAVAILABLE") as seen:
            world.pay(ann, booking)
        assert seen[0].pushback_ms == "1000" and retried(proxy) == 0
        tries = world.dev.sql("SELECT count(*) FROM payment_attempt WHERE booking_id = "
                              f"'{booking.name.removeprefix('bookings/')}'")
        assert tries == [["1"]]


def test_a_retried_change_has_one_effect(world, dev, plain):
    """A server that makes the booking and then may not send so large an answer (RESOURCE_EXHAUSTED): Envoy asks the other
    one, which finds the request_id used and answers with the booking that is there."""
    with dev.sibling("--reply-bytes-max=1024") as mute, \
            Envoy([mute, plain], changes=[IN_TURN, *retry_on("resource-exhausted")]) as proxy:
        ann = world.traveller("Ann", plain)
        client = proxy.client(ann.token)
        offer = world.offer(ann, passengers=(("ADULT", 4),))
        for made in tries(lambda: answer.replayed, 5):
            request = world.hold_request(ann, offer, [adult("A" + 28 * n, "L" + 28 * "e") for n in "abcd"])
            answer = client.ask("CreateBooking", request)
            assert len(answer.raw) > 1024
            assert world.inventory(offer)[1] == 4 * made and made == len(ann.ListBookings().bookings)
        assert answer.replayed and retried(proxy) > 0, "some booking begins at the mute server"
        until(lambda: (counts(mute, request.request_id), counts(plain, request.request_id)) == (
            ["RESOURCE_EXHAUSTED"], ["OK"]), 5, "both servers log their part")


def test_deadline_exceeded_goes_to_another_server(world, dev, plain):
    """A server that allows no method more than a millisecond; a password hash takes more."""
    with dev.sibling("--deadline-max-ms=1") as hasty, Envoy(
            [hasty, plain], wait=False, changes=[IN_TURN, *retry_on("deadline-exceeded")]) as proxy:
        until(lambda: proxy.hosts("faregate-auth").get(plain.port) == "", 10, "the patient one is found")
        for _ in tries(lambda: retried(proxy, "faregate-auth") > 0, 20):
            assert world.traveller("Ann", proxy).user.name
        assert retried(proxy, "faregate-auth") > 0, "some call begins at the hasty server"


@pytest.mark.parametrize("words, code, method, body", [
    ("internal", "INTERNAL", "SearchPlaces", b"\xff\xff"),
    ("unavailable,internal,resource-exhausted", "INVALID_ARGUMENT", "GetFlight", b""),
    ("unavailable,internal,resource-exhausted", "UNAUTHENTICATED", "ListBookings", b""),
])
def test_only_what_was_asked_for_is_retried(world, plain, words, code, method, body):
    with Envoy([plain], changes=retry_on(words, 2)) as proxy:
        with refused(code):
            proxy.client().raw(stubs.METHODS[method][0], body)
        assert retried(proxy) == (2 if code.lower() in words else 0)


def test_refused_streams_cost_nothing(world, dev):
    """A burst on a connection whose SETTINGS have not arrived: what is over the limit is refused unprocessed, and Envoy
    sends it again."""
    with dev.sibling("--streams-max=2") as narrow, Envoy([narrow], changes=[
            *retry_on("refused-stream", 10), ("budget_percent: {value: 20}, min_retry_concurrency: 10",
                                              "budget_percent: {value: 100}, min_retry_concurrency: 1000")]) as proxy:
        client = proxy.client()
        path, request, reply = stubs.METHODS["SearchPlaces"]
        call = client.channel.unary_unary(path, request.SerializeToString, reply.FromString)
        for calls in [call.future(request(query="london"), timeout=20) for _ in range(60)]:
            assert calls.result().places


def test_attempts_are_counted(world, plain):
    """Envoy says which attempt this is, gRPC clients how many there were: both are in the log of the last one."""
    with Envoy([plain], changes=retry_on("internal", 2)) as proxy:
        agent = f"attempts-{new_id()}"
        channel = grpc.insecure_channel(proxy.target, options=[("grpc.primary_user_agent", agent),
                                                               ("grpc.use_local_subchannel_pool", 1)])
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(stubs.METHODS["SearchPlaces"][0])(b"\xff\xff", timeout=5)

        def seen():
            return [e.get("previous_attempts", 0) for e in plain.events() if agent in e.get("user_agent", "")]

        until(lambda: len(seen()) == 3, 5, "three attempts")
        assert seen() == [0, 1, 2]


def test_a_clients_own_retries_hear_the_pushback(world, dev):
    """grpc-retry-pushback-ms passes: a client that may retry waits as long as the server says, not as its own back-off."""
    with dev.sibling("--provider-url=http://127.0.0.1:1", "--provider-timeout-ms=300") as lame, \
            Envoy([lame]) as proxy:
        ann = world.traveller("Ann", proxy)
        booking = world.hold(ann)
        policy = {"methodConfig": [{"name": [{}], "retryPolicy": {
            "maxAttempts": 2, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
            "retryableStatusCodes": ["UNAVAILABLE"]}}]}
        channel = grpc.insecure_channel(proxy.target, options=[("grpc.service_config", json.dumps(policy)),
                                                               ("grpc.use_local_subchannel_pool", 1)])
        path, request, reply = stubs.METHODS["CreatePaymentIntent"]
        began = time.monotonic()
        with refused("UNAVAILABLE", "PROVIDER_UNAVAILABLE") as seen:
            channel.unary_unary(path, request.SerializeToString, reply.FromString)(
                request(parent=booking.name, amount=booking.balance.due, confirm=True, payment_method=world.card(),
                        request_id=new_id()), timeout=15, metadata=[("authorization", "Bearer " + ann.token)])
        assert seen[0].pushback_ms == "1000" and seen[0].retry_s == 1
        assert time.monotonic() - began >= 1
        until(lambda: [e.get("previous_attempts", 0) for e in lame.events()
                       if e.get("method", "").endswith("CreatePaymentIntent")] == [0, 1], 5, "two attempts, counted")
