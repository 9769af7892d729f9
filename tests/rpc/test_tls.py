"""TLS as operators meet it: names, tickets between workers, reloading under load, and the signals."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import threading

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from kit import stubs
from kit.client import OPTIONS, Client
from kit.instance import until
from kit.ports import free_port
from kit.pki import DAY, Authority, add_token_key, replace


@pytest.fixture(scope="session")
def authority():
    return Authority()


@contextlib.contextmanager
def serving(world, *certificates, flags=(), workers=1, **more):
    """A server with TLS on .tls_at, certificates from (certificate file, key file) pairs."""
    port = free_port()
    server = world.dev.sibling(
        "--listen-tls", f"127.0.0.1:{port}", "--tls-certificate", ",".join(c for c, _ in certificates),
        "--tls-key", ",".join(k for _, k in certificates), *flags, workers=workers, **more)
    server.tls_port, server.tls_at = port, f"localhost:{port}"
    with server:
        server.until_all_ready("worker")
        yield server


def connect(server, name="localhost", session=None, version=None, leaf=None):
    """A TLS connection, and what the server's certificate is called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if version:
        context.minimum_version = context.maximum_version = version
    if leaf:
        context.load_cert_chain(*leaf)
    if session:
        context = session[0]
    plain = socket.create_connection(("127.0.0.1", server.tls_port), timeout=5)
    tls = context.wrap_socket(plain, server_hostname=name, session=session and session[1])
    return tls, context


def served(server, name="localhost"):
    """The certificate for a name, as DER."""
    tls, _ = connect(server, name)
    with tls:
        return tls.getpeercert(binary_form=True)


def der(leaf):
    return ssl.PEM_cert_to_DER_cert(leaf.pem.decode())


def handshakes(server, result, resumed=None):
    return sum(v for k, v in server.metrics().items() if k.startswith("grpc_server_tls_handshakes_total") and
               f'"{result}"' in k and (resumed is None or f'"{resumed}"' in k))


def call(target, root, leaf=None, timeout=10):
    """One call on a connection of its own."""
    credentials = grpc.ssl_channel_credentials(root, *(leaf and (leaf.key_pem, leaf.pem) or ()))
    with grpc.secure_channel(target, credentials, options=OPTIONS) as channel:
        client = Client.__new__(Client)
        client.channel, client.token, client.target = channel, None, target
        return client.SearchPlaces(query="london", timeout=timeout)


# ---- which certificate


def test_each_name_gets_its_certificate(world, authority, tmp_path):
    first, second, wild = authority.leaf("localhost"), authority.leaf("api.example"), authority.leaf("*.shop.example")
    files = [leaf.write(tmp_path, str(i)) for i, leaf in enumerate((first, second, wild))]
    with serving(world, *files) as server:
        assert served(server) == der(first)
        assert served(server, "api.example") == der(second)
        assert served(server, "eu.shop.example") == der(wild)
        assert served(server, "unknown.example") == der(first)
        assert served(server, None) == der(first)
        assert call(server.tls_at, authority.pem).places
        ends = {k: v for k, v in server.metrics().items() if "certificate_expire" in k}
        assert sorted(ends.values()) == sorted(leaf.end for leaf in (first, second, wild))
        assert f'file="{files[1][0]}"' in "".join(ends)


def test_tls_1_3_only(world, authority, tmp_path):
    with serving(world, authority.leaf("localhost").write(tmp_path, "a"), flags=["--tls-only-1-3"]) as server:
        connect(server, version=ssl.TLSVersion.TLSv1_3)[0].close()
        with pytest.raises(ssl.SSLError):
            connect(server, version=ssl.TLSVersion.TLSv1_2)
        until(lambda: handshakes(server, "PROTOCOL_VERSION_UNSUPPORTED"), 5, "it is counted")
        failed = server.event(lambda e: e["event"] == "tls_handshake_failed")
        assert failed["result"] == "PROTOCOL_VERSION_UNSUPPORTED" and failed["peer"].startswith("127.0.0.1:")


