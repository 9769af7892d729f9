"""Who the client is when something stands in front: PROXY headers, forwarded headers, client certificates, users of
unix sockets, sockets passed by systemd. The log's event of a call says what was believed."""

import fcntl
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading

import grpc
import pytest

from kit.client import OPTIONS, Client, new_id, refused
from kit.instance import binary, until
from kit.ports import free_port
from kit.pki import DAY, Authority, replace
from test_tls import call, handshakes

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command=0x21, family=0x11, body=None):
    if body is None:
        body = socket.inet_aton("203.0.113.9") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4711, 443)
    return V2 + struct.pack("!BBH", command, family, len(body)) + body


V1 = b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\n"


class Front:
    """A TCP proxy of one connection: says @header, then passes bytes both ways."""

    def __init__(self, port, header, pieces=1):
        self.port, self.header, self.pieces = port, header, pieces
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            step = max(1, len(self.header) // self.pieces)
            for at in range(0, len(self.header), step):
                server.sendall(self.header[at:at + step])
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def event_of(server, client, metadata=()):
    """The log's event of one call."""
    trace = os.urandom(16).hex()
    client.ask("SearchPlaces", query="london", metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01"), *metadata])
    return server.event(lambda e: e.get("trace_id") == trace)


@pytest.fixture(scope="module")
def authority():
    return Authority()


# ---- PROXY protocol


@pytest.mark.parametrize("header,pieces,peer", [
    (V1, 1, "203.0.113.9:4711"), (V1, 9, "203.0.113.9:4711"), (v2(), 1, "203.0.113.9:4711"),
    (v2(), 28, "203.0.113.9:4711"), (b"PROXY UNKNOWN\r\n", 1, "127.0.0.1:"), (v2(0x20, 0, b""), 1, "127.0.0.1:")])
def test_a_proxy_names_its_client(world, header, pieces, peer):
    port = free_port()
    with world.dev.sibling("--listen", f"127.0.0.1:{port},proxy=127.0.0.0/8") as server:
        front = Front(port, header, pieces)
        event = event_of(server, Client(front.target))
        front.close()
        assert event["peer"].startswith(peer)
        assert event.get("via", "").startswith("127.0.0.1:") == (peer == "203.0.113.9:4711")


def test_the_header_is_mandatory_and_from_listed_networks(world):
    port = free_port(2)
    with world.dev.sibling("--listen", f"127.0.0.1:{port},proxy=127.0.0.0/8,127.0.0.1:{port + 1},proxy=10.0.0.0/8",
                           "--handshake-timeout-ms", "300") as server:
        with pytest.raises(grpc.RpcError):
            Client(f"127.0.0.1:{port}").SearchPlaces(query="london", timeout=2)
        for said in (b"", b"PROXY TCP4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", v2(0x21, 0x12)):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
                plain.sendall(said)
                assert closed(plain), said
        with socket.create_connection(("127.0.0.1", port + 1), timeout=5) as plain:
            assert closed(plain)
        front = Front(port, V1)
        assert Client(front.target).SearchPlaces(query="london").places
        front.close()
        assert server.process.poll() is None


def closed(plain):
    """Whether the server ends the connection without a word."""
    try:
        return plain.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_header_comes_before_tls(world, authority, tmp_path):
    port = free_port()
    certificate, key = authority.leaf("localhost").write(tmp_path, "a")
    with world.dev.sibling("--listen-tls", f"127.0.0.1:{port},proxy=127.0.0.1", "--tls-certificate", certificate,
                           "--tls-key", key) as server:
        front = Front(port, v2(), pieces=5)
        assert event_of(server, Client(front.target, root=authority.pem))["peer"] == "203.0.113.9:4711"
        front.close()


# ---- forwarded headers


FORWARDED = [("x-forwarded-for", "6.6.6.6, 203.0.113.7"), ("x-forwarded-client-cert",
             "URI=spiffe://td/forged,By=spiffe://td/us;Subject=\"CN=a,b\";URI=spiffe://td/web")]


def test_forwarded_headers_count_only_where_the_flag_says(world):
    port = free_port(4)
    with world.dev.sibling("--listen", f"127.0.0.1:{port},127.0.0.1:{port + 1},forwarded=127.0.0.1,envoy=on,"
                           f"127.0.0.1:{port + 2},forwarded=127.0.0.1,envoy=on,proxy=127.0.0.1,"
                           f"127.0.0.1:{port + 3},forwarded=127.0.0.1") as server:
        event = event_of(server, Client(f"127.0.0.1:{port}"), metadata=FORWARDED)
        assert event["peer"].startswith("127.0.0.1:") and "identity" not in event
        event = event_of(server, Client(f"127.0.0.1:{port + 1}"), metadata=FORWARDED)
        assert event["peer"] == "203.0.113.7" and event["via"].startswith("127.0.0.1:")
        assert (event["identity"], event["proof"]) == ("spiffe://td/web", "forwarded")
        event = event_of(server, Client(f"127.0.0.1:{port + 1}"),
                         metadata=[*FORWARDED, ("x-envoy-external-address", "203.0.113.8")])
        assert event["peer"] == "203.0.113.8"
        # Other proxies pass on what only Envoy writes itself.
        event = event_of(server, Client(f"127.0.0.1:{port + 3}"),
                         metadata=[*FORWARDED, ("x-envoy-external-address", "203.0.113.8")])
        assert event["peer"] == "203.0.113.7" and "identity" not in event
        # What comes through a TCP proxy is its client's word, whose address is not believed.
        front = Front(port + 2, V1)
        event = event_of(server, Client(front.target), metadata=FORWARDED)
        assert event["peer"] == "203.0.113.9:4711" and "identity" not in event
        front.close()


# ---- certificates of clients


def test_clients_prove_who_they_are(world, authority, tmp_path):
    port = free_port(2)
    certificate, key = authority.leaf("localhost").write(tmp_path, "server")
    ca, crl = tmp_path / "ca.pem", tmp_path / "crl.pem"
    web, gone, old = (authority.leaf("spiffe://td/web"), authority.leaf("gone.example"),
                      authority.leaf("old.example", start=-3 * DAY, end=-2 * DAY))
    stranger = Authority("Another CA").leaf("spiffe://td/web")
    replace(ca, authority.pem)
    replace(crl, authority.revoked(gone))
    with world.dev.sibling("--listen-tls", f"127.0.0.1:{port},client-cert=required,client-ca={ca},client-crl={crl},"
                           f"127.0.0.1:{port + 1},client-cert=optional,client-ca={ca},forwarded=spiffe://td/web",
                           "--tls-certificate", certificate, "--tls-key", key, "--tls-watch-ms", "100") as server:
        at, optional = f"localhost:{port}", f"localhost:{port + 1}"
        assert call(at, authority.pem, web).places
        server.event(lambda e: (e["event"], e.get("identity"), e.get("proof")) == ("call", "spiffe://td/web", "certificate"))
        for leaf, result in ((gone, "CERTIFICATE_REVOKED"), (old, "CERTIFICATE_EXPIRED"),
                             (stranger, "CERTIFICATE_AUTHORITY_INVALID"), (None, "CERTIFICATE_VERIFICATION_FAILED")):
            with pytest.raises(grpc.RpcError):
                call(at, authority.pem, leaf, timeout=3)
            until(lambda: handshakes(server, result) >= 1, 5, f"{result} is counted")
            server.event(lambda e: e["event"] == "tls_handshake_failed" and e["result"] == result)
        assert call(optional, authority.pem).places and call(optional, authority.pem, gone).places
        with pytest.raises(grpc.RpcError):
            call(optional, authority.pem, stranger, timeout=3)
        # A new list is taken without a restart.
        replace(crl, authority.revoked(web))

        def refused_now():
            try:
                call(at, authority.pem, web, timeout=2)
            except grpc.RpcError:
                return True
            return False
        until(refused_now, 15, "the new list is in force", every=0.1)


def test_a_named_service_needs_no_token(world, authority, tmp_path):
    port = free_port()
    certificate, key = authority.leaf("localhost").write(tmp_path, "server")
    ca = tmp_path / "ca.pem"
    replace(ca, authority.pem)
    web, other = authority.leaf("spiffe://td/web"), authority.leaf("spiffe://td/other")
    flags = ["--listen-tls", f"127.0.0.1:{port},client-cert=optional,client-ca={ca}", "--tls-certificate", certificate,
             "--tls-key", key, "--service-identities", "spiffe://td/web,dns:b.example"]
    with world.dev.sibling(*flags):
        def client(leaf, token=None):
            credentials = grpc.ssl_channel_credentials(authority.pem, leaf.key_pem, leaf.pem)
            made = Client(f"localhost:{port}", token, root=authority.pem)
            made.channel = grpc.secure_channel(f"localhost:{port}", credentials, options=OPTIONS)
            return made
        with refused("NOT_FOUND"):  # known, and nobody's booking
            client(web).GetBooking(name="bookings/" + new_id())
        with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
            client(other).GetBooking(name="bookings/" + new_id())
        with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
            client(web, "nonsense").GetBooking(name="bookings/" + new_id())


# ---- unix sockets


def test_unix_sockets_know_their_users(world, tmp_path):
    path, closed_path = tmp_path / "s", tmp_path / "t"
    with world.dev.sibling("--listen", f"unix:{path},mode=0606,uids={os.getuid()}+12345,unix:{closed_path},uids=12345,"
                           f"mode=0666") as server:
        event = event_of(server, Client(f"unix:{path}"))
        assert event["identity"] == f"unix:uid={os.getuid()}" and event["proof"] == "socket"
        assert event["peer"] == f"unix:pid={os.getpid()},uid={os.getuid()},gid={os.getgid()}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o606
        with pytest.raises(grpc.RpcError):
            Client(f"unix:{closed_path}").SearchPlaces(query="london", timeout=2)


def test_a_service_lends_itself_to_nobody(world, tmp_path):
    """Who passes somebody's credentials on is not called himself by them, however little they are worth."""
    path = tmp_path / "s"
    with world.dev.sibling("--listen", f"unix:{path}", f"--service-identities=unix:uid={os.getuid()}"):
        def ask(*values):
            Client(f"unix:{path}").ask("GetBooking", name="bookings/" + new_id(),
                                       metadata=[("authorization", value) for value in values])
        with refused("NOT_FOUND"):
            ask()
        for values in (["Basic Zm9v"], ["Bearer"], [""], ["bearer-token abc"], ["Token abc"], ["", "Basic Zm9v"]):
            with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
                ask(*values)


# ---- socket activation


ACTIVATE = """
import os, socket, sys
for number, fd in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(fd, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2], LISTEN_FDNAMES="web:api")
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_sockets_of_systemd(world, tmp_path):
    one, two = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100) for s in (one, two)]
    data, admin, log = world.dev.data, free_port(), tmp_path / "log"
    # A client that is here before the server: it only waits.
    early = socket.create_connection(one.getsockname(), timeout=20)
    early.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    flags = ["serve", "--listen", "fd:api,fd:3", "--admin", f"127.0.0.1:{admin}", "--database", world.dev.conninfo, "--keys",
             f"{data}/keys", "--secret", f"{data}/secret", "--provider=instant", "--workers=1", "--jobs=off",
             "--log", str(log)]
    process = subprocess.Popen([sys.executable, "-c", ACTIVATE, ",".join(map(str, high)), "2", binary(), *flags],
                               pass_fds=high)
    try:
        assert early.recv(9)[3] == 4, "the server's SETTINGS"
        early.close()
        for listener in (one, two):
            assert Client(f"127.0.0.1:{listener.getsockname()[1]}").SearchPlaces(query="london", timeout=5).places
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def serve_once(*flags, env=None):
    done = subprocess.run([binary(), "serve", "--keys=k", "--secret=s", "--provider=instant", *flags], capture_output=True,
                          text=True, timeout=20, env={**os.environ, **(env or {})})
    return done.returncode, done.stderr


def test_a_variable_of_another_command_is_none():
    """FAREGATE_PORT is what Kubernetes sets for a Service of that name: serve has no --port."""
    foreign = {"FAREGATE_PORT": "tcp://10.96.0.1:50051"}
    assert "FAREGATE_PORT" not in serve_once("--listen", "fd:web", env=foreign)[1]
    status, said = serve_once("--listen", "fd:web", env={**foreign, "FAREGATE_CONNS_MAX": "many"})
    assert status == 2 and "FAREGATE_CONNS_MAX" in said


def test_wrong_listeners_stop_the_start():
    for flags, said in (
            (["--listen", "fd:web"], "no such socket was passed"),
            (["--listen", "*:0,proxy=10.0.0.0/8"], "cleartext beyond this machine"),
            (["--listen", "127.0.0.1:0,proxy=on"], "wants proxy=NETWORKS"),
            (["--listen", "127.0.0.1:0,client-cert=required"], "no such option of a cleartext listener"),
            (["--listen-tls", "*:0,client-cert=required", "--tls-certificate=a", "--tls-key=b"], "need each other")):
        status, text = serve_once("--admin", "", *flags)
        assert status == 2 and said in text, (flags, text)
        assert len(text.strip().splitlines()) == 1
    # What was passed to another process is not ours.
    status, text = serve_once("--admin", "", "--listen", "fd:3", "--insecure-any",
                              env={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert status == 2 and "no such socket" in text
    help_text = subprocess.run([binary(), "serve", "--help"], capture_output=True, text=True, timeout=10).stdout
    for option in ("proxy=NETWORKS", "forwarded=SOURCES", "envoy=off|on", "hops=N", "mode=OCTAL", "uids=", "client-ca=FILE"):
        assert option in help_text
