"""Everything that may be wrong with a request: each has one status, one reason and one field."""

import datetime
import os
import random

import pytest

from kit import stubs, wire
from kit.client import new_id, refused
from kit.world import PASSWORD, adult, minor

SEARCH = "/faregate.v1.FlightService/SearchPlaces"
INTERNAL, UNIMPLEMENTED, EXHAUSTED, INVALID = 13, 12, 8, 3


def places(query="new york"):
    return wire.frame(stubs.flight.SearchPlacesRequest(query=query).SerializeToString())


# ---- below gRPC


def test_garbage_instead_of_http2_costs_only_its_connection(world):
    noise = random.Random(1)
    for size in (1, 24, 100, 5000):
        wire.talk(world.dev.port, noise.randbytes(size) + b"\r\n\r\n" * 10, seconds=30)
    wire.talk(world.dev.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    wire.talk(world.dev.port + 1, noise.randbytes(500))  # to the TLS port
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = b"\0\0\0\4\0\0\0\0\0"
    for _ in range(20):
        wire.talk(world.dev.port, preface + settings + noise.randbytes(300) + b"\0\0\1\1\4\0\0\0\1\xff", seconds=30)
    assert world.dev.client().SearchPlaces(query="london").places
    assert "restarts 0" in world.dev.http("/readyz?verbose")[1].splitlines()[1]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/grpcx", "application/grpc+json"])
def test_wrong_content_type(world, content_type):
    reply = wire.exchange(world.dev.port, SEARCH, places(), content_type=content_type)
    assert (reply.headers[":status"], reply.status) == ("415", INTERNAL)


def test_right_content_types(world):
    for content_type in ("application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"):
        reply = wire.exchange(world.dev.port, SEARCH, places(), content_type=content_type)
        assert (reply.headers[":status"], reply.status) == ("200", 0) and reply.data


def test_get_is_no_call(world):
    reply = wire.exchange(world.dev.port, SEARCH, places(), method="GET")
    assert (reply.headers[":status"], reply.headers["allow"]) == ("405", "POST")


@pytest.mark.parametrize("path", ["/faregate.v1.FlightService/NoSuchMethod", "/faregate.v9.FlightService/SearchPlaces",
                                  "/x", "/", "/faregate.v1.FlightService/SearchPlaces/more"])
def test_unknown_method_or_service(world, path):
    reply = wire.exchange(world.dev.port, path, places())
    assert (reply.headers[":status"], reply.status, reply.data) == ("200", UNIMPLEMENTED, b"")
    assert reply.header_blocks == 1, "Trailers-Only"


def test_unknown_encoding_names_what_is_known(world):
    reply = wire.exchange(world.dev.port, SEARCH, places(), grpc_encoding="snappy")
    assert reply.status == UNIMPLEMENTED and "gzip" in reply.headers["grpc-accept-encoding"]


@pytest.mark.parametrize("timeout", ["", "x", "1", "-1S", "123456789S", "1.5S"])
def test_malformed_timeout(world, timeout):
    assert wire.exchange(world.dev.port, SEARCH, places(), grpc_timeout=timeout).status == INTERNAL


@pytest.mark.parametrize("body", [
    wire.frame(b"\xff\xff\xff\xff"),  # no tag begins like that
    wire.frame(b"\x0a\x7fshort"),  # a length beyond the end
    wire.frame(b"\x0b"),  # a group
    wire.frame(b"\x0a\x02\xff\xfe"),  # not UTF-8
    wire.frame(b"\x0a\x03a\0b"),  # NUL inside a string
    places(), # the flag byte is changed below
    b"\0\0\0\0",  # not even a prefix
    wire.frame(b"")[:4] + b"\x09only",  # ends inside the message
    places() + places(),  # two messages
    b"",
], ids=["tag", "length", "group", "utf8", "nul", "flag", "prefix", "cut", "two", "none"])
def test_malformed_message(world, body, request):
    if "flag" in request.node.callspec.id:
        body = b"\7" + body[1:]
    reply = wire.exchange(world.dev.port, SEARCH, body)
    assert reply.headers[":status"] == "200" and reply.data == b""
    if reply.status == INVALID:  # text that is no text is a field's fault
        assert "utf8" in request.node.callspec.id or "nul" in request.node.callspec.id
        assert reply.reason == "FIELD_INVALID"
    else:
        assert reply.status == INTERNAL


def test_oversized_message(world, ann):
    with refused("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"):
        ann.SearchPlaces(query="x" * 5000)
    with refused("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"):
        ann.raw(SEARCH, b"x" * (8 << 20))
    declared = b"\0" + (0x7fffffff).to_bytes(4, "big") + b"x"  # says 2 GiB, sends a byte
    reply = wire.exchange(world.dev.port, SEARCH, declared)
    assert (reply.status, reply.reason) == (EXHAUSTED, "MESSAGE_TOO_LARGE")


def test_too_many_headers(world):
    reply = wire.exchange(world.dev.port, SEARCH, places(), x_long="y" * 30000)
    assert reply.headers[":status"] == "431" and reply.status == EXHAUSTED


def test_deeply_nested_unknown_fields_are_bounded(world):
    body = b""
    for _ in range(3000):
        body = b"\x0a" + _varint(len(body)) + body
    reply = wire.exchange(world.dev.port, SEARCH, wire.frame(body[:4000]))
    assert reply.status in (INTERNAL, INVALID)


def _varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


# ---- fields


@pytest.mark.parametrize("name, fields, field", [
    ("CreateUser", {"password": PASSWORD}, "email"),
    ("CreateUser", {"email": "not an address", "password": PASSWORD}, "email"),
    ("CreateUser", {"email": "a@example.org"}, "password"),
    ("CreateUser", {"email": "a@example.org", "password": "short"}, "password"),
    ("CreateUser", {"email": "a@example.org", "password": PASSWORD, "request_id": ""}, "request_id"),
    ("CreateUser", {"email": "a@example.org", "password": PASSWORD, "request_id": "7"}, "request_id"),
    ("CreateUser", {"email": "a@example.org", "password": PASSWORD, "language_code": "!"}, "language_code"),
    ("SearchPlaces", {}, "query"),
    ("SearchPlaces", {"query": "x", "page_size": -1}, "page_size"),
    ("SearchPlaces", {"query": "x" * 65}, "query"),
    ("GetFlight", {"name": "flights/17"}, "name"),
    ("GetFlight", {"name": "bookings/" + new_id()}, "name"),
    ("GetSeatMap", {"name": "flights/" + new_id()}, "name"),
    ("SearchOffers", {}, "slices"),
], ids=lambda v: v if isinstance(v, str) else None)
def test_fields_of_public_methods(world, name, fields, field):
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", field):
        world.dev.client().ask(name, **fields)


def search(client, origin="JFK", destination="LHR", date=None, passengers=None, **more):
    date = date if date is not None else datetime.date.today() + datetime.timedelta(days=20)
    day = {"year": date.year, "month": date.month, "day": date.day} if isinstance(date, datetime.date) else date
    return client.SearchOffers(slices=[{"origin": origin, "destination": destination, "departure_date": day}],
                               passengers=passengers or [{"type": "ADULT", "count": 1}], **more)


@pytest.mark.parametrize("code", ["", "jfk", "JF", "JFKX", "J1K", "ÄÖÜ"])
def test_bad_iata_code(world, code):
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "slices[0].origin"):
        search(world.dev.client(), origin=code)


