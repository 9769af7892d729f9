"""grpc-server.md section 4.4: TLS as clients see it. Python's ssl, and openssl s_client for what it cannot do."""

import socket
import ssl
import subprocess
import threading
import warnings

from kit import grpc
from kit.harness import row
from kit.server import tls_client
from kit.wire import GOAWAY, PREFACE, SETTINGS, block, frame, frames_of, settings

V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
GOOD_12 = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305")
BAD_12 = ("ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256", "AES128-GCM-SHA256",
          "AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8", "PSK-AES128-GCM-SHA256", "NULL-SHA256",
          "ADH-AES128-GCM-SHA256")


def tls_row(name, title, expected, *refs, slow=False):
    """Only where the server has a TLS address at all."""
    def register(run):
        def judged(t):
            if not t.servers.get().tls_address or (not t.servers.is_ours and not t.servers.tls_everywhere):
                return t.note("this server has no TLS")
            run(t)
        row("tls", name, title, expected, *refs, slow=slow)(judged)
        return run
    return register


def handshake(t, context):
    """The socket, or None with the error noted in the trace."""
    sock = socket.create_connection(t.servers.get().tls_address, timeout=15)
    try:
        found = context.wrap_socket(sock, server_hostname="localhost")
        t.trace.append(("< ", f"{found.version()} {found.cipher()[0]} ALPN {found.selected_alpn_protocol()}"))
        return found
    except (ssl.SSLError, ConnectionError) as error:
        t.trace.append(("< ", str(error)))
        sock.close()
        return None


@tls_row("4.4/call", "a call over TLS 1.2 and over TLS 1.3", "served, ALPN h2")
def _(t):
    for version in (V2, V3):
        c = t.conn(tls=tls_client((version, version)))
        t.same("ALPN", c.sock.selected_alpn_protocol(), "h2")
        t.alive(c)


@tls_row("4.4/versions", "TLS 1.0 and 1.1", "refused")
def _(t):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context = tls_client((version, version), ciphers="ALL:@SECLEVEL=0")
        t.check(handshake(t, context) is None, f"{version.name} was taken")


@tls_row("4.4/ciphers-12", "the three cipher suites of TLS 1.2", "each taken")
def _(t):
    for cipher in GOOD_12:
        found = handshake(t, tls_client((V2, V2), ciphers=cipher))
        if found is None:  # an RSA certificate has the RSA ones
            found = handshake(t, tls_client((V2, V2), ciphers=cipher.replace("ECDSA", "RSA")))
        t.check(found, f"{cipher} was refused")
        found.close()


@tls_row("4.4/ciphers-12-bad", "suites of RFC 9113's black list", "each refused")
def _(t):
    for cipher in BAD_12:
        try:
            context = tls_client((V2, V2), ciphers=f"{cipher}:@SECLEVEL=0")
        except ssl.SSLError:
            t.note(f"this OpenSSL has no {cipher}")
            continue
        t.check(handshake(t, context) is None, f"{cipher} was taken")


@tls_row("4.4/alpn-none", "no ALPN at all", "fatal alert, nothing served", "9/27")
def _(t):
    for version in (V2, V3):
        found = handshake(t, tls_client((version, version), alpn=()))
        t.check(is_refused(t, found), "served without ALPN")


def is_refused(t, found):
    """In TLS 1.3 the client learns of it with its first read."""
    if found is None:
        return True
    try:
        found.settimeout(15)
        found.sendall(PREFACE + settings())
        data = found.recv(4096)
        t.trace.append(("< ", repr(data[:40])))
        return not data
    except (ssl.SSLError, ConnectionError) as error:
        t.trace.append(("< ", str(error)))
        return True
    finally:
        found.close()


@tls_row("4.4/alpn-http1", "ALPN http/1.1, h2c, h3, grpc-exp only", "fatal alert no_application_protocol", "9/27")
def _(t):
    for protocols in (("http/1.1",), ("h2c",), ("h3", "http/1.1"), ("grpc-exp",), ("h2 ",), ("H2",)):
        found = handshake(t, tls_client(alpn=protocols))
        t.check(is_refused(t, found), f"{protocols} was taken")
    said = " ".join(text for mark, text in t.trace if mark == "< ")
    t.check("NO_APPLICATION_PROTOCOL" in said.upper().replace(" ", "_"), f"the alert: {said[:200]}")


@tls_row("4.4/alpn-choice", "ALPN http/1.1, h2 in either order, grpc-exp first", "h2 is chosen")
def _(t):
    for protocols in (("http/1.1", "h2"), ("h2", "http/1.1"), ("grpc-exp", "h2")):
        found = handshake(t, tls_client(alpn=protocols))
        t.same("ALPN", found and found.selected_alpn_protocol(), "h2")
        found.close()


def s_client(t, *flags, said=b""):
    """What openssl s_client prints about a handshake."""
    host, port = t.servers.get().tls_address
    run = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-alpn", "h2", *flags], input=said,
                         capture_output=True, timeout=30, check=False)
    text = (run.stdout + run.stderr).decode("latin-1")
    t.trace.append(("> ", "s_client " + " ".join(flags)))
    t.trace.append(("< ", " | ".join(line for line in text.splitlines() if "Cipher" in line or "error" in line or
                                     "Temp" in line)[:400]))
    return text


@tls_row("4.4/groups", "X25519, P-256, P-384 alone; P-521, ffdhe2048 alone",
     "the first three taken, the others refused")