# ---- tickets


def spread(server):
    """Connections of each worker, from the dump of SIGQUIT."""
    before = len(server.events())
    server.process.send_signal(signal.SIGQUIT)

    def dumped():
        found = [e for e in server.events()[before:] if e["event"] == "state_process" and e["kind"] == "worker"]
        return len(found) == 2 and found
    return [e["connections"] for e in until(dumped, 5, "the state is dumped")]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_are_good_in_every_worker(world, authority, tmp_path, version):
    with serving(world, authority.leaf("localhost").write(tmp_path, "a"), workers=2) as server:
        first, context = connect(server, version=version)
        first.recv(1)  # the server's SETTINGS; the ticket of TLS 1.3 came before
        session = first.session
        assert session.has_ticket and not first.session_reused
        others = [connect(server, session=(context, session))[0] for _ in range(8)]
        assert all(tls.session_reused for tls in others)
        assert all(count >= 2 for count in spread(server)), "both workers took some"
        until(lambda: handshakes(server, "SUCCESS", "RESUMED_HANDSHAKE") == 8, 5, "they are counted")
        for tls in (first, *others):
            tls.close()


def test_tickets_end_with_their_key(world, authority, tmp_path):
    flags = ["--tls-ticket-seconds", "1"]
    with serving(world, authority.leaf("localhost").write(tmp_path, "a"), flags=flags) as server:
        first, context = connect(server, version=ssl.TLSVersion.TLSv1_2)
        session = first.session
        first.close()
        world.wait(3.2)  # two rotations
        with connect(server, session=(context, session))[0] as again:
            assert not again.session_reused
    with serving(world, authority.leaf("localhost").write(tmp_path, "a"), flags=["--tls-ticket-seconds=0"]) as server:
        with connect(server, version=ssl.TLSVersion.TLSv1_2)[0] as tls:
            assert not tls.session.has_ticket


# ---- reloading


class Load:
    """Calls on one old connection and on new ones, until told to stop."""

    def __init__(self, server, root):
        self.failures, self.calls, self.over = [], 0, threading.Event()
        self.old = Client(server.tls_at, root=root)
        self.threads = [threading.Thread(target=self.run, args=(work,)) for work in (
            lambda: self.old.SearchPlaces(query="london"), lambda: call(server.tls_at, root))]
        for thread in self.threads:
            thread.start()

    def run(self, work):
        while not self.over.is_set():
            try:
                work()
                self.calls += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed call
                self.failures.append(repr(error))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(20)
        self.old.close()
        assert not self.failures, self.failures[:3]
        assert self.calls > 20


def test_reload_costs_no_call(world, authority, tmp_path):
    old, new, third = (authority.leaf("localhost", end=n * DAY) for n in (1, 2, 3))
    files = old.write(tmp_path, "served")
    with serving(world, files, flags=["--tls-watch-ms", "100"], workers=2) as server:
        load = Load(server, authority.pem)
        until(lambda: load.calls > 5, 20, "calls are made")
        assert served(server) == der(old)
        # By a change of the files, which is noticed.
        new.write(tmp_path, "served")
        until(lambda: all(served(server) == der(new) for _ in range(4)), 10, "the new one is served")
        assert new.end in server.metrics().values()
        # By SIGHUP.
        before = server.metrics()["faregate_tls_reloads_total"]
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.metrics()["faregate_tls_reloads_total"] > before, 5, "it reloads when told to")
        # A bad file: the old one stays, one line says so, for each time somebody changed it.
        replace(files[0], b"-----BEGIN CERTIFICATE-----\nnonsense\n")
        until(lambda: server.metrics()["faregate_tls_reload_failures_total"] == 1, 10, "it is refused")
        world.wait(0.5)
        refusals = [e for e in server.events() if e["event"] == "tls_reload_failed"]
        assert len(refusals) == 1 and files[0] in refusals[0]["error"]
        assert all(served(server) == der(new) for _ in range(4))
        # Whoever has to be started again meanwhile serves the old one as well.
        load.stop()
        server.replace_child("worker 0")
        server.until_all_ready("worker")
        load = Load(server, authority.pem)
        assert all(served(server) == der(new) for _ in range(6))
        third.write(tmp_path, "served")
        until(lambda: all(served(server) == der(third) for _ in range(6)), 10, "the third one is served")
        load.stop()


