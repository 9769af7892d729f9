"""What only the whole suite shows; the last file, and skipped where only a part of it runs."""

import pathlib

import pytest

from kit import fields

# OUTPUT_ONLY fields that no test has seen set, each with its reason.
NEVER_SET = {f"faregate.v1.{field}" for field in (
    # The second factor is not sent yet.
    "CreateSessionResponse.challenge", "SessionChallenge.challenge", "SessionChallenge.expire_time",
    "SessionChallenge.factors",
    # Keys are OKP, which have no y.
    "JsonWebKey.y",
    # Seller's fees: none are charged.
    "PriceBreakdown.fees", "Fee.amount", "Fee.code", "Fee.refundable",
    # A seat is free of charge.
    "Seat.price",
    # The generated timetable knows no terminals.
    "Flight.origin_terminal", "Flight.destination_terminal", "Segment.origin_terminal",
    "Segment.destination_terminal",
    # Money is taken at once, not kept reserved.
    "PaymentIntent.capture_before_time",
)}


def test_every_output_field_is_filled_by_some_answer(request):
    """A field that nothing fills is a promise that is not kept."""
    files = {item.path.name for item in request.session.items}
    option = request.config.option
    if option.keyword or option.markexpr or files != {p.name for p in pathlib.Path(__file__).parent.glob("test_*.py")}:
        pytest.skip("only a part of the suite runs")
    missing = set(fields.output_only()) - fields.seen
    assert missing <= NEVER_SET, f"never set: {sorted(missing - NEVER_SET)}"
    assert NEVER_SET <= missing, f"set now: {sorted(NEVER_SET - missing)}"
