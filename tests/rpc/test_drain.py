"""The end of a server that still has calls: who is refused, what is told, how long it takes."""

import signal
import threading
import time

import grpc
import pytest

from kit.client import Refusal
from kit.instance import until
from kit.lock import Lock
from kit.patience import tries
from kit.ports import is_refused


class Stuck:
    """A server with one call that waits for a lock."""

    def __init__(self, world, ann, *flags):
        self.server = world.dev.sibling(*flags)
        self.client = self.server.client(ann.token)
        self.client.GetUser(name="users/me")
        self.holder = Lock(world.dev, "LOCK TABLE app_user IN ACCESS EXCLUSIVE MODE")
        self.outcome = []
        self.caller = threading.Thread(target=self.call)
        self.caller.start()
        try:
            self.holder.wait_for_a_waiter()
        except BaseException:
            self.close()
            raise

    def call(self):
        try:
            self.outcome.append(self.client.GetUser(name="users/me", timeout=30))
        except grpc.RpcError as error:
            self.outcome.append(Refusal(error).code.name)

    def close(self):
        self.server.kill()
        self.holder.end()
        self.caller.join(10)


@pytest.fixture
def stuck(world, ann):
    made = []

    def make(*flags):
        made.append(Stuck(world, ann, *flags))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_a_draining_server_refuses_connections(stuck):
    """Not taken by the system to wait for nobody, as long as it drains: a client that came would wait for SETTINGS."""
    s = stuck("--drain-grace-ms=25000", "--jobs=on")
    assert not is_refused(s.server.port)
    s.server.process.send_signal(signal.SIGTERM)
    until(lambda: is_refused(s.server.port), 10, "connections are refused")
    assert s.server.process.poll() is None and not s.outcome, "it still has a call"


def test_what_is_left_at_the_end_of_the_grace_is_told(stuck):
    s = stuck("--drain-grace-ms=300")
    assert s.server.stop() == 0
    s.caller.join(5)
    assert s.outcome == ["UNAVAILABLE"]


def test_a_second_signal_ends_the_grace(stuck):
    s = stuck("--drain-grace-ms=60000", "--lame-duck-ms=60000")
    s.server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert s.server.process.poll() is None
    began = time.monotonic()
    assert s.server.stop() == 0
    assert time.monotonic() - began < 10
    s.caller.join(5)
    assert s.outcome == ["UNAVAILABLE"]


def test_a_grace_that_is_for_ever(stuck):
    """Together with the lame duck it is 2^32 milliseconds and no less; the supervisor's patience ends 3 s later."""
    s = stuck("--drain-grace-ms=4294967295", "--lame-duck-ms=1")
    s.server.process.send_signal(signal.SIGTERM)
    time.sleep(3.5)
    assert s.server.process.poll() is None and not s.outcome


def test_an_idle_client_does_not_hold_a_server(world, ann):
    """gRPC's C core sleeps without calls and answers no PING."""
    for _ in tries(lambda: took < 1.8):
        with world.dev.sibling() as server:
            client = server.client(ann.token)
            client.GetUser(name="users/me")
            world.wait(0.5)
            began = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - began
    assert took < 1.8