def test_iata_code_of_no_place(world):
    """Well formed, but nowhere: named as well."""
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "slices[0].destination"):
        search(world.dev.client(), destination="QQQ")


def test_dates(world):
    client = world.dev.client()
    with refused("INVALID_ARGUMENT", "DATE_PAST", "slices[0].departure_date"):
        search(client, date=datetime.date.today() - datetime.timedelta(days=2))
    for wrong in ({}, {"year": 2026, "month": 2, "day": 30}, {"year": 2026, "month": 13, "day": 1}, {"year": 2030}):
        with refused("INVALID_ARGUMENT", "FIELD_INVALID", "slices[0].departure_date"):
            search(client, date=wrong)


@pytest.mark.parametrize("mix, reason", [
    ([("CHILD", 1)], "PASSENGER_MIX"),
    ([("ADULT", 1), ("INFANT_ON_LAP", 2)], "PASSENGER_MIX"),
    ([("ADULT", 9), ("CHILD", 1)], "PASSENGER_MIX"),
    ([("ADULT", 0)], "FIELD_INVALID"),
    ([("ADULT", 10)], "FIELD_INVALID"),
    ([("PASSENGER_TYPE_UNSPECIFIED", 1)], "FIELD_INVALID"),
])
def test_passenger_mix(world, mix, reason):
    with refused("INVALID_ARGUMENT", reason):
        search(world.dev.client(), passengers=[{"type": kind, "count": count} for kind, count in mix])


