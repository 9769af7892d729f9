"""Servers that come and go while clients call: nobody notices."""

import random
import threading
import time

import grpc
import pytest

from front import Envoy, HAProxy, Nginx
from kit.client import Refusal
from kit.instance import until
from kit.patience import tries
from kit.ports import free_port


class Load:
    """Clients that read, search, hold and refresh without a pause, each on a connection of its own; none tries again."""

    def __init__(self, world, proxies, each=4, change=True, pause_s=0.02):
        self.world, self.running, self.calls, self.failures = world, True, 0, []
        self.people = [world.traveller("Load", proxy) for proxy in proxies for _ in range(each)]
        self.offer = world.offer()
        self.change, self.pause_s = change, pause_s
        self.threads = [threading.Thread(target=self._run, args=(i, p)) for i, p in enumerate(self.people)]
        for thread in self.threads:
            thread.start()

    def _run(self, i, person):
        noise, held = random.Random(i), 0
        while self.running:
            try:
                chance = noise.random()
                if self.change and chance < 0.02 and held < 3:
                    self.world.hold(person, self.offer)
                    held += 1
                elif self.change and chance < 0.05:
                    person.tokens = person.RefreshSession(refresh_token=person.tokens.refresh_token)
                elif chance < 0.5:
                    person.SearchPlaces(query="london")
                else:
                    person.GetUser(name="users/me")
                self.calls += 1
            except grpc.RpcError as error:
                self.failures.append((person.target, time.monotonic(), Refusal(error)))
            time.sleep(self.pause_s)

    def __enter__(self):
        self.wait(5 * len(self.people))
        return self

    def __exit__(self, *_):
        self.running = False
        for thread in self.threads:
            thread.join(30)
        for person in self.people:
            person.close()

    def wait(self, calls):
        """Until so many more have been answered."""
        more = self.calls + calls
        until(lambda: self.calls > more or self.failures, 30, "the load goes on")


def test_rolling_restart(world, dev):
    """Two servers, each stopped and started again, behind Envoy and HAProxy at once: not one call fails."""
    ports = [(free_port(), free_port()) for _ in range(2)]

    def start(i):
        return dev.sibling("--lame-duck-ms=3000", ports=ports[i])

    servers = [start(0), start(1)]
    try:
        with Envoy(servers) as envoy, HAProxy(servers) as haproxy, Load(world, [envoy, haproxy]) as load:
            for i in range(2):
                assert servers[i].stop() == 0
                load.wait(50)
                servers[i] = start(i)
                until(lambda: envoy.healthy() and haproxy.healthy(), 15, "the new one is found", every=0.1)
                load.wait(50)
            load.running = False
            assert not load.failures, load.failures[:5]
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.kill()


@pytest.mark.parametrize("kind", [Envoy, HAProxy, Nginx])
def test_connections_that_grow_old(world, dev, kind):
    """The server ends each connection after half a second, gracefully; a proxy has the next one ready."""
    with dev.sibling("--age-max-ms=500", "--age-grace-ms=5000") as server, kind([server]) as proxy, \
            Load(world, [proxy], 6) as load:
        def accepted():
            return sum(value for name, value in server.metrics().items() if name.endswith("connections_accepted_total"))

        until(lambda: accepted() > 12 or load.failures, 20, "connections were replaced", every=0.1)
        load.running = False
        assert not load.failures, load.failures[:5]


def test_a_killed_worker_fails_no_read(world, dev):
    """Its connections break with calls on them; Envoy asks again, and what only reads is none the wiser."""
    with dev.sibling(workers=2) as server, dev.sibling() as other, Envoy([server, other]) as envoy, \
            Load(world, [envoy], 8, change=False, pause_s=0) as load:
        for i in tries(lambda: broken > 0, 20):
            server.replace_child(f"worker {i % 2}", 10)  # in turn: Envoy's connections are now with the other one
            load.wait(50)
            broken = sum(envoy.stat(f"cluster.{cluster}.upstream_cx_destroy_remote_with_active_rq")
                         for cluster in ("faregate", "faregate-auth"))
        load.running = False
        assert not load.failures, load.failures[:5]
        assert broken > 0, "calls were on the worker's connections"
