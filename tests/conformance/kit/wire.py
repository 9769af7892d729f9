"""HTTP/2 by hand: frames, HPACK literals, and a connection that keeps all it sees. The rows are the callers.

What must stay true: nothing here refuses anything; what a row asks for goes out, however illegal. Only the server's
header blocks are decoded by somebody else's code (package hpack: Huffman and the dynamic table).
"""

import socket
import ssl
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = range(10)
NAMES = ("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY",
         "WINDOW_UPDATE", "CONTINUATION")
END_STREAM, ACK, END_HEADERS, PADDED, PRIO = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY,
 HTTP_1_1_REQUIRED) = range(14)
CODES = ("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
         "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
         "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED")
TABLE_SIZE, ENABLE_PUSH, STREAMS_MAX, INITIAL_WINDOW, FRAME_MAX, HEADER_LIST_MAX = range(1, 7)
NO_PRIORITIES = 9

WAIT_S = 15  # for what must come: long, because the machine may be busy and a sanitizer slow


class Miss(Exception):
    """What a row expected did not come."""


def code_name(code):
    return CODES[code] if code < len(CODES) else hex(code)


# ---- bytes ----

def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """@length: what the header claims, where that is not the truth."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(
        ">BBI", kind, flags, stream & 0xffffffff) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in pairs))


def integer(value, bits, first=0):
    """RFC 7541 section 5.1; @first: the bits above the prefix."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + bytes([value]))


