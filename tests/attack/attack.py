"""Runs every attack against an undefended and a defended server, with an honest client beside it. See run."""

import collections
import json
import os
import pathlib
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import wire
from attacks import ATTACKS

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rpc"))

from kit.ports import free_port  # noqa: E402

SECONDS = 1.5
NO_LIMIT = 4294967295
BIG = ("reset-burst-max", "control-burst-max", "ping-strikes-max", "outbound-frames-max", "buffered-bytes-max",
       "conn-buffered-bytes-max", "headers-timeout-ms", "write-timeout-ms", "preface-timeout-ms", "conns-max",
       "conns-soft-max", "requests-per-turn-max", "calls-max", "handshakes-max", "handshake-timeout-ms")
UNDEFENDED = [f"--{name}={NO_LIMIT}" for name in BIG] + ["--conns-per-address-max=0", "--keepalive-time-ms=0"]
# The defaults, except where a test cannot wait so long or send so much.
DEFENDED = ["--headers-timeout-ms=1000", "--write-timeout-ms=1000", "--preface-timeout-ms=1000", "--conns-max=1000",
            "--buffered-bytes-max=33554432", "--conn-buffered-bytes-max=4194304"]
RSS_GROWTH_MAX_MB = 128  # while attacked: four times the budget of bytes (allocators, the last turn)
RSS_LEFT_MAX_MB = 48  # afterwards: pools
STALL_S = 0.3  # where a client stood still for so long, the machine has decided: measured again
TRIES = 3
SERVER_CPU, CLIENT_CPU = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


def urgent(pid):
    """Other work on the machine must not decide; where we may not say so, it does."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -10)
    except PermissionError:
        pass


class Server:
    """faregate serve without a database: the standard services answer."""

    def __init__(self, home, name, flags):
        self.port, self.tls_port = free_port(), free_port()
        self.errors = open(os.path.join(home, name + ".log"), "w")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FAREGATE_")}
        self.process = subprocess.Popen(
            [os.environ["FAREGATE"], "serve", "--listen", f"127.0.0.1:{self.port}", "--admin",
             f"127.0.0.1:{self.port + 1}", "--listen-tls", f"127.0.0.1:{self.tls_port}", "--tls-certificate",
             f"{home}/certificate.pem", "--tls-key", f"{home}/key.pem", "--database", f"host={home} dbname=none", "--keys", f"{home}/keys",
             "--secret", f"{home}/secret", "--provider", "instant", "--workers=1", "--jobs=off", "--log=none",
             "--lame-duck-ms=0", *flags], env=clean, stdout=self.errors, stderr=self.errors)
        self.worker = None
        end = time.monotonic() + 10
        while self.worker is None:
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start: {open(self.errors.name).read()}")
            time.sleep(0.05)
            self.find_worker()
        os.sched_setaffinity(self.worker, {SERVER_CPU})
        urgent(self.worker)

    def find_worker(self):
        try:
            s = wire.dial(self.port)
            s.sendall(wire.HELLO)
            if s.recv(9):
                found = re.search(r"worker 0: pid (\d+)", self.http("/readyz?verbose"))
                self.worker = int(found[1]) if found and int(found[1]) else None
            s.close()
        except OSError:
            pass

    def http(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 1}{path}", timeout=5) as r:
                return r.read().decode()
        except urllib.error.HTTPError as e:
            return e.read().decode()

    def metrics(self):
        found = {}
        for line in self.http("/metrics").splitlines():
            if line.startswith("faregate_") and line.count(" ") == 1:
                name, value = line.split()
                found[name] = float(value)
        return found

    def cpu_s(self):
        fields = open(f"/proc/{self.worker}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self):
        return int(open(f"/proc/{self.worker}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "did not end"


class Honest:
    def __init__(self, *args):
        self.process = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "honest.py"), *args],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(self.process.pid, {CLIENT_CPU})
        urgent(self.process.pid)
        assert self.process.stdout.readline() == "ready\n"

    def begin(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def result(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


class Connection:
    """One of the attacker's."""

    def __init__(self, attack, port):
        self.attack, self.port = attack, port
        self.sock, self.again_at = None, 0.0
        self.seen = bytearray()

    def open(self):
        self.sock = wire.dial(self.port, receive_bytes=self.attack.receive_bytes)
        self.sock.setblocking(False)
        self.queue = memoryview(self.attack.hello + (b"" if self.attack.every_s else self.attack.body))
        self.at, self.due = 0, float("inf")  # due: when to write on, or to begin anew
        if self.attack.every_s:
            self.due = 0.0

    def wants_write(self, now):
        return self.at < len(self.queue) or now >= self.due

    def write(self, now):
        a = self.attack
        if self.at < len(self.queue):
            self.at += self.sock.send(self.queue[self.at:self.at + 262144])
        elif a.every_s:
            self.sock.send(a.body[:1])
            self.due = now + a.every_s
        else:
            raise ConnectionError  # it was held long enough
        if self.at >= len(self.queue) and a.loop and not a.every_s:
            if a.body[3] == wire.HEADERS:  # new requests need a new connection
                self.due = now + 1.0
            else:
                self.queue, self.at = memoryview(a.body), 0

    def read(self):
        got = self.sock.recv(262144)
        if not got or self.attack.hangs_up:
            raise ConnectionError
        if len(self.seen) < 4000:
            self.seen += got

    def close(self, now):
        self.sock.close()
        self.sock, self.again_at = None, now if self.attack.hangs_up else now + 0.02


