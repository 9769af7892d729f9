"""HTTP/2 by hand (package h2): what no gRPC client would send."""

import base64
import socket
import struct

import h2.config
import h2.connection
import h2.events

from kit import stubs

HEADERS = {":method": "POST", ":scheme": "http", ":authority": "localhost", "te": "trailers",
           "content-type": "application/grpc"}


def frame(message, flag=0):
    return struct.pack(">BI", flag, len(message)) + message


class Reply:
    def __init__(self):
        self.headers, self.data, self.reset, self.header_blocks = {}, b"", None, 0

    @property
    def status(self):
        """gRPC's number."""
        return int(self.headers["grpc-status"])

    def _detail(self, detail):
        text = self.headers.get("grpc-status-details-bin", "")
        status = stubs.status.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4)))
        return next((detail for d in status.details if d.Unpack(detail)), detail)

    @property
    def reason(self):
        return self._detail(stubs.details.ErrorInfo()).reason

    @property
    def retry_s(self):
        return self._detail(stubs.details.RetryInfo()).retry_delay.ToTimedelta().total_seconds()


def exchange(port, path, body=b"", leave_out=(), source=None, **headers):
    """One request on a connection of its own, from the address @source. Keywords replace headers; '_' stands for '-'."""
    merged = {**HEADERS, ":path": path, **{k.replace("_", "-"): v for k, v in headers.items()}}
    if "method" in headers:
        merged[":method"] = merged.pop("method")
    pairs = [(k, v) for k, v in merged.items() if k not in leave_out]
    pairs.sort(key=lambda pair: not pair[0].startswith(":"))
    reply = Reply()
    with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=source and (source, 0)) as sock:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False))
        conn.initiate_connection()
        conn.send_headers(1, pairs, end_stream=not body)
        sock.sendall(conn.data_to_send())
        left, ended = memoryview(body), False
        while not ended:
            room = min(conn.local_flow_control_window(1), conn.max_outbound_frame_size, len(left)) if body else 0
            if left and room > 0:
                conn.send_data(1, bytes(left[:room]), end_stream=room == len(left))
                left = left[room:]
                sock.sendall(conn.data_to_send())
                if left:
                    sock.settimeout(0.01)
            try:
                data = sock.recv(65536)
            except TimeoutError:
                sock.settimeout(5)
                if not left:
                    raise
                continue
            sock.settimeout(5)
            if not data:
                break
            for event in conn.receive_data(data):
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    reply.headers.update(event.headers)
                    reply.header_blocks += 1
                elif isinstance(event, h2.events.DataReceived):
                    reply.data += event.data
                    conn.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, h2.events.StreamReset):
                    reply.reset, ended = event.error_code, True
                elif isinstance(event, (h2.events.StreamEnded, h2.events.ConnectionTerminated)):
                    ended = True
            if not ended:
                sock.sendall(conn.data_to_send())
    return reply


def open_stream(port, path, body, source):
    """The socket of a connection of its own, on which that was asked and began to be answered."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))
    conn = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    conn.initiate_connection()
    conn.send_headers(1, [(":path", path), *HEADERS.items()])
    conn.send_data(1, body, end_stream=True)
    sock.sendall(conn.data_to_send())
    while True:
        data = sock.recv(65536)
        assert data, "the server closed the connection"
        events = conn.receive_data(data)
        sock.sendall(conn.data_to_send())
        if any(isinstance(event, h2.events.DataReceived) for event in events):
            return sock


def many(port, path, count, source=None, at_once=100):
    """The replies to so many empty messages on one connection, from the address @source."""
    replies, ended = [], 0
    with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=source and (source, 0)) as sock:
        conn = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        conn.initiate_connection()
        while ended < count:
            while len(replies) < min(count, ended + at_once):
                stream = 2 * len(replies) + 1
                conn.send_headers(stream, [(":path", path), *HEADERS.items()])
                conn.send_data(stream, frame(b""), end_stream=True)
                replies.append(Reply())
            sock.sendall(conn.data_to_send())
            data = sock.recv(65536)
            assert data, "the server closed the connection"
            for event in conn.receive_data(data):
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    replies[event.stream_id // 2].headers.update(event.headers)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    ended += 1
    return replies


def talk(port, data, seconds=5):
    """Any bytes on a connection; all that comes back until the server closes."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        sock.sendall(data)
        try:
            while chunk := sock.recv(65536):
                got += chunk
        except ConnectionResetError:
            pass
    return got
