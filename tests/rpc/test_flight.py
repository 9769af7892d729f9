"""The main job, from registration to refund, by two clients that nobody here wrote."""

import os
import re
import shutil
import subprocess

from kit import stubs
from kit.client import refused
from kit.world import PASSWORD, adult, minor

Event = stubs.booking.BookingEvent


def test_a_traveller_flies_through_everything(world):
    # register and log in
    ann = world.dev.client()
    user = ann.CreateUser(email="ann.the.first@example.org", password=PASSWORD, display_name="Ann Lee")
    ann.log_in("ann.the.first@example.org", PASSWORD)
    me = ann.GetUser(name="users/me")
    assert (me.name, me.email, me.display_name) == (user.name, "ann.the.first@example.org", "Ann Lee")

    # search
    trip = world.trip()
    places = ann.SearchPlaces(query=trip[0]).places
    assert any(p.iata_code == trip[0] for p in places)
    brief = world.search(trip, ann).offers[0]
    segment = brief.journeys[0].segments[0]
    assert (segment.origin, segment.destination) == trip[:2]
    assert ann.GetFlight(name=segment.flight).flight_number == segment.flight_number
    offer = ann.GetOffer(name=brief.name)
    total = minor(offer.price.total)
    assert total == minor(offer.price.base_fare) + sum(minor(t.amount) for t in offer.price.taxes) > 0
    assert brief.price.total == offer.price.total and offer.conditions and offer.allowances

    # hold
    free, taken = world.inventory(offer)
    booking = ann.CreateBooking(offer=offer.name, mode="HOLD", passengers=[adult()], expected_total=offer.price.total)
    assert world.state(booking) == "HELD" and re.fullmatch("[A-Z2-9]{6}", booking.record_locator)
    assert booking.price == offer.price and minor(booking.balance.due) == total
    assert booking.passengers[0].surname == "Lee" and booking.user == user.name
    assert world.inventory(offer) == (free - 1, taken + 1)
    assert ann.GetBooking(name=booking.name) == booking

    # pay
    intent = ann.CreatePaymentIntent(parent=booking.name, amount=offer.price.total, payment_method="pm_card_visa",
                                     confirm=True, timeout=15)
    assert world.state(intent) in ("AUTHORIZED", "CAPTURED")
    intent = world.intent(ann, intent, "CAPTURED")
    assert minor(intent.amount_captured) == total
    assert (intent.latest_attempt.card.brand, intent.latest_attempt.card.last4) == ("visa", "4242")

    # ticketed
    booking = ann.GetBooking(name=booking.name)
    assert world.state(booking) == "CONFIRMED" and minor(booking.balance.captured) == total
    assert minor(booking.balance.due) == 0 and booking.payment_intent == intent.name
    ticket, = booking.tickets
    assert ticket.price == booking.price.total
    assert re.fullmatch(r"\d{13}", ticket.number) and int(ticket.number[3:]) % 7 == ticket.check_digit
    coupon, = ticket.coupons
    assert coupon.flight == segment.flight and coupon.State.Name(coupon.state) == "OPEN"
    assert world.inventory(offer) == (free - 1, taken + 1)
    assert [b.name for b in ann.ListBookings().bookings] == [booking.name]

    # cancel: a quote first, then for real; within 24 hours all comes back
    quote = ann.CreateCancellation(parent=booking.name)
    assert world.state(quote) == "QUOTED" and minor(quote.refund) == total and minor(quote.penalty) == 0
    assert world.state(ann.GetBooking(name=booking.name)) == "CONFIRMED"
    done = ann.ConfirmCancellation(name=quote.name, timeout=15)
    assert world.state(done) in ("CONFIRMING", "APPLIED") and done.refund_resource

    # refunded
    booking = world.booking(ann, booking, "CANCELLED")
    refund = ann.GetRefund(name=done.refund_resource)
    assert world.state(refund) == "SUCCEEDED" and minor(refund.amount) == total
    assert minor(booking.balance.refunded) == total
    assert booking.tickets[0].coupons[0].State.Name(booking.tickets[0].coupons[0].state) in ("REFUNDED", "VOID")
    assert world.inventory(offer) == (free, taken)

    # history: dense, in order, ending where the booking is
    events = ann.ListBookingEvents(parent=booking.name).events
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    assert stubs.booking.Booking.State.Name(events[-1].after) == "CANCELLED"
    kinds = [Event.Type.Name(e.type) for e in events]
    told = ["CREATED", "PAYMENT_STARTED", "BOOKING_CONFIRMED", "CANCELLATION_QUOTED", "CANCELLATION_CONFIRMED",
            "BOOKING_CANCELLED"]
    assert [k for k in kinds if k in told] == told, kinds
    for before, after in zip(events, events[1:]):
        assert after.before == before.after

    # both sides moved the same money, and nobody else sees any of it
    world.same_books()
    bob = world.traveller("Bob")
    for name, of in (("GetBooking", booking.name), ("GetPaymentIntent", intent.name), ("GetRefund", refund.name)):
        with refused("NOT_FOUND", "NOT_FOUND"):
            bob.ask(name, name=of)


