"""Things that break while people are booking: a worker, the database. Afterwards everything is consistent."""

import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import grpc
import pytest
from cryptography.hazmat.primitives import serialization

from kit.client import Client, Refusal, refused
from kit.health import NOT_SERVING, SERVING, Watcher, check
from kit.instance import Cluster, Serve, binary, http_status, until
from kit.patience import tries
from kit.pki import Authority, replace
from kit.ports import free_port
from kit.world import World, adult


class Load:
    """Travellers who search, hold and read without a pause; each remembers what it was told."""

    def __init__(self, world, servers, count):
        self.world = world
        self.users = [world.traveller("Load", servers) for _ in range(count)]
        self.offers = [world.offer(self.users[0]) for _ in range(2)]
        self.running = True
        self.ok, self.failed, self.times = [0] * count, [[] for _ in range(count)], [[] for _ in range(count)]
        self.booked = [set() for _ in range(count)]
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, i):
        client, noise = self.users[i], random.Random(i)
        request = None
        while self.running:
            try:
                if noise.random() < 0.3 and len(self.booked[i]) < 4:
                    request = request or self.world.hold_request(client, noise.choice(self.offers), [adult()])
                    self.booked[i].add(client.CreateBooking(request, timeout=3).name)
                    request = None  # an unknown outcome is asked again with the same id
                else:
                    client.GetUser(name="users/me", timeout=3)
                self.ok[i] += 1
                self.times[i].append(time.monotonic())
            except grpc.RpcError as error:
                self.failed[i].append((time.monotonic(), Refusal(error)))
                time.sleep(0.02)

    def finish(self):
        self.running = False
        for thread in self.threads:
            thread.join(20)

    def failures(self):
        return [pair for one in self.failed for pair in one]

    def hurt(self, since):
        """How many had a call fail since then."""
        return sum(any(at >= since for at, _ in one) for one in self.failed)

    def prove(self):
        """Everybody's list is exactly what they were told, no less and no more than one lost answer."""
        for user, booked in zip(self.users, self.booked):
            listed = {b.name for b in user.ListBookings(page_size=100).bookings}
            assert booked <= listed and len(listed - booked) <= 1


def one_death(world):
    """A worker is killed under load: how long another one took, and how many of twelve travellers were hurt."""
    dev = world.dev
    load = Load(world, dev, 12)
    try:
        time.sleep(1)
        survivor = dev.pids()["worker 1"]
        died = time.monotonic()
        dev.replace_child("worker 0")
        dev.until_all_ready()
        took = time.monotonic() - died
        time.sleep(1)
        until(lambda: all(times and times[-1] > died + took for times in load.times), 10, "everybody goes on")
    finally:
        load.finish()
    assert dev.pids()["worker 1"] == survivor
    for at, refusal in load.failures():
        assert died <= at < died + took + 1, refusal
        assert refusal.code.name == "UNAVAILABLE", refusal
    load.prove()
    for user in load.users:
        user.close()
    return took, load.hurt(died)


def test_a_killed_worker_costs_only_its_own_connections(world):
    # A second on a machine of our own: where others want the CPUs as well, that share of them.
    limit = max(1, os.getloadavg()[0] / os.cpu_count())
    # Nobody is hurt whose connection happens to be between two calls. Each time new ones: the killed worker's clients
    # have all gone to the other one.
    for _ in tries(lambda: took < limit and hurt, 5):
        took, hurt = one_death(world)
    assert took < limit
    assert hurt < 12, "the other worker's connections did not notice"
    assert hurt > 0, "the load did reach the killed worker"


def test_no_counter_goes_back_where_a_worker_is_started_again(world, ann):
    """Prometheus would take it for a reset, and rate() would count everything again."""
    dev = world.dev
    for _ in range(8):  # both workers take some
        client = ann.again()
        client.GetUser(name="users/me")
        client.close()
    world.wait(0.6)  # published four times a second
    before, text = dev.metrics(), dev.http("/metrics")[1]
    dev.replace_child("worker 0")
    dev.until_all_ready()
    after = dev.metrics()
    counters = set(re.findall(r"^# TYPE (\S+) counter", text, re.M))
    found = [name for name in before if re.split(r"\{", name)[0] in counters or re.search(r"_(bucket|sum|count)\{", name)]
    assert len(found) > 100
    assert not {name: (before[name], after.get(name)) for name in found if after.get(name, -1) < before[name]}


