"""grpc-server.md section 4.1 and 4.2: what each attack is answered with. tests/attack measures what they cost; here
each is small, and only its answer is judged."""

import socket
import struct
import time

from kit import grpc
from kit.harness import row
from kit.wire import (CANCEL, CONT, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, GOAWAY,
                      HEADERS, INITIAL_WINDOW, INTERNAL_ERROR, NO_ERROR, PADDED, PING, PRIORITY, PROTOCOL_ERROR,
                      REFUSED_STREAM, RST, SETTINGS, STREAM_CLOSED, WINDOW, Miss, block, frame, literal, settings)

EH, ES = END_HEADERS, END_STREAM
CALL = block(grpc.fields())


def closed_for(t, c, *codes, seconds=20):
    """The connection is ended; GOAWAY, where it still came through, has one of @codes."""
    c.until_closed(seconds)
    found = c.find(GOAWAY)
    if found:
        t.one_of("GOAWAY", found.code, codes)
    else:
        t.note("closed without a GOAWAY that came through")
    t.alive(t.conn())


def flood(t, c, one, times, text, at_once=200):
    """@one over and over while the server takes it."""
    for done in range(0, times, at_once):
        c.send(one * at_once, f"{text} x{at_once}")
        while c.read(0.001):
            pass
        if c.closed or c.error:
            return done
    return times


@row("attacks", "4.1/ping-flood", "20000 PINGs", "GOAWAY(ENHANCE_YOUR_CALM), closed", "9/15")
def _(t):
    c = t.conn()
    flood(t, c, frame(PING, 0, 0, b"\0" * 8), 20000, "PING")
    closed_for(t, c, ENHANCE_YOUR_CALM)


@row("attacks", "4.1/settings-flood", "20000 SETTINGS", "GOAWAY(ENHANCE_YOUR_CALM) or closed (CVE-2019-9515)")
def _(t):
    c = t.conn()
    flood(t, c, settings((INITIAL_WINDOW, 65535)), 20000, "SETTINGS")
    closed_for(t, c, ENHANCE_YOUR_CALM, INTERNAL_ERROR)


@row("attacks", "4.1/settings-large", "one SETTINGS of 2000 entries", "GOAWAY or closed (CVE-2020-11080)")
def _(t):
    c = t.conn()
    c.frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 65535) * 2000)
    closed_for(t, c, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, INTERNAL_ERROR)


@row("attacks", "4.1/priority-flood", "20000 PRIORITY frames on idle streams",
     "ignored or ENHANCE_YOUR_CALM; no tree is built (CVE-2019-9513)",
     "4.1/resource-loop")
def _(t):
    c = t.conn()
    for i in range(100):
        c.send(b"".join(frame(PRIORITY, 0, 2 * (200 * i + k) + 1, struct.pack(">IB", 2 * ((k * 7) % 200) + 1001, 1))
                        for k in range(200)), "PRIORITY x200")
        if c.closed or c.error:
            break
    while c.read(0.05):
        pass
    if c.closed or c.find(GOAWAY):
        closed_for(t, c, ENHANCE_YOUR_CALM, PROTOCOL_ERROR)
    else:
        c.used(100001)
        t.alive(c)


@row("attacks", "4.1/unknown-flood", "50000 frames of unknown type", "ENHANCE_YOUR_CALM, or ignored at no cost")
def _(t):
    c = t.conn()
    flood(t, c, frame(0x77, 0, 0, b"\0" * 4), 50000, "unknown", 1000)
    while c.read(0.05):
        pass
    if c.closed or c.find(GOAWAY):
        closed_for(t, c, ENHANCE_YOUR_CALM)
    else:
        t.alive(c)


@row("attacks", "4.1/window-update-flood", "50000 WINDOW_UPDATEs without DATA to match", "ENHANCE_YOUR_CALM, closed")
def _(t):
    c = t.conn()
    t.alive(c)
    flood(t, c, frame(WINDOW, 0, 0, struct.pack(">I", 1)), 50000, "WINDOW_UPDATE", 1000)
    closed_for(t, c, ENHANCE_YOUR_CALM)


@row("attacks", "4.1/empty-data", "DATA without data or end, 200 in a row, with padding and without",
     "closed (CVE-2019-9518)")
def _(t):
    for flags, payload in ((0, b""), (PADDED, b"\0"), (PADDED, b"\7" + b"\0" * 7)):
        c = t.conn()
        grpc.Client(c).open(grpc.DUPLEX)
        c.send(frame(DATA, flags, 1, payload) * 200, f"DATA(1, {len(payload)} B of padding) x200")
        closed_for(t, c, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, INTERNAL_ERROR)


