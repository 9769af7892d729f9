"""RFC 9113 sections 5.1, 5.1.1, 5.1.2, 5.4: stream states, identifiers, concurrency."""

import struct

from kit import grpc
from kit.harness import row
from kit.wire import (CANCEL, CONT, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PROTOCOL_ERROR,
                      REFUSED_STREAM, RST, STREAM_CLOSED, STREAMS_MAX, WINDOW, block, frame)

EH, ES = END_HEADERS, END_STREAM
CONN_PROTOCOL = "GOAWAY(PROTOCOL_ERROR), connection closed"
CLOSED = "STREAM_CLOSED of the stream or the connection"


def call_block(path=grpc.EMPTY):
    return block(grpc.fields(path))


def slow_half_closed(t):
    """Stream 1: the client has ended its half, the server answers for a while yet."""
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(1, 1, interval_us=200000)), end=True)
    return c


@row("streams", "5.1/1", "idle: DATA", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    c.frame(DATA, ES, 1, b"test")
    t.conn_error(c, PROTOCOL_ERROR, STREAM_CLOSED)


@row("streams", "5.1/4", "idle: CONTINUATION", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    c.frame(CONT, EH, 1, call_block())
    t.conn_error(c, PROTOCOL_ERROR)


@row("streams", "5.1/6", "half-closed (remote): HEADERS", CLOSED)
def _(t):
    c = slow_half_closed(t)
    c.frame(HEADERS, EH | ES, 1, call_block())
    t.error(c, 1, (STREAM_CLOSED,), (STREAM_CLOSED, PROTOCOL_ERROR))


@row("streams", "5.1/7", "half-closed (remote): CONTINUATION", CONN_PROTOCOL)
def _(t):
    c = slow_half_closed(t)
    c.frame(CONT, EH, 1, call_block())
    t.conn_error(c, PROTOCOL_ERROR, STREAM_CLOSED)


@row("streams", "5.1/7a", "half-closed (remote): WINDOW_UPDATE, PRIORITY, RST_STREAM",
     "taken; the next call is answered")
def _(t):
    c = slow_half_closed(t)
    c.frame(WINDOW, 0, 1, struct.pack(">I", 5))
    c.frame(2, 0, 1, b"\0\0\0\0\x10")
    c.frame(RST, 0, 1, struct.pack(">I", CANCEL))
    t.ignored(c)


@row("streams", "5.1/8", "closed by RST_STREAM: DATA", "STREAM_CLOSED, or ignored because it may have crossed")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block())
    c.frame(RST, 0, 1, struct.pack(">I", CANCEL))
    c.frame(DATA, ES, 1, b"test")
    c.used(1)
    closed_or_ignored(t, c)


def closed_or_ignored(t, c):
    client = grpc.Client(c)
    probe = client.open()
    client.send(probe, grpc.message(), end=True)
    c.wait(lambda: probe.end or probe.reset is not None or c.find(GOAWAY) or c.find(RST, 1), "an answer")
    if c.find(GOAWAY):
        t.conn_error(c, STREAM_CLOSED, PROTOCOL_ERROR)
    elif c.find(RST, 1):
        t.stream_error(c, 1, STREAM_CLOSED)


@row("streams", "5.1/9", "closed by RST_STREAM: HEADERS", CLOSED)
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block())
    c.frame(RST, 0, 1, struct.pack(">I", CANCEL))
    c.frame(HEADERS, EH | ES, 1, call_block())
    t.error(c, 1, (STREAM_CLOSED,), (STREAM_CLOSED, PROTOCOL_ERROR))


@row("streams", "5.1/10", "closed by RST_STREAM: CONTINUATION", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block())
    c.frame(RST, 0, 1, struct.pack(">I", CANCEL))
    c.frame(CONT, EH, 1, call_block())
    t.conn_error(c, PROTOCOL_ERROR, STREAM_CLOSED)


@row("streams", "5.1/11", "closed by both ends: DATA", "STREAM_CLOSED, or ignored")
def _(t):
    c = t.conn()
    t.alive(c)
    c.frame(DATA, ES, 1, b"test")
    closed_or_ignored(t, c)


