"""RFC 9113 sections 3.4, 4 and 6.1 to 6.4, 6.6 to 6.8, 6.10, 7: every frame, right and wrong."""

import struct

from kit import grpc
from kit.harness import ends, row
from kit.wire import (ACK, COMPRESSION_ERROR, CONT, DATA, END_HEADERS, END_STREAM, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
                      NO_ERROR, PADDED, PING, PREFACE, PRIO, PRIORITY, PROTOCOL_ERROR, PUSH, RST, SETTINGS,
                      STREAM_CLOSED, WINDOW, block, frame, literal, settings)

EH, ES = END_HEADERS, END_STREAM
CONN_PROTOCOL = "GOAWAY(PROTOCOL_ERROR), connection closed"
IGNORED = "ignored: the next call is answered"


def call_block(path=grpc.EMPTY):
    return block(grpc.fields(path))


# ---- 3.4 the preface ----

@row("frames", "3.4/1", "preface, SETTINGS", "SETTINGS first, then the acknowledgement", "grpc-server 3.1")
def _(t):
    c = t.conn()
    c.wait(lambda: c.find(SETTINGS, flags=ACK), "the acknowledgement")
    t.check(c.frames[0].kind == SETTINGS and not c.frames[0].flags & ACK, "the first frame is not SETTINGS")


@row("frames", "3.4/2", "garbage instead of the preface", "the connection is closed")
def _(t):
    c = t.conn(greet=False)
    c.send(b"\x16\x03\x01 this is no preface, nor anything else: INVALID CONNECTION PREFACE\r\n\r\n")
    c.until_closed()


@row("frames", "3.4/3", "preface, then PING before SETTINGS", CONN_PROTOCOL)
def _(t):
    c = t.conn(greet=False)
    c.send(PREFACE + frame(PING, payload=b"12345678"))
    t.conn_error(c, PROTOCOL_ERROR)


@row("frames", "3.4/4", "preface, then an acknowledgement as first SETTINGS", CONN_PROTOCOL)
def _(t):
    c = t.conn(greet=False)
    c.send(PREFACE + frame(SETTINGS, ACK))
    t.conn_error(c, PROTOCOL_ERROR)


@row("frames", "3.4/5", "preface and a call, byte by byte", "the call is answered")
def _(t):
    c = t.conn(greet=False)
    data = PREFACE + settings() + frame(HEADERS, EH, 1, call_block()) + frame(DATA, ES, 1, grpc.message())
    for i in range(len(data)):
        c.send(data[i:i + 1], "one byte")
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)


@row("frames", "3.4/6", "preface, SETTINGS and a call in one write, nothing awaited", "the call is answered")
def _(t):
    c = t.conn(greet=False, ack=False)
    c.send(PREFACE + settings() + frame(HEADERS, EH, 1, call_block()) + frame(DATA, ES, 1, grpc.message()))
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)


@row("frames", "3.4/7", "an HTTP/1.1 request on the port", "a short text answer 505 or 426, then the end",
     "grpc-server 2")
def _(t):
    c = t.conn(greet=False)
    c.sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    c.sock.settimeout(15)
    try:
        while chunk := c.sock.recv(4096):
            got += chunk
    except ConnectionError:
        pass
    t.trace.append(("< ", repr(got[:100])))
    t.check(got.startswith((b"HTTP/1.1 505 ", b"HTTP/1.1 426 ")), f"the answer begins {got[:40]!r}")


# ---- 4.1 to 4.3 ----

@row("frames", "4.1/1", "a frame of unknown type", IGNORED, "5.5/1")
def _(t):
    c = t.conn()
    c.frame(0x16, 0, 0, b"unknown")
    c.frame(0xfe, 0xff, 1, b"")
    c.used(1)
    t.ignored(c)


@row("frames", "4.1/2", "undefined flags on PING", "PING answered")
def _(t):
    c = t.conn()
    c.frame(PING, 0x16, 0, b"undefind")
    c.wait(lambda: c.find(PING, flags=ACK), "the answer")