@row("attacks", "4.1/padded-data", "DATA of one octet in padding, 200 in a row", "that is data: the call is answered")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    for octet in grpc.message(grpc.output_request(5, body=b"x" * 180)):
        client.conn.frame(DATA, PADDED, answer.stream, bytes((3, octet, 0, 0, 0)))
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)


@row("attacks", "4.1/dead-headers", "20000 HEADERS on a stream that we have reset, each with a frame that does nothing",
     "they earn nothing: GOAWAY(ENHANCE_YOUR_CALM), closed")
def _(t):
    update = frame(WINDOW, 0, 0, struct.pack(">I", 1))
    for other in (b"", settings(), frame(PRIORITY, 0, 1, b"\0\0\0\0\7"), update * 2, frame(0xbb)):
        c = t.conn()
        client = grpc.Client(c)
        answer = client.finish(client.open("/no.Such/Method"))
        c.wait(lambda: answer.reset is not None, "RST_STREAM behind the answer")
        flood(t, c, frame(HEADERS, EH, answer.stream) + other, 20000, "HEADERS on a dead stream", 20)
        closed_for(t, c, ENHANCE_YOUR_CALM)


@row("attacks", "4.1/trailers", "forty calls that end with trailers, at --control-burst-max=8 frames that do nothing",
     "all answered: each pays for its own")
def _(t):
    client = t.client(t.server("--set=control-burst-max=8", "--set=control-rate-per-s=1"))
    for _ in range(40):
        answer = client.open(grpc.DUPLEX)
        client.send(answer, grpc.message(grpc.output_request(1)))
        client.conn.frame(HEADERS, EH | ES, answer.stream, block([("x-last", "1")]))
        t.status(client.finish(answer), grpc.OK)


@row("attacks", "4.1/empty-continuation", "CONTINUATION without octets or end, 200 in a row",
     "closed (CVE-2019-9518, CVE-2024-28182)", "4.1/continuation-flood")
def _(t):
    c = t.conn()
    c.frame(HEADERS, ES, 1, CALL)
    c.send(frame(CONT, 0, 1) * 200, "CONTINUATION(1, 0 B) x200")
    closed_for(t, c, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, INTERNAL_ERROR)


@row("attacks", "4.1/continuation-flood", "a header block of 2 MB in CONTINUATIONs that never end",
     "closed (CVE-2024-28182)")
def _(t):
    c = t.conn()
    c.frame(HEADERS, ES, 1, CALL)
    for i in range(130):
        c.frame(CONT, 0, 1, literal(f"x-{i}", "v" * 16000))
        if c.closed or c.error:
            break
    closed_for(t, c, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, INTERNAL_ERROR)


@row("attacks", "4.1/headers-dribble", "a header block that does not go on, --headers-timeout-ms=500",
     "closed (slow headers)",
     slow=True)
def _(t):
    c = t.conn(t.server("--set=headers-timeout-ms=500"))
    c.frame(HEADERS, ES, 1, CALL[:20])
    c.until_closed()


@row("attacks", "4.1/frame-dribble", "half a frame header, then nothing, --headers-timeout-ms=500",
     "closed, or held at no cost (noted)", slow=True)
def _(t):
    c = t.conn(t.server("--set=headers-timeout-ms=500"))
    t.alive(c)
    c.send(frame(HEADERS, EH | ES, 3, CALL)[:30], "part of HEADERS")
    try:
        c.until_closed(3)
        t.note("closed")
    except Miss:
        t.note("held open")


@row("attacks", "4.1/rapid-reset", "3000 calls, each reset at once", "ENHANCE_YOUR_CALM, closed (CVE-2023-44487)",
     "1.6/glitch")
def _(t):
    c = t.conn()
    for i in range(0, 3000, 100):
        c.send(b"".join(frame(HEADERS, EH, 2 * k + 1, CALL) + frame(RST, 0, 2 * k + 1, struct.pack(">I", CANCEL))
                        for k in range(i, i + 100)), "HEADERS RST_STREAM x100")
        while c.read(0.001):
            pass
        if c.closed or c.error:
            break
    closed_for(t, c, ENHANCE_YOUR_CALM)


@row("attacks", "4.1/made-you-reset", "3000 calls, each made to be reset by us",
     "ENHANCE_YOUR_CALM or closed (CVE-2025-8671)")