@row("streams", "5.1/12", "closed by both ends: HEADERS", "STREAM_CLOSED or PROTOCOL_ERROR, connection closed",
     "5.1.1/3")
def _(t):
    c = t.conn()
    t.alive(c)
    c.frame(HEADERS, EH | ES, 1, call_block())
    t.error(c, 1, (STREAM_CLOSED,), (STREAM_CLOSED, PROTOCOL_ERROR))


@row("streams", "5.1/13", "closed by both ends: CONTINUATION", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    t.alive(c)
    c.frame(CONT, EH, 1, call_block())
    t.conn_error(c, PROTOCOL_ERROR, STREAM_CLOSED)


@row("streams", "5.1/14", "the server ended early; DATA and trailers were under way",
     "ignored: RFC 9113 section 5.1 closed", "1.4/early-end")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open("/no.Such/Method")
    client.finish(answer)
    client.send(answer, grpc.message(b"x" * 1000))
    c.frame(HEADERS, EH | ES, 1, block([("x-trailer", "late")]))
    t.ignored(c)


@row("streams", "5.1.1/1", "stream 2", CONN_PROTOCOL, "1.1/1")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | ES, 2, call_block())
    t.conn_error(c, PROTOCOL_ERROR)


@row("streams", "5.1.1/2", "stream 5, then stream 3", CONN_PROTOCOL, "1.1/1")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 5, call_block())
    c.frame(DATA, ES, 5, grpc.message())
    c.frame(HEADERS, EH | ES, 3, call_block())
    t.conn_error(c, PROTOCOL_ERROR, STREAM_CLOSED)


@row("streams", "5.1.1/4", "stream 101 first", "the call is answered")
def _(t):
    c = t.conn()
    c.used(99)
    t.alive(c)


@row("streams", "5.1.1/5", "stream 2^31-1", "the call is answered")
def _(t):
    c = t.conn()
    c.used(0x7fffffff - 2)
    t.alive(c)


@row("streams", "5.1.1/6", "GOAWAY after stream 7 was used", "it names stream 7", "5.4.1/3")
def _(t):
    c = t.conn()
    c.used(5)
    t.alive(c)
    c.frame(DATA, 0, 0, b"")
    t.conn_error(c, PROTOCOL_ERROR)
    t.same("the last stream", c.find(GOAWAY).last_id, 7)


def crowd(t, c):
    """Opens one stream more than allowed, in one write."""
    most = c.settings.get(STREAMS_MAX, 100)
    data = b"".join(frame(HEADERS, EH, 1 + 2 * i, call_block(grpc.DUPLEX)) for i in range(most + 1))
    c.send(data, f"{most + 1} x HEADERS")
    c.used(1 + 2 * most)
    return 1 + 2 * most


@row("streams", "5.1.2/1", "one stream more than MAX_CONCURRENT_STREAMS",
     "RST_STREAM(REFUSED_STREAM), the others live",
     "1.1/15", "9/10")
def _(t):
    c = t.conn()
    c.greeted()
    t.alive(c)
    c.frames.clear()
    first = c.next_id
    most = c.settings[STREAMS_MAX]
    for i in range(most + 1):
        grpc.Client(c).open(grpc.DUPLEX)
    last = first + 2 * most
    t.stream_error(c, last, REFUSED_STREAM, alive=False)
    t.same("the streams that were reset", [f.stream for f in c.frames if f.kind == RST], [last])
    c.frame(RST, 0, first, struct.pack(">I", CANCEL))
    t.alive(c)


@row("streams", "5.1.2/2", "the same before our SETTINGS are acknowledged", "RST_STREAM(REFUSED_STREAM)", "1.1/15")
def _(t):
    c = t.conn(ack=False)
    c.greeted()
    last = crowd(t, c)
    t.stream_error(c, last, REFUSED_STREAM, alive=False)
    t.check(not c.find(GOAWAY), "GOAWAY")


@row("streams", "5.1.2/3", "streams reset by the client make room at once", "200 one after another are served")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    for _ in range(200):
        answer = client.open(grpc.DUPLEX)
        c.frame(RST, 0, answer.stream, struct.pack(">I", NO_ERROR))
    t.ignored(c)
