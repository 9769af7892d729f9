"""Money: whatever the provider does, the right amount moves once, and both sides' books agree."""
import time

import pytest

from kit.client import new_id, refused
from kit.instance import Serve, until
from kit.ports import free_port
from kit.recorder import Recorder
from kit.world import minor

PAID_AT_ONCE = ["pm_card_visa", "pm_card_amex", "pm_sandbox_slow_500"]
PAID_IN_THE_END = ["pm_sandbox_charged_then_500", "pm_sandbox_charged_then_never", "pm_sandbox_charged_then_drop",
                   "pm_sandbox_garbage", "pm_sandbox_slow_2500"]
NEVER_PAID = ["pm_sandbox_http500", "pm_sandbox_unconfirmed", "pm_sandbox_never", "pm_sandbox_drop"]


@pytest.mark.parametrize("method", PAID_AT_ONCE)
def test_paid_at_once(world, ann, method):
    booking = world.hold(ann)
    intent = world.pay(ann, booking, method)
    assert world.state(intent) in ("AUTHORIZED", "CAPTURED") and not intent.outcome_unknown
    intent = world.intent(ann, intent, "CAPTURED")
    assert minor(intent.amount_captured) == minor(booking.price.total) and minor(intent.amount_authorized) == 0
    booking = ann.GetBooking(name=booking.name)
    assert world.state(booking) == "CONFIRMED" and minor(booking.balance.authorized) == 0
    world.same_books()


@pytest.mark.parametrize("method", PAID_IN_THE_END)
def test_the_answer_was_lost_but_not_the_money(world, ann, method):
    """The outcome is unknown at first, the inquiry finds the charge, nobody is charged twice."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, method)
    if world.state(intent) not in ("AUTHORIZED", "CAPTURED"):  # asked again within the call, it may know by then
        assert world.state(intent) == "PROCESSING" and intent.outcome_unknown
    with refused("FAILED_PRECONDITION"):  # no second try while the first may have moved money
        ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card())
    intent = world.intent(ann, intent, "CAPTURED")
    assert minor(intent.amount_captured) == minor(booking.price.total) and not intent.outcome_unknown
    assert world.state(world.booking(ann, booking, "CONFIRMED")) == "CONFIRMED"
    world.same_books()


def test_a_refusal_of_what_was_sent_twice_is_not_believed(world, ann):
    """A connection that was used before is lost with the answer. What goes out again by itself is refused, but done."""
    world.ticketed(ann)
    intent = world.pay(ann, world.hold(ann), "pm_sandbox_charged_then_refused")
    world.intent(ann, intent, "CAPTURED")
    world.same_books()


def test_two_answers_to_one_question(world, ann):
    """The second one is nobody's; money moves once."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_sandbox_twice")
    world.intent(ann, intent, "CAPTURED")
    world.booking(ann, booking, "CONFIRMED")
    world.same_books()


