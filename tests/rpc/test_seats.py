"""Seats: never more than there are, given back when a hold ends, each to one passenger."""

import concurrent.futures
import datetime
import os
import signal
import time

import grpc
import pytest

from kit.client import Refusal, refused
from kit.instance import Serve, until
from kit.lock import Lock
from kit.world import adult


def race(world, offer, clients, parties):
    """All at once; ("ok" or reason) of each."""
    def book(pair):
        client, party = pair
        try:
            client.CreateBooking(world.hold_request(client, offer[party], [adult() for _ in range(party)]), timeout=15)
            return "ok"
        except grpc.RpcError as error:
            return Refusal(error).reason

    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(book, zip(clients, parties)))


@pytest.mark.parametrize("seats", [1, 7])
def test_many_race_for_the_last_seats(world, seats):
    users = [world.traveller() for _ in range(8)]
    clients = [user.again() for user in users for _ in range(4)]
    for client in clients:
        client.SearchPlaces(query="x")
    offer = world.offer()
    world.leave_seats(offer, seats)
    outcomes = race(world, {1: offer}, clients, [1] * len(clients))
    assert outcomes.count("ok") == seats, outcomes
    assert set(outcomes) <= {"ok", "SEATS_UNAVAILABLE"}
    assert world.inventory(offer)[0] == 0


def test_parties_of_different_sizes_fill_exactly(world):
    """A large party that does not fit must not keep a small one out."""
    users = [world.traveller() for _ in range(8)]
    trip = world.trip()
    offers = {n: world.search(trip, passengers=[("ADULT", n)]).offers[0] for n in (1, 3)}
    assert world.flight_id(offers[1]) == world.flight_id(offers[3])
    world.leave_seats(offers[1], 5)
    parties = [3, 3, 1, 1, 3, 1, 3, 1, 1, 1, 3, 1, 1, 1, 3, 1]
    outcomes = race(world, offers, [user.again() for user in users for _ in range(2)], parties)
    assert set(outcomes) <= {"ok", "SEATS_UNAVAILABLE"}, outcomes
    assert sum(p for p, o in zip(parties, outcomes) if o == "ok") == 5, outcomes
    assert world.inventory(offers[1])[0] == 0


def test_sold_out_is_seen_in_a_search(world, ann):
    trip = world.trip()
    while True:
        offers = world.search(trip, ann, page_size=50).offers
        if not offers:
            break
        world.leave_seats(offers[0], 0)
    with refused("FAILED_PRECONDITION", "SEATS_UNAVAILABLE"):
        offer = world.offer(ann)
        world.leave_seats(offer, 0)
        world.hold(ann, offer)


def test_a_lost_race_is_run_again_and_counted(world, ann):
    """The seats were there when the hold began, and are gone once it may write: it looks again."""
    def rewinds():
        return world.dev.metrics()["faregate_db_rewinds_total"]

    offer = world.offer(ann)
    request, before = world.hold_request(ann, offer), rewinds()
    taken = (f"UPDATE inventory SET free = 0, authorised = taken WHERE cabin = 1 "
             f"AND flight_id = '{world.flight_id(offer)}'")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with Lock(world.dev, taken, end="COMMIT") as lock:
            call = pool.submit(ann.CreateBooking, request)
            lock.wait_for_a_waiter()
        with refused("FAILED_PRECONDITION", "SEATS_UNAVAILABLE"):
            call.result()
    until(lambda: rewinds() > before, 5, "it is counted")


def test_a_hold_ends(world):
    """Its seats come back by the clock, not by the sweeper's grace; paying it is too late."""
    with world.dev.sibling("--hold-seconds=2") as server:
        ann = world.traveller("Ann", server)
        offer = world.offer(ann)
        before = world.inventory(offer)
        seat = world.free_seats(ann, offer)[0]
        booking = world.hold(ann, offer, seat_selections=[{"seat": seat}])
        left = booking.payment_required_time.seconds - booking.create_time.seconds
        assert 1 <= left <= 3
        world.wait(2.1)
        seen = ann.GetBooking(name=booking.name)
        assert world.state(seen) == "EXPIRED"
        assert {a.reason for a in seen.available_actions if a.action == a.PAY} == {"HOLD_EXPIRED"}
        with refused("FAILED_PRECONDITION", "HOLD_EXPIRED"):
            ann.CreatePaymentIntent(parent=booking.name, amount=offer.price.total, confirm=True,
                                    payment_method="pm_card_visa")
        until(lambda: world.inventory(offer) == before, 10, "the sweeper of the other server")
        booking = ann.GetBooking(name=booking.name)
        assert world.state(booking) == "EXPIRED" and not booking.seats
        events = ann.ListBookingEvents(parent=booking.name).events
        assert events[-1].actor == "system"
        assert seat in world.free_seats(ann, offer)
        assert world.state(world.hold(ann, offer, seat_selections=[{"seat": seat}])) == "HELD"


