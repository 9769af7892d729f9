"""The same request_id: one effect, one answer, whoever asks how often."""

import concurrent.futures

import grpc
import pytest

from kit.client import Refusal, new_id, refused
from kit.world import PASSWORD, adult


def test_create_booking_replays_byte_for_byte(world, ann):
    offer = world.offer(ann)
    request = world.hold_request(ann, offer, metadata=[{"key": "k", "value": "v"}])
    first = ann.ask("CreateBooking", request)
    assert not first.replayed
    for client in (ann, ann.again()):
        again = client.ask("CreateBooking", request)
        assert again.replayed and again.raw == first.raw
    assert world.inventory(offer)[1] == 1
    # still the first answer when the booking has moved on
    booking = first.message
    world.pay(ann, booking)
    confirmed = world.booking(ann, booking, "CONFIRMED")
    assert ann.ask("CreateBooking", request).raw == first.raw
    assert booking.record_locator == confirmed.record_locator == ann.ListBookings().bookings[0].record_locator


def test_replay_with_seats(world, ann):
    offer = world.offer(ann)
    request = world.hold_request(ann, offer, seat_selections=[{"seat": world.free_seats(ann, offer)[0]}])
    first = ann.ask("CreateBooking", request)
    again = ann.ask("CreateBooking", request)
    assert again.replayed and again.raw == first.raw and len(first.message.seats) == 1


def test_instant_with_seats_goes_on_where_it_stopped(world, dev, ann):
    """Held with its seat where the provider cannot be reached; repeated where it can. Only an attempt that is committed may
    be sent: the server insists on it."""
    offer = world.offer(ann)
    request = world.hold_request(ann, offer, seat_selections=[{"seat": world.free_seats(ann, offer)[0]}],
                                 payment={"payment_method": world.card()})
    request.mode = request.INSTANT
    with dev.sibling("--provider-url=http://127.0.0.1:1") as lame:
        first = lame.client(ann.token).CreateBooking(request, timeout=15)
    assert world.state(first) == "HELD"
    assert first.state_reason == "NOT_RECEIVED"
    answer = ann.ask("CreateBooking", request, timeout=15)
    again = answer.message
    assert not answer.replayed, "it has paid"
    assert again.name == first.name and world.state(again) == "CONFIRMED"
    assert len(again.seats) == 1 and again.seats == first.seats
    assert world.dev.sql("SELECT count(*) FROM payment WHERE state = 'CAPTURED' AND booking_id = "
                         f"'{first.name.removeprefix('bookings/')}'") == [["1"]]
    world.same_books()


def test_twenty_at_once_book_once(world, ann):
    offer = world.offer(ann)
    request = world.hold_request(ann, offer)
    clients = [ann.again() for _ in range(20)]
    for client in clients:  # connected first, so that they really race
        client.SearchPlaces(query="x")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda c: c.ask("CreateBooking", request, timeout=15), clients))
    assert len({a.raw for a in answers}) == 1
    assert sum(not a.replayed for a in answers) == 1
    assert world.inventory(offer)[1] == 1
    assert len(ann.ListBookings().bookings) == 1


def test_twenty_at_once_pay_once(world, ann):
    booking = world.hold(ann)
    request = ann.request("CreatePaymentIntent", parent=booking.name, amount=booking.balance.due,
                          payment_method="pm_card_visa", confirm=True)

    def pay(client):
        for _ in range(20):
            try:
                return client.ask("CreatePaymentIntent", request, timeout=15).message.name
            except grpc.RpcError as error:
                refusal = Refusal(error)
                # All of them say: ask again with the same id.
                assert refusal.reason in ("REQUEST_IN_PROGRESS", "CONFLICT", "PAYMENT_IN_PROGRESS"), refusal
                world.wait(0.05)
        raise AssertionError("never answered")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        names = set(pool.map(pay, [ann.again() for _ in range(20)]))
    assert len(names) == 1
    world.booking(ann, booking, "CONFIRMED")
    world.same_books()


def test_other_contents_are_refused(world, ann):
    offer, other = world.offer(ann), world.offer(ann)
    request = world.hold_request(ann, offer)
    ann.CreateBooking(request)
    changed = world.hold_request(ann, other, request_id=request.request_id)
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH", "request_id"):
        ann.CreateBooking(changed)
    changed = world.hold_request(ann, offer, request_id=request.request_id, passengers=[adult("Anna")])
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH", "request_id"):
        ann.CreateBooking(changed)
    assert (world.inventory(offer)[1], world.inventory(other)[1]) == (1, 0)


def test_mismatch_in_the_other_services(world, ann):
    booking = world.hold(ann)
    key = new_id()
    ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due, request_id=key)
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH", "request_id"):
        ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due, request_id=key, confirm=True,
                                payment_method="pm_card_visa")
    user = {"email": f"{new_id()}@example.org", "password": PASSWORD, "request_id": key}
    ann.CreateUser(**user)
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH", "request_id"):
        ann.CreateUser(**{**user, "display_name": "Another"})
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH", "request_id"):
        ann.CreateUser(**{**user, "password": PASSWORD + "!"})


def test_ids_of_different_callers_do_not_meet(world, ann, bob):
    offer = world.offer(ann)
    key = new_id()
    first = ann.CreateBooking(world.hold_request(ann, offer, request_id=key))
    second = bob.CreateBooking(world.hold_request(bob, offer, request_id=key))
    assert first.name != second.name and world.inventory(offer)[1] == 2