@pytest.mark.parametrize("method", NEVER_PAID)
def test_the_provider_never_got_it(world, ann, method):
    """Not found, or not begun, once it should be visible: the booking can be paid again, by another try."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, method)
    assert world.state(intent) == "PROCESSING" and intent.outcome_unknown
    world.hurry(booking)
    intent = world.intent(ann, intent, "REQUIRES_PAYMENT_METHOD")
    assert world.state(world.booking(ann, booking, "HELD")) == "HELD"
    again = ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card(), timeout=15)
    assert world.state(again) in ("AUTHORIZED", "CAPTURED")
    world.booking(ann, booking, "CONFIRMED")
    world.same_books()


def test_an_outage_holds_nothing_up_for_long(world, ann):
    """However long nobody answers: what is open is looked at every five minutes, and ends once somebody does."""
    sold, booking = world.hold(ann), world.hold(ann)
    paid = world.intent(ann, world.pay(ann, sold, "pm_sandbox_refund_charged_then_500"), "CAPTURED")
    world.strike("drop", "inquiry", 1000)
    try:
        refund = refund_some(world, sold, paid)
        intent = world.pay(ann, booking, "pm_sandbox_charged_then_500")
        for table, of in (("payment_attempt", booking), ("refund", sold)):
            which = f"booking_id = '{of.name.removeprefix('bookings/')}' AND due_time IS NOT NULL"

            def next_look_s():
                world.dev.sql(f"UPDATE {table} SET inquiry_count = 6, due_time = now() WHERE {which} AND inquiry_count < 6")
                return world.dev.sql(f"SELECT extract(epoch FROM due_time - update_time) FROM {table} WHERE {which}")

            until(lambda: next_look_s() == [["300.000000"]], 15, f"a look at the {table} in five minutes")
    finally:
        world.strike("none", "any")
    world.hurry(booking)
    world.hurry(sold)
    world.intent(ann, intent, "CAPTURED")
    world.refund(ann, refund, "SUCCEEDED")
    world.same_books()


def test_a_charge_that_is_not_visible_at_once(world, ann):
    """Inquiry finds nothing for a while: that is no proof that nothing was charged."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_sandbox_not_found_until_3500")
    assert world.state(intent) == "PROCESSING"
    world.wait(3.6)
    assert world.state(ann.GetBooking(name=booking.name)) in ("CONFIRMING", "CONFIRMED")
    world.dev.sql("UPDATE payment_attempt SET due_time = now() WHERE due_time IS NOT NULL")
    world.intent(ann, intent, "CAPTURED")
    world.same_books()


@pytest.mark.parametrize("method, code, decline_code", [
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
])
def test_declined(world, ann, method, code, decline_code):
    """A decline is an answer, not an error; another card can pay."""
    booking = world.hold(ann)
    request = ann.request("CreatePaymentIntent", parent=booking.name, amount=booking.balance.due, confirm=True,
                          payment_method=world.card(method))
    intent = ann.ask("CreatePaymentIntent", request, timeout=15).message
    assert world.state(intent) == "REQUIRES_PAYMENT_METHOD"
    assert code in (intent.last_error.code, intent.last_error.decline_code, intent.last_error.provider_code), intent
    assert decline_code in (None, intent.last_error.decline_code), intent
    assert intent.last_error.user_guidance
    assert ann.ask("CreatePaymentIntent", request).message.name == intent.name
    booking = ann.GetBooking(name=booking.name)
    assert world.state(booking) == "HELD" and minor(booking.balance.due) == minor(booking.price.total)
    paid = ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card(), timeout=15)
    assert world.state(paid) in ("AUTHORIZED", "CAPTURED")
    world.same_books()


def authenticate(world, booking, outcome):
    reference = world.dev.sql("SELECT provider_reference FROM payment_attempt WHERE state = 'ACTION_REQUIRED' AND "
                              f"booking_id = '{booking.name.removeprefix('bookings/')}'")[0][0]
    world.dev.provider("POST", f"/v1/test_helpers/payment_intents/{reference}/authenticate", f"outcome={outcome}")


def test_the_bank_wants_the_customer(world, ann):
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_card_authenticationRequired")
    assert world.state(intent) == "REQUIRES_ACTION" and intent.next_action.redirect_url
    for more in ({}, {"confirm": True, "payment_method": world.card()}):
        with refused("FAILED_PRECONDITION", "PAYMENT_IN_PROGRESS"):
            ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due, **more)
    authenticate(world, booking, "succeed")
    world.hurry(booking)
    world.intent(ann, intent, "CAPTURED")
    world.booking(ann, booking, "CONFIRMED")
    world.same_books()