@pytest.mark.parametrize("more, reason", [
    ({"filter": "wings = 2"}, "FILTER_INVALID"), ({"filter": "price <="}, "FILTER_INVALID"),
    ({"filter": "price <= 300 OR price > 9"}, "FILTER_INVALID"), ({"order_by": "beauty"}, "FILTER_INVALID"),
    ({"page_token": "bm90IGEgdG9rZW4"}, "PAGE_TOKEN_INVALID"), ({"currency_code": "usd"}, "FIELD_INVALID"),
    ({"max_connections": 7}, "FIELD_INVALID"), ({"currency_code": "XXX"}, "FIELD_INVALID"),
])
def test_search_arguments(world, more, reason):
    with refused("INVALID_ARGUMENT", reason):
        search(world.dev.client(), **more)


# ---- booking


def test_unknown_and_forged_offers(world, ann):
    offer = world.offer(ann)
    token = offer.name
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    total = offer.price.total
    for name in ("offers/nothing", "offers/" + "A" * 80, flipped, token[:-8], token + "AAAA"):
        with refused("INVALID_ARGUMENT", "OFFER_INVALID", "offer"):
            ann.CreateBooking(offer=name, mode="HOLD", passengers=[adult()], expected_total=total)
        with refused("INVALID_ARGUMENT", "OFFER_INVALID"):
            ann.GetOffer(name=name)


def test_booking_fields(world, ann):
    offer = world.offer(ann)
    good = world.hold_request(ann, offer)

    def wrong(reason, field, change, why=""):
        request = type(good)()
        request.CopyFrom(good)
        request.request_id = new_id()
        change(request)
        with refused("INVALID_ARGUMENT", reason, field) as seen:
            ann.CreateBooking(request)
        assert seen[0].message.endswith(why), seen

    wrong("FIELD_INVALID", "offer", lambda r: r.ClearField("offer"))
    wrong("FIELD_INVALID", "mode", lambda r: r.ClearField("mode"))
    wrong("FIELD_INVALID", "passengers", lambda r: r.ClearField("passengers"))
    wrong("FIELD_INVALID", "expected_total", lambda r: r.ClearField("expected_total"))
    wrong("FIELD_INVALID", "request_id", lambda r: r.ClearField("request_id"))
    wrong("FIELD_INVALID", "passengers[0].surname", lambda r: r.passengers[0].ClearField("surname"))
    wrong("FIELD_INVALID", "passengers[0].given_name", lambda r: setattr(r.passengers[0], "given_name", "R2D2"))
    wrong("FIELD_INVALID", "passengers[0].birth_date", lambda r: r.passengers[0].ClearField("birth_date"))
    wrong("FIELD_INVALID", "passengers[0].birth_date", lambda r: setattr(r.passengers[0].birth_date, "month", 13))
    wrong("FIELD_INVALID", "passengers[0].email", lambda r: r.passengers[0].ClearField("email"))
    wrong("FIELD_INVALID", "passengers[0].phone", lambda r: setattr(r.passengers[0], "phone", "12"))
    wrong("PASSENGER_MISMATCH", "passengers", lambda r: r.passengers.append(r.passengers[0]))
    wrong("PASSENGER_MISMATCH", "passengers[0].birth_date",
          lambda r: setattr(r.passengers[0].birth_date, "year", datetime.date.today().year - 5))
    wrong("FIELD_INVALID", "metadata", lambda r: [r.metadata.add(key=str(i), value="\u20ac" * 200) for i in range(14)])
    wrong("FIELD_INVALID", "metadata[2].key", lambda r: [r.metadata.add(key=key) for key in "aba"])
    wrong("FIELD_INVALID", "passengers[0].birth_date", lambda r: setattr(r.passengers[0].birth_date, "year", 1800),
          "passengers[0].birth_date: must be a date of 1900 or later")
    wrong("AMOUNT_INVALID", "expected_total", lambda r: setattr(r.expected_total, "nanos", 1), "smallest unit")
    wrong("AMOUNT_INVALID", "expected_total", lambda r: setattr(r.expected_total, "currency_code", "XYZ"),
          "expected_total: is in no currency that is sold in")
    wrong("AMOUNT_INVALID", "expected_total", lambda r: r.expected_total.CopyFrom(
        type(r.expected_total)(currency_code="USD", units=-1)), "must not be negative")
    with refused("FAILED_PRECONDITION", "PRICE_CHANGED") as seen:
        request = world.hold_request(ann, offer)
        request.expected_total.units += 1
        ann.CreateBooking(request)
    cents = minor(good.expected_total)
    assert seen[0].facts == {"expected_minor": str(cents + 100), "total_minor": str(cents), "currency_code": "USD"}
    assert world.inventory(offer)[1] == 0, "nothing of all this held a seat"