def raw(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def string(text, huffman=False):
    text = raw(text)
    if huffman:
        coder = hpack.huffman.HuffmanEncoder(hpack.huffman_constants.REQUEST_CODES,
                                             hpack.huffman_constants.REQUEST_CODES_LENGTH)
        text = coder.encode(text)
    return integer(len(text), 7, 0x80 if huffman else 0) + text


def literal(name, value, first=0x00, bits=4, huffman=False):
    """@name may be an index. first 0x00 bits 4: without indexing; 0x10, 4: never; 0x40, 6: incremental."""
    head = integer(name, bits, first) if isinstance(name, int) else bytes([first]) + string(name, huffman)
    return head + string(value, huffman)


def block(fields):
    """A header block that touches no table."""
    return b"".join(literal(name, value) for name, value in fields)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload
        self.fields = None  # of a HEADERS frame, once its block is complete
        self.at = time.monotonic()

    @property
    def code(self):
        return struct.unpack(">I", self.payload[4:8] if self.kind == GOAWAY else self.payload[:4])[0]

    @property
    def last_id(self):
        return struct.unpack(">I", self.payload[:4])[0] & 0x7fffffff

    def is_(self, kind, stream=None):
        return self.kind == kind and (stream is None or self.stream == stream)

    def __str__(self):
        name = NAMES[self.kind] if self.kind < len(NAMES) else f"type {self.kind:#x}"
        ends = self.kind in (DATA, HEADERS) and self.flags & END_STREAM
        notes = [str(self.stream)] if self.stream else []
        if self.kind == RST and len(self.payload) == 4:
            notes.append(code_name(self.code))
        elif self.kind == GOAWAY and len(self.payload) >= 8:
            notes += [f"last {self.last_id}", code_name(self.code)]
            notes += [repr(self.payload[8:].decode("latin-1"))] if self.payload[8:] else []
        elif self.kind in (SETTINGS, PING) and self.flags & ACK:
            notes.append("ack")
        elif self.fields is not None:
            notes.append(" ".join(f"{n}={v[:60]}" for n, v in self.fields
                                  if n in (":status", "grpc-status", "grpc-message")))
        elif self.payload:
            notes.append(f"{len(self.payload)} B")
        return f"{name}({', '.join(n for n in notes if n)}{', end' if ends else ''})"


def frames_of(data):
    """The frames in @data and what is left of it."""
    found = []
    while len(data) >= 9:
        length = int.from_bytes(data[:3], "big")
        if len(data) < 9 + length:
            break
        kind, flags, stream = struct.unpack(">BBI", data[3:9])
        found.append(Frame(kind, flags, stream & 0x7fffffff, bytes(data[9:9 + length])))
        data = data[9 + length:]
    return found, data


class Conn:
    """One connection. @greet: preface and an empty SETTINGS at once. What it answers by itself can be switched off:
    @ack (SETTINGS), @pong (PING), @credit (windows)."""

    def __init__(self, address, trace, tls=None, greet=True, pairs=(), ack=True, pong=True, credit=True):
        self.trace, self.ack, self.pong, self.credit = trace, ack, pong, credit
        self.frames, self.settings, self.sent, self.closed, self.error = [], {}, {}, False, None
        self.rest, self.open_block, self.decoder, self.next_id = b"", None, hpack.Decoder(), 1
        self.decoder.max_header_list_size = 1 << 20
        self.sock = socket.create_connection(address, timeout=WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.scheme = "https" if tls else "http"
        if greet:
            self.send(PREFACE + settings(*pairs), f"preface SETTINGS{list(pairs) or ''}")

    def close(self):
        self.sock.close()

    # -- out --

    def send(self, data, text=None):
        """Any bytes. A peer that closed meanwhile is no error here: the row looks at what came."""
        self.trace.append(("> ", text or " ".join(map(str, frames_of(data)[0])) or repr(data[:60])))
        try:
            self.sock.settimeout(WAIT_S)
            self.sock.sendall(data)
        except (OSError, ssl.SSLError) as error:
            self.error = self.error or error

    def frame(self, kind, flags=0, stream=0, payload=b"", length=None):
        if kind == DATA:
            self.sent[stream] = self.sent.get(stream, 0) + len(payload)
        self.send(frame(kind, flags, stream, payload, length))

    def room(self, stream):
        """What the server's windows still allow on @stream; DATA counts where it was sent with frame()."""
        def given(of):
            return sum(struct.unpack(">I", f.payload)[0] for f in self.frames if f.is_(WINDOW, of))
        return min(65535 + given(0) - sum(self.sent.values()),
                   self.settings.get(INITIAL_WINDOW, 65535) + given(stream) - self.sent.get(stream, 0))

    def new_id(self):
        self.next_id += 2
        return self.next_id - 2

    def used(self, stream):
        self.next_id = max(self.next_id, stream + 2)

    # -- in --

    def _take(self, one):
        self.frames.append(one)
        if one.kind == HEADERS or one.kind == CONT:
            payload = one.payload
            if one.kind == HEADERS:
                if one.flags & PADDED:
                    payload = payload[1:len(payload) - payload[0]]
                payload = payload[5:] if one.flags & PRIO else payload
                self.open_block = [one, b""]
            self.open_block[1] += payload
            if one.flags & END_HEADERS:
                head, data = self.open_block
                head.fields = [(f[0], f[1]) for f in self.decoder.decode(data)]
                head.block = data
        elif one.kind == SETTINGS and not one.flags & ACK:
            for at in range(0, len(one.payload), 6):
                name, value = struct.unpack(">HI", one.payload[at:at + 6])
                self.settings[name] = value
            if self.ack:
                self._quietly(frame(SETTINGS, ACK))
        elif one.kind == PING and not one.flags & ACK and self.pong:
            self._quietly(frame(PING, ACK, 0, one.payload))
        elif one.kind == DATA and one.payload and self.credit:
            more = struct.pack(">I", len(one.payload))
            self._quietly(frame(WINDOW, 0, 0, more) +
                          (b"" if one.flags & END_STREAM else frame(WINDOW, 0, one.stream, more)))
        self.trace.append(("< ", str(one)))

    def _quietly(self, data):
        try:
            self.sock.sendall(data)
        except (OSError, ssl.SSLError):
            pass

    def read(self, seconds, octets=65536):
        """What comes within @seconds, at least one chunk of it, of at most @octets. False: nothing did."""
        if self.closed:
            return False
        try:
            self.sock.settimeout(max(seconds, 0.001))
            data = self.sock.recv(octets)
        except TimeoutError:
            return False
        except (OSError, ssl.SSLError) as error:
            data, self.error = b"", self.error or error
        if not data:
            self.closed = True
            self.trace.append(("< ", "closed"))
            return False
        found, self.rest = frames_of(self.rest + data)
        for one in found:
            self._take(one)
        return True

    def wait(self, what, text, seconds=WAIT_S):
        """The first true value of what()."""
        end = time.monotonic() + seconds
        while True:
            value = what()
            if value:
                return value
            left = end - time.monotonic()
            if self.closed or left <= 0:
                raise Miss(f"{text}: not before the connection was closed" if self.closed else
                           f"{text}: not within {seconds} s")
            self.read(left)

    def find(self, kind, stream=None, **wanted):
        return next((f for f in self.frames if f.is_(kind, stream) and
                     all(getattr(f, name) == value for name, value in wanted.items())), None)

    def count(self, kind, stream=None):
        return sum(f.is_(kind, stream) for f in self.frames)

    def until_closed(self, seconds=WAIT_S):
        end = time.monotonic() + seconds
        while not self.closed and time.monotonic() < end:
            self.read(end - time.monotonic())
        if not self.closed:
            raise Miss(f"the connection is still open after {seconds} s")

    def greeted(self):
        self.wait(lambda: self.settings or self.find(SETTINGS), "the server's SETTINGS")

    def ping(self, payload=b"barrier!"):
        """Both ways and back."""
        before = len(self.frames)
        self.frame(PING, 0, 0, payload)
        return self.wait(lambda: next((f for f in self.frames[before:] if f.kind == PING and f.flags & ACK and
                                       f.payload == payload), None), "the PING's answer")
