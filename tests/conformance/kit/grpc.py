"""gRPC by hand on top of wire.py: requests, length-prefixed messages, the few messages of grpc.testing, and the
answer to a call as it lay on the wire. The rows are the callers."""

import base64
import struct
import urllib.parse

from kit import wire

SERVICE = "/grpc.testing.TestService/"
EMPTY, UNARY = SERVICE + "EmptyCall", SERVICE + "UnaryCall"
INPUT, OUTPUT, DUPLEX = SERVICE + "StreamingInputCall", SERVICE + "StreamingOutputCall", SERVICE + "FullDuplexCall"
HALF = SERVICE + "HalfDuplexCall"
(OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,
 RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS,
 UNAUTHENTICATED) = range(17)


def fields(path=EMPTY, scheme="http", **change):
    """The header list of a call. A keyword replaces a field ('_' stands for '-', method/path/scheme/authority are
    the pseudo-headers) or, None, leaves it out."""
    head = {":method": "POST", ":scheme": scheme, ":path": path, ":authority": "localhost", "te": "trailers",
            "content-type": "application/grpc"}
    for name, value in change.items():
        name = f":{name}" if name in ("method", "path", "scheme", "authority") else name.replace("_", "-")
        head[name] = value
    pairs = [(name, value) for name, value in head.items() if value is not None]
    return sorted(pairs, key=lambda pair: not pair[0].startswith(":"))


def message(body=b"", flag=0):
    return struct.pack(">BI", flag, len(body)) + body


# ---- protobuf ----

def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def pb(*pairs):
    """(number, int or bytes or text), in order."""
    out = b""
    for number, value in pairs:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = wire.raw(value)
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def parse(data):
    """[(number, int or bytes)] of a message without fixed-width fields or groups."""
    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    at, found = 0, []
    while at < len(data):
        tag = take()
        value = take()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        found.append((tag >> 3, value))
    return found


def first(data, number, default=b""):
    return next((value for n, value in parse(data) if n == number), default)


def simple_request(size=0, body=b"", compressed=None, status=None):
    """grpc.testing.SimpleRequest."""
    out = [(2, size)] if size else []
    out += [(3, pb((2, body)))] if body else []
    out += [(6, pb((1, int(compressed))))] if compressed is not None else []
    out += [(7, pb((1, status[0]), (2, status[1])))] if status else []
    return pb(*out)


def output_request(*sizes, body=b"", interval_us=0, status=None):
    """grpc.testing.StreamingOutputCallRequest."""
    out = [(2, pb((1, size), *([(2, interval_us)] if interval_us else []))) for size in sizes]
    out += [(3, pb((2, body)))] if body else []
    out += [(7, pb((1, status[0]), (2, status[1])))] if status else []
    return pb(*out)


def payload(reply):
    """The payload's bytes of any reply of grpc.testing."""
    return first(first(reply, 1), 2)


# ---- the answer ----

class Answer:
    """What came on one stream, so far."""

    def __init__(self, conn, stream):
        self.conn, self.stream = conn, stream

    @property
    def frames(self):
        return [f for f in self.conn.frames if f.stream == self.stream]

    @property
    def blocks(self):
        return [f for f in self.frames if f.kind == wire.HEADERS and f.fields is not None]

    @property
    def data(self):
        return b"".join(f.payload for f in self.frames if f.kind == wire.DATA)

    @property
    def end(self):
        """The frame that ended the stream from the server's side."""
        return next((f for f in self.frames if f.kind in (wire.DATA, wire.HEADERS) and f.flags & wire.END_STREAM), None)

    @property
    def reset(self):
        """The code of the RST_STREAM, if there was one."""
        found = self.conn.find(wire.RST, self.stream)
        return found.code if found else None

    @property
    def head(self):
        return dict(self.blocks[0].fields) if self.blocks else {}

    @property
    def trailers(self):
        """Of the block that ended the stream, be it the first."""
        return dict(self.blocks[-1].fields) if self.blocks and self.end in self.blocks else {}

    @property
    def http(self):
        return self.head.get(":status")

    @property
    def status(self):
        text = self.trailers.get("grpc-status")
        return int(text) if text is not None else None

    @property
    def text(self):
        return urllib.parse.unquote(self.trailers.get("grpc-message", ""))

    @property
    def trailers_only(self):
        return len(self.blocks) == 1 and self.end is self.blocks[0] and not self.data

    @property
    def messages(self):
        """[(flag, body)], the complete ones."""
        found, data = [], self.data
        while len(data) >= 5:
            flag, length = struct.unpack(">BI", data[:5])
            if len(data) < 5 + length:
                break
            found.append((flag, data[5:5 + length]))
            data = data[5 + length:]
        return found

    def __str__(self):
        return f"stream {self.stream}: " + (" ".join(map(str, self.frames)) or "nothing")


class Client:
    """Calls over one Conn."""

    def __init__(self, conn):
        self.conn = conn

    def open(self, path=EMPTY, end=False, more=(), **change):
        """HEADERS of a call; the Answer to come."""
        stream = self.conn.new_id()
        self.conn.frame(wire.HEADERS, wire.END_HEADERS | (wire.END_STREAM if end else 0), stream,
                        wire.block(fields(**{"path": path, "scheme": self.conn.scheme, **change}) + list(more)))
        return Answer(self.conn, stream)

    def send(self, answer, data, end=False):
        """In frames of at most 16384 octets, as the windows allow; what is left when the stream ends is dropped."""
        left = memoryview(data)
        if not left or len(left) <= 16384 and sum(self.conn.sent.values()) + len(left) < 65535:  # every server allows it
            self.conn.frame(wire.DATA, wire.END_STREAM if end else 0, answer.stream, data)
            return
        while left:
            self.conn.wait(lambda: self.conn.room(answer.stream) > 0 or answer.end or answer.reset is not None, "a window")
            size = min(self.conn.room(answer.stream), 16384, len(left))
            if answer.end or answer.reset is not None or size <= 0:
                return
            piece, left = left[:size], left[size:]
            self.conn.frame(wire.DATA, wire.END_STREAM if end and not left else 0, answer.stream, bytes(piece))

    def finish(self, answer, seconds=wire.WAIT_S):
        """Waits for the end of the stream, whichever way it comes."""
        self.conn.wait(lambda: answer.end or answer.reset is not None, f"the end of stream {answer.stream}", seconds)
        return answer

    def call(self, path=EMPTY, body=b"", more=(), **change):
        """A unary call in two frames, HEADERS and DATA; @body is the message, or (bytes,) for anything."""
        answer = self.open(path, more=more, **change)
        self.send(answer, body[0] if isinstance(body, tuple) else message(body), end=True)
        return self.finish(answer)

    def messages(self, answer, count):
        self.conn.wait(lambda: len(answer.messages) >= count or answer.end or answer.reset is not None,
                       f"{count} messages on stream {answer.stream}")
        return answer.messages


def details(answer):
    """google.rpc.Status of grpc-status-details-bin, parsed, or None."""
    text = answer.trailers.get("grpc-status-details-bin")
    return None if text is None else parse(base64.b64decode(text + "=" * (-len(text) % 4)))