def test_a_card_that_needs_the_bank_where_customers_cannot_be_sent(world, ann):
    """No page to come back to: the try is called off and declined at once, and another card can pay."""
    with world.dev.sibling("--provider-timeout-ms=5000") as server:
        booking = world.hold(ann)
        client = server.client(ann.token)
        intent = world.pay(client, booking, "pm_card_authenticationRequired")
        assert world.state(intent) == "REQUIRES_PAYMENT_METHOD" and intent.last_error.code == "authentication_required"
        assert world.state(ann.GetBooking(name=booking.name)) == "HELD"
        client.close()
    ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card(), timeout=15)
    world.intent(ann, intent, "CAPTURED")
    world.same_books()


def test_the_customer_fails_at_the_bank(world, ann):
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_card_authenticationRequired")
    authenticate(world, booking, "fail")
    world.hurry(booking)
    world.intent(ann, intent, "REQUIRES_PAYMENT_METHOD")
    assert world.state(world.booking(ann, booking, "HELD")) == "HELD"


def test_what_calls_left_alone_falls_due_while_the_provider_hangs(world, ann):
    """However much of it there is, and however many inquiries wait for an answer."""
    bookings = []
    for who in (ann, world.traveller(), world.traveller(), world.traveller()):
        for _ in range(5):  # in all more than a process asks about at once
            bookings.append(world.hold(who))
            world.pay(who, bookings[-1], "pm_card_authenticationRequired")
    world.strike("never", "inquiry", 40)
    which = ", ".join(f"'{booking.name.removeprefix('bookings/')}'" for booking in bookings)
    world.dev.sql(f"UPDATE payment_attempt SET due_time = now() WHERE booking_id IN ({which})")
    world.dev.sql("INSERT INTO payment_watch (booking_id, due_time, booking_ids, attempt_ids) "
                  "SELECT id, now() - interval '1 day', ARRAY[id], ARRAY[id] "
                  "FROM generate_series(1, 6000) n, LATERAL (SELECT lpad(n::text, 32, '0')::uuid) AS x(id)")
    old = "SELECT count(*) FROM payment_watch WHERE due_time < now() - interval '1 hour'"
    until(lambda: world.dev.sql(old) == [["0"]], 6, "at sixty-four a tick it takes twenty seconds")
    world.dev.provider("POST", "/v1/test_helpers/scenario", "scenario=none")
    for booking in bookings:
        authenticate(world, booking, "fail")
    world.dev.sql(f"UPDATE payment_attempt SET due_time = now() WHERE booking_id IN ({which})")


def test_who_takes_time_at_the_bank_uses_no_inquiries_up(world, ann):
    """Polls for the customer are not counted: when taking the money fails, it is tried again at once."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_card_authenticationRequired")
    which = f"booking_id = '{booking.name.removeprefix('bookings/')}'"

    def look():
        before = world.dev.sql(f"SELECT update_time FROM payment_attempt WHERE {which}")
        world.dev.sql(f"UPDATE payment_attempt SET due_time = now() WHERE {which}")
        until(lambda: world.dev.sql(f"SELECT update_time FROM payment_attempt WHERE {which}") != before, 5, "it is looked for")

    for _ in range(6):
        look()
    assert world.dev.sql(f"SELECT state, inquiry_count FROM payment_attempt WHERE {which}") == [["ACTION_REQUIRED", "0"]]
    world.strike("http500", "capture", 2)
    authenticate(world, booking, "succeed")
    look()
    counted = f"SELECT due_time < now() + interval '20 seconds' FROM payment_attempt WHERE {which} AND inquiry_count = 2"
    assert until(lambda: world.dev.sql(counted), 8, "it failed twice") == [["t"]]
    world.dev.sql(f"UPDATE payment_attempt SET due_time = now() WHERE {which}")
    world.intent(ann, intent, "CAPTURED")
    world.same_books()


@pytest.mark.parametrize("fault", ["http500", "charged_then_500", "charged_then_drop", "never", "garbage"])
def test_capture_goes_on_until_it_is_done(world, ann, fault):
    """Tickets are out once the money is reserved; taking it is repeated with the same key."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, f"pm_sandbox_capture_{fault}")
    assert world.state(intent) in ("AUTHORIZED", "CAPTURED")
    assert world.state(ann.GetBooking(name=booking.name)) == "CONFIRMED"
    world.intent(ann, intent, "CAPTURED", seconds=20)
    world.same_books()