def test_all_workers_die_while_the_provider_has_the_money(world, ann):
    """Nobody is left who heard the answer: the same request finds its attempt, and the money moves once."""
    dev = world.dev
    booking = world.hold(ann)
    request = ann.request("CreatePaymentIntent", parent=booking.name, amount=booking.balance.due, confirm=True,
                          payment_method=world.card("pm_sandbox_slow_1200"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(ann.ask, "CreatePaymentIntent", request, timeout=15)
        world.wait(0.4)
        workers = {name: dev.kill_child(name) for name in ("worker 0", "worker 1")}
        assert call.exception() is None or Refusal(call.exception()).code.name == "UNAVAILABLE"
    dev.until_replaced(workers, 20)
    dev.until_all_ready()
    answer = ann.ask("CreatePaymentIntent", request, timeout=15)
    assert answer.replayed
    world.intent(ann, answer.message, "CAPTURED")
    world.booking(ann, booking, "CONFIRMED")
    world.same_books()


def test_the_jobs_process_comes_back(world):
    world.dev.replace_child(next(name for name in world.dev.pids() if name.startswith("jobs")), 10)
    ann = world.traveller()
    booking = world.hold(ann)
    intent = world.pay(ann, booking, "pm_sandbox_charged_then_drop")
    world.intent(ann, intent, "CAPTURED")
    world.same_books()


def test_jobs_without_a_database_are_not_ready(dev, tmp_path):
    """And say why: in the log and on the admin port."""
    port = free_port()
    process = subprocess.Popen([binary(), "jobs", "--admin", f"127.0.0.1:{port}", "--database", f"host={tmp_path}", "--keys",
                                dev.data + "/keys", "--secret", dev.data + "/secret", "--provider-key",
                                dev.data + "/psp-key", "--log", str(tmp_path / "log")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: http_status(port, "/readyz"), 10, "its admin port answers")
        until(lambda: "database_down" in (tmp_path / "log").read_text(), 5, "it tells that there is no database")
        assert http_status(port, "/readyz") == 503 and http_status(port, "/startupz") == 503
        event = json.loads((tmp_path / "log").read_text().splitlines()[0])
        assert event["event"] == "database_down" and str(tmp_path) in event["error"]
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_nobody_is_asked_for_the_password_of_the_database_key(dev, tmp_path):
    """A key of sslkey= behind a password: libpq would let OpenSSL ask stdin, and the process would wait."""
    leaf = Authority().leaf("client")
    certificate, key = leaf.write(tmp_path, "client")
    replace(key, leaf.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                        serialization.BestAvailableEncryption(b"hush")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():  # as PostgreSQL with TLS, until the client's hello is due
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    connection.recv(8)
                    connection.sendall(b"S")
        threading.Thread(target=accept, daemon=True).start()
        database = (f"host=127.0.0.1 port={listener.getsockname()[1]} user=x sslmode=require sslcert={certificate} "
                    f"sslkey={key}")
        process = subprocess.Popen([binary(), "jobs", "--admin=", "--database", database, "--keys", dev.data + "/keys",
                                    "--secret", dev.data + "/secret", "--provider-key", dev.data + "/psp-key", "--log",
                                    str(tmp_path / "log")], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        try:
            log = tmp_path / "log"
            until(lambda: log.exists() and "could not load private key" in log.read_text(), 10, "it is told")
        finally:
            process.stdin.close()  # an end to whoever asks, after all
            process.terminate()
            try:
                assert process.wait(40) == 0
            finally:
                process.kill()
                listener.shutdown(socket.SHUT_RDWR)


# ---- a database of our own


@pytest.fixture(scope="module")
def island(dev):
    """A second installation: `migrate`, `seed`, `serve` against a PostgreSQL that the test can stop."""
    cluster = Cluster()
    data = tempfile.mkdtemp(prefix="faregate-island-")
    for name in ("keys", "secret", "psp-key"):
        source = os.path.join(dev.data, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy2)(source, os.path.join(data, name))
    server = None
    try:
        for command in (["migrate"], ["seed", "--scale=0.05", "--days=30"]):
            done = subprocess.run([binary(), *command, "--database", cluster.conninfo], capture_output=True, text=True,
                                  timeout=120)
            assert done.returncode == 0, done.stderr
        server = Serve(cluster.conninfo, data, "--unpaid-holds-max=50", provider_port=dev.admin_port + 1, jobs=True,
                       workers=2)
        server.cluster = cluster
        yield server
        assert server.stop() == 0
    finally:
        if server:
            server.kill()
        cluster.remove()
        shutil.rmtree(data, ignore_errors=True)


class IslandWorld(World):
    DAYS, ROOM, ROUTES_MIN = (10, 25), 101, 8


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_stops_and_starts_under_load(island, mode):
    world = IslandWorld(island, itertools.count(1))
    pids = island.pids()
    load = Load(world, island, 8)
    try:
        time.sleep(1)
        stopped = time.monotonic()
        island.cluster.stop(mode)
        until(lambda: island.http("/readyz")[0] == 503, 3, "not ready without a database")
        assert island.http("/healthz")[0] == 200
        time.sleep(1.5)
        during = [r for at, r in load.failures() if at > stopped + 0.5]
        island.cluster.start()
        started = time.monotonic()
        until(lambda: island.http("/readyz")[0] == 200 and "database down" not in island.http("/readyz?verbose")[1], 10,
              "ready again by itself, each process")
        ready = time.monotonic()
        time.sleep(1.5)
    finally:
        load.finish()
    assert len(during) > 20, "calls were answered meanwhile, at once"
    for refusal in during:
        assert refusal.code.name == "UNAVAILABLE", refusal
        assert refusal.reason in ("DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"), refusal
    assert all(r.pushback_ms and int(r.pushback_ms) > 0 and r.retry_s for r in during if r.reason == "DATABASE_UNAVAILABLE")
    for at, refusal in load.failures():
        assert refusal.code.name in ("UNAVAILABLE", "DEADLINE_EXCEEDED"), refusal
    late = [r for at, r in load.failures() if at > ready + 1]
    assert not late, f"{len(late)} failures after it was ready: {late[0]}"
    assert ready - started < 7, "the longest wait before connecting again is five seconds"
    assert all(times[-1] > ready for times in load.times), "everybody goes on"
    assert island.pids() == pids, "no process fell"
    load.prove()
    island.check()


def test_health_follows_the_database(island):
    """Who watches is told that it went and that it came back; liveness does not hang on it."""
    followers = ["", "readiness", "faregate.v1.FlightService"]
    island.until_all_ready()
    watchers = {name: Watcher(island.target, name) for name in [*followers, "liveness"]}
    try:
        for watcher in watchers.values():
            until(lambda: watcher.seen, 5, "the first state comes at once")
        island.cluster.stop()
        for name in followers:
            until(lambda: watchers[name].seen[-1] == NOT_SERVING, 10, f"{name!r} hears that the database went")
            assert check(island.target, name) == NOT_SERVING
        assert check(island.target, "liveness") == SERVING
    finally:
        island.cluster.start()
    for name in followers:
        until(lambda: watchers[name].seen[-1] == SERVING, 20, f"{name!r} hears that the database is back")
    assert [watchers[name].seen for name in followers] == [[SERVING, NOT_SERVING, SERVING]] * 3
    assert watchers["liveness"].seen == [SERVING]
    for watcher in watchers.values():
        assert watcher.cancel() == "CANCELLED"
    island.until_all_ready()
    told = [e for e in island.events() if e["event"].startswith("database_")]
    assert {"database_down", "database_up"} <= {e["event"] for e in told}
    assert all(e["error"] for e in told if e["event"] == "database_down")
    assert island.metrics()["faregate_db_connect_failures_total"] > 0


@contextlib.contextmanager
def started_without_database(island, user, *flags):
    """Another server with two workers, and its port. They listen, as nobody serves."""
    port, folder = free_port(), os.path.dirname(island.log)
    island.cluster.stop()
    process = subprocess.Popen([binary(), "serve", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{port + 1}",
                                "--database", island.conninfo.replace("user=faregate", f"user={user}"), "--keys",
                                f"{folder}/keys", "--secret", f"{folder}/secret", "--provider-key", f"{folder}/psp-key",
                                "--workers=2", "--jobs=off", "--log=none", *flags], stderr=subprocess.DEVNULL)
    try:
        until(lambda: http_status(port + 1, "/startupz") == 503, 20, "its admin port answers, and it has not started")
        assert check(f"127.0.0.1:{port}", "liveness", wait=True) == SERVING
        yield process, port
    finally:
        process.terminate()
        status = process.wait(20)
        if not island.cluster.is_up():
            island.cluster.start()
        assert status == 0
        until(lambda: island.http("/readyz")[0] == 200, 10, "the first server is ready again")


def serves(port, patience_s):
    until(lambda: http_status(port + 1, "/readyz") == 200, patience_s, "it serves once there is a database")
    for _ in range(8):  # whichever worker gets the connection
        assert check(f"127.0.0.1:{port}", "readiness") == SERVING
        assert Client(f"127.0.0.1:{port}").SearchPlaces(query="london").places


def test_a_start_without_database_waits_for_it(island):
    """It starts, is alive for probes, refuses calls so that they are retried, and serves as soon as there is a
    database."""
    with started_without_database(island, "faregate") as (process, port):
        for name in ("", "readiness", "faregate.v1.FlightService"):
            assert check(f"127.0.0.1:{port}", name) == NOT_SERVING
        with refused("UNAVAILABLE", "DATABASE_UNAVAILABLE"):
            Client(f"127.0.0.1:{port}").SearchPlaces(query="london")
        assert process.poll() is None
        island.cluster.start()
        serves(port, 20)
        assert http_status(port + 1, "/startupz") == 200


def test_a_worker_that_gets_no_connection_makes_way(island):
    """There are enough for one of two: he serves, and nobody is refused by the other."""
    island.sql("CREATE ROLE few LOGIN IN ROLE faregate CONNECTION LIMIT 3")
    flags = ("--db-write-lanes=1", "--db-read-lanes=1", "--search-stale-ms=0")
    with started_without_database(island, "few", *flags) as (_, port):
        until(lambda: http_status(port + 1, "/readyz?verbose") == 503, 5, "it waits")
        time.sleep(1.5)  # the workers begin to listen after one second
        island.cluster.start()
        serves(port, 40)
