"""Searches and flights read from the timetable in memory: the same as PostgreSQL's, never older than the bound, and without
it from PostgreSQL."""

import contextlib
import os
import random
import signal
import subprocess
import time

import grpc
import pytest

from kit.client import refused
from kit.instance import Serve, until

BOUND_S = 5.0  # --search-stale-ms, where nothing else is said; longer than a machine stalls


def counts(server):
    """Searches and flights read from (the timetable, the database) so far, as workers publish them."""
    time.sleep(0.4)
    seen = server.metrics()
    return tuple(int(seen[f'faregate_timetable_reads_total{{from="{name}"}}']) for name in ("timetable", "database"))


def until_counted(server, *wanted):
    until(lambda: counts(server) == wanted, 5, f"{wanted} are counted")


def loads(server):
    return server.metrics()["faregate_timetable_loads_total"]


def is_fresh(server):
    seen = server.metrics()
    return seen["faregate_timetable_loads_total"] > 0 and seen["faregate_timetable_age_seconds"] < BOUND_S / 2


@contextlib.contextmanager
def serving(world, *flags, **more):
    with world.dev.sibling(f"--search-stale-ms={BOUND_S * 1000:.0f}", *flags, **more) as server:
        until(lambda: is_fresh(server), 20, "the timetable is read")
        yield server


def flights_of(answer):
    return {s.flight for o in answer.offers for j in o.journeys for s in j.segments}


def bare(answer):
    """Without what the moment of the search decides: names, ends, tokens."""
    offers = []
    for offer in answer.offers:
        offer.name = ""
        offer.ClearField("expire_time")
        offer.ClearField("payment_terms")
        offers.append(offer.SerializeToString(deterministic=True))
    return offers, bool(answer.next_page_token)


# ---- the same


def random_search(noise, trips):
    """A request as PostgreSQL and the timetable must answer alike; @trips: (origin, destination, date) with flights."""
    def slice_of(trip):
        origin, destination, date = trip
        fields = {"origin": origin, "destination": destination,
                  "departure_date": dict(zip(("year", "month", "day"), map(int, date.split("-"))))}
        if noise.random() < 0.2:
            fields["departure_window"] = {"start": {"hours": 6}, "end": {"hours": 15}}
        return fields
    trip = noise.choice(trips)
    slices = [slice_of(trip)]
    if noise.random() < 0.3:
        slices.append(slice_of((trip[1], trip[0], max(trip[2], noise.choice(trips)[2]))))
    party = [{"type": "ADULT", "count": noise.choice([1, 1, 2, 5, 9])}]
    if noise.random() < 0.2 and party[0]["count"] < 5:
        party.append({"type": "CHILD", "count": 2})
    return {"slices": slices, "passengers": party, "cabin": noise.choice(["ECONOMY", "ECONOMY", "BUSINESS", "FIRST"]),
            "currency_code": noise.choice(["USD", "EUR", "JPY"]), "max_connections": noise.choice([0, 0, 1]),
            "order_by": noise.choice(["", "duration", "departure_time desc"]), "page_size": noise.choice([3, 10, 50]),
            "filter": noise.choice(["", "", "refundable = true"]),
            "view": noise.choice(["OFFER_VIEW_BASIC", "OFFER_VIEW_FULL"])}


def test_finds_what_postgresql_finds(world, ann):
    noise = random.Random(int(os.environ.get("RPC_SEED", "11")))
    trips = [tuple(row) for row in world.dev.sql("""
        SELECT origin, destination, departure_date FROM flight WHERE departure_date >= current_date
         ORDER BY md5(flight_id::text) LIMIT 150""")]
    cities = [row[0] for row in world.dev.sql("""
        SELECT DISTINCT metro FROM airport JOIN flight ON origin = iata WHERE metro <> iata LIMIT 20""")]
    trips += [(city, trip[1], trip[2]) for city, trip in zip(cities, trips) if city != trip[1]]
    for _ in range(3):
        world.hold(world.traveller())
    with serving(world, "--search-stale-ms=20000") as memory, world.dev.sibling("--search-stale-ms=0") as database:
        time.sleep(5.1)  # the last booking is in: a poll comes every quarter of the bound
        here, there = memory.client(), database.client()
        found = asked = 0
        for _ in range(400):
            request = random_search(noise, trips)
            try:
                want = there.SearchOffers(**request)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
                continue
            asked += 1
            found += len(want.offers)
            assert bare(here.SearchOffers(**request)) == bare(want), request
        assert asked > 300 and found > 500, (asked, found)
        until_counted(memory, asked, 0)
        until_counted(database, 0, asked)
        status, metrics = database.http("/metrics")
        assert status == 200 and "timetable_loads" not in metrics, "who always asks the database needs no timetable"