@pytest.mark.parametrize("fault", ["http500", "charged_then_500", "charged_then_drop", "never", "twice", "slow_300"])
def test_refunds_go_on_until_they_are_done(world, ann, fault):
    booking = world.hold(ann)
    intent = world.pay(ann, booking, f"pm_sandbox_refund_{fault}")
    world.intent(ann, intent, "CAPTURED")
    quote = ann.CreateCancellation(parent=booking.name)
    done = ann.ConfirmCancellation(name=quote.name, timeout=15)
    if fault in ("http500", "never"):  # asked again under a new key only once the provider must have seen the first
        world.wait(2)
        world.hurry(booking)
    booking = world.booking(ann, booking, "CANCELLED", seconds=20)
    refund = ann.GetRefund(name=done.refund_resource)
    assert world.state(refund) == "SUCCEEDED" and minor(refund.amount) == minor(booking.price.total)
    world.same_books()


def refund_some(world, booking, intent, client=None):
    staff = client or world.dev.staff()
    return staff.CreateRefund(parent=booking.name, payment_intent=intent.name, cause="GOODWILL",
                              amount={"units": 5, "currency_code": "USD"}, timeout=15)


def test_a_refund_that_is_only_late_is_not_paid_twice(world, ann):
    """The provider takes its time and knows of nothing meanwhile: it is asked again under the same key."""
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_sandbox_refund_late_4000")
    world.intent(ann, intent, "CAPTURED")
    before = world.provider_books()[1]
    refund = refund_some(world, booking, intent)
    assert world.state(refund) == "UNKNOWN"
    world.hurry(booking)  # far beyond the time by which the provider must show it
    world.refund(ann, refund, "SUCCEEDED")
    which = f"refund_id = '{refund.name.rpartition('/')[2]}'"
    assert world.dev.sql(f"SELECT try_count, inquiry_count > 0 FROM refund WHERE {which}") == [["0", "t"]]
    world.same_books()
    assert world.provider_books()[1] - before == 500


def test_a_refund_waits_for_the_provider_that_took_the_money(world, ann):
    booking, intent = world.ticketed(ann)
    with world.dev.sibling("--provider=instant") as server:
        staff = world.dev.staff()
        other = server.client(staff.token)
        refund = refund_some(world, booking, intent, other)
        other.close()
    world.refund(ann, refund, "SUCCEEDED")
    which = f"refund_id = '{refund.name.rpartition('/')[2]}'"
    assert world.dev.sql(f"SELECT provider_reference LIKE 're_%' FROM refund WHERE {which}") == [["t"]]
    world.same_books()


def test_a_booking_is_cancelled_while_a_refund_is_on_its_way(world, ann):
    """A bank may take days for it. What is on its way already is not promised again."""
    booking = world.hold(ann)
    intent = world.intent(ann, world.pay(ann, booking, "pm_sandbox_refund_slow_1500"), "CAPTURED")
    early = refund_some(world, booking, intent)
    quote = ann.CreateCancellation(parent=booking.name)
    assert minor(quote.refund) + minor(quote.penalty) == minor(booking.price.total) - minor(early.amount)
    assert world.state(ann.ConfirmCancellation(name=quote.name, timeout=15)) in ("CONFIRMING", "APPLIED")
    until(lambda: world.state(ann.GetRefund(name=early.name)) == "SUCCEEDED", 20, "the early one arrives")
    world.booking(ann, booking, "CANCELLED", seconds=20)
    world.same_books()