def test_documents_are_valid_until_the_last_arrival(world, ann):
    offer = world.offer(ann)
    last = datetime.date.fromisoformat(offer.journeys[-1].segments[-1].local_arrival.date_time[:10])

    def book(date, month=None):
        expire = {"year": date.year, "month": month or date.month, "day": date.day}
        document = {"kind": "PASSPORT", "number": "C01X00T47", "region_code": "DE", "expire_date": expire}
        return world.hold(ann, offer, passengers=[adult(document=document)])

    for date, month in ((last - datetime.timedelta(days=1), None), (datetime.date(2019, 1, 1), None), (last, 13)):
        with refused("INVALID_ARGUMENT", "FIELD_INVALID", "passengers[0].document.expire_date"):
            book(date, month)
    for date in (last, datetime.date(9999, 12, 31)):
        assert book(date).passengers[0].document.expire_date.day == date.day


def test_a_hold_that_the_offer_does_not_allow(world, ann):
    """It would last until the departure. What was held while it was allowed is told again."""
    (origin, destination, date), = world.dev.sql("""
        SELECT origin, destination, departure_date FROM inventory
         WHERE departure_date = current_date + 4 AND cabin = 1 AND free >= 40 AND sales_close_time > now() LIMIT 1""")
    offer = world.search((origin, destination, datetime.date.fromisoformat(date)), ann).offers[0]
    request = world.hold_request(ann, offer)
    first = ann.ask("CreateBooking", request)
    with world.dev.sibling("--hold-seconds=604800") as server:
        client = server.client(ann.token)
        assert ann.GetOffer(name=offer.name).payment_terms.hold_allowed
        assert not client.GetOffer(name=offer.name).payment_terms.hold_allowed
        late = world.hold_request(ann, offer, payment={"payment_method": world.card()})
        for _ in range(2):
            with refused("FAILED_PRECONDITION", "HOLD_NOT_ALLOWED"):
                client.CreateBooking(late)
        again = client.ask("CreateBooking", request)
        assert again.replayed and again.raw == first.raw
        late.mode = late.INSTANT
        assert world.state(client.CreateBooking(late, timeout=15)) == "CONFIRMED"
    assert world.inventory(offer)[1] == 2
    world.same_books()


def test_two_infants_on_one_lap(world, ann):
    offer = world.offer(ann, passengers=(("ADULT", 2), ("INFANT_ON_LAP", 2)))
    baby = {"year": datetime.date.today().year - 1, "month": 6, "day": 1}
    infants = [adult(name, type="INFANT_ON_LAP", birth_date=baby, adult_index=0) for name in ("Cy", "Di")]
    with refused("INVALID_ARGUMENT", "PASSENGER_MISMATCH", "passengers[3].adult_index"):
        world.hold(ann, offer, passengers=[adult(), adult("Bo"), *infants])


def test_who_is_born_tomorrow(world, ann):
    """East of here it is that day already."""
    offer = world.offer(ann, passengers=(("ADULT", 1), ("INFANT_ON_LAP", 1)))

    def party(days):
        birth = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        born = {"year": birth.year, "month": birth.month, "day": birth.day}
        return [adult(), adult("Cy", type="INFANT_ON_LAP", birth_date=born, adult_index=0)]

    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "passengers[1].birth_date"):
        world.hold(ann, offer, passengers=party(3))
    assert world.state(world.hold(ann, offer, passengers=party(1))) == "HELD"


def test_expired_offer(world):
    with world.dev.sibling("--offer-seconds=4") as server:
        ann = world.traveller("Ann", server)
        offer = world.offer(ann)
        assert ann.GetOffer(name=offer.name).name == offer.name
        request = world.hold_request(ann, offer)
        world.wait(5.1)
        with refused("FAILED_PRECONDITION", "OFFER_EXPIRED"):
            ann.GetOffer(name=offer.name)
        with refused("FAILED_PRECONDITION", "OFFER_EXPIRED"):
            ann.CreateBooking(request)
        assert world.inventory(offer)[1] == 0


def test_bookings_in_no_state(world, ann):
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "states"):
        ann.ListBookings(states=["HELD", "STATE_UNSPECIFIED"])


def test_sales_closed(world, ann):
    offer = world.offer(ann)
    world.dev.sql(f"UPDATE inventory SET sales_close_time = now() WHERE flight_id = '{world.flight_id(offer)}'")
    with refused("FAILED_PRECONDITION", "SALES_CLOSED"):
        world.hold(ann, offer)