def test_a_flight_is_read_as_postgresql_has_it(world):
    flights = [row[0] for row in world.dev.sql("SELECT DISTINCT flight_id, md5(flight_id::text) FROM inventory "
                                               "WHERE departure_date >= current_date - 1 ORDER BY 2 LIMIT 60")]
    off = flights[0]
    with serving(world) as memory, world.dev.sibling("--search-stale-ms=0") as database:
        here, there = memory.client(), database.client()

        def same(flight):
            asked = time.time()
            answers = [client.GetFlight(name=f"flights/{flight}") for client in (here, there)]
            for answer in answers:
                assert asked - BOUND_S <= answer.read_time.ToNanoseconds() / 1e9 <= time.time()
                answer.ClearField("read_time")
            return answers[0] == answers[1]

        assert all(same(flight) for flight in flights)
        until_counted(memory, len(flights), 0)
        with refused("NOT_FOUND"):
            here.GetFlight(name="flights/00000000-0000-7000-8000-000000000000")
        (aircraft, arrival), = world.dev.sql(f"SELECT DISTINCT aircraft, arrival_time FROM inventory WHERE flight_id = '{off}'")
        try:
            world.dev.sql(f"UPDATE inventory SET state = 'CANCELLED' WHERE flight_id = '{off}'")  # and nobody is told
            assert not same(off), "it is from the timetable"
            tell(world, off, "state = 'CANCELLED'")
            until(lambda: world.state(here.GetFlight(name=f"flights/{off}")) == "CANCELLED", BOUND_S, "it is called off")
            assert same(off), "what is not to be flown is PostgreSQL's to tell"
            tell(world, off, "state = 'SCHEDULED'")
            until(lambda: world.state(here.GetFlight(name=f"flights/{off}")) != "CANCELLED", BOUND_S, "it is on again")
            tell(world, off, "arrival_time = arrival_time + interval '1 hour', aircraft = '77W'")
            until(lambda: same(off), BOUND_S, "it comes later, with another aircraft")
        finally:
            tell(world, off, f"state = 'SCHEDULED', arrival_time = '{arrival}', aircraft = '{aircraft}'")


def all_flights(client, world, trip):
    found, token = set(), ""
    while True:
        answer = world.search(trip, client, page_size=50, page_token=token)
        found |= flights_of(answer)
        token = answer.next_page_token
        if not token:
            return found


def test_both_stop_at_the_fortieth_flight_with_the_cabin(world):
    """Fifty flights of one route, a second apart, and as many between them that have business only."""
    trip = world.trip()
    row, = world.dev.sql(f"""
        SELECT flight_id FROM inventory WHERE cabin = 1
         AND (origin, destination, departure_date) = ('{trip[0]}', '{trip[1]}', '{trip[2]}') LIMIT 1""")
    copies = f"flight_id IN (SELECT md5('{row[0]}' || i)::uuid FROM generate_series(1, 100) i)"
    told = "INSERT INTO inventory_change (flight_id, flight_ids) VALUES ('00000000-0000-0000-0000-000000000000', '{}')"
    world.dev.sql(f"""
        INSERT INTO inventory SELECT (jsonb_populate_record(t, jsonb_build_object('flight_id', md5('{row[0]}' || i)::uuid,
               'cabin', 1 + i % 2, 'departure_time', t.departure_time + i * interval '1 second'))).*
          FROM inventory t, generate_series(1, 100) i WHERE t.flight_id = '{row[0]}' AND t.cabin = 1; {told}""")
    try:
        with serving(world) as memory, world.dev.sibling("--search-stale-ms=0") as database:
            here, there = (all_flights(server.client(), world, trip) for server in (memory, database))
            assert here == there and len(here) == 40
            assert counts(memory)[1] == 0 and counts(database)[0] == 0
    finally:
        world.dev.sql(f"DELETE FROM inventory WHERE {copies}; {told}")