def test_a_refund_that_fails_is_for_people(world, ann):
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_sandbox_refund_fails")
    world.intent(ann, intent, "CAPTURED")
    quote = ann.CreateCancellation(parent=booking.name)
    done = ann.ConfirmCancellation(name=quote.name, timeout=15)
    booking = world.booking(ann, booking, "ATTENTION")
    refund = ann.GetRefund(name=done.refund_resource)
    assert world.state(refund) == "FAILED" and refund.error.code
    assert not refund.error.retry_may_succeed and "another card" not in refund.error.user_guidance
    which = f"booking_id = '{booking.name.removeprefix('bookings/')}'"
    assert world.dev.sql(f"SELECT kind FROM attention_item WHERE {which}") == [["REFUND_FAILED"]]
    shown, since, swept = (f"faregate_{name}" for name in
                           ("attention_open", "attention_open_since_seconds", "holds_swept_until_seconds"))
    count, oldest = world.dev.sql("SELECT count(*), floor(extract(epoch FROM min(create_time))) FROM attention_item")[0]
    until(lambda: world.dev.metrics().get(shown) == int(count), 15, "people are told")
    seen = world.dev.metrics()
    assert seen[since] == int(oldest) and 0 <= time.time() - seen[swept] < 60
    world.same_books()


def test_create_then_confirm_then_read(world, ann):
    booking = world.hold(ann)
    intent = ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due)
    assert world.state(intent) == "REQUIRES_PAYMENT_METHOD"
    with refused("FAILED_PRECONDITION"):  # one live intent a booking
        ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due)
    with refused("ABORTED", "ETAG_MISMATCH"):
        ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card(), etag="W1234")
    paid = ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card(), etag=intent.etag, timeout=15)
    assert paid.name == intent.name and paid.etag != intent.etag
    with refused("FAILED_PRECONDITION"):
        ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card())
    world.intent(ann, intent, "CAPTURED")


def test_velocity_per_booking_and_card(world):
    with world.dev.sibling("--pay-attempts-booking-max=2", "--pay-attempts-card-max=3", "--provider-timeout-ms=1500") as server:
        ann = world.traveller("Ann", server)
        declined = world.card("pm_card_chargeDeclined")
        booking = world.hold(ann)
        intent = world.pay(ann, booking, "pm_card_chargeDeclined")
        ann.ConfirmPaymentIntent(name=intent.name, payment_method=declined)
        with refused("FAILED_PRECONDITION", "RISK_VELOCITY"):
            ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card())
        for number in range(4):  # another traveller each time, but the same card
            other = world.traveller("Bob", server)
            theirs = world.hold(other)
            call = ("CreatePaymentIntent",)
            fields = {"parent": theirs.name, "amount": theirs.balance.due, "confirm": True, "payment_method": declined}
            if number < 2:
                assert world.state(other.ask(*call, **fields).message) == "REQUIRES_PAYMENT_METHOD"
            else:
                with refused("FAILED_PRECONDITION", "RISK_VELOCITY"):
                    other.ask(*call, **fields)
        request = instant(world, other, world.offer(other), declined)
        refusal = other.ask("CreateBooking", request, timeout=15)
        assert world.state(refusal.message) == "HELD" and refusal.message.state_reason == "RISK_VELOCITY"
        again = other.ask("CreateBooking", request, timeout=15)
        assert again.replayed and again.raw == refusal.raw


def test_velocity_per_user(world):
    with world.dev.sibling("--pay-attempts-user-max=3", "--provider-timeout-ms=1500") as server:
        ann = world.traveller("Ann", server)
        intent = world.pay(ann, world.hold(ann), "pm_card_chargeDeclined")
        for _ in range(2):
            ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card("pm_card_chargeDeclined"))
        with refused("FAILED_PRECONDITION", "RISK_VELOCITY"):
            ann.ConfirmPaymentIntent(name=intent.name, payment_method=world.card())


