"""Rows: one obligation each, registered by @row, run in threads, reported as a table. run is the caller.

What must stay true: a row passes only by returning; whatever it raises is a failure that is shown with all that was
sent and all that came. There are no expected failures."""

import concurrent.futures
import json
import re
import time
import traceback

from kit import grpc, wire

GROUPS = ("frames", "streams", "hpack", "intake", "metadata", "framing", "answers", "life", "services", "attacks",
          "tls")
ROWS = {}


class Row:
    def __init__(self, name, title, expected, group, refs, run, slow):
        self.name, self.title, self.expected, self.group, self.refs = name, title, expected, group, refs
        self.run, self.slow = run, slow


def row(group, name, title, expected, *refs, slow=False):
    """@group of GROUPS; @name unique; @refs further places the row answers to ("9/1": design section 9, item 1)."""
    assert group in GROUPS and name not in ROWS, name

    def register(run):
        ROWS[name] = Row(name, title, expected, group, refs, run, slow)
        return run
    return register


def ends(name, title, codes, *attempts, group="frames", refs=()):
    """A row: each of @attempts, any bytes behind the preface, ends its connection with one of @codes."""
    expected = f"GOAWAY({' or '.join(wire.code_name(code) for code in codes)}), connection closed"

    @row(group, name, title, expected, *refs)
    def _(t):
        for data in attempts:
            conn = t.conn()
            conn.send(data)
            t.conn_error(conn, *codes)


class Test:
    """What a row is given: connections to the server, and words to judge with."""

    def __init__(self, servers):
        self.servers, self.trace, self.conns, self.notes = servers, [], [], []

    def server(self, *flags):
        return self.servers.get(*flags)

    def conn(self, server=None, tls=None, **options):
        server = server or self.servers.get()
        address = server.tls_address if tls else server.address
        found = wire.Conn(address, self.trace, tls or self.servers.tls_everywhere, **options)
        self.conns.append(found)
        return found

    def client(self, server=None, **options):
        return grpc.Client(self.conn(server, **options))

    # -- judging --

    def check(self, good, text):
        if not good:
            raise wire.Miss(text)

    def same(self, text, got, wanted):
        self.check(got == wanted, f"{text} is {got!r}, not {wanted!r}")

    def one_of(self, text, got, wanted):
        self.check(got in wanted, f"{text} is {got!r}, none of {wanted!r}")

    def note(self, text):
        self.notes.append(text)

    def alive(self, conn):
        """A whole call on a new stream: behind everything the server had to say about the old ones."""
        answer = grpc.Client(conn).call()
        self.same("grpc-status of a call afterwards", answer.status, grpc.OK)

    def status(self, answer, code, http="200", trailers_only=None):
        self.same(":status", answer.http, http)
        self.same("grpc-status", answer.status, code)
        if trailers_only is not None:
            self.same("Trailers-Only", answer.trailers_only, trailers_only)

    def refused(self, answer, http, code):
        """HTTP n + code of table 1.1: one HEADERS with END_STREAM; RST_STREAM(NO_ERROR) behind it if the client
        has not ended its half."""
        self.status(answer, code, http, trailers_only=True)
        self.same("content-type", answer.head.get("content-type", "")[:16], "application/grpc")
        self.check("grpc-message" in answer.trailers, "no grpc-message")

    def stream_error(self, conn, stream, *codes, alive=True):
        """RST_STREAM with one of @codes, and the connection lives on."""
        conn.wait(lambda: conn.find(wire.RST, stream) or conn.find(wire.GOAWAY), f"RST_STREAM on {stream}")
        found = conn.find(wire.RST, stream)
        self.check(found, "GOAWAY instead of RST_STREAM")
        self.one_of("RST_STREAM", wire.code_name(found.code), [wire.code_name(c) for c in codes])
        if alive:
            conn.used(stream)
            self.alive(conn)

    def conn_error(self, conn, *codes):
        """GOAWAY with one of @codes, then the end of the connection. RFC 9113 section 5.4.1 has "SHOULD" for the
        GOAWAY: ours must send it, of others the end is enough."""
        if self.servers.is_ours:
            conn.wait(lambda: conn.find(wire.GOAWAY), "GOAWAY")
        elif not self._goaway_or_end(conn):
            return
        self.one_of("GOAWAY", wire.code_name(conn.find(wire.GOAWAY).code), [wire.code_name(c) for c in codes])
        conn.until_closed()

    def _goaway_or_end(self, conn):
        conn.wait(lambda: conn.find(wire.GOAWAY) or conn.closed, "GOAWAY or the end")
        if not conn.find(wire.GOAWAY):
            self.note("closed without GOAWAY")
        return conn.find(wire.GOAWAY)

    def error(self, conn, stream, stream_codes, conn_codes):
        """A stream error, which RFC 9113 section 5.4.2 also lets an endpoint treat as one of the connection."""
        conn.wait(lambda: conn.find(wire.RST, stream) or conn.find(wire.GOAWAY) or conn.closed, "RST_STREAM or GOAWAY")
        if conn.find(wire.RST, stream):
            self.stream_error(conn, stream, *stream_codes)
        else:
            self.note("treated as a connection error")
            self.conn_error(conn, *conn_codes)

    def ignored(self, conn):
        """Nothing broke: no GOAWAY, and calls go on."""
        self.alive(conn)
        self.check(not conn.find(wire.GOAWAY), "GOAWAY")