# ---- how old


def test_what_is_held_leaves_the_searches_within_the_bound(world):
    with serving(world, jobs=True) as server:
        ann, bob = world.traveller("Ann", server), server.client()
        trip = world.trip()
        offer = world.search(trip, ann).offers[0]
        flight = offer.journeys[0].segments[0].flight
        world.leave_seats(offer, 3)

        def fits(count):
            return count == 0 or flight in flights_of(world.search(trip, bob, [("ADULT", count)], page_size=50))

        def seats(wanted, why):
            until(lambda: fits(wanted) and not fits(wanted + 1), BOUND_S, why, every=0.05)

        seats(3, "what is left")
        booking = world.hold(ann, offer)
        seats(2, "a hold takes a seat")
        ann.ConfirmCancellation(name=ann.CreateCancellation(parent=booking.name).name)
        seats(3, "a cancellation gives it back")
        booking = world.hold(ann, offer)
        seats(2, "a hold takes a seat")
        world.dev.sql("UPDATE booking SET payment_required_time = now() - interval '1 second' "
                      f"WHERE booking_id = '{booking.name.removeprefix('bookings/')}'")
        world.booking(ann, booking, "EXPIRED")
        until(lambda: world.inventory(offer)[1] == 0, 5, "the sweep gives it back")
        seats(3, "an expired hold gives it back")
        booking = world.hold(ann, offer)
        world.pay(ann, booking)
        world.booking(ann, booking, "CONFIRMED")
        seats(2, "what is sold stays taken")
        world.leave_seats(offer, 0)
        seats(0, "nothing is left")
        with refused("FAILED_PRECONDITION", "SEATS_UNAVAILABLE"):
            world.hold(ann, offer)
        assert counts(server)[1] == 0, "all that was from the timetable"


def test_a_search_says_when_its_seats_were_read(world):
    with serving(world) as server:
        for _ in range(3):
            asked = time.time()
            answer = world.search(world.trip(), server.client())
            assert asked - BOUND_S <= answer.read_time.ToNanoseconds() / 1e9 <= time.time()
            assert answer.offers[0].expire_time.ToNanoseconds() / 1e9 <= time.time() + 1200
            time.sleep(0.3)
        until_counted(server, 3, 0)


def tell(world, flight, change, flights=None):
    """Changes all cabins of the flight, as the server's statements do."""
    world.dev.sql(f"BEGIN; UPDATE inventory SET {change} WHERE flight_id = '{flight}'; INSERT INTO inventory_change "
                  f"(flight_id, flight_ids) VALUES ('{flight}', '{flights or f'{{{flight}}}'}'); COMMIT")


def test_an_offer_says_when_a_hold_ends_that_the_cut_off_cuts_short(world):
    with serving(world) as server:
        ann, trip = world.traveller("Ann", server), world.trip()
        flight = world.flight_id(world.search(trip, ann).offers[0])
        tell(world, flight, "sales_close_time = now() + interval '5 minutes'")
        (close,), = world.dev.sql("SELECT floor(extract(epoch FROM sales_close_time))::int8 FROM inventory "
                                  f"WHERE flight_id = '{flight}' LIMIT 1")

        def offer_in_time():
            offers = world.search(trip, ann, page_size=50, view="OFFER_VIEW_FULL").offers
            offer = next(o for o in offers if world.flight_id(o) == flight)
            return offer.expire_time.seconds == int(close) and offer

        offer = until(offer_in_time, BOUND_S, "the cut-off is seen")
        for terms in (offer.payment_terms, ann.GetOffer(name=offer.name).payment_terms):
            assert terms.hold_allowed and terms.payment_required_time == terms.price_guarantee_expire_time
            assert terms.payment_required_time.seconds == int(close)
        assert world.hold(ann, offer).payment_required_time.seconds == int(close)
        assert counts(server)[1] == 0, "all that was from the timetable"