def test_the_guide_works_when_pasted(world):
    """Exactly the text that `faregate dev` prints, in a shell."""
    guide = world.dev.guide()
    script = guide[guide.index("# Paste"):]
    assert shutil.which("grpcurl"), "grpcurl is not on the PATH (./dev test brings it)"
    done = subprocess.run(["bash", "-euo", "pipefail"], input=script, capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    assert '"state": "CONFIRMED"' in done.stdout and '"tickets"' in done.stdout, done.stdout
    assert '"checks"' in done.stdout and done.stdout.rstrip().endswith("}"), "faregate check had the last word"


def test_return_trip_for_a_family(world, ann):
    """Two adults, a child and a lap infant, there and back: four tickets, three seats, two coupons each."""
    origin, destination, date = world.trip()
    back = world.dev.sql(f"""SELECT departure_date FROM inventory WHERE cabin = 1
        AND origin = '{destination}' AND destination = '{origin}' AND free > 20
        AND departure_date BETWEEN '{date}'::date + 2 AND '{date}'::date + 9 ORDER BY 1 LIMIT 1""")
    day = dict(zip(("year", "month", "day"), map(int, back[0][0].split("-"))))
    offers = ann.SearchOffers(
        slices=[{"origin": origin, "destination": destination,
                 "departure_date": {"year": date.year, "month": date.month, "day": date.day}},
                {"origin": destination, "destination": origin, "departure_date": day}],
        passengers=[{"type": "ADULT", "count": 2}, {"type": "CHILD", "count": 1}, {"type": "INFANT_ON_LAP", "count": 1}],
        currency_code="USD", max_connections=0, view="OFFER_VIEW_FULL").offers
    offer = offers[0]
    assert len(offer.journeys) == 2 and ann.GetOffer(name=offer.name).price == offer.price
    assert minor(offer.price.total) == sum(p.count * minor(p.total) for p in offer.price.per_passenger)
    born = {"year": date.year - 7, "month": 1, "day": 1}
    baby = {"year": date.year - 1, "month": date.month, "day": 1}
    before = world.inventory(offer)
    booking = world.hold(ann, offer, passengers=[
        adult(), adult("Bo"), adult("Cy", type="CHILD", birth_date=born),
        adult("Di", type="INFANT_ON_LAP", birth_date=baby, adult_index=1)])
    assert world.inventory(offer)[1] == before[1] + 3
    world.pay(ann, booking)
    booking = world.booking(ann, booking, "CONFIRMED")
    assert len(booking.tickets) == 4 and all(len(t.coupons) == 2 for t in booking.tickets)
    assert sum(t.price.units * 10**9 + t.price.nanos for t in booking.tickets) == \
        booking.price.total.units * 10**9 + booking.price.total.nanos


def test_a_connection_respects_the_minimum_time(world, ann):
    """A pair without a direct flight: every journey connects in one airport, in time."""
    rows = world.dev.sql("""
        SELECT DISTINCT a.origin, b.destination, a.departure_date FROM inventory a JOIN inventory b
            ON a.destination = b.origin
           AND b.departure_time BETWEEN a.arrival_time + interval '2 hours' AND a.arrival_time + interval '4 hours'
         WHERE a.departure_date = current_date + 20 AND a.origin <> b.destination AND NOT EXISTS
               (SELECT FROM inventory d WHERE d.origin = a.origin AND d.destination = b.destination)
         ORDER BY 1, 2 LIMIT 50""")

    def search(origin, destination, date):
        day = dict(zip(("year", "month", "day"), map(int, date.split("-"))))
        return ann.SearchOffers(
            slices=[{"origin": origin, "destination": destination, "departure_date": day}],
            passengers=[{"type": "ADULT", "count": 1}], currency_code="USD", max_connections=1).offers

    # Of some pairs every way is too long a detour to be offered.
    offers = next(filter(None, (search(*row) for row in rows)), None)
    assert offers
    for offer in offers:
        first, second = offer.journeys[0].segments
        assert first.destination == second.origin
        wait = second.departure_time.seconds - first.arrival_time.seconds
        assert 20 * 60 <= wait <= 24 * 3600
    booking = world.hold(ann, offers[0])
    assert len(booking.journeys[0].segments) == 2
    world.pay(ann, booking)
    assert len(world.booking(ann, booking, "CONFIRMED").tickets[0].coupons) == 2


def test_filters_order_and_pages(world, ann):
    trip = world.trip()
    by_price = world.search(trip, ann, page_size=50, max_connections=1).offers
    prices = [minor(o.price.total) for o in by_price]
    assert prices == sorted(prices)
    by_duration = world.search(trip, ann, page_size=50, max_connections=1, order_by="duration desc").offers
    durations = [o.journeys[0].duration.seconds for o in by_duration]
    assert durations == sorted(durations, reverse=True)
    airline = by_price[0].journeys[0].segments[0].marketing_carrier
    limit = prices[len(prices) // 2] // 100
    for offer in world.search(trip, ann, page_size=50, filter=f'airline = "{airline}" AND price <= {limit}').offers:
        assert offer.journeys[0].segments[0].marketing_carrier == airline
        assert minor(offer.price.total) <= limit * 100
    walked, token = [], ""
    while True:
        page = world.search(trip, ann, page_size=2, max_connections=1, page_token=token)
        assert len(page.offers) <= 2
        walked += [minor(o.price.total) for o in page.offers]
        token = page.next_page_token
        if not token:
            break
    assert walked == prices
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        world.search(world.trip(), ann, page_size=2, page_token=world.search(trip, ann, page_size=1, max_connections=1)
                     .next_page_token or "bm9uZQ")