@pytest.mark.parametrize("chosen", [False, True])
def test_refusals_replay(world, ann, chosen):
    offer = world.offer(ann)
    seats = [{"seat": world.free_seats(ann, offer)[0]}] if chosen else []
    request = world.hold_request(ann, offer, seat_selections=seats)
    world.leave_seats(offer, 0)
    with refused("FAILED_PRECONDITION", "SEATS_UNAVAILABLE") as first:
        ann.CreateBooking(request)
    world.leave_seats(offer, 10)
    with refused("FAILED_PRECONDITION", "SEATS_UNAVAILABLE") as again:
        ann.CreateBooking(request)
    assert not first[0].replayed and again[0].replayed
    assert world.state(world.hold(ann, offer, seat_selections=seats)) == "HELD", "a new id is a new request"


def test_a_taken_seat_stays_the_answer(world, ann, bob):
    """Also once it is free again. Of the hold that was to have it nothing is left."""
    offer = world.offer(ann, passengers=[("ADULT", 2)])
    wanted, other = world.free_seats(ann, offer)[:2]
    his = world.hold(bob, offer, passengers=[adult("Bob"), adult("Rob")], seat_selections=[{"seat": wanted}])
    before = world.inventory(offer)
    request = world.hold_request(ann, offer, [adult(), adult("Al")], seat_selections=[
        {"seat": other}, {"seat": wanted, "passenger_index": 1}])
    with refused("FAILED_PRECONDITION", "SEAT_TAKEN", "seat_selections[1].seat") as first:
        ann.CreateBooking(request)
    assert world.inventory(offer) == before and not ann.ListBookings().bookings
    assert other in world.free_seats(ann, offer)
    bob.ConfirmCancellation(name=bob.CreateCancellation(parent=his.name).name)
    with refused("FAILED_PRECONDITION", "SEAT_TAKEN") as again:
        ann.CreateBooking(request)
    assert not first[0].replayed and again[0].replayed
    changed = world.hold_request(ann, offer, [adult(), adult("Al")], request_id=request.request_id)
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH", "request_id"):
        ann.CreateBooking(changed)
    request.request_id = new_id()
    assert len(ann.CreateBooking(request).seats) == 2
    world.same_books()


def test_twenty_at_once_are_refused_a_seat_once(world, ann, bob):
    """The same request again and again, and others for the seats it lets go."""
    offer = world.offer(ann, passengers=[("ADULT", 2)])
    taken, left, right = world.free_seats(ann, offer)[:3]
    world.hold(bob, offer, passengers=[adult("Bob"), adult("Rob")], seat_selections=[{"seat": taken}])

    def wish(client, seats):
        return world.hold_request(client, offer, [adult(), adult("Al")], seat_selections=[
            {"seat": seat, "passenger_index": i} for i, seat in enumerate(seats)])

    def book(pair):
        try:
            return pair[0].ask("CreateBooking", pair[1], timeout=15).message.name
        except grpc.RpcError as error:
            return Refusal(error).reason

    lost = wish(ann, [left, taken])
    calls = [(ann.again(), lost) for _ in range(10)] + [(bob.again(), wish(bob, [right, left])) for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(book, calls))
    assert set(answers[:10]) == {"SEAT_TAKEN"}
    won = [a for a in answers[10:] if a.startswith("bookings/")]
    assert len(won) == 1 and set(answers[10:]) == {"SEAT_TAKEN", *won}
    assert world.inventory(offer)[1] == 2 + 2 * len(won)
    world.same_books()


def test_what_was_never_tried_is_not_recorded(world, ann):
    """Validation and authentication come before the claim: the same id works once they are right."""
    offer = world.offer(ann)
    request = world.hold_request(ann, offer)
    surname = request.passengers[0].surname
    request.passengers[0].surname = ""
    with refused("INVALID_ARGUMENT", "FIELD_INVALID"):
        ann.CreateBooking(request)
    request.passengers[0].surname = surname
    with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        world.dev.client().CreateBooking(request)
    assert not ann.ask("CreateBooking", request).replayed


def test_cancelling_twice_gives_money_back_once(world, ann):
    booking, _ = world.ticketed(ann)
    quoting = ann.request("CreateCancellation", parent=booking.name)
    quote = ann.ask("CreateCancellation", quoting)
    assert ann.ask("CreateCancellation", quoting).replayed
    request = ann.request("ConfirmCancellation", name=quote.message.name)
    first = ann.ask("ConfirmCancellation", request)
    again = ann.ask("ConfirmCancellation", request)
    assert again.replayed and again.message.refund_resource == first.message.refund_resource
    with refused("FAILED_PRECONDITION"):
        ann.ConfirmCancellation(name=quote.message.name)
    world.booking(ann, booking, "CANCELLED")
    world.same_books()


def test_tokens_of_a_repeated_login_are_the_same(world):
    client = world.dev.client()
    email = f"{new_id()}@example.org"
    client.CreateUser(email=email, password=PASSWORD)
    request = client.request("CreateSession", email=email, password=PASSWORD)
    first, again = client.ask("CreateSession", request), client.ask("CreateSession", request)
    assert again.replayed and again.message.tokens.refresh_token == first.message.tokens.refresh_token
    request.password = "something else entirely"
    with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
        client.CreateSession(request)
