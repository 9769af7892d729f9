"""A start that cannot be: one line that names the flag, and an exit status. What was read at the start holds for
every process that is started later."""

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

from kit.client import Client, refused
from kit.instance import ROOT, Serve, binary, sql, until
from kit.lock import Lock
from kit.ports import free_port
from kit.world import PASSWORD


@pytest.fixture
def copy(dev):
    """Keys, secret and provider key of the installation, to be spoilt."""
    data = tempfile.mkdtemp(prefix="faregate-start-")
    shutil.copytree(os.path.join(dev.data, "keys"), os.path.join(data, "keys"))
    for name in ("secret", "psp-key"):
        shutil.copy2(os.path.join(dev.data, name), data)
    yield data
    shutil.rmtree(data, ignore_errors=True)


def start(data, *flags, env=None, **more):
    """Status and stderr of a server that ends by itself."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FAREGATE_")}
    done = subprocess.run([binary(), "serve", "--listen", f"127.0.0.1:{free_port()}", "--admin=", "--log=none",
                           "--workers=3", "--keys", data + "/keys", "--secret", data + "/secret",
                           "--provider-key", data + "/psp-key", *flags], capture_output=True, text=True, timeout=20,
                          env={**clean, **(env or {})}, **more)
    return done.returncode, done.stderr


def test_a_wrong_configuration_is_said_once_and_with_its_flag(copy):
    bad = pathlib.Path(copy, "bad")
    bad.mkdir()
    (bad / "1.pem").write_text("no key")
    os.chmod(bad / "1.pem", 0o600)
    for flags, said in (
            (["--provider-key="], "--provider-key names no file"),
            (["--provider-key=/nowhere"], "--provider-key=/nowhere: No such file"),
            (["--provider-url=ftp://x"], "--provider-url=ftp://x"),
            (["--secret=/nowhere"], "--secret: /nowhere: No such file"),
            (["--secret", ",".join([copy + "/secret"] * 5)], "--secret: more than 4 files\n"),
            (["--keys=/nowhere"], "--keys: /nowhere: No such file"),
            (["--keys", str(bad)], "--keys: "),
            (["--database=garbage in"], "--database: not a connection string"),
            (["--listen=foo"], "--listen: cannot listen on foo: not ADDRESS:PORT"),
            (["--listen=127.0.0.1:99999"], "--listen: cannot listen on 127.0.0.1:99999: not ADDRESS:PORT"),
            (["--admin=foo"], "--admin: cannot listen on foo"),
            (["--services="], "--services="),
            (["--service-identities=dns:a,nonsense"], '--service-identities: "nonsense" is none of spiffe://'),
            (["--service-identities=" + "dns:a," * 65], "--service-identities: more than 64"),
            (["--payment-return-url=javascript:x"], "--payment-return-url=javascript:x: not an http or https URL"),
            (["--payment-return-url=https://"], "--payment-return-url=https://: not an http or https URL"),
            (["--listen="], "--listen and --listen-tls are empty"),
            (["--listen=fd:foo"], "--listen: cannot listen on fd:foo: no such socket was passed"),
            (["--listen=127.0.0.1:1,mode=0600"], "--listen: 127.0.0.1:1: mode= is for unix sockets"),
            (["--log="], "--log names no file"),
            (["--te-required=on"], '--te-required: "on" is not a number from 0 to 1\n'),
            (["--hang-seconds=1s"], '--hang-seconds: "1s" is not a number from 0 to 86400 (s)\n'),
            (["--db-reconnect-min-ms=6000"], "--db-reconnect-min-ms=6000 is above --db-reconnect-max-ms=5000")):
        status, text = start(copy, *flags)
        assert status == 2 and said in text, (flags, status, text)
        assert len(text.strip().splitlines()) == 1, text
    status, text = start(copy, env={"FAREGATE_SERVICES": ""})
    assert status == 2 and "--services=" in text


def test_an_unmigrated_database_is_said_once(dev, copy):
    dev.sql("CREATE DATABASE empty")
    status, text = start(copy, "--database", dev.conninfo.replace("dbname=faregate", "dbname=empty"))
    dev.sql("DROP DATABASE empty")
    assert status == 1 and "`faregate migrate`" in text
    assert len(text.strip().splitlines()) == 1, text


def numbers():
    """(flag, smallest, largest) of every number that `serve` takes."""
    found = []
    for line in (ROOT / "src/options.def").read_text().splitlines():
        number = re.fullmatch(r'(U32|LIMIT|LISTENER)\("([\w-]+)", (.*), (\w+), (\w+), "[^"]*"\)', line)
        if number and (number[1] != "U32" or "ON(SERVE)" in line or "RUNS" in line):
            found.append((number[2], int(number[4], 0), int(number[5], 0) or 2**32 - 1))
    assert len(found) > 80
    return found


def test_a_server_starts_with_the_smallest_of_every_number(dev, world):
    with dev.sibling(*[f"--{flag}={smallest}" for flag, smallest, _ in numbers()], jobs=True) as server:
        until(lambda: server.http("/startupz")[0] == 200, 20, "all processes have started")


def test_a_server_sells_with_the_largest_of_every_number(dev, world):
    """But for those that are processes or connections: PostgreSQL has not so many."""
    many = ("workers", "db-write-lanes", "db-read-lanes", "db-leases-max")
    flags = [f"--{flag}={largest}" for flag, _, largest in numbers() if flag not in many]
    ann = world.traveller()
    with dev.sibling(*flags, jobs=True) as server:
        client = Client(server.target, ann.token)
        booking = world.hold(client, world.offer(client))
        world.pay(client, booking)
        world.booking(client, booking, "CONFIRMED")
        client.close()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.http("/readyz")[0] == 503, 5, "it drains; a second signal ends that")


def test_a_migration_without_stderr(dev):
    """A connection to the database that took the number 2 would get what is meant for people."""
    dev.sql("CREATE DATABASE quiet")
    conninfo = dev.conninfo.replace("dbname=faregate", "dbname=quiet")
    done = subprocess.run([binary(), "migrate", "--database", conninfo], timeout=60, preexec_fn=lambda: os.close(2))
    assert done.returncode == 0 and sql(conninfo, "SELECT count(*) FROM app_user") == [["0"]]
    dev.sql("DROP DATABASE quiet")


def test_a_report_that_cannot_be_written_is_a_failure(dev):
    for command in (["describe"], ["describe", "--json"], ["describe", "--service-config"], ["version"], ["help"],
                    ["serve", "--help"], ["migrate", "--print"], ["check", "--database", dev.conninfo],
                    ["check", "--json", "--database", dev.conninfo]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([binary(), *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, (command, done)


def run(*command):
    return subprocess.run([binary(), *command], capture_output=True, text=True, timeout=10)


def test_help_of_a_command_is_asked_for_either_way():
    for command in ("serve", "user", "sandbox-psp", "help"):
        first, second = run("help", command), run(command, "--help")
        assert first.returncode == 0 and first.stdout == second.stdout != "" and not first.stderr, command
    assert run("help", "nonsense").returncode == 2


@pytest.mark.skipif(not shutil.which("git"), reason="nothing to be built from")
def test_the_version_names_the_sources_that_it_was_built_from(tmp_path):
    """In a repository of the test's own: that of the binary may have changed since."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}  # a hook's name its repository

    def here(*command):
        return subprocess.run(command, cwd=tmp_path, env={**clean, "GIT_CONFIG_GLOBAL": "/dev/null"}, check=True,
                              capture_output=True, text=True).stdout.strip()

    def git(*command):
        return here("git", "-c", "user.name=a", "-c", "user.email=a@faregate.example", *command)

    def said():
        here("cmake", "-D", "FG_VERSION=1.2", "-D", "GIT=git", "-D", "OUTPUT=version.h", "-P", ROOT / "src/version.cmake")
        return re.findall(r'"(.*)"$', (tmp_path / "version.h").read_text(), re.M)

    git("init", "-q")
    for text in ("first", "second"):
        (tmp_path / "source").write_text(text)
        git("add", "source")
        git("commit", "-q", "-m", text)
        git("tag", "-m", "a name of something else", text)
        assert said() == ["1.2", git("rev-parse", "--short", "HEAD")]
    (tmp_path / "source").write_text("changed")
    assert said()[1] == git("rev-parse", "--short", "HEAD") + "-dirty"
    built = pathlib.Path(binary()).with_name("generated") / "version.h"
    assert run("version").stdout == "faregate {} ({})\n".format(*re.findall(r'"(.*)"$', built.read_text(), re.M))