def test_a_flight_that_is_called_off_or_new_is_seen(world):
    with serving(world) as server:
        client, trip = server.client(), world.trip()
        offer = world.search(trip, client).offers[0]
        flight = world.flight_id(offer)

        def is_seen():
            return f"flights/{flight}" in flights_of(world.search(trip, client, page_size=50))

        before = loads(server)
        tell(world, flight, "state = 'CANCELLED'")
        until(lambda: not is_seen(), BOUND_S, "it is called off")
        tell(world, flight, "state = 'SCHEDULED'")
        until(is_seen, BOUND_S, "it flies after all")
        assert loads(server) == before
        tell(world, flight, "departure_time = departure_time + interval '1 minute'", "{}")
        until(lambda: loads(server) > before and is_fresh(server), 20, "the whole timetable is read anew")
        again = next(o for o in world.search(trip, client, page_size=50).offers if world.flight_id(o) == flight)
        moved = again.journeys[0].segments[0].departure_time.seconds - offer.journeys[0].segments[0].departure_time.seconds
        assert moved == 60
        tell(world, flight, "departure_time = departure_time - interval '1 minute'", "{}")


def test_what_has_left_is_not_sold_whatever_its_cut_off(world):
    with serving(world) as memory, world.dev.sibling("--search-stale-ms=0") as database:
        trip, clients = world.trip(), [memory.client(), database.client()]
        ann = world.traveller("Ann", memory)
        offer = world.search(trip, ann).offers[0]
        flight = world.flight_id(offer)
        assert ann.GetOffer(name=offer.name).name == offer.name

        def seen_by(client):
            return f"flights/{flight}" in flights_of(world.search(trip, client, page_size=50))

        assert all(map(seen_by, clients))
        tell(world, flight, "sales_close_time = 'infinity', departure_time = now() - interval '1 minute'")
        assert not seen_by(clients[1])
        until(lambda: not seen_by(clients[0]), 20, "the timetable is read anew")
        for call in (lambda: ann.GetOffer(name=offer.name), lambda: world.hold(ann, offer)):
            with refused("FAILED_PRECONDITION", "SALES_CLOSED"):
                call()


SLOW = """
    CREATE SCHEMA slow;
    CREATE FUNCTION slow.ly(flight_id uuid) RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN IF get_byte(uuid_send(flight_id), 15) < 8 THEN PERFORM pg_sleep(0.001); END IF; RETURN true; END $$;
    CREATE VIEW slow.inventory AS SELECT * FROM public.inventory WHERE slow.ly(flight_id)"""
WRITERS = """
    DO $$ BEGIN LOOP
        INSERT INTO inventory_change (flight_id, flight_ids)
        SELECT gen_random_uuid(), ARRAY[flight_id] FROM (SELECT flight_id FROM inventory LIMIT 250) f;
        COMMIT; PERFORM pg_sleep(0.1);
    END LOOP; END $$"""


def test_it_is_read_while_more_is_written_than_one_poll_can_take(world):
    """2,500 rows a second, and a reading that takes more than two: behind its beginning lie more than 5,000."""
    world.dev.sql(SLOW)
    writers = subprocess.Popen(["psql", "-Xq", "-d", world.dev.conninfo, "-c", WRITERS], stderr=subprocess.DEVNULL)
    try:
        slow = Serve(f"{world.dev.conninfo} options='-c search_path=slow,public'", world.dev.data,
                     f"--search-stale-ms={BOUND_S * 1000:.0f}")
        with slow as server:
            until(lambda: is_fresh(server), 40, "the timetable is read")
            read, = until(lambda: [e for e in server.events() if e.get("method") == "LoadTimetable"], 5, "it is logged")
            assert int(read["load_ms"]) > 2000, read
            assert world.search(world.trip(), server.client()).offers
    finally:
        writers.kill()
        writers.wait()
        world.dev.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%DO $$ BEGIN LOOP%' "
                      "AND pid <> pg_backend_pid()")
        world.dev.sql("DROP SCHEMA slow CASCADE")


