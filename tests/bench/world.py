"""A world to measure in: one private PostgreSQL with a `faregate dev` on it, travellers, a timetable, and the loader.
run, growth and guard live in it. What must stay true: nothing that a call does is switched off in it."""
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "rpc"))

from kit.ports import free_port  # noqa: E402

# One loader plays thousands of travellers for minutes: their limits, not the server's, are out of the way.
LIMITS = ("--unpaid-holds-max=1000000", "--hold-seconds=7200", "--offer-seconds=86400", "--access-token-seconds=3600",
          "--pay-attempts-user-max=1000000", "--pay-attempts-card-max=1000000")


def add_arguments(p):
    """What every bench that makes a world takes."""
    p.add_argument("--quick", action="store_true", help="a small timetable, two short rounds: does it run at all?")
    p.add_argument("--conns", type=int, default=4, help="connections of the loader (4)")
    p.add_argument("--streams", type=int, default=16, help="calls in flight on each (16)")
    p.add_argument("--users", type=int, default=20000, help="travellers (20000)")
    p.add_argument("--offers", type=int, help="flights that are booked (20000; quick 3000)")
    p.add_argument("--workers", type=int, default=0, help="worker processes (0: a CPU each)")
    p.add_argument("--log", default="-", help="the server's event log: - its usual file, none (-)")
    p.add_argument("--server", action="append", default=[], metavar="FLAG", help="one more flag for the server")
    p.add_argument("--nice", type=int, default=0, help="of server, database and loader; below 0 needs root (0)")
    p.add_argument("--apart", action="store_true", help="the loader has the last CPU to itself, the server the others")
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="where faregate and bench_load are")
    p.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench", help="data, cleared at the start")


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if text.endswith("...") else "\n", file=sys.stderr, flush=True)


def on_cpus(a, is_server):
    """The words before a command that keep it on its CPUs."""
    cpus = sorted(os.sched_getaffinity(0))
    if not a.apart or len(cpus) < 2:
        return []
    return ["taskset", "-c", ",".join(map(str, cpus[:-1] if is_server else cpus[-1:]))]