@row("frames", "4.1/3", "the reserved bit of the stream field", IGNORED)
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 0x80000001, call_block())
    c.frame(DATA, ES, 0x80000001, grpc.message())
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)
    c.used(1)
    c.frame(WINDOW, 0, 0x80000000, struct.pack(">I", 0x80000001))
    t.ignored(c)


@row("frames", "4.2/1", "DATA of 16384 octets", "the message is taken")
def _(t):
    client = t.client()
    body = grpc.message(grpc.simple_request(body=b"x" * 16373))
    t.same("the length of the frame", len(body), 16384)
    t.status(client.call(grpc.UNARY, (body,)), grpc.OK)


@row("frames", "4.2/2", "DATA of 16385 octets", "FRAME_SIZE_ERROR of the stream or the connection")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block(grpc.UNARY))
    c.frame(DATA, ES, 1, b"\0" * 16385)
    t.error(c, 1, (FRAME_SIZE_ERROR,), (FRAME_SIZE_ERROR,))


ends("4.2/3", "HEADERS of 16385 octets", (FRAME_SIZE_ERROR,),
     frame(HEADERS, EH | ES, 1, (call_block() + literal("x-big", b"a" * 17000))[:16385]))
ends("4.2/4", "SETTINGS, PING and unknown frames of 16385 octets", (FRAME_SIZE_ERROR,),
     *(frame(kind, 0, 0, b"\0" * size) for kind, size in ((SETTINGS, 16386), (PING, 16385), (0x20, 16385))))
ends("4.3/1", "a header block that does not decode", (COMPRESSION_ERROR,),
     frame(HEADERS, EH | ES, 1, b"\x82\xff\xff\xff\xff\xff"))
ends("4.3/2", "a header block that ends inside a field", (COMPRESSION_ERROR,),
     frame(HEADERS, EH | ES, 1, call_block()[:-3]))
ends("4.3/3", "PRIORITY inside a header block", (PROTOCOL_ERROR,),
     frame(HEADERS, ES, 1, call_block()) + frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"), refs=["6.2/1"])
ends("4.3/4", "HEADERS of another stream inside a header block", (PROTOCOL_ERROR,),
     frame(HEADERS, ES, 1, call_block()) + frame(HEADERS, EH | ES, 3, call_block()), refs=["6.2/2"])


@row("frames", "4.3/5", "the block of a refused stream changes the table all the same",
     "a field it added is found by the next request")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | ES, 1, block(grpc.fields(te="gzip")) + literal("x-later", "v", 0x40, 6))
    c.wait(lambda: c.find(RST, 1), "RST_STREAM")
    c.frame(HEADERS, EH, 3, call_block() + b"\xbe")
    c.frame(DATA, ES, 3, grpc.message())
    t.status(grpc.Client(c).finish(grpc.Answer(c, 3)), grpc.OK)


# ---- 6.1 DATA ----

ends("6.1/1", "DATA on stream 0", (PROTOCOL_ERROR,), frame(DATA, 0, 0, b"test"))


@row("frames", "6.1/2", "DATA behind END_STREAM", "STREAM_CLOSED of the stream or the connection", "5.1/5")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(1, 1, interval_us=50000)), end=True)
    c.frame(DATA, ES, 1, b"more")
    t.error(c, 1, (STREAM_CLOSED,), (STREAM_CLOSED,))


@row("frames", "6.1/3", "DATA with padding longer than the frame", CONN_PROTOCOL)
def _(t):
    for payload in (b"\x05test", b"\x01", b"\xff" + b"x" * 200):
        c = t.conn()
        c.frame(HEADERS, EH, 1, call_block())
        c.frame(DATA, PADDED | ES, 1, payload)
        t.conn_error(c, PROTOCOL_ERROR)


ends("6.1/4", "DATA with the padded flag and no octet", (FRAME_SIZE_ERROR, PROTOCOL_ERROR),
     frame(HEADERS, EH, 1, call_block()) + frame(DATA, PADDED | ES, 1, b""))


