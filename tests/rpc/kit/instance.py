"""Running servers: `Dev` is `faregate dev` with all it brings, `Serve` one more `faregate serve` on a database.

Every process is ended by its own handle, ending with SIGTERM must give exit status 0, and none of a server's own
processes may have crashed meanwhile.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from kit import stubs
from kit.client import Client
from kit.ports import free_port

ROOT = stubs.ROOT


# A busy machine may hold everything up for a moment: in the tests that is no overload.
PATIENT = ("--queue-wait-max-ms=10000", "--loop-lag-max-ms=10000")


# The supervisor starts another one where a process fell, so that only its words tell of it.
CRASH = re.compile(r"was ended by signal (?!(?:9|15);)|ended with status [1-9]|AddressSanitizer|LeakSanitizer|runtime error:")


def binary():
    found = [os.environ["FAREGATE"]] if "FAREGATE" in os.environ else sorted(
        map(str, ROOT.glob("build/*/faregate")), key=os.path.getmtime)
    assert found, "no faregate binary: set FAREGATE"
    return found[-1]


def until(what, seconds, message, every=0.02):
    """Calls @what until it is truthy; its last value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {message}"
        time.sleep(every)


def http_status(port, path):
    """0: nobody answers."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0


def sql(conninfo, statement):
    """Rows as lists of text, by psql."""
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-d", conninfo, "-c", statement],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


class Server:
    """What Dev and Serve have in common."""

    process = None
    killed = 0
    meant = "\0"  # what of stderr a test has provoked

    def _start(self, argv, ready_s, **popen):
        self.started = time.monotonic()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FAREGATE_")}  # those are flags
        self.process = subprocess.Popen([binary(), *argv], env=clean, **popen)
        try:
            until(self._is_ready, ready_s, f"{argv[0]} on port {self.port} is ready")
        except AssertionError:
            self.kill()
            raise

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with status {self.process.returncode}: {self.said()[-1000:]}")
        try:
            return self.http("/readyz")[0] == 200
        except OSError:
            return False

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    @property
    def tls_target(self):
        return f"127.0.0.1:{self.port + 1}"

    def http(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        found = {}
        for line in self.http("/metrics")[1].splitlines():
            if line and line[0] != "#":
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def pids(self):
        """{"worker 0": pid, ...} of /readyz?verbose."""
        lines = self.http("/readyz?verbose")[1].splitlines()[1:]
        return {line.split(":")[0]: int(line.split("pid ")[1].split(",")[0]) for line in lines}

    def until_all_ready(self, kind="", seconds=30):
        """Waits until each process, or each of a kind, serves and has its database."""
        def are_ready():
            lines = [line for line in self.http("/readyz?verbose")[1].splitlines()[1:] if line.startswith(kind)]
            return lines and all("ready, database up" in line for line in lines)
        until(are_ready, seconds, f"each {kind or 'process'} serves")

    def kill_child(self, name):
        """One of pids(), at once; which it was."""
        pid = self.pids()[name]
        self.killed += 1
        os.kill(pid, signal.SIGKILL)
        return pid

    def until_replaced(self, pids, seconds):
        """Waits until others are where @pids, {name: pid}, were, and it is ready."""
        def are_replaced():
            status, text = self.http("/readyz?verbose")
            now = {line.split(":")[0]: line for line in text.splitlines()[1:]}
            return status == 200 and all(f"pid {pid}," not in now[name] and "ready, database up" in now[name]
                                         for name, pid in pids.items())
        until(are_replaced, seconds, f"others serve in place of {pids}")

    def replace_child(self, name, seconds=20):
        """kill_child; returns once its successor is there."""
        self.until_replaced({name: self.kill_child(name)}, seconds)

    def said(self):
        """On stderr, so far."""
        return pathlib.Path(self.errors_path).read_text(errors="replace")

    def judge(self):
        """No process of it fell but by kill_child, and no sanitizer complained."""
        said = self.said().replace(self.meant, "")
        assert not CRASH.search(said), said[-8000:]
        assert said.count("was ended by signal 9;") <= self.killed, said[-2000:]

    def client(self, token=None):
        return Client(self.target, token)

    def sql(self, statement):
        return sql(self.conninfo, statement)

    def check(self):
        """faregate check: every invariant holds."""
        done = subprocess.run([binary(), "check", "--database", self.conninfo], capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), done.stderr
        broken = [c for c in json.loads(done.stdout)["checks"] if c["violations"]]
        assert not broken, json.dumps(broken, indent=1)

    def events(self):
        """The log as it is now, one JSON object a line."""
        return [json.loads(line) for line in pathlib.Path(self.log).read_text().splitlines() if line.startswith("{")]

    def event(self, is_it):
        """The first event in the log of which @is_it is true, once it is there."""
        return until(lambda: next(filter(is_it, self.events()), None), 5, "it is logged")

    def ended(self, seconds=30):
        """The status of one that ends by itself; nothing is left of it."""
        try:
            status = self.process.wait(timeout=seconds)
        finally:
            self.kill()
        self.judge()
        return status

    def stop(self, how=signal.SIGTERM, seconds=30):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.ended(seconds)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        status = self.stop()
        assert failed or status == 0, f"SIGTERM must end it with status 0, not {status}: {self.said()[-2000:]}"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Dev(Server):
    def __init__(self, *flags, data=None, ready_s=180, days=40, scale=0.2):
        self.owns_data = data is None
        self.data = data or tempfile.mkdtemp(prefix="faregate-rpc-")
        os.chmod(self.data, 0o711)  # PostgreSQL runs as another user where we are root
        self.port, self.admin_port = free_port(), free_port()
        self.log = os.path.join(self.data, "faregate.log")
        self.guide_path = os.path.join(self.data, "guide")
        self.errors_path = os.path.join(self.data, "stderr")
        with open(self.guide_path, "w") as out, open(self.errors_path, "w") as err:
            self._start(["dev", "--port", str(self.port), "--admin-port", str(self.admin_port), "--data", self.data,
                         "--scale", str(scale), "--days", str(days), *PATIENT, *flags], ready_s, stdout=out, stderr=err)
        home = os.path.realpath(os.path.join(self.data, "db"))
        link = os.path.join(home, "socket")
        where = os.readlink(link) if os.path.islink(link) else home
        self.conninfo = f"host={where} user=faregate dbname=faregate"

    def guide(self):
        return until(lambda: "GetBooking" in pathlib.Path(self.guide_path).read_text() and
                     pathlib.Path(self.guide_path).read_text(), 10, "the guide is printed")

    def certificate(self):
        return pathlib.Path(self.data, "tls-certificate.pem").read_bytes()

    def staff(self):
        password = pathlib.Path(self.data, "finance-password").read_text().strip()
        return self.client().log_in("finance@faregate.example", password)

    def provider(self, method, path, body=None):
        """One request to the payment simulator."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port + 1, timeout=5)
        key = pathlib.Path(self.data, "psp-key").read_text().strip()
        try:
            connection.request(method, path, body, {
                "Authorization": "Bearer " + key, "Content-Type": "application/x-www-form-urlencoded"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def sibling(self, *flags, **more):
        """Another server of the same installation."""
        return Serve(self.conninfo, self.data, *flags, provider_port=self.admin_port + 1, **more)

    def __exit__(self, *failed):
        try:
            super().__exit__(*failed)
        finally:
            if not os.environ.get("RPC_KEEP"):
                self.remove()

    def remove(self):
        if self.owns_data:
            home = os.path.realpath(os.path.join(self.data, "db"))
            shutil.rmtree(self.data, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)


class Serve(Server):
    """`faregate serve` with keys, secret and provider key of @data."""

    def __init__(self, conninfo, data, *flags, provider_port=1, jobs=False, workers=1, services=None, ready_s=30,
                 ports=None, keys=None, preexec_fn=None):
        self.conninfo = conninfo
        self.port, self.admin_port = ports or (free_port(), free_port())
        self.log = os.path.join(data, f"serve-{self.port}.log")
        self.errors_path = self.log + ".stderr"
        argv = ["serve", "--listen", self.target, "--admin", f"127.0.0.1:{self.admin_port}", "--database", conninfo,
                "--keys", str(keys or f"{data}/keys"), "--secret", f"{data}/secret", "--provider-key", f"{data}/psp-key",
                "--provider-url", f"http://127.0.0.1:{provider_port}", "--workers", str(workers), "--log", self.log,
                "--lame-duck-ms=0", *PATIENT, "--jobs" if jobs else "--jobs=off"]
        if services:
            argv += ["--services", services]
        with open(self.errors_path, "w") as err:
            self._start([*argv, *flags], ready_s, stderr=err, preexec_fn=preexec_fn)


class Cluster:
    """A PostgreSQL of the test's own, stopped and started at will; migrated and seeded small."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="faregate-pg-")
        self.bin = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip()
        if not os.path.exists(os.path.join(self.bin, "initdb")):
            self.bin = max(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")))
        self.prefix = []
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
            self.prefix = ["runuser", "-u", "postgres", "--"]
        self.conninfo = f"host={self.dir} user=faregate dbname=faregate"
        self._run("initdb", "-D", self.dir + "/db", "-U", "faregate", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()
        sql(self.conninfo.replace("dbname=faregate", "dbname=postgres"), "CREATE DATABASE faregate")

    def _run(self, program, *args):
        done = subprocess.run([*self.prefix, f"{self.bin}/{program}", *args], cwd="/", timeout=60,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr

    def start(self):
        self._run("pg_ctl", "-D", self.dir + "/db", "-w", "-l", self.dir + "/log", "-o",
                  f"-c listen_addresses='' -c unix_socket_directories={self.dir}", "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self.dir + "/db", "-w", "-m", mode, "stop")

    def is_up(self):
        return os.path.exists(self.dir + "/db/postmaster.pid")

    def remove(self):
        if self.is_up():
            self.stop("immediate")
        shutil.rmtree(self.dir, ignore_errors=True)