def _(t):
    c = t.conn()
    bad = block(grpc.fields(te="gzip"))
    for i in range(0, 3000, 100):
        c.send(b"".join(frame(HEADERS, EH, 2 * k + 1, bad) for k in range(i, i + 100)), "malformed HEADERS x100")
        while c.read(0.001):
            pass
        if c.closed or c.error:
            break
    closed_for(t, c, ENHANCE_YOUR_CALM)


def made_to_reset(name, title, codes, make, refs=()):
    @row("attacks", f"4.1/made-{name}", title, f"an error of the connection, or RST_STREAM of {codes}", *refs)
    def _(t):
        client = t.client()
        answer = client.open(grpc.OUTPUT)
        client.send(answer, grpc.message(grpc.output_request(1, 1, 1, interval_us=100000)), end=True)
        client.messages(answer, 1)
        client.conn.send(make(answer.stream))
        t.error(client.conn, answer.stream, codes, codes)


TOP = struct.pack(">I", 0x7fffffff)
made_to_reset("data", "DATA behind END_STREAM", (STREAM_CLOSED,), lambda s: frame(DATA, 0, s, b"x"))
made_to_reset("headers", "HEADERS behind END_STREAM", (STREAM_CLOSED, PROTOCOL_ERROR), lambda s: frame(HEADERS,
     EH | ES, s, CALL))
made_to_reset("window-0", "WINDOW_UPDATE of 0", (PROTOCOL_ERROR,), lambda s: frame(WINDOW, 0, s, b"\0" * 4))
made_to_reset("window-top", "WINDOW_UPDATE past 2^31-1", (FLOW_CONTROL_ERROR,), lambda s: frame(WINDOW, 0, s,
     TOP) * 2)


@row("attacks", "4.1/hpack-bomb", "16 kB of indices to a field of 4 kB: 40 MB of header list",
     "RST_STREAM or 431, nothing of it kept; the connection lives or gets GOAWAY", "9/11")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | ES, 1, CALL + literal("x-bomb", "b" * 3900, 0x40, 6))
    c.used(1)
    for stream in (3, 5, 7):
        c.frame(HEADERS, EH | ES, stream, CALL + b"\xbe" * 10000)
        c.used(stream)
    c.wait(lambda: c.find(GOAWAY) or all(c.find(RST, s) or grpc.Answer(c, s).end for s in (3, 5, 7)), "three answers")
    if c.find(GOAWAY):
        closed_for(t, c, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, INTERNAL_ERROR)
        return
    for stream in (3, 5, 7):
        answer = grpc.Answer(c, stream)
        t.check(answer.reset is not None or answer.http == "431", f"answered {answer}")
    t.alive(c)


@row("attacks", "4.1/header-many", "a header list of 2000 empty-ish fields", "431 + RESOURCE_EXHAUSTED or a reset",
     "9/11")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | ES, 1, CALL + literal("a", "", 0x40, 6) + b"\xbe" * 2000)
    answer = grpc.Client(c).finish(grpc.Answer(c, 1))
    t.check(answer.http == "431" or answer.reset not in (None, NO_ERROR), f"answered {answer}")
    c.used(1)
    t.alive(c)


@row("attacks", "4.1/slow-read", "a client that takes nothing, --write-timeout-ms=500, window shut",
     "closed: no progress for that long (CVE-2019-9517)", "9/13", slow=True)
def _(t):
    client = t.client(t.server("--set=write-timeout-ms=500"), credit=False, pairs=((INITIAL_WINDOW, 0),))
    answer = client.open(grpc.UNARY)
    client.send(answer, grpc.message(grpc.simple_request(100000)), end=True)
    client.conn.until_closed()


@row("attacks", "4.1/slow-socket", "a client that does not read its socket, --write-timeout-ms=500", "closed", "9/13",
     slow=True)
def _(t):
    client = t.client(t.server("--set=write-timeout-ms=500"), pairs=((INITIAL_WINDOW, (1 << 31) - 1),))
    client.conn.send(frame(WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 1 - 65535)))
    for _ in range(20):
        answer = client.open(grpc.UNARY)
        client.send(answer, grpc.message(grpc.simple_request(4_000_000)), end=True)
    time.sleep(4)  # not a byte is taken; what lies in the socket's buffers comes afterwards
    client.conn.until_closed()
    t.check(not all(client.conn.find(HEADERS, s) and grpc.Answer(client.conn, s).end for s in range(1, 40, 2)),
            "everything was sent")