def test_dev_counts_its_ports_before_it_makes_anything(tmp_path):
    for admin in (21299, 21300, 21301):
        done = run("dev", "--port=21300", f"--admin-port={admin}", "--data", str(tmp_path / "data"))
        assert done.returncode == 2 and f"--admin-port={admin}" in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()


def test_a_user_without_a_database_is_refused_at_once(tmp_path):
    (tmp_path / "password").write_text("correct horse battery\n")
    began = time.monotonic()
    done = run("user", "--database=host=/nowhere", "--email=a@faregate.example", f"--password-file={tmp_path}/password")
    assert time.monotonic() - began < 8, "not at the end of its patience, which is 15 s"
    assert done.returncode == 1 and "/nowhere" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_descriptor_set_that_cannot_be_written_says_why():
    done = run("describe", "--descriptor-set=/nowhere/x")
    assert done.returncode == 2 and done.stderr.endswith("--descriptor-set=/nowhere/x: No such file or directory\n")


def test_only_what_runs_is_shown(dev):
    with dev.sibling() as server:
        assert "jobs 64" not in server.pids() and "worker 0" in server.pids()
        assert 'process="jobs"' not in server.http("/metrics")[1]
    with dev.sibling(jobs=True) as server:
        assert "jobs 64" in server.pids()