class Postgres:
    def __init__(self, data):
        conf = next(data.glob("**/postgresql.auto.conf"))
        self.socket = re.search(r"^unix_socket_directories = '(.*)'", conf.read_text(), re.M).group(1)
        bin_dir = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        psql = pathlib.Path(bin_dir or "/usr/lib/postgresql/15/bin") / "psql"
        self.psql = [str(psql) if psql.exists() else "psql", "-h", self.socket, "-U", "faregate", "-X", "-q", "-A", "-t",
                     "-v", "ON_ERROR_STOP=1"]
        self.conninfo = f"host={self.socket} user=faregate dbname=faregate"

    def _run(self, argv, given=None):
        done = subprocess.run(self.psql + argv, input=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: psql: {done.stderr.strip()}")
        return done.stdout

    def sql(self, text, given=None):
        return self._run(["-d", "faregate", "-c", text], given)

    def file(self, path, database, variables):
        more = [x for k, v in variables.items() for x in ("-v", f"{k}={v}")]
        return self._run(["-d", database, *more, "-f", str(path)])


class Server:
    """faregate dev: database, simulator, workers and jobs in one tree."""

    def __init__(self, a, provider, port):
        self.data = a.work / "data"
        self.port, self.admin = port, port + 2  # TLS and the simulator are each on the next one
        flags = [f"--data={self.data}", f"--port={self.port}", f"--admin-port={self.admin}", f"--provider={provider}",
                 f"--workers={a.workers}", f"--log={a.log}", "--scale=0.1" if a.quick else "--scale=1",
                 "--days=40" if a.quick else "--days=120", *LIMITS, "--search-stale-ms=0", *a.server]
        self._start(a, "server.log", ["dev", *flags])

    def _start(self, a, log, argv):
        self.out = open(a.work / log, "ab")
        self.process = subprocess.Popen([*on_cpus(a, True), a.build / "faregate", *argv], stdout=self.out, stderr=self.out)
        end = time.monotonic() + 300
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                sys.exit(f"bench: the server did not start; see {a.work / log}")
            time.sleep(0.1)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as r:
            return r.read().decode()

    def _is_ready(self):
        try:
            self.get("/readyz")
            return True
        except OSError:
            return False

    def batches(self):
        """(requests, statements) that went to the database so far."""
        text = self.get("/metrics")
        return [int(re.search(rf"db_{name}_total (\d+)", text).group(1)) for name in ("members", "statements")]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.out.close()


class Memory(Server):
    """A second server of the installation, which may answer searches from memory; the first always asks the database."""

    def __init__(self, a, server, pg):
        self.data, self.port = server.data, free_port(2)
        self.admin = self.port + 1
        log = self.data / "memory.log" if a.log == "-" else a.log  # a server's usual place is dev's to say
        self._start(a, "memory.log", [
            "serve", f"--listen=127.0.0.1:{self.port}", f"--admin=127.0.0.1:{self.admin}", f"--database={pg.conninfo}",
            f"--keys={self.data / 'keys'}", f"--secret={self.data / 'secret'}", "--provider=instant", "--jobs=off",
            f"--workers={a.workers}", f"--log={log}", *LIMITS, *a.server])

    def loads(self):
        """How often it has read the timetable."""
        return int(re.search(r"timetable_loads_total (\d+)", self.get("/metrics")).group(1))

    def _is_ready(self):
        return super()._is_ready() and self.loads() > 0

    def reads(self):
        """Searches and flights, (answered without the database, all) so far."""
        text = self.get("/metrics")
        known, asked = (int(re.search(rf'timetable_reads_total{{from="{name}"}} (\d+)', text).group(1))
                        for name in ("timetable", "database"))
        return known, known + asked


class Loader:
    def __init__(self, a, server, first_day):
        self.unpaid = 0
        self.process = subprocess.Popen(
            [*on_cpus(a, False), a.build / "tests/bench/bench_load", f"--port={server.port}", f"--keys={server.data / 'keys'}",
             f"--users={a.work / 'users'}", f"--routes={a.work / 'routes'}", f"--flights={a.work / 'flights'}",
             f"--first-day={(first_day - datetime.date(1970, 1, 1)).days + 2}", f"--conns={a.conns}",
             f"--streams={a.streams}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell("sign")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the loader gave up at: {command}")
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class World:
    """A server with its data, and a loader that knows it. Leave it with stop()."""

    def __init__(self, a):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
        self.a = a
        self.loader = self.memory = self.memory_loader = None
        a.offers = a.offers or (3000 if a.quick else 20000)
        os.nice(a.nice)
        shutil.rmtree(a.work / "data", ignore_errors=True)
        a.work.mkdir(parents=True, exist_ok=True)
        say("starting the server, seeding ...")
        self.server = Server(a, "instant", free_port(4))
        try:
            self.pg = Postgres(self.server.data)
            say("making users ...")
            self.first_day = self._populate()
            self.loader = Loader(a, self.server, self.first_day)
            say("collecting offers ...")
            a.offers = self._collect(self.loader)
        except BaseException:
            self.stop()
            raise

    def _populate(self):
        """Users, and what the loader must know of the timetable. The first day of the timetable."""
        a, pg = self.a, self.pg
        users = [str(uuid.uuid4()) for _ in range(a.users)]
        (a.work / "users").write_text("\n".join(users) + "\n")
        pg.sql("COPY app_user (user_id, email, display_name, language_code, roles) FROM STDIN",
               "".join(f"{u}\ttraveller{i}@bench.example\tTraveller {i}\ten\t2\n" for i, u in enumerate(users)))
        (a.work / "routes").write_text(
            pg.sql("SELECT origin || ' ' || destination FROM flight GROUP BY origin, destination ORDER BY count(*) DESC"))
        (a.work / "flights").write_text(
            pg.sql("SELECT flight_id FROM flight WHERE departure_time > now() + interval '2 days'"
                   " ORDER BY md5(flight_id::text) LIMIT 120000"))
        return datetime.date.fromisoformat(pg.sql("SELECT min(first_date) FROM seed_run").strip())

    def _collect(self, loader):
        """Flights that @loader may book, how many; nothing sells out in a run, and the hot one can take a million."""
        path, pg = self.a.work / "offers", self.pg
        count = loader.tell(f"collect {self.a.offers} {path}")["offers"]
        flights = path.read_text().split()
        pg.sql("CREATE UNLOGGED TABLE IF NOT EXISTS bench_flight (flight_id uuid)")
        pg.sql("COPY bench_flight FROM STDIN", "\n".join(flights) + "\n")
        pg.sql("UPDATE inventory SET authorised = authorised + 1000, free = free + 1000 WHERE flight_id IN (SELECT flight_id FROM bench_flight)")
        pg.sql(f"UPDATE inventory SET authorised = authorised + 1000000, free = free + 1000000 WHERE flight_id = '{flights[0]}'")
        pg.sql(f"INSERT INTO inventory_change (flight_id, flight_ids) VALUES ('{flights[0]}', '{{}}')")
        pg.sql("DROP TABLE bench_flight")
        pg.sql("VACUUM ANALYZE inventory")
        return min(self.a.offers, count)

    def add_memory(self):
        self.memory = Memory(self.a, self.server, self.pg)
        self.memory_loader = Loader(self.a, self.memory, self.first_day)
        self._collect(self.memory_loader)  # which ends the timetable that it has
        loads = self.memory.loads()
        while self.memory.loads() <= loads:
            time.sleep(0.1)
        self.meet(self.memory_loader)

    def settle(self):
        """After the warm-up: statistics of a system in use. Of empty tables they would make plans for empty tables."""
        self.pg.sql("VACUUM ANALYZE")
        self.pg.sql("CHECKPOINT")

    def restart(self, provider="instant"):
        """Another server on the same data: a.workers and a.server may have changed."""
        port = self.server.port
        self.server.stop()
        self.server = Server(self.a, provider, port)
        self.pg = Postgres(self.server.data)
        self.loader.tell("sign")
        self.meet()

    def meet(self, loader=None):
        """The server knows its travellers: a token's signature is verified once, a cost of its first call, not of a call."""
        self.load(f"make history {self.a.users if self.a.quick else 5 * self.a.users}", loader)

    def load(self, command, loader=None):
        """What the loader says of a run."""
        loader = loader or self.loader
        result = loader.tell(command)
        loader.unpaid = result["unpaid"]
        return result

    def stock(self, wanted, loader=None):
        """At least so many bookings of the loader that wait to be paid for."""
        loader = loader or self.loader
        if loader.unpaid < wanted:
            self.load(f"make book {wanted - loader.unpaid:.0f}", loader)

    def stop(self, keep=False):
        for part in (self.memory_loader, self.memory, self.loader, self.server):
            if part:
                part.stop()
        if not keep:
            shutil.rmtree(self.a.work / "data", ignore_errors=True)


def run_check(a, pg):
    done = subprocess.run([a.build / "faregate", "check", f"--database={pg.conninfo}", "--json"], capture_output=True,
                          text=True, check=False)
    if done.returncode == 0:
        return True, "faregate check: clean"
    try:
        broken = [f"{c['check']} {c['sentence']}: {c['violations']}, {c['examples']}"
                  for c in json.loads(done.stdout)["checks"] if c["violations"]]
    except (ValueError, KeyError):
        broken = []
    return False, "\n".join([f"faregate check: BROKEN (exit {done.returncode}) {done.stderr}", *broken])