def _(t):
    for group in ("X25519", "P-256", "P-384"):
        t.check("Cipher is TLS" in s_client(t, "-tls1_3", "-groups", group), f"{group} was refused")
    for group in ("P-521", "ffdhe2048"):
        t.check("Cipher is TLS" not in s_client(t, "-tls1_3", "-groups", group), f"{group} was taken")


@tls_row("4.4/renegotiation", "renegotiation asked for by the client (TLS 1.2)", "refused: no second handshake")
def _(t):
    host, port = t.servers.get().tls_address
    with subprocess.Popen(["openssl", "s_client", "-connect", f"{host}:{port}", "-alpn", "h2", "-tls1_2"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        text = b""
        while b"Verify return code" not in text:
            text += process.stdout.readline()
            t.check(process.poll() is None, f"no handshake: {text[-200:]!r}")
        process.stdin.write(b"R\n")
        process.stdin.flush()
        patience = threading.Timer(15, process.kill)
        patience.start()
        tail = b""
        while b"error" not in tail:  # s_client may have gone by now, and what it said be still unread
            more = process.stdout.read1(65536)
            if not more:
                break
            tail += more
        patience.cancel()
        process.kill()
    t.trace.append(("< ", tail[-300:].decode("latin-1")))
    t.check(b"no renegotiation" in tail or b"error" in tail, f"s_client says {tail[-300:]!r}")
    t.alive(t.conn(tls=tls_client()))


@tls_row("4.4/compression", "TLS compression", "none")
def _(t):
    text = s_client(t, "-tls1_2", "-comp")
    t.check("Compression: NONE" in text or "Compression" not in text, "compressed")


@tls_row("4.4/early-data", "0-RTT", "not offered: no early data in tickets")
def _(t):
    text = s_client(t, "-tls1_3")
    t.check("Max Early Data: 0" in text or "Max Early Data" not in text, "early data are allowed")


@tls_row("4.4/resumption", "a second TLS 1.2 handshake with the first one's ticket",
     "resumed or whole, served either way (noted)")
def _(t):
    context = tls_client((V2, V2))
    first = handshake(t, context)
    session = first.session
    first.close()
    sock = socket.create_connection(t.servers.get().tls_address, timeout=15)
    second = context.wrap_socket(sock, server_hostname="localhost", session=session)
    t.note(f"resumed: {second.session_reused}")
    second.sendall(PREFACE + settings())
    t.check(second.recv(4096)[3] == SETTINGS, "no SETTINGS")
    second.close()


@tls_row("4.4/cleartext", "cleartext HTTP/2 and HTTP/1.1 on the TLS port", "closed, nothing served")
def _(t):
    for data in (PREFACE + settings(), b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100):
        sock = socket.create_connection(t.servers.get().tls_address, timeout=15)
        sock.sendall(data)
        try:
            got = sock.recv(4096)
        except ConnectionError:
            got = b""
        t.check(not got or got[0] == 0x15, f"answered {got[:40]!r}")
        sock.close()
    t.alive(t.conn(tls=tls_client()))


@tls_row("4.4/handshake-timeout", "a peer that connects and says nothing, or half a ClientHello",
         "closed after --handshake-timeout-ms=400", "1.6/preface", "9/14", slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    server = t.server("--set=handshake-timeout-ms=400")
    for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
        with socket.create_connection(server.tls_address, timeout=15) as sock:
            sock.sendall(data)
            while sock.recv(100):
                pass


@tls_row("4.4/preface-timeout", "a handshake, then nothing", "closed after --preface-timeout-ms=400", "9/14",
     slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    t.conn(t.server("--set=preface-timeout-ms=400"), tls=tls_client(), greet=False).until_closed()


@tls_row("4.4/records", "a call cut into TLS records of one octet; replies of 1 MB",
     "served: TLS's own buffer is emptied",
         "9/27")
def _(t):
    c = t.conn(tls=tls_client(), greet=False)
    data = PREFACE + settings() + frame(1, 4, 1, block(grpc.fields(grpc.UNARY, "https"))) + \
        frame(0, 1, 1, grpc.message(grpc.simple_request(1_000_000)))
    for i in range(len(data)):
        c.send(data[i:i + 1], "one octet")
    answer = grpc.Client(c).finish(grpc.Answer(c, 1))
    t.status(answer, grpc.OK)
    t.same("the payload", len(grpc.payload(answer.messages[0][1])), 1_000_000)


@tls_row("4.4/large-in", "4 MB in over TLS, as fast as the windows allow", "served", "9/27")
def _(t):
    client = t.client(tls=tls_client())
    c = client.conn
    c.greeted()
    body = grpc.message(grpc.pb((1, grpc.pb((2, b"x" * 60000)))))
    answer = client.open(grpc.INPUT)
    for _ in range(60):
        client.send(answer, body)
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)
    t.same("the octets counted", grpc.first(answer.messages[0][1], 1, 0), 3_600_000)


@tls_row("4.4/end", "the server ends a TLS connection", "close_notify arrives: no truncation", "9/27")
def _(t):
    c = t.conn(tls=tls_client())
    t.alive(c)
    c.frame(0, 0, 0, b"x")
    c.wait(lambda: c.find(GOAWAY), "GOAWAY")
    c.until_closed()
    if c.error:
        t.note(f"ended with {c.error}")
    t.check(not frames_of(c.rest)[0], "frames behind the end")