def test_refunds_by_staff(world, ann):
    booking, intent = world.ticketed(ann)
    total = minor(booking.price.total)
    fields = {"parent": booking.name, "payment_intent": intent.name, "cause": "GOODWILL",
              "amount": {"units": 5, "currency_code": "USD"}}
    with refused("PERMISSION_DENIED", "PERMISSION_MISSING"):
        ann.CreateRefund(**fields)
    staff = world.dev.staff()
    request = staff.request("CreateRefund", **fields)
    refund = staff.ask("CreateRefund", request, timeout=15)
    again = staff.ask("CreateRefund", request, timeout=15)
    assert again.replayed and again.message.name == refund.message.name
    world.refund(staff, refund.message, "SUCCEEDED")
    assert world.state(ann.GetRefund(name=refund.message.name)) == "SUCCEEDED", "its owner sees it"
    assert minor(ann.GetPaymentIntent(name=intent.name).amount_refunded) == 500
    with refused("FAILED_PRECONDITION", "REFUND_EXCEEDS_CAPTURE"):
        staff.CreateRefund(**{**fields, "amount": {"units": total // 100, "currency_code": "USD"}})
    with refused("FAILED_PRECONDITION", "CURRENCY_MISMATCH"):
        staff.CreateRefund(**{**fields, "amount": {"units": 1, "currency_code": "EUR"}})
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "cause"):
        staff.CreateRefund(**{**fields, "cause": "CAUSE_UNSPECIFIED"})
    with refused("NOT_FOUND", "NOT_FOUND"):
        staff.CreateRefund(**{**fields, "payment_intent": booking.name + "/paymentIntents/" + new_id()})
    world.same_books()


def test_cancelling_what_is_not_refundable(world, ann):
    """Close to departure a LIGHT fare gives back refundable taxes only; the rest is the airline's."""
    booking = world.hold(ann)
    brand = booking.journeys[0].fare_brand
    world.pay(ann, booking)
    world.booking(ann, booking, "CONFIRMED")
    which = f"booking_id = '{booking.name.removeprefix('bookings/')}'"
    world.dev.sql(f"UPDATE booking SET create_time = create_time - interval '3 days' WHERE {which}")
    quote = ann.CreateCancellation(parent=booking.name)
    total, taxes = minor(booking.price.total), sum(minor(t.amount) for t in booking.price.taxes if t.refundable)
    assert minor(quote.refund) + minor(quote.penalty) == total
    assert sum(minor(line.refund) for line in quote.lines) in (0, minor(quote.refund))
    if brand.endswith("LIGHT"):
        assert minor(quote.refund) == taxes < total
    ann.ConfirmCancellation(name=quote.name, timeout=15)
    booking = world.booking(ann, booking, "CANCELLED")
    assert minor(booking.balance.refunded) == minor(quote.refund)
    world.same_books()


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_currencies_without_cents(world, ann, currency):
    """None and three decimals: what is paid, captured and given back is the price, to the last of its units."""
    booking = world.hold(ann, world.offer(ann, currency_code=currency))
    due = booking.balance.due
    assert due == booking.price.total and due.currency_code == currency
    with refused("INVALID_ARGUMENT", "AMOUNT_INVALID", "amount"):
        finer = 500_000_000 if currency == "JPY" else due.nanos + 1
        ann.CreatePaymentIntent(parent=booking.name, confirm=True, payment_method=world.card(),
                                amount={"units": due.units, "nanos": finer, "currency_code": currency})
    intent = world.intent(ann, world.pay(ann, booking), "CAPTURED")
    assert intent.amount_captured == due
    world.booking(ann, booking, "CONFIRMED")
    quote = ann.CreateCancellation(parent=booking.name)
    assert quote.refund == due
    ann.ConfirmCancellation(name=quote.name, timeout=15)
    booking = world.booking(ann, booking, "CANCELLED")
    until(lambda: ann.GetPaymentIntent(name=intent.name).amount_refunded == due, 15, "it is given back")
    assert ann.GetBooking(name=booking.name).balance.refunded == due


def test_provider_down(world):
    """Nothing listens: nothing was sent, so the booking stays as it was and can be paid later, and nobody has tried."""
    ann = world.traveller()
    booking = world.hold(ann)
    with Serve(world.dev.conninfo, world.dev.data, "--pay-attempts-user-max=2", "--pay-attempts-card-max=2",
               provider_port=free_port()) as server:
        lonely, card = server.client(ann.token), world.card()
        for _ in range(4):
            with refused("UNAVAILABLE", "PROVIDER_UNAVAILABLE") as seen:
                lonely.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due, confirm=True,
                                           payment_method=card, timeout=15)
            assert seen[0].retry_s is not None
        booking = world.booking(ann, booking, "HELD")
        assert booking.state_reason == "NOT_RECEIVED" and not booking.payment_intent
        intent = ann.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due)
        with refused("UNAVAILABLE", "PROVIDER_UNAVAILABLE"):
            lonely.ConfirmPaymentIntent(name=intent.name, payment_method=card, etag=intent.etag, timeout=15)
        error = ann.GetPaymentIntent(name=intent.name).last_error
        assert error.code == "NOT_RECEIVED" and error.retry_may_succeed and "declined" not in error.user_guidance
    intent = ann.ConfirmPaymentIntent(name=intent.name, payment_method=card, etag=intent.etag, timeout=15)
    world.intent(ann, intent, "CAPTURED")
    world.same_books()