def run_attack(attack, port, seconds, watch):
    """For so many seconds, from this process; calls @watch now and then. The bytes the server said first, and for how
    long at most this process stood still."""
    conns = [Connection(attack, port) for _ in range(attack.conns)]
    poll = select.epoll()
    last = time.monotonic()
    by_fd, until, next_watch, cursor, stall = {}, last + seconds, 0.0, 0, 0.0
    while (now := time.monotonic()) < until:
        stall, last = max(stall, now - last), now
        if now >= next_watch:
            watch()
            next_watch = now + 0.05
        for _ in range(min(len(conns), 64)):
            c = conns[cursor % len(conns)]
            cursor += 1
            if c.sock is None and now >= c.again_at:
                try:
                    c.open()
                    by_fd[c.sock.fileno()] = c
                    poll.register(c.sock.fileno(), select.EPOLLIN | select.EPOLLHUP if attack.reads else select.EPOLLHUP)
                except OSError:
                    c.sock, c.again_at = None, now + 0.1
            elif c.sock and c.wants_write(now):
                act(c, c.write, by_fd, now)
        for fd, _ in poll.poll(0.001, 256):
            if fd in by_fd:
                act(by_fd[fd], by_fd[fd].read, by_fd, now)
    said = max((bytes(c.seen) for c in conns), key=len)
    for c in conns:
        if c.sock:
            c.sock.close()
    return said, max(stall, now - last)


def act(c, what, by_fd, now):
    try:
        what(now) if what == c.write else what()
    except BlockingIOError:
        pass
    except OSError:
        del by_fd[c.sock.fileno()]
        c.close(now)


def measure(server, honest, attack):
    before, cpu, rss = server.metrics(), server.cpu_s(), server.rss_mb()
    peak = [rss]
    honest.begin(SECONDS)
    port = server.tls_port if attack and attack.tls else server.port
    said, stall = run_attack(attack, port, SECONDS, lambda: peak.append(server.rss_mb())) if attack else \
        (time.sleep(SECONDS), 0.0)
    fared = honest.result()
    spent = server.cpu_s() - cpu
    time.sleep(0.9)
    end = time.monotonic() + 8
    while time.monotonic() < end:  # what was held is given back, and counted
        time.sleep(0.3)
        after = server.metrics()
        if after["faregate_connections"] <= 4 and after.get("faregate_buffered_bytes", 0) == 0:
            break
    counted = collections.Counter()  # closes and refusals have causes of the same name
    for key, value in after.items():
        if 'cause="' in key:
            counted[re.search('"(.*)"', key)[1]] += value - before.get(key, 0)
    return {"honest": fared["done"] / fared["sent"], "p99_ms": fared["p99_ms"], "cpu_s": spent, "rss_mb": rss,
            "growth_mb": max(peak) - rss, "left_mb": server.rss_mb() - rss, "conns": after["faregate_connections"],
            "bytes": after.get("faregate_buffered_bytes", 0), "said": said, "counted": counted,
            "stall_s": max(stall, fared["stall_s"])}


def measure_undisturbed(server, honest, attack):
    for _ in range(TRIES):
        m = measure(server, honest, attack)
        if m["stall_s"] < STALL_S:
            break
        print(f"a client stood still for {m['stall_s']:.1f} s")
    return m


