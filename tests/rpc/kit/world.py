"""Travellers and flights of one instance. Each offer is on a flight that no other test has."""

import datetime
import time

from kit import stubs
from kit.client import new_id
from kit.instance import until

PASSWORD = "a long enough pass phrase"


def adult(given="Ann", surname="Lee", **more):
    return {"type": "ADULT", "given_name": given, "surname": surname, "email": "ann@example.org",
            "birth_date": {"year": 1990, "month": 5, "day": 17}, **more}


def minor(amount):
    return amount.units * 100 + amount.nanos // 10_000_000


class World:
    def __init__(self, dev, numbers):
        self.dev, self.numbers = dev, numbers
        self.flights = None

    # ---- travellers

    def traveller(self, name="Ann", server=None):
        """Registered and logged in."""
        number = next(self.numbers)
        client = (server or self.dev).client()
        email = f"{name.lower()}.{number}.{new_id()[:8]}@example.org"
        client.user = client.CreateUser(email=email, password=PASSWORD, display_name=name)
        return client.log_in(email, PASSWORD)

    def staff(self, role):
        """Somebody with that role as well, logged in."""
        client = self.traveller(role.title())
        number = stubs.options.Role.Value("ROLE_" + role)
        self.dev.sql(f"UPDATE app_user SET roles = roles | (1 << {number}) WHERE email = '{client.email}'")
        client.log_in(client.email, PASSWORD)
        assert list(client.GetUser(name="users/me").roles) == [1, number]
        return client

    # ---- flights

    DAYS, ROOM, ROUTES_MIN = (18, 24), 40, 100

    def _routes(self):
        """Direct flights in @DAYS from now with @ROOM in economy, none twice."""
        rows = self.dev.sql(f"""
            SELECT DISTINCT ON (origin, destination) origin, destination, departure_date
              FROM inventory i
             WHERE departure_date BETWEEN current_date + {self.DAYS[0]} AND current_date + {self.DAYS[1]} AND i.cabin = 1
               AND i.free >= {self.ROOM} AND i.sales_close_time > now()
             ORDER BY 1, 2, 3 LIMIT 400""")
        assert len(rows) > self.ROUTES_MIN, "the timetable has too few routes for the tests"
        return iter(rows)

    def trip(self):
        """(origin, destination, date) that nobody has used."""
        self.flights = self.flights or self._routes()
        origin, destination, date = next(self.flights)
        return origin, destination, datetime.date.fromisoformat(date)

    def search(self, trip, client=None, passengers=(("ADULT", 1),), cabin="ECONOMY", **more):
        origin, destination, date = trip
        fields = {"max_connections": 0, "currency_code": "USD", "page_size": 5, **more}
        return (client or self.dev.client()).SearchOffers(
            slices=[{"origin": origin, "destination": destination,
                     "departure_date": {"year": date.year, "month": date.month, "day": date.day}}],
            passengers=[{"type": kind, "count": count} for kind, count in passengers], cabin=cabin, **fields)

    def offer(self, client=None, **more):
        """One offer on an unused direct flight."""
        offers = self.search(self.trip(), client, **more).offers
        assert offers, "a flight with free seats is offered"
        return offers[0]

    def flight_id(self, offer, segment=0):
        return offer.journeys[0].segments[segment].flight.removeprefix("flights/")

    @staticmethod
    def free_seats(client, offer):
        """Free economy seats that anybody may sit on."""
        cabins = client.GetSeatMap(name=offer.journeys[0].segments[0].flight + "/seatMap", cabin="ECONOMY").cabins
        return [s.designator for c in cabins for r in c.rows if not r.exit_row for s in r.seats if s.available]

    def inventory(self, offer):
        """(free, taken) seats of the offer's first flight."""
        row = self.dev.sql(f"SELECT free, taken FROM inventory WHERE cabin = 1 "
                           f"AND flight_id = '{self.flight_id(offer)}'")[0]
        return tuple(map(int, row))

    def leave_seats(self, offer, seats):
        """Shrinks the flight to @seats that can still be sold, and tells of it as the server's statements do."""
        self.dev.sql(f"WITH u AS (UPDATE inventory SET free = {seats}, authorised = {seats} + taken WHERE cabin = 1 "
                     f"AND flight_id = '{self.flight_id(offer)}' RETURNING flight_id) "
                     "INSERT INTO inventory_change (flight_id, flight_ids) SELECT flight_id, ARRAY[flight_id] FROM u")

    # ---- booking and paying

    def hold_request(self, client, offer, passengers=None, **more):
        return client.request("CreateBooking", offer=offer.name, mode="HOLD", passengers=passengers or [adult()],
                              expected_total=offer.price.total, **more)

    def hold(self, client, offer=None, **more):
        offer = offer or self.offer(client)
        return client.CreateBooking(self.hold_request(client, offer, **more))

    def card(self, method="pm_card_visa"):
        """A card of that kind that nobody has used: attempts are limited per card."""
        return f"{method}__{next(self.numbers)}"

    def pay(self, client, booking, method="pm_card_visa", **more):
        return client.CreatePaymentIntent(parent=booking.name, amount=booking.balance.due, confirm=True, timeout=15,
                                          payment_method=self.card(method), **more)

    def ticketed(self, client, **more):
        """(booking, intent), paid."""
        booking = self.hold(client, **more)
        intent = self.pay(client, booking)
        return self.booking(client, booking, "CONFIRMED"), self.intent(client, intent, "CAPTURED")

    @staticmethod
    def state(resource):
        return type(resource).State.Name(resource.state)

    def booking(self, client, booking, *states, seconds=15):
        """The booking once it is in one of @states."""
        return self._wait(lambda: client.GetBooking(name=booking.name), states, seconds)

    def intent(self, client, intent, *states, seconds=15):
        return self._wait(lambda: client.GetPaymentIntent(name=intent.name), states, seconds)

    def refund(self, client, refund, *states, seconds=15):
        return self._wait(lambda: client.GetRefund(name=refund.name), states, seconds)

    def _wait(self, read, states, seconds):
        last = []

        def seen():
            last[:] = [read()]
            return not states or self.state(last[0]) in states

        try:
            until(seen, seconds, f"one of {states}", every=0.05)
        except AssertionError:
            raise AssertionError(f"expected {states} within {seconds} s, it is {self.state(last[0])}: "
                                 f"{last[0].name}") from None
        return last[0]

    @staticmethod
    def wait(seconds):
        time.sleep(seconds)

    # ---- money

    def ledger(self):
        """Cents captured and refunded in USD by our books."""
        rows = dict(self.dev.sql("SELECT kind, sum(amount_minor) FROM ledger_transfer WHERE currency = 'USD' GROUP BY 1"))
        return int(rows.get("CAPTURE", 0)), int(rows.get("REFUND", 0))

    def provider_books(self):
        """The same by the provider's books."""
        books = self.dev.provider("GET", "/v1/balance")["books"]
        usd = next((b for b in books if b["currency"] == "usd"), {"captured": 0, "refunded": 0})
        return usd["captured"], usd["refunded"]

    def same_books(self, seconds=15):
        """Waits for the completer; then both sides must have moved the same money."""
        until(lambda: self.ledger() == self.provider_books(), seconds,
              f"ledger {self.ledger()} equals provider {self.provider_books()}", every=0.2)

    def hurry(self, booking):
        """What the completer would look at in minutes or hours, it looks at now."""
        which = (f"booking_id = '{booking.name.removeprefix('bookings/')}' AND "
                 "(due_time IS NOT NULL OR state IN ('SENT', 'AUTHORIZED'))")
        for table, times in (("payment_attempt", ("create_time",)), ("refund", ("create_time", "sent_time"))):
            earlier = "".join(f", {time} = {time} - interval '2 hours'" for time in times)
            self.dev.sql(f"UPDATE {table} SET due_time = now(){earlier} WHERE {which}")

    def strike(self, fault, on, count=1):
        """The provider fails its next requests of a kind."""
        self.dev.provider("POST", "/v1/test_helpers/scenario", f"scenario={fault}&on={on}&count={count}")