TRACE = "0af7651916cd43dd8448eb211c80319c"
CARRIED = {"tracestate": "vendor=1", "x-request-id": "r-1", "b3": f"{TRACE}-00f067aa0ba902b7-1",
           "x-b3-traceid": TRACE, "x-cloud-trace-context": "c", "x-datadog-trace-id": "7", "x-ot-span-context": "o"}


def test_the_provider_is_told_of_the_trace(world, ann):
    """Through a proxy that writes down what the provider is sent: the trace goes on, in a span of ours."""
    with Recorder(world.dev.admin_port + 1) as recorder:
        with Serve(world.dev.conninfo, world.dev.data, "--provider-timeout-ms=5000", provider_port=recorder.port) as server:
            booking = world.hold(ann)
            client = server.client(ann.token)
            metadata = [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"), *CARRIED.items(),
                        ("grpc-trace-bin", b"\0\1\2\3"), ("baggage", "secret=1"), ("x-other", "no")]
            intent = world.pay(client, booking, metadata=metadata)
            world.intent(ann, intent, "CAPTURED")
            client.close()
    assert recorder.seen and all(path.startswith("/v1/") for path, _ in recorder.seen)
    asked = [headers for path, headers in recorder.seen if "traceparent" in headers]
    assert asked, "what the call asked; the completer's questions belong to no call"
    for headers in asked:
        version, trace, span, flags = headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE, "01") and span not in ("00f067aa0ba902b7", "0" * 16)
        assert {name: headers.get(name) for name in CARRIED} == CARRIED
        assert headers["grpc-trace-bin"] == "AAECAw"
        assert not {"baggage", "x-other", "grpc-timeout"} & headers.keys()
        assert ann.token not in str(headers), "nor who the caller is"
    world.same_books()


def test_instant_booking(world, ann):
    offer = world.offer(ann)
    booking = ann.CreateBooking(instant(world, ann, offer, "pm_card_visa"), timeout=15)
    assert world.state(booking) == "CONFIRMED" and booking.tickets
    other = world.offer(ann)
    booking = ann.CreateBooking(instant(world, ann, other, "pm_card_chargeDeclined"), timeout=15)
    assert world.state(booking) == "HELD" and booking.payment_intent
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "payment"):
        request = instant(world, ann, offer, "pm_card_visa")
        request.ClearField("payment")
        ann.CreateBooking(request)
    world.same_books()


def instant(world, client, offer, method):
    card = method if "__" in method else world.card(method)
    request = world.hold_request(client, offer, payment={"payment_method": card})
    request.mode = request.INSTANT
    return request