def test_a_standby_proves_nothing_unless_asked(dev):
    """Of the server's own hosts, a standby may be behind, or be what was the primary before."""
    conninfo = dev.conninfo + " options='-c default_transaction_read_only=on'"
    done = subprocess.run([binary(), "check", "--database", conninfo], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "read-only" in done.stderr, done.stderr
    done = subprocess.run([binary(), "check", "--database", conninfo + " target_session_attrs=any"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and "/" in json.loads(done.stdout)["server"], done.stdout


def test_check_keeps_no_snapshot_from_one_invariant_to_the_next(dev):
    with Lock(dev, "LOCK TABLE login IN ACCESS EXCLUSIVE MODE"):
        check = subprocess.Popen([binary(), "check", "--database", dev.conninfo], stdout=subprocess.DEVNULL)
        until(lambda: dev.sql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%argon2id%' "
                              "AND xact_start = query_start"), 20, "its last query waits, in a transaction of its own")
    assert check.wait(60) == 0


def test_help_shows_the_defaults_and_no_secrets():
    done = subprocess.run([binary(), "serve", "--help"], capture_output=True, text=True, timeout=10,
                          env={**os.environ, "FAREGATE_DATABASE": "host=db password=hush"})
    assert done.returncode == 0 and "hush" not in done.stdout and "[dbname=faregate]" in done.stdout


def test_what_is_spoilt_later_does_not_reach_new_workers(dev, copy, world):
    """A bad key beside the good ones, another secret: who is started again serves as his siblings do."""
    ann = world.traveller()
    with Serve(dev.conninfo, copy, provider_port=dev.admin_port + 1) as server:
        offer = world.offer(ann)
        pathlib.Path(copy, "keys", "9.pem").write_text("no key")
        pathlib.Path(copy, "psp-key").unlink()
        pathlib.Path(copy, "secret").write_bytes(os.urandom(64))
        server.replace_child("worker 0")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "stay as they were" in server.said(), 5, "bad keys are told")
        server.replace_child("worker 0")
        other = Client(server.target, ann.token)
        assert world.hold(other, offer).name
        assert server.http("/.well-known/jwks.json")[0] == 200
        assert server.said().count("stay as they were") == 1


def test_a_secret_is_replaced_while_customers_go_on(dev, copy, world):
    """In front of the old one, beside servers that have it behind; then without it."""
    old, new = pathlib.Path(copy, "secret"), pathlib.Path(copy, "new")
    new.touch(mode=0o600)
    new.write_bytes(os.urandom(64))

    def serve(*secrets):
        return Serve(dev.conninfo, copy, "--secret=" + ",".join(map(str, secrets)), provider_port=dev.admin_port + 1)

    with serve(old, new) as first, serve(new, old) as second:
        here, there = Client(first.target), Client(second.target)
        user = world.traveller()
        login = here.request("CreateSession", email=user.email, password=PASSWORD)
        tokens = here.CreateSession(login).tokens
        here.token = there.token = tokens.access_token
        assert there.CreateSession(login).tokens == tokens, "a repeated login is answered as the first was"
        page = here.ListSessions(parent="users/me", page_size=1).next_page_token
        assert there.ListSessions(parent="users/me", page_size=1, page_token=page).sessions
        offer, newer = world.offer(here), world.offer(there)
        booking = world.hold(there, offer)
        world.hold(here, newer)
        world.pay(there, booking)
        world.booking(there, booking, "CONFIRMED")
        refresh = there.request("RefreshSession", refresh_token=tokens.refresh_token)
        tokens = there.RefreshSession(refresh)
        assert here.RefreshSession(refresh) == tokens, "one successor, whoever gives it"
        latest = there.log_in(user.email, PASSWORD).tokens.refresh_token
        ids = [re.findall(r'faregate_secret_info{place="(\d)",secret="([0-9a-f]{8})"} 1\n', s.http("/metrics")[1])
               for s in (first, second)]
        assert [i for _, i in ids[0]] == [i for _, i in ids[1]][::-1] and len(set(ids[0] + ids[1])) == 4, ids
    with serve(new) as last:
        client = Client(last.target, there.token)
        with refused("INVALID_ARGUMENT", "OFFER_INVALID", "offer"):
            world.hold(client, offer)
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", "page_token"):
            client.ListSessions(parent="users/me", page_size=1, page_token=page)
        with refused("UNAUTHENTICATED", "TOKEN_INVALID", "refresh_token"):
            client.RefreshSession(refresh_token=tokens.refresh_token)
        assert client.RefreshSession(refresh_token=latest).refresh_token
        assert world.hold(client, newer).name
        assert client.GetBooking(name=booking.name).tickets, "what was sold under the old one can be read"
        assert client.CreateCancellation(parent=booking.name).refund.currency_code == "USD", "and given back"


def test_a_fault_that_comes_later_ends_nobody(dev, copy):
    """A schema that does not fit any more is a migration under way, not a wrong start."""
    with Serve(dev.conninfo, copy, "--restart-delay-max-ms=100") as server:
        dev.sql("ALTER TABLE login RENAME TO login_away")
        try:
            server.kill_child("worker 0")
            server.meant = "ended with status 3; starting another"
            until(lambda: server.meant in server.said(), 10, "its successor does not find its tables")
            assert server.http("/healthz")[0] == 200
        finally:
            dev.sql("ALTER TABLE login_away RENAME TO login")
        until(lambda: server.http("/readyz")[0] == 200, 10, "it serves again")
