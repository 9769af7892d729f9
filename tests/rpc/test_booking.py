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