@row("frames", "6.1/5", "a message in padded DATA", "the call is answered")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block())
    c.frame(DATA, PADDED, 1, b"\x06" + grpc.message()[:3] + b"\0" * 6)
    c.frame(DATA, PADDED, 1, b"\x00" + grpc.message()[3:])
    c.frame(DATA, PADDED | ES, 1, b"\xff" + b"\0" * 255)
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)


# ---- 6.2 HEADERS ----

ends("6.2/3", "HEADERS on stream 0", (PROTOCOL_ERROR,), frame(HEADERS, EH | ES, 0, call_block()))


@row("frames", "6.2/4", "HEADERS with padding longer than the frame", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    data = call_block()
    c.frame(HEADERS, EH | ES | PADDED, 1, bytes([255]) + data[:100])
    t.conn_error(c, PROTOCOL_ERROR)


@row("frames", "6.2/5", "padded HEADERS with priority fields", "the call is answered")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH | PADDED | PRIO, 1, b"\x08" + b"\x80\0\0\x03\xff" + call_block() + b"\0" * 8)
    c.frame(DATA, ES, 1, grpc.message())
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)


ends("6.2/6", "HEADERS with the priority flag and two octets", (FRAME_SIZE_ERROR, PROTOCOL_ERROR),
     frame(HEADERS, EH | ES | PRIO, 1, b"\0\0"))


# ---- 6.3 PRIORITY ----

ends("6.3/1", "PRIORITY on stream 0", (PROTOCOL_ERROR,), frame(PRIORITY, 0, 0, b"\0\0\0\0\x10"))


@row("frames", "6.3/2", "PRIORITY of four octets", "FRAME_SIZE_ERROR of the stream or the connection")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block())
    c.frame(PRIORITY, 0, 1, b"\0\0\0\x01")
    t.error(c, 1, (FRAME_SIZE_ERROR,), (FRAME_SIZE_ERROR,))


@row("frames", "6.3/3", "PRIORITY on idle, open, half-closed and closed streams", IGNORED)
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    c.frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")
    c.frame(PRIORITY, 0, 9, b"\x80\0\0\x01\xff")
    answer = client.open()
    c.frame(PRIORITY, 0, 1, b"\0\0\0\x07\0")
    client.send(answer, grpc.message(), end=True)
    t.status(client.finish(answer), grpc.OK)
    c.frame(PRIORITY, 0, 1, b"\0\0\0\x07\0")
    t.ignored(c)


# ---- 6.4 RST_STREAM ----

ends("6.4/1", "RST_STREAM on stream 0", (PROTOCOL_ERROR,), frame(RST, 0, 0, b"\0\0\0\x08"))
ends("6.4/2", "RST_STREAM on an idle stream", (PROTOCOL_ERROR,), frame(RST, 0, 1, b"\0\0\0\x08"), refs=["5.1/2"])


@row("frames", "6.4/3", "RST_STREAM of three and of five octets", "GOAWAY(FRAME_SIZE_ERROR), connection closed")
def _(t):
    for size in (3, 5):
        c = t.conn()
        c.frame(HEADERS, EH, 1, call_block())
        c.frame(RST, 0, 1, b"\0" * size)
        t.conn_error(c, FRAME_SIZE_ERROR)


@row("frames", "6.4/4", "RST_STREAM twice", "no RST_STREAM in answer, the connection lives", "5.4.2")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, call_block())
    c.frame(RST, 0, 1, b"\0\0\0\x08")
    c.frame(RST, 0, 1, b"\0\0\0\x08")
    c.used(1)
    t.ignored(c)
    t.check(not c.find(RST, 1), "RST_STREAM")


# ---- 6.6, 6.7, 6.8 ----

ends("6.6/1", "PUSH_PROMISE from a client", (PROTOCOL_ERROR,),
     frame(HEADERS, EH, 1, call_block()) + frame(PUSH, EH, 1, b"\0\0\0\x02" + call_block()), refs=["8.4/1"])


@row("frames", "6.7/1", "PING", "the same octets back, flagged ACK")
def _(t):
    t.conn().ping(b"\x00\xffh2spec")


