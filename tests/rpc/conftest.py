"""Fixtures: one `faregate dev` for the whole run, its world of flights and travellers, and `faregate check` after
every test that used it."""

import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from kit.instance import Dev  # noqa: E402
from kit.world import World  # noqa: E402


@pytest.fixture(scope="session")
def dev():
    instance = Dev("--workers", "2", "--provider-timeout-ms", "1500")
    yield instance
    try:
        status = instance.stop()
        errors = pathlib.Path(instance.errors_path).read_text()
    finally:
        if not os.environ.get("RPC_KEEP"):
            instance.remove()
    assert status == 0, f"SIGTERM must end it with status 0, not {status}: {errors[-2000:]}"


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