def test_keys_for_tokens_are_read_while_a_certificate_is_bad(world, authority, tmp_path):
    keys = tmp_path / "keys"
    shutil.copytree(f"{world.dev.data}/keys", keys)
    first, = keys.iterdir()
    files = authority.leaf("localhost").write(tmp_path, "served")
    with serving(world, files, flags=["--tls-watch-ms=0"], workers=2, keys=keys) as server:
        before = world.traveller(server=server).token.split(".")[0], served(server)
        replace(files[0], b"nonsense")
        add_token_key(keys, int(first.stem) + 1)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: all(world.traveller(server=server).token.split(".")[0] != before[0] for _ in range(3)), 10,
              "every worker signs with the new key")
        assert server.metrics()["faregate_tls_reload_failures_total"] == 1
        assert all(served(server) == before[1] for _ in range(4))


def encrypted(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"hush"))


def test_nobody_is_asked_for_a_password(world, authority, tmp_path):
    """A file behind a password is a bad file: OpenSSL would ask the terminal, or stdin, and everything would wait."""
    keys = tmp_path / "keys"
    shutil.copytree(f"{world.dev.data}/keys", keys)
    leaf, ca, (read_end, write_end) = authority.leaf("localhost"), tmp_path / "ca.pem", os.pipe()
    files = leaf.write(tmp_path, "served")
    replace(ca, authority.pem)
    port = free_port()
    hidden = leaf.pem.replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC," + b"00" * 16 + b"\n\n", 1)

    def stdin_is_open():
        os.setsid()  # no terminal
        os.dup2(read_end, 0)
    with serving(world, files, flags=[f"--listen-tls=127.0.0.1:{port},client-cert=optional,client-ca={ca}",
                                      "--tls-watch-ms=0"], keys=keys, preexec_fn=stdin_is_open) as server:
        os.close(read_end)
        try:
            for count, (path, bad, good) in enumerate((
                    (files[1], encrypted(leaf.key), leaf.key_pem),
                    (files[1], encrypted(leaf.key, serialization.PrivateFormat.TraditionalOpenSSL), leaf.key_pem),
                    (files[0], hidden, leaf.pem),
                    (ca, hidden, authority.pem)), 1):
                replace(path, bad)
                server.process.send_signal(signal.SIGHUP)
                until(lambda: server.metrics()["faregate_tls_reload_failures_total"] == count, 10, f"{path} is refused")
                assert server.http("/healthz")[0] == 200
                replace(path, good)
            replace(keys / "9.pem", encrypted(ed25519.Ed25519PrivateKey.generate()))
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "the keys for tokens stay as they were" in server.said(), 10, "it is told")
            assert server.http("/healthz")[0] == 200
            assert server.metrics()["faregate_tls_reloads_total"] == 1, "the certificates are good again"
        finally:
            os.close(write_end)  # an end to whoever asks, after all


# ---- handshakes under way