def test_a_hold_that_is_locked_when_it_ends_ends_later(world):
    """The sweeper passes over who is being changed, and comes back for them."""
    with world.dev.sibling("--hold-seconds=2") as server:
        ann = world.traveller("Ann", server)
        offer = world.offer(ann)
        before = world.inventory(offer)
        booking = world.hold(ann, offer)
        with Lock(world.dev, f"SELECT FROM booking WHERE booking_id = '{booking.name.split('/')[-1]}' FOR UPDATE"):
            world.wait(4.5)
            assert world.inventory(offer) != before
        until(lambda: world.inventory(offer) == before, 10, "it comes back")


@pytest.mark.parametrize("ended,swept", [(-72, -96), (-2, 1)])
def test_holds_that_ended_while_nobody_swept_end_at_the_next_start(world, ann, ended, swept):
    """However long nobody did, and by whatever clock; the sweeper that runs is past them."""
    offer = world.offer(ann)
    before = world.inventory(offer)
    booking = world.hold(ann, offer)
    world.dev.sql(f"UPDATE booking SET payment_required_time = now() + interval '{ended} hours' "
                  f"WHERE booking_id = '{booking.name.split('/')[-1]}'")
    world.wait(1)
    assert world.inventory(offer) != before
    jobs, = (pid for name, pid in world.dev.pids().items() if name.startswith("jobs"))
    os.kill(jobs, signal.SIGSTOP)  # or it may write its own watermark over ours
    try:
        world.dev.sql(f"UPDATE sweep SET watermark = now() + interval '{swept} hours'")
        with world.dev.sibling(jobs=True):
            until(lambda: world.inventory(offer) == before, 10, "its seats are back")
    finally:
        os.kill(jobs, signal.SIGCONT)
    assert world.state(ann.GetBooking(name=booking.name)) == "EXPIRED"


