"""One `faregate dev` for the whole run, its world of flights and travellers, and `faregate check` after every test that
used it. A conftest.py imports what its tests use."""

import itertools

import pytest

from kit.instance import Dev
from kit.world import World


@pytest.fixture(scope="session")
def dev():
    with Dev("--workers", "2", "--provider-timeout-ms", "1500") as instance:
        yield instance


@pytest.fixture(scope="session")
def shared_world(dev):
    return World(dev, itertools.count(1))


@pytest.fixture
def world(shared_world):
    yield shared_world
    shared_world.dev.check()


class Clock:
    """The database's clock for who connects by @conninfo: ahead of the real one by what was set."""

    def __init__(self, dev):
        self.dev, self.conninfo = dev, dev.conninfo + " options='-csearch_path=other,pg_catalog,public'"
        dev.sql("CREATE SCHEMA other; CREATE TABLE other.clock AS SELECT interval '0' AS ahead; "
                "CREATE FUNCTION other.now() RETURNS timestamptz LANGUAGE sql STABLE AS "
                "'SELECT pg_catalog.now() + ahead FROM other.clock'")

    def set(self, ahead):
        self.dev.sql(f"UPDATE other.clock SET ahead = '{ahead}'")


@pytest.fixture
def clock(world):
    yield Clock(world.dev)
    world.dev.sql("DROP SCHEMA other CASCADE")


@pytest.fixture
def ann(world):
    return world.traveller("Ann")


@pytest.fixture
def bob(world):
    return world.traveller("Bob")