@row("frames", "6.7/2", "PING with ACK that nobody asked for", "no answer, the connection lives")
def _(t):
    c = t.conn()
    c.frame(PING, ACK, 0, b"invalid!")
    c.ping(b"realping")
    t.check(not c.find(PING, payload=b"invalid!"), "the ACK was answered")


ends("6.7/3", "PING on stream 1", (PROTOCOL_ERROR,), frame(PING, 0, 1, b"12345678"))
ends("6.7/4", "PING of six octets", (FRAME_SIZE_ERROR,), frame(PING, 0, 0, b"123456"), refs=["5.4.1/1", "5.4.1/2"])
ends("6.8/1", "GOAWAY on stream 1", (PROTOCOL_ERROR,), frame(GOAWAY, 0, 1, struct.pack(">II", 0, 0)))
ends("6.8/2", "GOAWAY of four octets", (FRAME_SIZE_ERROR,), frame(GOAWAY, 0, 0, struct.pack(">I", 0)))


@row("frames", "6.8/3", "GOAWAY(NO_ERROR) from the client during a call", "the call is finished")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open()
    c.frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR) + b"going home")
    client.send(answer, grpc.message(), end=True)
    t.status(client.finish(answer), grpc.OK)


@row("frames", "7/1", "GOAWAY with an unknown code during a call", "the call is finished or the connection closed")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open()
    c.frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xff))
    client.send(answer, grpc.message(), end=True)
    c.wait(lambda: answer.end or c.closed, "an end")


@row("frames", "7/2", "RST_STREAM with an unknown code", IGNORED)
def _(t):
    c = t.conn()
    grpc.Client(c).open()
    c.frame(RST, 0, 1, b"\0\0\0\xff")
    t.ignored(c)


# ---- 6.10 CONTINUATION ----

@row("frames", "6.10/1", "a header block in four frames", "the call is answered")
def _(t):
    c = t.conn()
    data = call_block()
    c.frame(HEADERS, 0, 1, data[:10])
    c.frame(CONT, 0, 1, data[10:11])
    c.frame(CONT, 0, 1, b"")
    c.frame(CONT, EH, 1, data[11:])
    c.frame(DATA, ES, 1, grpc.message())
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)


ends("6.10/2", "CONTINUATION, then DATA", (PROTOCOL_ERROR,),
     frame(HEADERS, 0, 1, call_block()) + frame(CONT, 0, 1, literal("x-dummy", "a")) + frame(DATA, ES, 1, b"test"))
ends("6.10/3", "CONTINUATION on stream 0", (PROTOCOL_ERROR,),
     frame(HEADERS, ES, 1, call_block()) + frame(CONT, EH, 0, literal("x-dummy", "a")))
ends("6.10/4", "CONTINUATION behind END_HEADERS", (PROTOCOL_ERROR,),
     frame(HEADERS, EH, 1, call_block()) + frame(CONT, EH, 1, literal("x-dummy", "a")))
ends("6.10/5", "CONTINUATION behind a CONTINUATION with END_HEADERS", (PROTOCOL_ERROR,),
     frame(HEADERS, 0, 1, call_block()) + frame(CONT, EH, 1, literal("x-dummy", "a"))
     + frame(CONT, EH, 1, literal("x-dummy", "a")))
ends("6.10/6", "CONTINUATION behind DATA", (PROTOCOL_ERROR,),
     frame(HEADERS, EH, 1, call_block()) + frame(DATA, 0, 1, b"\0") + frame(CONT, EH, 1, literal("x-dummy", "a")))
ends("6.10/7", "CONTINUATION of another stream", (PROTOCOL_ERROR,),
     frame(HEADERS, 0, 1, call_block()) + frame(CONT, EH, 3, literal("x-dummy", "a")))


@row("frames", "5.5/2", "an unknown frame inside a header block", CONN_PROTOCOL)
def _(t):
    c = t.conn()
    c.frame(HEADERS, ES, 1, call_block()[:20])
    c.frame(0x16, 0, 0, b"unknown")
    c.frame(CONT, EH, 1, call_block()[20:])
    t.conn_error(c, PROTOCOL_ERROR)