def test_hold_limit(world, ann):
    for _ in range(5):
        world.hold(ann)
    with refused("RESOURCE_EXHAUSTED", "HOLD_LIMIT"):
        world.hold(ann)


# ---- other people's things


def test_somebody_elses_booking_does_not_exist(world, ann, bob):
    booking, intent = world.ticketed(ann)
    quote = ann.CreateCancellation(parent=booking.name)
    missing = "bookings/" + new_id()
    for name in (booking.name, missing):
        calls = [("GetBooking", {"name": name}), ("ListBookingEvents", {"parent": name}),
                 ("CreateCancellation", {"parent": name}),
                 ("CreatePaymentIntent", {"parent": name, "amount": {"units": 1, "currency_code": "USD"}})]
        if name == booking.name:
            calls += [("GetPaymentIntent", {"name": intent.name}), ("ConfirmCancellation", {"name": quote.name}),
                      ("ConfirmPaymentIntent", {"name": intent.name, "payment_method": "pm_card_visa"})]
        for method, fields in calls:
            with refused("NOT_FOUND", "NOT_FOUND"):
                bob.ask(method, **fields)
    assert not bob.ListBookings().bookings
    with refused("NOT_FOUND", "NOT_FOUND"):
        bob.GetUser(name=ann.user.name)
    with refused("NOT_FOUND", "NOT_FOUND"):
        bob.DeleteSession(name=ann.tokens.session.name)


# ---- money


def test_wrong_amount_currency_and_state(world, ann):
    booking = world.hold(ann)
    due = booking.balance.due

    def pay(units=due.units, nanos=due.nanos, currency="USD", **more):
        return ann.CreatePaymentIntent(parent=booking.name, payment_method="pm_card_visa", confirm=True,
                                       amount={"units": units, "nanos": nanos, "currency_code": currency}, **more)

    with refused("FAILED_PRECONDITION", "AMOUNT_MISMATCH"):
        pay(units=due.units + 1)
    with refused("FAILED_PRECONDITION", "AMOUNT_MISMATCH"):
        pay(units=due.units - 1)
    with refused("FAILED_PRECONDITION", "CURRENCY_MISMATCH"):
        pay(currency="EUR")
    with refused("INVALID_ARGUMENT", "AMOUNT_INVALID", "amount"):
        pay(nanos=due.nanos + 1)
    with refused("INVALID_ARGUMENT", "AMOUNT_INVALID", "amount"):
        pay(units=-due.units, nanos=0)
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "amount"):
        ann.CreatePaymentIntent(parent=booking.name)
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "payment_method"):
        ann.CreatePaymentIntent(parent=booking.name, amount=due, confirm=True)
    assert world.state(ann.GetBooking(name=booking.name)) == "HELD"
    world.pay(ann, booking)
    world.booking(ann, booking, "CONFIRMED")
    with refused("FAILED_PRECONDITION", "BOOKING_STATE"):
        pay()
    world.same_books()


@pytest.mark.parametrize("number", ["4242424242424242", "4242-4242-4242-4242", "4242 4242 4242 4242", "378282246310005"])
def test_card_numbers_are_refused_before_anything_is_written(world, ann, number):
    booking = world.hold(ann)
    due = booking.balance.due
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "payment_method"):
        ann.CreatePaymentIntent(parent=booking.name, amount=due, confirm=True, payment_method=number)
    intent = ann.CreatePaymentIntent(parent=booking.name, amount=due)
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "payment_method"):
        ann.ConfirmPaymentIntent(name=intent.name, payment_method=number)
    request = world.hold_request(ann, world.offer(ann), payment={"payment_method": number})
    request.mode = request.INSTANT
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "payment.payment_method"):
        ann.CreateBooking(request)
    assert world.dev.sql(f"SELECT count(*) FROM payment WHERE method_token = '{number}'") == [["0"]]


def test_random_bytes_to_every_method(world, ann):
    """No method and no byte string may cost more than its own call."""
    before = world.dev.pids()
    noise = random.Random(int(os.environ.get("RPC_SEED", "7")))
    failed = 0
    for path, request, _ in stubs.METHODS.values():
        for size in (0, 1, 3, 10, 50, 300):
            try:
                ann.raw(path, noise.randbytes(size))
            except Exception as error:  # noqa: BLE001 (grpc's own class is private)
                assert error.code().name in ("INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED",
                                             "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"), error
                failed += 1
    assert failed > 100
    assert world.dev.pids() == before
