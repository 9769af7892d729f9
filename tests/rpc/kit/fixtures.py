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


@pytest.fixture
def ann(world):
    return world.traveller("Ann")


@pytest.fixture
def bob(world):
    return world.traveller("Bob")