def test_so_many_handshakes_at_once_and_the_rest_wait(world, authority, tmp_path):
    """At --handshakes-max TLS listeners pause: who comes waits in the kernel's queue until one ends, or the oldest has
    had --handshake-spared-ms."""
    files = authority.leaf("localhost").write(tmp_path, "served")
    with serving(world, files, flags=["--handshakes-max=2", "--handshake-spared-ms=3000"]) as server:
        def counted(family, cause, count):
            until(lambda: server.metrics()[f'faregate_{family}_total{{cause="{cause}"}}'] >= count, 10, f"{cause} counted")

        def silent():
            return socket.create_connection(("127.0.0.1", server.tls_port))

        first, second = silent(), silent()
        counted("accepts_held", "handshakes", 1)
        done = []
        late = threading.Thread(target=lambda: done.append(connect(server)[0]), daemon=True)
        late.start()
        assert server.client().SearchPlaces(query="london").places  # in clear, as ever
        late.join(0.3)
        assert not done, "a third handshake has to wait"
        first.close()
        late.join(10)
        assert done and done[0].selected_alpn_protocol() == "h2", "it goes on once one of the others has gone"
        second.settimeout(0.1)
        with pytest.raises(TimeoutError):
            second.recv(1)  # which did not have to make room
        third = silent()
        connect(server)[0].close()  # full again: the second has to make room
        second.settimeout(10)
        assert second.recv(1) == b""
        counted("connections_closed", "handshakes", 1)
        third.settimeout(0.1)
        with pytest.raises(TimeoutError):
            third.recv(1)  # one was enough
        third.close()
        done[0].close()


# ---- signals


def test_sigusr1_opens_the_log_again(world):
    with world.dev.sibling() as server:
        client = server.client()
        client.SearchPlaces(query="london")
        until(server.events, 5, "there is a log")
        moved = pathlib.Path(server.log + ".1")
        pathlib.Path(server.log).rename(moved)
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: pathlib.Path(server.log).exists(), 5, "a new file appears")

        def in_the_new_one():
            client.SearchPlaces(query="paris")
            return any("SearchPlaces" in e.get("method", "") for e in server.events())
        until(in_the_new_one, 5, "workers write there", every=0.1)
        for line in moved.read_text().splitlines():
            json.loads(line)


def test_the_log_is_opened_again_where_nothing_was_stdin(world):
    """A log that took the number 0 would pass for stderr, which is never opened again."""
    with world.dev.sibling(preexec_fn=lambda: os.close(0)) as server:
        log = pathlib.Path(server.log)
        until(log.exists, 5, "there is a log")
        log.rename(f"{log}.1")
        server.process.send_signal(signal.SIGUSR1)
        until(log.exists, 5, "a new file appears")
        log.unlink()
        log.mkdir()
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: f"--log: cannot open {log} again" in server.said(), 5, "it is told when it cannot be opened")
        assert server.client().SearchPlaces(query="london").places


def test_sigquit_dumps_the_state_and_goes_on(world):
    with world.dev.sibling("--search-stale-ms=0", workers=2) as server:  # no timetable: only workers have calls
        server.until_all_ready("worker")
        channel = grpc.insecure_channel(server.target, options=OPTIONS)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", stubs.health.HealthCheckRequest.SerializeToString,
                                     stubs.health.HealthCheckResponse.FromString)(stubs.health.HealthCheckRequest())
        next(watch)
        pids = server.pids()
        server.process.send_signal(signal.SIGQUIT)

        def dumped():
            events = server.events()
            return sum(e["event"] == "state_calls" for e in events) == 2 and events
        events = until(dumped, 5, "workers dump their calls")
        assert [e["workers"] for e in events if e["event"] == "state"] == [2]
        processes = [e for e in events if e["event"] == "state_process"]
        assert sorted(e["pid"] for e in processes) == sorted(p for n, p in pids.items() if n.startswith("worker"))
        assert sum(e["connections"] for e in processes) == 1 and {e["state"] for e in processes} == {"ready"}
        call_event = [e for e in events if e["event"] == "call_in_flight"]
        assert [e["method"] for e in call_event] == ["grpc.health.v1.Health/Watch"] and call_event[0]["parked"] == 1
        assert sum(e["calls"] for e in events if e["event"] == "state_calls") == 1
        watch.cancel()
        assert server.client().SearchPlaces(query="london").places


def test_a_second_sigterm_ends_at_once(world):
    with world.dev.sibling("--lame-duck-ms", "60000") as server:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.http("/readyz")[0] == 503, 5, "it drains")
        assert server.client().SearchPlaces(query="london").places  # and serves
        assert server.stop(seconds=5) == 0