def read_slowly(t, octets, every_s, for_s):
    """8 MB, of which @octets are taken every @every_s for @for_s, then the rest: it comes whole, or is cut off."""
    client = t.client(t.server("--set=write-timeout-ms=2000"), credit=False, pairs=((INITIAL_WINDOW, (1 << 31) - 1),))
    c = client.conn
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    c.frame(WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 1 - 65535))
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(*[1000000] * 8)), end=True)
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        time.sleep(every_s)
        c.read(0, octets)
    while not answer.end and c.read(5):
        pass
    return answer


@row("attacks", "4.1/steady-reader", "a client that takes 0.5 MB a second, --write-timeout-ms=2000",
     "it is served: there is progress all the time", "9/13", slow=True)
def _(t):
    t.status(read_slowly(t, 20000, 0.04, 5), grpc.OK)


@row("attacks", "4.1/dribbling-reader", "a client that takes 2 kB a second, --write-timeout-ms=2000", "closed", "9/13",
     slow=True)
def _(t):
    t.check(read_slowly(t, 100, 0.05, 5).end is None, "everything was sent")


@row("attacks", "4.1/zero-window", "a hundred streams of 1 MB that the client never opens its window for",
     "bounded: served, refused or closed, and others are served beside it", "4.1/internal-buffering")
def _(t):
    client = t.client(credit=False, pairs=((INITIAL_WINDOW, 0),))
    for _ in range(100):
        answer = client.open(grpc.UNARY)
        client.send(answer, grpc.message(grpc.simple_request(1_000_000)), end=True)
    t.alive(t.conn())


@row("attacks", "4.1/zero-length-name", "fields with empty names and values, many",
     "reset as malformed (CVE-2019-9516)")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | ES, 1, CALL + literal("", "") * 500)
    t.error(c, 1, (PROTOCOL_ERROR, INTERNAL_ERROR), (PROTOCOL_ERROR,))


@row("attacks", "4.1/smuggling", "values with CRLF and a second request inside", "RST_STREAM(PROTOCOL_ERROR)")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | ES, 1, CALL + literal("x-a", b"b\r\nGET /admin HTTP/1.1\r\nhost: x"))
    t.stream_error(c, 1, PROTOCOL_ERROR)


@row("attacks", "4.1/terminate", "frames behind what ended the connection (CVE-2026-27135)",
     "GOAWAY, closed, the server lives",
     "4.2/after-terminate")
def _(t):
    for tail in (frame(DATA, 0, 1, b"x" * 100), frame(HEADERS, EH | ES, 3, CALL), frame(PING, 0, 0, b"12345678"),
                 frame(GOAWAY, 0, 0, b"\0" * 8), frame(RST, 0, 1, b"\0" * 4), b"\xff" * 5000):
        c = t.conn()
        c.send(frame(HEADERS, EH, 1, CALL) + frame(PING, 0, 3, b"12345678") + tail * 3)
        t.conn_error(c, PROTOCOL_ERROR, ENHANCE_YOUR_CALM)  # the PINGs are strikes, whichever is seen first
    t.alive(t.conn())


@row("attacks", "4.1/concurrent-stream-abuse", "128 streams open, then 300 more one after another",
     "each REFUSED_STREAM, in the end GOAWAY or still refused; the first ones live", "9/10")
def _(t):
    c = t.conn()
    c.greeted()
    client = grpc.Client(c)
    first = client.open(grpc.DUPLEX)
    for _ in range(c.settings[3] - 1):
        client.open(grpc.DUPLEX)
    for _ in range(300):
        client.open(grpc.DUPLEX)
    last = c.next_id - 2
    c.wait(lambda: c.find(RST, last) or c.find(GOAWAY), "an answer to the last one")
    t.same("codes of RST_STREAM", {f.code for f in c.frames if f.kind == RST}, {REFUSED_STREAM})
    if not c.find(GOAWAY):
        client.send(first, grpc.message(grpc.output_request(2)), end=True)
        t.status(client.finish(first), grpc.OK)


@row("attacks", "4.2/turns", "a hundred calls in one write beside another client's one",
     "both are answered: nobody waits for the other's hundred",
     "4.3/fair")
def _(t):
    crowd, other = t.client(), t.client()
    t.alive(other.conn)
    data = b""
    for i in range(100):
        data += frame(HEADERS, EH, 2 * i + 1, CALL) + frame(DATA, ES, 2 * i + 1, grpc.message())
    crowd.conn.send(data, "100 calls")
    t.alive(other.conn)
    crowd.conn.wait(lambda: all(grpc.Answer(crowd.conn, 2 * i + 1).end for i in range(100)), "a hundred answers")
