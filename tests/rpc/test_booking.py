"""What a booking tells: to whom, of which change, why so much comes back."""

import pytest

from kit.client import refused
from kit.world import adult

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