def judge(attack, naked, m):
    """What is wrong with a defended run."""
    wrong = []
    if m["honest"] < 0.8:
        wrong.append(f"honest clients kept {m['honest']:.0%}")
    if m["growth_mb"] > RSS_GROWTH_MAX_MB:
        wrong.append(f"grew by {m['growth_mb']:.0f} MB")
    if m["left_mb"] > RSS_LEFT_MAX_MB:
        wrong.append(f"kept {m['left_mb']:.0f} MB")
    if m["conns"] > 4:  # the honest
        wrong.append(f"{m['conns']:.0f} connections are left")
    if m["bytes"] != 0:
        wrong.append(f"{m['bytes']:.0f} bytes are left")
    ends = sum(n for label, n in m["counted"].items() if label != "streams")
    allowed = 1.25 * naked["cpu_s"] + 0.3 + ends * attack.each_ms / 1000
    if m["cpu_s"] > allowed:
        wrong.append(f"cost {m['cpu_s']:.2f} s where {allowed:.2f} s are allowed")
    if attack.why and not any(m["counted"].get(label, 0) > 0 for label in attack.why.split("|")):
        wrong.append(f"nothing was counted as {attack.why}: { {k: v for k, v in m['counted'].items() if v} }")
    if attack.answered and not any(kind == wire.HEADERS and flags & wire.END_STREAM and stream == 1
                                   for kind, flags, stream, _ in wire.frames(bytearray(m["said"]))):
        wrong.append("the first stream got no answer")
    return wrong


def prepare(home):
    os.makedirs(f"{home}/keys")
    with open(os.open(f"{home}/secret", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
        f.write(os.urandom(32).hex() + "\n")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{home}/keys/1.pem"], check=True,
                   capture_output=True)
    os.chmod(f"{home}/keys/1.pem", 0o600)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=localhost", "-keyout", f"{home}/key.pem", "-out", f"{home}/certificate.pem"], check=True,
                   capture_output=True)
    os.chmod(f"{home}/key.pem", 0o600)


def main():
    chosen = sys.argv[1:] or list(ATTACKS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    os.sched_setaffinity(0, {CLIENT_CPU})
    results = {}
    with tempfile.TemporaryDirectory(prefix="faregate-attack-") as home:
        prepare(home)
        for name, flags in (("undefended", UNDEFENDED), ("defended", DEFENDED)):
            server = Server(home, name, flags)
            clear, tls = Honest(str(server.port)), Honest(str(server.tls_port), "tls")
            try:
                measure(server, clear, None)
                for attack in chosen:
                    results[attack, name] = measure_undisturbed(
                        server, tls if ATTACKS[attack].tls else clear, ATTACKS[attack])
            finally:
                clear.stop()
                tls.stop()
                status = server.stop()
        worker_ok = status == 0
    return report(chosen, results, worker_ok)


def report(chosen, results, worker_ok):
    print(f"{'':22}{'undefended':>34}   {'defended':>34}")
    columns = f"{'honest':>7}{'p99 ms':>9}{'cpu s':>8}{'MB':>6}{'left':>6}"
    print(f"{f'attack, {SECONDS} s':22}{columns:>34}   {columns:>34}   counted")
    failed = 0
    for attack in chosen:
        cells = []
        for name in ("undefended", "defended"):
            m = results[attack, name]
            p99 = f"{m['p99_ms']:.1f}" if m["p99_ms"] is not None else "-"
            cells.append(f"{m['honest']:7.0%}{p99:>9}{m['cpu_s']:8.2f}{m['growth_mb']:6.0f}{m['left_mb']:6.0f}")
        m = results[attack, "defended"]
        wrong = judge(ATTACKS[attack], results[attack, "undefended"], m)
        counted = ", ".join(f"{k} {v:.0f}" for k, v in sorted(m["counted"].items()) if v and k != "peer")
        print(f"{attack:22}{cells[0]:>34}   {cells[1]:>34}   {counted}")
        for line in wrong:
            print(f"    FAILED: {line}")
        failed += bool(wrong)
    if not worker_ok:
        print("    FAILED: the server did not end in order")
        failed += 1
    print(f"{len(chosen) + 1 - failed} passed, {failed} failed")
    return failed


sys.exit(1 if main() else 0)