AHEAD = """
    CREATE SCHEMA ahead;
    CREATE TABLE ahead.clock AS SELECT interval '0' AS ahead;
    CREATE FUNCTION ahead.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT pg_catalog.now() + ahead FROM ahead.clock'"""


def test_it_is_read_anew_when_the_database_has_gone_on_without_it(world):
    """The machine was paused and its clocks stood still: what told of a change may have been pruned."""
    world.dev.sql(AHEAD)
    try:
        with Serve(f"{world.dev.conninfo} options='-c search_path=ahead,pg_catalog,public'", world.dev.data,
                   f"--search-stale-ms={BOUND_S * 1000:.0f}") as server:
            until(lambda: is_fresh(server), 20, "the timetable is read")
            client, trip = server.client(), world.trip()
            flight = world.flight_id(world.search(trip, client).offers[0])
            world.dev.sql(f"UPDATE inventory SET state = 'CANCELLED' WHERE flight_id = '{flight}'")
            assert loads(server) == 1
            world.dev.sql("UPDATE ahead.clock SET ahead = '6 minutes'")
            until(lambda: f"flights/{flight}" not in flights_of(world.search(trip, client, page_size=50)), 20, "it is missed")
            until(lambda: loads(server) == 2, 20, "all was read anew")
            tell(world, flight, "state = 'SCHEDULED'")
    finally:
        world.dev.sql("DROP SCHEMA ahead CASCADE")


# ---- without it


def test_without_its_process_the_database_is_asked(world):
    with serving(world) as server:
        client, trip = server.client(), world.trip()
        pids = server.pids()
        name, = (n for n in pids if n.startswith("timetable"))
        offers = world.search(trip, client).offers
        until_counted(server, 1, 0)
        os.kill(pids[name], signal.SIGSTOP)  # dead, as far as anybody can see, and not replaced
        try:
            until(lambda: server.metrics()["faregate_timetable_age_seconds"] > BOUND_S, BOUND_S + 10, "it ages")
            world.leave_seats(offers[0], 0)
            flight = offers[0].journeys[0].segments[0].flight
            assert flight not in flights_of(world.search(trip, client, page_size=50)), "seen at once, since it is no longer trusted"
            until_counted(server, 1, 1)
        finally:
            os.kill(pids[name], signal.SIGCONT)
        until(lambda: is_fresh(server), 10, "it goes on")
        server.replace_child(name, 5)
        until(lambda: loads(server) == 2 and is_fresh(server), 20, "it has read the timetable")
        before = counts(server)
        assert flight not in flights_of(world.search(trip, client, page_size=50))
        until_counted(server, before[0] + 1, before[1])
        assert server.metrics()['faregate_process_restarts_total{process="timetable"}'] == 1


def test_a_lost_connection_makes_it_read_everything_again(world):
    with serving(world) as server:
        client, trip = server.client(), world.trip()
        assert world.search(trip, client).offers
        world.dev.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE query LIKE '%inventory_change%' AND pid <> pg_backend_pid() AND query LIKE '%pg_visible%'")
        until(lambda: loads(server) == 2 and is_fresh(server), 20, "it has read the timetable again")
        assert world.search(trip, client).offers


def test_what_does_not_fit_is_not_searched(world):
    with world.dev.sibling("--timetable-bytes=8388608") as server:
        until(lambda: server.metrics()["faregate_timetable_full"] == 1, 20, "it does not fit")
        assert world.search(world.trip(), server.client()).offers
        until_counted(server, 0, 1)
        said = [e for e in server.events() if e.get("method") == "ReadTimetable" and "--timetable-bytes" in e.get("error", "")]
        assert len(said) == 1


@pytest.mark.parametrize("flags", [["--search-stale-ms=0"], ["--services=auth,booking"]])
def test_nobody_keeps_it_where_nobody_looks(world, flags):
    with world.dev.sibling(*flags) as server:
        assert not any(name.startswith("timetable") for name in server.pids())
