"""RFC 9113 sections 5.2 and 6.9: flow control, theirs and ours."""

import struct

from kit import grpc
from kit.harness import row
from kit.wire import (ACK, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
                      INITIAL_WINDOW, PADDED, PROTOCOL_ERROR, RST, SETTINGS, WINDOW, block, frame, settings)

CONN_PROTOCOL = "GOAWAY(PROTOCOL_ERROR), connection closed"
TOP = (1 << 31) - 1


def more(stream, size):
    return frame(WINDOW, 0, stream, struct.pack(">I", size))


def wants(t, size, **options):
    """A call whose reply has @size octets of payload, on a connection that gives no credit by itself."""
    c = t.conn(credit=False, **options)
    client = grpc.Client(c)
    answer = client.open(grpc.UNARY)
    client.send(answer, grpc.message(grpc.simple_request(size)), end=True)
    return c, client, answer


@row("frames", "6.9/1", "WINDOW_UPDATE of 0 on the connection", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    c.send(more(0, 0))
    t.conn_error(c, PROTOCOL_ERROR)


@row("frames", "6.9/2", "WINDOW_UPDATE of 0 on a stream", "PROTOCOL_ERROR of the stream or the connection")
def _(t):
    c = t.conn()
    grpc.Client(c).open()
    c.send(more(1, 0))
    t.error(c, 1, (PROTOCOL_ERROR,), (PROTOCOL_ERROR,))


@row("frames", "6.9/3", "WINDOW_UPDATE of three and of five octets", "GOAWAY(FRAME_SIZE_ERROR), connection closed")
def _(t):
    for size in (3, 5):
        c = t.conn()
        c.frame(WINDOW, 0, 0, b"\0" * (size - 1) + b"\1")
        t.conn_error(c, FRAME_SIZE_ERROR)


@row("frames", "6.9/4", "WINDOW_UPDATE on an idle stream", CONN_PROTOCOL, "5.1/3")
def _(t):
    c = t.conn()
    c.send(more(1, 100))
    t.conn_error(c, PROTOCOL_ERROR)


@row("frames", "6.9/5", "WINDOW_UPDATE on a closed stream", "ignored: the next call is answered")
def _(t):
    c = t.conn()
    t.alive(c)
    c.send(more(1, 100))
    t.ignored(c)


@row("frames", "6.9.1/1", "INITIAL_WINDOW_SIZE 1, a reply of 5 octets", "one octet of DATA a WINDOW_UPDATE")
def _(t):
    c = t.conn(credit=False, pairs=((INITIAL_WINDOW, 1),))
    client = grpc.Client(c)
    answer = client.open()
    client.send(answer, grpc.message(), end=True)
    for n in range(1, 6):
        c.wait(lambda: len(answer.data) == n, f"{n} octets")
        c.send(more(1, 1))
    client.finish(answer)
    t.same("the octets a frame", {len(f.payload) for f in answer.frames if f.kind == DATA}, {1})
    t.status(answer, grpc.OK)


@row("frames", "6.9.1/2", "WINDOW_UPDATEs past 2^31-1 on the connection",
     "GOAWAY(FLOW_CONTROL_ERROR), connection closed")
def _(t):
    c = t.conn()
    c.send(more(0, TOP) + more(0, TOP))
    t.conn_error(c, FLOW_CONTROL_ERROR)


@row("frames", "6.9.1/3", "WINDOW_UPDATEs past 2^31-1 on a stream", "RST_STREAM(FLOW_CONTROL_ERROR)",
     "4.1/made-you-reset")
def _(t):
    c = t.conn()
    grpc.Client(c).open()
    c.send(more(1, TOP) + more(1, TOP))
    t.error(c, 1, (FLOW_CONTROL_ERROR,), (FLOW_CONTROL_ERROR,))


@row("frames", "6.9.2/1", "INITIAL_WINDOW_SIZE 0 at first, 1 after the request", "then one octet comes")
def _(t):
    c, _, answer = wants(t, 100, pairs=((INITIAL_WINDOW, 0),))
    c.wait(lambda: answer.blocks, "HEADERS")
    c.ping()
    t.same("the octets before", len(answer.data), 0)
    c.send(settings((INITIAL_WINDOW, 1)))
    c.wait(lambda: answer.data, "DATA")
    c.ping(b"and then")
    t.same("the octets", len(answer.data), 1)


@row("frames", "6.9.2/2", "a window made negative, then opened by 2", "exactly what the window then allows")
def _(t):
    c, _, answer = wants(t, 100, pairs=((INITIAL_WINDOW, 3),))
    c.wait(lambda: len(answer.data) == 3, "three octets")
    c.send(settings((INITIAL_WINDOW, 2)))
    c.wait(lambda: sum(f.kind == SETTINGS and f.flags & ACK for f in c.frames) == 2, "the acknowledgement")
    c.send(more(1, 1))
    c.ping()
    t.same("the octets at a window of 0", len(answer.data), 3)
    c.send(more(1, 1))
    c.wait(lambda: len(answer.data) == 4, "the fourth octet")


@row("frames", "6.9.2/3", "INITIAL_WINDOW_SIZE that lifts a stream's window past 2^31-1",
     "FLOW_CONTROL_ERROR of the stream or the connection")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    client.open()
    c.send(more(1, TOP - 65535) + settings((INITIAL_WINDOW, 70000)))
    t.error(c, 1, (FLOW_CONTROL_ERROR,), (FLOW_CONTROL_ERROR,))


@row("frames", "6.9.1/4", "a shut connection window while the stream's is open",
     "65535 octets, the rest after credit")
def _(t):
    c, client, answer = wants(t, 70000, pairs=((INITIAL_WINDOW, 1 << 20),))
    c.wait(lambda: len(answer.data) == 65535, "65535 octets")
    c.ping()
    t.same("the octets", len(answer.data), 65535)
    c.send(more(0, 100000))
    t.status(client.finish(answer), grpc.OK)


@row("frames", "6.9/6", "windows of 0 and a call that fails", "Trailers-Only comes: HEADERS are not flow-controlled")
def _(t):
    c = t.conn(credit=False, pairs=((INITIAL_WINDOW, 0),))
    t.status(grpc.Client(c).call("/no.Such/Method"), grpc.UNIMPLEMENTED, trailers_only=True)


@row("frames", "6.9/7", "more than the stream's window of messages that the handler, blocked, does not take",
     "no credit for them (back-pressure), then FLOW_CONTROL_ERROR of the stream or the connection",
     "4.2/no-auto-window", "9/12")
def _(t):
    c = t.conn(credit=False, pairs=((INITIAL_WINDOW, 0),))
    c.greeted()
    client = grpc.Client(c)
    answer = client.open(grpc.DUPLEX)
    one = grpc.message(grpc.output_request(100000, body=b"x" * 10000))
    sent, most = 0, 4 * c.settings.get(INITIAL_WINDOW, 65535)
    while sent < most and not (c.find(RST) or c.find(GOAWAY) or c.closed):
        c.frame(DATA, 0, answer.stream, one)
        sent += len(one)
        while c.room(answer.stream) < len(one) and c.read(0.05):
            pass
    t.note(f"{sent} octets were sent")
    c.wait(lambda: c.find(RST) or c.find(GOAWAY), "an error")
    t.same("the code", (c.find(RST, 1) or c.find(GOAWAY)).code, FLOW_CONTROL_ERROR)
    t.alive(t.conn())


@row("frames", "6.9/7a", "four streams of such messages, each to the end of its window; a call behind them",
     "the call is answered: windows of streams bound them, not the connection's")
def _(t):
    c = t.conn(credit=False, pairs=((INITIAL_WINDOW, 0),))
    c.greeted()
    client = grpc.Client(c)
    one = grpc.message(grpc.output_request(100000, body=b"x" * 10000))
    for _ in range(4):
        answer = client.open(grpc.DUPLEX)
        while c.room(answer.stream) >= len(one):
            c.frame(DATA, 0, answer.stream, one)
        while c.read(0.05):
            pass
        c.frame(DATA, 0, answer.stream, one[:c.room(answer.stream)])
    answer = client.open(grpc.UNARY)
    c.send(more(answer.stream, 65535))
    client.send(answer, grpc.message(grpc.simple_request(5, body=b"x" * 50000)), end=True)
    t.status(client.finish(answer), grpc.OK)


@row("frames", "6.9/8", "2 MiB to a method whose calls end at once (refused bodies)",
     "the connection's window is given back for ended streams: never stalls", "4.2/consume-closed", "9/12")
def _(t):
    c = t.conn()
    c.greeted()
    client = grpc.Client(c)
    for _ in range(40):
        answer = client.open("/no.Such/Method")
        client.send(answer, b"\0" * 50000)
        client.finish(answer)
    answer = client.call(grpc.UNARY, grpc.simple_request(body=b"x" * 100000))
    t.status(answer, grpc.OK)


@row("frames", "6.9/9", "a message in 6013 frames of one octet and 255 of padding",
     "padding is given back to the windows")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open(grpc.UNARY)
    c.greeted()
    body = grpc.message(grpc.simple_request(body=b"x" * 6000))  # times 257 is more than any window here
    for i in range(len(body)):
        c.frame(DATA, PADDED, answer.stream, b"\xff" + body[i:i + 1] + b"\0" * 255)
        if i % 200 == 0:
            c.wait(lambda: c.room(answer.stream) > 257 * 200, "a window")
    c.frame(DATA, END_STREAM | PADDED, answer.stream, b"\x00")
    t.status(client.finish(answer), grpc.OK)


@row("frames", "6.9/10", "a message of 4 MB within the windows as they are given",
     "WINDOW_UPDATEs come, the call ends")
def _(t):
    c = t.conn()
    c.greeted()
    client = grpc.Client(c)
    body = grpc.message(grpc.simple_request(body=b"x" * 4_000_000))
    answer = client.open(grpc.UNARY)
    client.send(answer, body, end=True)
    t.status(client.finish(answer), grpc.OK)


@row("frames", "6.9/11", "DATA of no octets at a window of 0 from the server",
     "the server may end its streams; HEADERS of an open call come at once when asked for")
def _(t):
    c = t.conn()
    c.frame(HEADERS, END_HEADERS, 1, block(grpc.fields(grpc.DUPLEX)))
    c.frame(DATA, END_STREAM, 1, b"")
    answer = grpc.Client(c).finish(grpc.Answer(c, 1))
    t.status(answer, grpc.OK)