def test_a_sweep_that_fails_on_its_way_leaves_nothing_behind(world, ann):
    """The statement is asked again, and what it should have looked at is not taken for seen."""
    offer = world.offer(ann)
    before = world.inventory(offer)
    booking = world.hold(ann, offer)
    world.dev.sql("UPDATE booking SET payment_required_time = now() - interval '5 hours' "
                  f"WHERE booking_id = '{booking.name.split('/')[-1]}'")
    world.dev.sql("CREATE SEQUENCE fault")
    world.dev.sql("CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "IF nextval('fault') <= 8 THEN RAISE EXCEPTION 'fault' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$")
    jobs, = (pid for name, pid in world.dev.pids().items() if name.startswith("jobs"))
    os.kill(jobs, signal.SIGSTOP)
    try:
        world.dev.sql("CREATE TRIGGER fault BEFORE UPDATE ON booking FOR EACH ROW WHEN (NEW.state = 'EXPIRED') "
                      "EXECUTE FUNCTION fault()")
        world.dev.sql("UPDATE sweep SET watermark = now() - interval '8 hours'")
        with world.dev.sibling(jobs=True):
            until(lambda: world.inventory(offer) == before, 10, "its seats are back")
        assert int(world.dev.sql("SELECT last_value FROM fault")[0][0]) > 8
    finally:
        world.dev.sql("DROP TRIGGER IF EXISTS fault ON booking")
        world.dev.sql("DROP FUNCTION fault")
        world.dev.sql("DROP SEQUENCE fault")
        os.kill(jobs, signal.SIGCONT)
    assert world.state(ann.GetBooking(name=booking.name)) == "EXPIRED"


def test_holds_end_after_the_clock_was_set_back(world, ann, clock):
    """At times that the sweeper has been at already, by the clock as it was."""
    offer = world.offer(ann)
    before = world.inventory(offer)
    jobs, = (pid for name, pid in world.dev.pids().items() if name.startswith("jobs"))
    os.kill(jobs, signal.SIGSTOP)
    try:
        clock.set("5 minutes")
        with Serve(clock.conninfo, world.dev.data, jobs=True) as server:
            until(lambda: server.metrics().get("faregate_holds_swept_until_seconds", 0) > time.time() + 240, 10,
                  "it has swept ahead")
            clock.set("0")
            booking = world.hold(ann, offer)
            world.dev.sql("UPDATE booking SET payment_required_time = now() "
                          f"WHERE booking_id = '{booking.name.split('/')[-1]}'")
            until(lambda: world.inventory(offer) == before, 10, "its seats are back")
            until(lambda: world.dev.sql("SELECT watermark < now() FROM sweep") == [["t"]], 10, "and so is the mark")
    finally:
        os.kill(jobs, signal.SIGCONT)


def test_an_unpaid_hold_can_be_given_back(world, ann):
    offer = world.offer(ann)
    before = world.inventory(offer)
    booking = world.hold(ann, offer)
    quote = ann.CreateCancellation(parent=booking.name)
    assert (quote.refund.units, quote.penalty.units) == (0, 0)
    ann.ConfirmCancellation(name=quote.name)
    assert world.state(ann.GetBooking(name=booking.name)) == "CANCELLED"
    assert world.inventory(offer) == before
    with refused("FAILED_PRECONDITION", "BOOKING_STATE"):
        world.pay(ann, booking)


def test_quotes(world, ann):
    booking, _ = world.ticketed(ann)
    first, second = ann.CreateCancellation(parent=booking.name), ann.CreateCancellation(parent=booking.name)
    with refused("FAILED_PRECONDITION", "QUOTE_SUPERSEDED"):
        ann.ConfirmCancellation(name=first.name)
    with refused("ABORTED", "ETAG_MISMATCH"):
        ann.CreateCancellation(parent=booking.name, etag="W0")
    with world.dev.sibling("--cancellation-quote-seconds=1") as server:
        client = server.client(ann.token)
        quote = client.CreateCancellation(parent=booking.name)
        world.wait(1.2)
        with refused("FAILED_PRECONDITION", "QUOTE_EXPIRED"):
            client.ConfirmCancellation(name=quote.name)
    with refused("FAILED_PRECONDITION"):
        ann.ConfirmCancellation(name=second.name)
    assert world.state(ann.GetBooking(name=booking.name)) == "CONFIRMED"


# ---- the seat map


def seat_map(client, offer, **more):
    return client.GetSeatMap(name=offer.journeys[0].segments[0].flight + "/seatMap", **more)


def test_seat_map(world, ann):
    offer = world.offer(ann)
    whole = seat_map(ann, offer)
    names = [s.designator for c in whole.cabins for r in c.rows for s in r.seats]
    assert len(names) == len(set(names)) > 20
    for cabin in whole.cabins:
        free = [s for r in cabin.rows for s in r.seats if s.available]
        assert cabin.available_count == len(free)
        for row in cabin.rows:
            assert [f"{row.number}{letter}" for letter in cabin.columns if letter != "-"][:1] == [row.seats[0].designator] \
                or len(row.seats) < len(cabin.columns.replace("-", ""))
    only = seat_map(ann, offer, cabin="ECONOMY")
    assert [c.cabin for c in only.cabins] == [1]
    with refused("NOT_FOUND", "NOT_FOUND"):
        ann.GetSeatMap(name="flights/00000000-0000-7000-8000-000000000000/seatMap")


def test_a_seat_is_taken_once(world, ann, bob):
    offer = world.offer(ann)
    seat, other = world.free_seats(ann, offer)[:2]
    booking = world.hold(ann, offer, seat_selections=[{"seat": seat}])
    assert booking.seats[0].seat == seat
    assert seat not in world.free_seats(bob, offer)
    before = world.inventory(offer)
    with refused("FAILED_PRECONDITION", "SEAT_TAKEN"):
        world.hold(bob, offer, seat_selections=[{"seat": seat}])
    assert world.inventory(offer) == before, "the refused booking holds nothing"
    theirs = world.hold(bob, offer, seat_selections=[{"seat": other}])
    world.pay(bob, theirs)
    theirs = world.booking(bob, theirs, "CONFIRMED")
    assert theirs.tickets[0].coupons[0].seat == other


def test_who_waits_to_choose_seats_holds_nobody_else_up(world, ann, bob):
    """A booking with seats is a transaction: the queue for its connections refuses other such bookings alone."""
    with world.dev.sibling("--db-leases-max=1", "--queue-wait-max-ms=400") as server:
        offer, booking = world.offer(), world.hold(bob)
        seats = world.free_seats(ann, offer)
        chooser, payer = server.client(ann.token), server.client(bob.token)

        def choose(seat, timeout=20):
            try:
                request = world.hold_request(chooser, offer, seat_selections=[{"seat": seat}])
                return world.state(chooser.CreateBooking(request, timeout=timeout))
            except grpc.RpcError as error:
                return Refusal(error).reason

        def accepted(call):
            try:
                call()
            except grpc.RpcError as error:
                assert Refusal(error).reason == "OVERLOADED", error
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            with Lock(server, f"SELECT FROM inventory WHERE flight_id = '{world.flight_id(offer)}' FOR UPDATE") as lock:
                waiting = [pool.submit(choose, seats[0])]
                lock.wait_for_a_waiter()
                waiting.append(pool.submit(choose, seats[1]))
                until(lambda: choose(seats[2], timeout=0.3) == "OVERLOADED", 10, "the queue is long")
                # Again, since a machine that stands still makes a queue of its own.
                until(lambda: accepted(lambda: payer.RefreshSession(refresh_token=bob.tokens.refresh_token)), 8, "a refresh")
                until(lambda: accepted(lambda: world.pay(payer, booking)), 8, "a payment")
            assert [w.result() for w in waiting] == ["HELD", "HELD"]
        until(lambda: choose(seats[2]) == "HELD", 10, "the queue is gone")


def test_seats_that_cannot_be(world, ann):
    offer = world.offer(ann)
    seat = world.free_seats(ann, offer)[0]
    for selections in ([{"seat": "99Z"}], [{"seat": "1"}], [{"seat": seat, "segment_index": 3}],
                       [{"seat": seat, "passenger_index": 4}], [{"seat": seat}, {"seat": seat}]):
        with pytest.raises(grpc.RpcError) as caught:
            world.hold(ann, offer, seat_selections=selections)
        refusal = Refusal(caught.value)
        assert refusal.reason in ("SEAT_TAKEN", "FIELD_INVALID"), refusal
        assert refusal.fields and refusal.fields[0].startswith("seat_selections"), refusal
    assert world.inventory(offer)[1] == 0


def test_no_child_sits_at_an_exit(world, ann):
    offer = world.offer(ann, passengers=(("ADULT", 2), ("CHILD", 1), ("INFANT_ON_LAP", 1)))
    exits = [s.designator for c in seat_map(ann, offer, cabin="ECONOMY").cabins for r in c.rows if r.exit_row
             for s in r.seats if s.available]
    this_year = datetime.date.today().year
    party = [adult(), adult("Bo"), adult("Cy", type="CHILD", birth_date={"year": this_year - 7, "month": 1, "day": 1}),
             adult("Di", type="INFANT_ON_LAP", birth_date={"year": this_year - 1, "month": 6, "day": 1}, adult_index=1)]
    for passenger in (1, 2):
        with refused("INVALID_ARGUMENT", "FIELD_INVALID", "seat_selections[0]"):
            world.hold(ann, offer, passengers=party, seat_selections=[{"seat": exits[0], "passenger_index": passenger}])
    assert world.hold(ann, offer, passengers=party, seat_selections=[{"seat": exits[0]}]).seats[0].seat == exits[0]


def test_many_race_for_one_seat(world):
    users = [world.traveller() for _ in range(8)]
    offer = world.offer()
    seat = world.free_seats(users[0], offer)[0]

    def book(user):
        try:
            return world.hold(user, offer, seat_selections=[{"seat": seat}]).name
        except grpc.RpcError as error:
            return Refusal(error).reason

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(book, users))
    assert outcomes.count("SEAT_TAKEN") == 7, outcomes
    assert world.inventory(offer)[1] == 1
