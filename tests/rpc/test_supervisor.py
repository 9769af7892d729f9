"""What the supervisor does for its processes, and `faregate dev` for what it starts beside them."""

import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from kit.health import NOT_SERVING, SERVING, Watcher
from kit.instance import Dev, binary, http_status, until
from kit.patience import tries
from kit.ports import free_port

PR_SET_CHILD_SUBREAPER = 36


def test_a_crash_fails_the_test(world):
    """Of this kit: whoever starts a fallen process again would hide it."""
    server = world.dev.sibling()
    try:
        worker = server.pids()["worker 0"]
        os.kill(worker, signal.SIGSEGV)
        server.until_replaced({"worker 0": worker}, 10)
        with pytest.raises(AssertionError, match="signal 11|Sanitizer"):
            server.stop()
    finally:
        server.kill()


def test_a_late_loop_is_not_ready(world):
    """A worker that was stopped for a while is late: not ready by HTTP and by gRPC, alive, and ready again."""
    with world.dev.sibling("--loop-lag-max-ms=2000") as server:  # more than a busy machine brings about
        watchers = {name: Watcher(server.target, name) for name in ("readiness", "liveness")}
        for watcher in watchers.values():
            until(lambda: watcher.seen == [SERVING], 5, "it serves")
        worker = server.pids()["worker 0"]
        os.kill(worker, signal.SIGSTOP)
        time.sleep(6)
        os.kill(worker, signal.SIGCONT)
        until(lambda: (said := server.http("/readyz?verbose"))[0] == 503 and ", lagging, database up" in said[1], 5, "not ready")
        assert server.http("/healthz")[0] == 200
        until(lambda: server.http("/readyz")[0] == 200, 5, "ready again by itself")
        assert "lagging" not in server.http("/readyz?verbose")[1]
        until(lambda: watchers["readiness"].seen == [SERVING, NOT_SERVING, SERVING], 5, "and so say watchers")
        assert watchers["liveness"].seen == [SERVING]
        for watcher in watchers.values():
            watcher.cancel()


def test_a_hanging_worker_is_not_ready_and_is_replaced(world):
    """Nobody wakes it: the supervisor notices that it says nothing."""
    with world.dev.sibling("--loop-lag-max-ms=500", "--hang-seconds=5") as server:
        worker = server.pids()["worker 0"]
        server.killed += 1  # by its supervisor
        os.kill(worker, signal.SIGSTOP)
        until(lambda: server.http("/readyz")[0] == 503, 5, "not ready")
        assert ", hanging" in server.http("/readyz?verbose")[1]
        server.until_replaced({"worker 0": worker}, 15)
        assert "worker 0 hangs" in server.said()


def test_who_reads_no_stderr_holds_nobody_up(world):
    """A full pipe as stderr: processes are started again all the same, and SIGTERM ends the server."""
    end, pipe = os.pipe()
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4096)
    os.set_blocking(pipe, True)
    with world.dev.sibling(preexec_fn=lambda: os.dup2(pipe, 2)) as server:
        for _ in range(2):
            server.replace_child("worker 0", 10)
        assert server.stop() == 0
    os.close(end)
    os.close(pipe)


def test_the_last_words_of_who_leaves_in_a_hurry_are_logged(dev, tmp_path):
    """Events are written four times a second: here the database goes, and at once so does who tells of it."""
    port, log = free_port(), tmp_path / "log"
    database = dev.conninfo + " application_name=hurried"
    server = subprocess.Popen([binary(), "jobs", "--admin", f"127.0.0.1:{port}", "--database", database, "--keys",
                               dev.data + "/keys", "--secret", dev.data + "/secret", "--provider-key",
                               dev.data + "/psp-key", "--provider-url", f"http://127.0.0.1:{dev.admin_port + 1}", "--log",
                              str(log), "--db-reconnect-min-ms=5000"],
                              stderr=subprocess.DEVNULL)
    try:
        until(lambda: http_status(port, "/readyz") == 200, 20, "it has its database")
        jobs, = children(server.pid)
        dev.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hurried'")
        until(lambda: http_status(port, "/readyz") == 503, 5, "it has lost its database", every=0.001)
        os.kill(jobs, signal.SIGUSR2)
        until(lambda: jobs not in children(server.pid), 5, "it leaves")
        assert '"database_down"' in log.read_text()
    finally:
        server.terminate()
        assert server.wait(20) == 0


def orphan(gate):
    """In the process that becomes the server: a subreaper, like the first process of a container, with a grandchild
    whose parent is gone and who ends when @gate is closed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.fork():
        return
    if os.fork() == 0:
        os.closerange(3, gate)
        os.closerange(gate + 1, 1024)
        os.read(gate, 1)
    os._exit(0)


def children(pid):
    """{pid: state} of the processes whose parent it is."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found[int(path.parent.name)] = state
    return found


def test_orphans_are_buried(world):
    gate, end = os.pipe()
    with world.dev.sibling(preexec_fn=lambda: orphan(gate)) as server:
        pids = set(server.pids().values())
        strangers = children(server.process.pid).keys() - pids
        assert strangers, "the orphan is the server's child now"
        os.close(end)
        until(lambda: children(server.process.pid).keys() <= pids, 5, "it and its parent are buried")
        server.replace_child("worker 0", 5)  # a child of its own is no orphan: it is started again
    os.close(gate)


def test_a_later_start_adds_what_is_missing_and_is_quick_where_nothing_is(dev):
    """Days of the timetable, and the user that a killed first start did not make; then in under three seconds."""
    data = tempfile.mkdtemp(prefix="faregate-again-")
    long_ago = datetime.date.today() - datetime.timedelta(30)
    try:
        many = ("--db-write-lanes=1", "--db-leases-max=64")
        with Dev("--workers=1", f"--start={long_ago}", *many, data=data, scale=0.05, days=5) as first:
            assert first.sql("SHOW max_connections") == [[str(67 + 67 + 66 + 20)]], "all that it may open, and some"
            first.sql("UPDATE login SET email = 'gone@faregate.example' WHERE email = 'finance@faregate.example'")
        with Dev("--workers=1", data=data, scale=0.05, days=10) as second:
            assert second.staff().token
            slices = json.loads(re.search(r'"slices":(\[.*?\}\}\])', second.guide()).group(1))
            assert second.client().SearchOffers(slices=slices, passengers=[{"type": "ADULT", "count": 1}], max_connections=1,
                                                currency_code="USD").offers, "the guide's date is in the timetable"
        for _ in tries(lambda: took < 3):
            began = time.monotonic()
            third = Dev("--workers=1", data=data, scale=0.05, days=10)
            took = time.monotonic() - began
            assert third.stop(signal.SIGINT) == 0, "Ctrl-C ends it cleanly"
        assert took < 3
        last = Dev("--workers=1", data=data, scale=0.05, days=10)
        try:
            simulator = next(pid for pid in children(last.process.pid)
                             if pathlib.Path(f"/proc/{pid}/comm").read_text() == "faregate psp\n")
            os.kill(simulator, signal.SIGKILL)
            assert last.ended(20) == 1
            assert "the payment simulator has ended" in last.said()
        finally:
            last.kill()
    finally:
        home = os.path.realpath(os.path.join(data, "db"))
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def test_dev_finds_a_used_port_at_once(dev, tmp_path):
    """The simulator's as well, before it makes a database."""
    done = subprocess.run([binary(), "dev", "--port", str(free_port()), "--admin-port", str(dev.admin_port - 1), "--data",
                           str(tmp_path)], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "--admin-port + 1 (the payment simulator): cannot listen on" in done.stderr, done.stderr
    assert not (tmp_path / "db").exists()
