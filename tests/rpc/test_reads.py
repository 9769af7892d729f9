"""Reads that share statements: everybody gets their own rows, however many ask at once."""

import concurrent.futures

from kit.instance import Serve, until

CALLERS = 24


def pages(method, size, **fields):
    """All items of a list, walked by pages of @size."""
    found, token = [], ""
    while True:
        page = method(page_size=size, page_token=token, **fields)
        items = list(page.bookings if hasattr(page, "bookings") else page.events)
        assert len(items) <= size
        found += items
        token = page.next_page_token
        if not token:
            return found


def history(client):
    """What the lists say of a traveller, as bytes."""
    bookings = pages(client.ListBookings, 2)
    held = pages(client.ListBookings, 2, states=["HELD"])
    ended = pages(client.ListBookings, 2, states=["CANCELLED", "EXPIRED"])
    events = [e for b in bookings for e in pages(client.ListBookingEvents, 1, parent=b.name)]
    whole = [client.GetBooking(name=b.name) for b in bookings]
    return [[m.SerializeToString(deterministic=True) for m in part] for part in (bookings, held, ended, events, whole)]


def test_histories_read_at_once(world):
    users = [world.traveller() for _ in range(6)]
    for number, user in enumerate(users):
        made = [world.hold(user) for _ in range(number % 3 + 1)]
        user.ConfirmCancellation(name=user.CreateCancellation(parent=made[0].name).name)
    alone = [history(user) for user in users]
    for number, (bookings, held, ended, events, _) in enumerate(alone):
        assert (len(bookings), len(held), len(ended)) == (number % 3 + 1, number % 3, 1)
        assert len(events) > len(bookings)

    def shared():
        seen = world.dev.metrics()
        return seen["faregate_db_members_total"] - seen["faregate_db_statements_total"]

    before = shared()
    clients = [users[i % len(users)].again() for i in range(CALLERS)]
    for client in clients:  # connected first, so that they really meet
        client.SearchPlaces(query="x")
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        for _ in range(3):
            assert list(pool.map(history, clients)) == [alone[i % len(users)] for i in range(CALLERS)]
    until(lambda: shared() > before, 5, "statements were shared")


def test_a_long_list_is_read_in_parts(world):
    """With the largest bookings that there may be, and as one page or many."""
    ann = world.traveller()
    pairs = [{"key": str(i), "value": "x" * 500} for i in range(16)]
    offer = world.offer(ann)
    for _ in range(50):
        booking = world.hold(ann, offer, metadata=pairs)
        ann.ConfirmCancellation(name=ann.CreateCancellation(parent=booking.name).name)
    whole = ann.ListBookings(page_size=100)
    assert len(whole.bookings) == 50 and not whole.next_page_token
    for size in (1, 20, 21, 22, 42, 43, 49, 50):
        assert pages(ann.ListBookings, size) == list(whole.bookings)
    first = ann.ListBookings(page_size=42)
    assert len(first.bookings) == 42 and first.next_page_token


def test_a_list_shows_what_the_booking_itself_does(world):
    ann = world.traveller()
    for _ in range(3):
        late = world.hold(ann)
    world.ticketed(ann)
    ended, _ = world.ticketed(ann)
    ann.ConfirmCancellation(name=ann.CreateCancellation(parent=ended.name).name)
    world.dev.sql(f"UPDATE booking SET payment_required_time = now() WHERE booking_id = '{late.name.removeprefix('bookings/')}'")

    def same():
        shown = pages(ann.ListBookings, 4)
        whole = [ann.GetBooking(name=b.name) for b in shown]
        for booking in whole:
            del booking.tickets[:], booking.seats[:]
        return len(shown) == 5 and shown == whole

    until(same, 5, "the list says the same as each booking")  # the refund and the sweeper are still at work
    assert [world.state(b) for b in pages(ann.ListBookings, 9, states=["EXPIRED"])] == ["EXPIRED"]


def test_a_flight_departs_by_the_clock_that_its_sales_close_by(world, ann, clock):
    """The database's; the server's own is months behind."""
    name = world.offer(ann).journeys[0].segments[0].flight
    with Serve(clock.conninfo, world.dev.data) as server:
        client = server.client(ann.token)
        assert world.state(client.GetFlight(name=name)) == "OPEN"
        for since, state in (("departure_time", "DEPARTED"), ("arrival_time", "ARRIVED")):
            ahead = world.dev.sql(f"SELECT max({since}) - now() + interval '1 minute' FROM inventory "
                                  f"WHERE flight_id = '{name.removeprefix('flights/')}'")[0][0]
            clock.set(ahead)
            until(lambda s=state: world.state(client.GetFlight(name=name)) == s, 10, state)
