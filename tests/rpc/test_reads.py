"""Reads that share statements: everybody gets their own rows, however many ask at once."""

import concurrent.futures
import subprocess
import time

import grpc
import pytest

from kit.client import refused
from kit.instance import until

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


# ---- searches from memory


def counts(server):
    """(hits, joined, misses) once the worker has published them."""
    time.sleep(0.6)
    seen = server.metrics()
    return tuple(int(seen[f"faregate_search_{name}_total"]) for name in ("hits", "joined", "misses"))


class Stopped:
    """Nobody reads seats meanwhile."""

    def __init__(self, world, seconds):
        self.world = world
        statement = f"BEGIN; LOCK inventory IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds}); COMMIT"
        self.psql = subprocess.Popen(["psql", "-XAtq", "-d", world.dev.conninfo, "-c", statement], stdout=subprocess.DEVNULL)

    def __enter__(self):
        locked = "SELECT 1 FROM pg_locks WHERE relation = 'inventory'::regclass AND mode = 'AccessExclusiveLock' AND granted"
        until(lambda: self.world.dev.sql(locked), 5, "the table is locked")

    def __exit__(self, *_):
        assert self.psql.wait(timeout=30) == 0


def test_what_was_sold_leaves_the_searches_within_the_bound(world):
    with world.dev.sibling("--search-stale-ms=1500") as server:
        ann = world.traveller("Ann", server)
        trip = world.trip()
        first = world.search(trip, ann)
        began = time.monotonic()
        for offer in first.offers:
            world.leave_seats(offer, 0)
        again = world.search(trip, ann.again())
        assert time.monotonic() - began > 1.4 or again == first, "the same offers, which end when they would have"
        other = world.search(trip, ann, page_size=4)
        assert not other.offers and other.read_time.ToNanoseconds() > first.read_time.ToNanoseconds()
        with refused("FAILED_PRECONDITION", "SEATS_UNAVAILABLE"):
            world.hold(ann, first.offers[0])
        world.wait(max(0.0, began + 1.6 - time.monotonic()))
        assert not world.search(trip, ann).offers
        assert counts(server) == (1, 0, 3)


def test_without_the_memory_what_was_sold_is_gone_at_once(world):
    with world.dev.sibling("--search-stale-ms=0") as server:
        ann = world.traveller("Ann", server)
        trip = world.trip()
        for offer in world.search(trip, ann).offers:
            world.leave_seats(offer, 0)
        assert not world.search(trip, ann).offers
        assert counts(server) == (0, 0, 0)


def test_equal_searches_in_flight_are_read_once(world):
    with world.dev.sibling("--search-stale-ms=10000") as server:
        clients = [server.client() for _ in range(CALLERS)]
        for client in clients:
            client.SearchPlaces(query="x")
        trip, other = world.trip(), world.trip()
        with concurrent.futures.ThreadPoolExecutor(CALLERS + 1) as pool:
            with Stopped(world, 1.5):
                with pytest.raises(grpc.RpcError):  # whoever asked first goes away; the others ask for themselves
                    world.search(trip, server.client(), timeout=0.3)
                answers = [pool.submit(world.search, trip, client) for client in clients]
                gone = pool.submit(world.search, trip, server.client(), timeout=0.4)
                different = pool.submit(world.search, other, server.client())
                with pytest.raises(grpc.RpcError):
                    gone.result()
            found = [a.result() for a in answers]
        assert found[0].offers and all(f == found[0] for f in found)
        assert different.result() != found[0]
        assert counts(server) == (0, CALLERS - 1, 3)
        assert world.search(trip, server.client()) == found[0]
        assert counts(server) == (1, CALLERS - 1, 3)


def test_searches_wait_for_one_that_goes_away(world):
    with world.dev.sibling("--search-stale-ms=10000") as server:
        clients = [server.client() for _ in range(5)]
        for client in clients:
            client.SearchPlaces(query="x")
        trip = world.trip()
        with concurrent.futures.ThreadPoolExecutor(8) as pool, Stopped(world, 1.2):
            first = pool.submit(world.search, trip, server.client(), timeout=0.6)
            world.wait(0.2)
            answers = [pool.submit(world.search, trip, client) for client in clients]
            with pytest.raises(grpc.RpcError):
                first.result()
            found = [a.result() for a in answers]
        assert found[0].offers and all(f == found[0] for f in found)
        assert counts(server) == (0, 4, 2)


def test_the_memory_of_searches_is_bounded(world):
    with world.dev.sibling("--search-stale-ms=60000", "--search-cache-bytes=65536") as server:
        client = server.client()
        asked, answers = [], []
        while sum(a.ByteSize() for a in answers) <= 2 * 65536:
            trip = world.trip()
            asked += [(trip, size) for size in range(5, 15)]
            answers += [world.search(trip, client, view="OFFER_VIEW_FULL", page_size=size) for size in range(5, 15)]
        hits, _, misses = counts(server)
        assert (hits, misses) == (0, len(asked))
        assert 32768 < server.metrics()["faregate_search_cache_bytes"] <= 65536
        for (trip, size), answer in zip(asked[::-1], answers[::-1]):
            again = world.search(trip, client, view="OFFER_VIEW_FULL", page_size=size)
            assert again.offers[0].price == answer.offers[0].price
        hits, _, misses = counts(server)
        assert 1 <= hits < len(asked) and hits + misses == 2 * len(asked), "the newest were there, the oldest had to leave"
