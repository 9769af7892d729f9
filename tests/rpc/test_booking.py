"""What a booking tells: to whom, of which change, why so much comes back."""

import itertools

import pytest

from kit.client import refused
from kit.patience import tries
from kit.world import adult, minor

PASSPORT = {"kind": "PASSPORT", "number": "C01X00T47", "region_code": "DE",
            "expire_date": {"year": 2039, "month": 1, "day": 31}}


@pytest.mark.parametrize("role", ["SUPPORT", "FINANCE", "ADMIN"])
def test_staff_see_a_booking_without_its_documents(world, ann, bob, role):
    booking = world.hold(ann, passengers=[adult(document=PASSPORT)], metadata=[{"key": "k", "value": "v"}])
    own = ann.GetBooking(name=booking.name)
    assert own.passengers[0].document.number == PASSPORT["number"]
    assert ann.ListBookings().bookings[0].passengers == own.passengers
    with refused("NOT_FOUND", "NOT_FOUND"):
        bob.GetBooking(name=booking.name)
    seen = world.staff(role).GetBooking(name=booking.name)
    assert seen.passengers[0].document.number == "*******47"
    own.passengers[0].document.number = "*******47"
    assert seen == own, "all else is there"


@pytest.mark.parametrize("role", ["AGENT", "AIRLINE_OPS"])
def test_other_staff_see_no_booking_and_no_money(world, ann, role):
    booking, intent = world.ticketed(ann)
    staff = world.staff(role)
    for name, of in (("GetBooking", booking.name), ("GetPaymentIntent", intent.name)):
        with refused("NOT_FOUND", "NOT_FOUND"):
            staff.ask(name, name=of)
    with refused("PERMISSION_DENIED", "PERMISSION_MISSING"):
        staff.CreateRefund(parent=booking.name, payment_intent=intent.name, amount=booking.price.total, cause="GOODWILL")


def test_each_change_has_its_etag(world, ann):
    """Also those that are no event: what is owed, and money that was taken later."""
    booking = world.hold(ann)
    seen = [booking.etag]
    assert ann.GetBooking(name=booking.name).etag == ann.ListBookings().bookings[0].etag == booking.etag
    intent = ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due)
    seen.append(ann.GetBooking(name=booking.name).etag)
    ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card("pm_sandbox_capture_http500"), timeout=15)
    booking = world.booking(ann, booking, "CONFIRMED")
    assert not booking.balance.captured.units
    seen.append(booking.etag)
    world.hurry(booking)
    world.intent(ann, intent, "CAPTURED")
    seen.append(ann.GetBooking(name=booking.name).etag)
    assert len(set(seen)) == len(seen)
    with refused("ABORTED", "ETAG_MISMATCH"):
        ann.CreateCancellation(parent=booking.name, etag=seen[-2])
    request = ann.request("CreateCancellation", parent=booking.name, etag=seen[-1])
    first = ann.ask("CreateCancellation", request)
    again = ann.ask("CreateCancellation", request)
    assert again.replayed and again.raw == first.raw, "though the quote itself changed the booking"
    assert ann.GetBooking(name=booking.name).etag not in seen


@pytest.mark.parametrize("days", [0, 2])
def test_a_refund_is_told_part_by_part(world, ann, days):
    """Of each brand of a flight: undone on the day it was booked, and by the fare's conditions."""
    seen = set()
    # Another flight where one of its brands is sold out.
    flights = (world.search(world.trip(), ann).offers for _ in tries(lambda: seen == {True, False}, 5))
    for offer in itertools.chain.from_iterable(flights):
        booking, _ = world.ticketed(ann, offer=offer)
        world.dev.sql(f"UPDATE booking SET create_time = create_time - interval '{days} days' "
                      f"WHERE booking_id = '{booking.name.removeprefix('bookings/')}'")
        request = ann.request("CreateCancellation", parent=booking.name)
        first = ann.ask("CreateCancellation", request)
        quote, price = first.message, booking.price
        fare, *taxes = quote.lines
        paid = [minor(line.paid) for line in quote.lines]
        given = [minor(line.refund) for line in quote.lines]
        assert sum(given) == minor(quote.refund) and sum(paid) - sum(given) == minor(quote.penalty)
        assert (fare.kind, fare.code, fare.paid) == (fare.FARE, "", price.base_fare)
        assert [(t.kind, t.code, t.paid) for t in taxes] == [(fare.TAX, t.code, t.amount) for t in price.taxes]
        allowed = any(c.kind == c.REFUND_BEFORE_DEPARTURE and c.permission == c.ALLOWED for c in booking.conditions)
        if days == 0:
            assert paid == given
        elif allowed:
            assert paid[1:] == given[1:]
        else:
            assert given == [0] + [minor(t.amount) * t.refundable for t in price.taxes]
        seen.add(allowed)
        assert ann.ask("CreateCancellation", request).raw == first.raw
        assert ann.ConfirmCancellation(name=quote.name).lines == quote.lines
        world.booking(ann, booking, "CANCELLED")
        assert ann.ask("CreateCancellation", request).raw == first.raw
    assert seen == {True, False}
    unpaid = world.hold(ann)
    assert not ann.CreateCancellation(parent=unpaid.name).lines
    world.same_books()


def test_an_event_tells_what_it_is_about(world, ann):
    def subjects(booking):
        events = ann.ListBookingEvents(parent=booking.name).events
        return [(e.Type.Name(e.type), e.subject) for e in events]

    booking = world.hold(ann)
    declined = world.pay(ann, booking, "pm_card_chargeDeclined")
    intent = ann.ConfirmPaymentIntent(name=declined.name, payment_method=world.card(), timeout=15)
    world.intent(ann, intent, "CAPTURED")
    quote = ann.CreateCancellation(parent=booking.name)
    done = ann.ConfirmCancellation(name=quote.name)
    world.booking(ann, booking, "CANCELLED")
    assert subjects(booking) == [
        ("CREATED", ""), ("PAYMENT_STARTED", intent.name), ("PAYMENT_DECLINED", intent.name),
        ("PAYMENT_STARTED", intent.name), ("BOOKING_CONFIRMED", ""), ("CANCELLATION_QUOTED", quote.name),
        ("CANCELLATION_CONFIRMED", quote.name), ("REFUND_SUCCEEDED", done.refund_resource), ("BOOKING_CANCELLED", "")]

    booking, intent = world.ticketed(ann)
    refund = world.staff("FINANCE").CreateRefund(parent=booking.name, payment_intent=intent.name,
                                                  amount=booking.price.total, cause="GOODWILL")
    assert ("REFUND_STARTED", refund.name) in subjects(booking)
