"""HTTP/2 bytes, by hand: what no library would send."""

import socket
import struct

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_MAX = 0x7FFFFFFF


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field without indexing."""
    def text(s):
        n = len(s)
        if n < 127:
            return bytes((n,)) + s
        n -= 127
        out = bytearray((127,))
        while n >= 128:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes(out) + bytes((n,)) + s
    return b"\0" + text(name.encode()) + text(value.encode())


def call_fields(path, *extra):
    """POST http path, as a gRPC client's."""
    block = b"\x83\x86" + literal(":path", path) + literal(":authority", "localhost")
    block += literal("content-type", "application/grpc") + literal("te", "trailers")
    return block + b"".join(literal(*e) for e in extra)


def settings(**values):
    ids = {"table": 1, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", ids[k], v) for k, v in values.items()))


def window(stream, bytes_):
    return frame(WINDOW, 0, stream, struct.pack(">I", bytes_))


HELLO = PREFACE + settings() + frame(SETTINGS, ACK)
CHECK = call_fields("/grpc.health.v1.Health/Check")
EMPTY_MESSAGE = b"\0\0\0\0\0"


def dial(port, blocking=True, receive_bytes=None):
    s = socket.socket()
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.settimeout(5)
    s.connect(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not blocking:
        s.setblocking(False)
    return s


def frames(buf):
    """Takes whole frames out of a bytearray: (kind, flags, stream, payload)."""
    at = 0
    while len(buf) - at >= 9:
        n = buf[at] << 16 | buf[at + 1] << 8 | buf[at + 2]
        if len(buf) - at < 9 + n:
            break
        stream = struct.unpack_from(">I", buf, at + 5)[0] & WINDOW_MAX
        yield buf[at + 3], buf[at + 4], stream, bytes(buf[at + 9:at + 9 + n])
        at += 9 + n
    del buf[:at]