def invariants(conn):
    """What every answer of every row has to be (sections 1.2 and 1.4): None, or what is wrong."""
    for stream in {f.stream for f in conn.frames if f.stream}:
        answer = grpc.Answer(conn, stream)
        for block in answer.blocks:
            names = [name for name, _ in block.fields]
            if any(not re.fullmatch(r":?[0-9a-z_.-]+", name) for name in names):
                return f"a name outside 0-9 a-z _ - . in {names}"
            if any(not re.fullmatch(r"[ -~]*", value) for _, value in block.fields):
                return f"a value outside 0x20..0x7E in {block.fields}"
            if (":status" in names) != (block is answer.blocks[0]) or ":" in "".join(names)[1:]:
                return f"pseudo-header fields: {names}"
        if any(f.kind == wire.DATA and f.flags & wire.END_STREAM for f in answer.frames):
            return f"END_STREAM on DATA of stream {stream}"
        if answer.end and not re.fullmatch(r"0|[1-9][0-9]?", answer.trailers.get("grpc-status", "")):
            return f"grpc-status of stream {stream}: {answer.trailers}"
        if answer.blocks and not answer.head.get("content-type", "").startswith("application/grpc"):
            return f"no content-type on stream {stream}"
        end = answer.frames.index(answer.end) if answer.end else len(answer.frames)
        if any(f.kind in (wire.DATA, wire.HEADERS) for f in answer.frames[end + 1:]):
            return f"frames behind the end of stream {stream}"
    return None


class Result:
    def __init__(self, one, test, error, seconds):
        self.row, self.error, self.seconds, self.notes = one, error, seconds, test.notes
        self.sent = self._said(test, "> ")
        self.came = self._said(test, "< ")

    @staticmethod
    def _said(test, way):
        lines = [text for mark, text in test.trace if mark == way]
        out, at = [], 0
        while at < len(lines):
            times = 1
            while at + times < len(lines) and lines[at + times] == lines[at]:
                times += 1
            out.append(lines[at] + (f" x{times}" if times > 1 else ""))
            at += times
        text = " ".join(out)
        return text if len(text) < 900 else text[:600] + " ... " + text[-250:]

    def as_json(self):
        return {"name": self.row.name, "title": self.row.title, "group": self.row.group,
                "references": [self.row.name, *self.row.refs], "passed": self.error is None, "sent": self.sent,
                "expected": self.row.expected, "came": self.came, "why": self.error, "notes": self.notes,
                "seconds": round(self.seconds, 3)}


def run_one(one, servers):
    test, error, start = Test(servers), None, time.monotonic()
    try:
        one.run(test)
        error = next((text for conn in test.conns if (text := invariants(conn))), None) if servers.is_ours else None
    except wire.Miss as miss:
        error = str(miss)
    except Exception:  # a server that breaks the harness has failed the row
        error = traceback.format_exc(limit=-3)
    finally:
        for conn in test.conns:
            conn.close()
    return Result(one, test, error, time.monotonic() - start)


def run_all(rows, servers, threads):
    rows = sorted(rows, key=lambda one: not one.slow)  # who waits for a timeout waits beside the others
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda one: run_one(one, servers), rows))


def show(results, verbose):
    for r in sorted(results, key=lambda r: GROUPS.index(r.row.group)):
        refs = f"  [{', '.join(r.row.refs)}]" if r.row.refs else ""
        print(f"{'ok  ' if r.error is None else 'FAIL'} {r.row.group:9} {r.row.name:14} {r.row.title}{refs}")
        if verbose or r.error is not None:
            print(f"       sent      {r.sent}\n       expected  {r.row.expected}\n       came      {r.came}")
        if r.error is not None:
            print(f"       why       {r.error}")
        for note in r.notes:
            print(f"       note      {note}")


def save(results, path):
    with open(path, "w", encoding="utf-8") as out:
        json.dump([r.as_json() for r in results], out, indent=1)
