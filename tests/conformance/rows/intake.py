"""The table of grpc-server.md section 1.1: what a request must be, in which order it is judged, what the answer is."""

import itertools

from kit import grpc
from kit.harness import row
from kit.wire import (CONT, DATA, END_HEADERS, END_STREAM, HEADER_LIST_MAX, HEADERS, PROTOCOL_ERROR, RST, block)

EH, ES = END_HEADERS, END_STREAM


def answers(name, title, http, code, *changes, refs=(), more=(), also=None):
    """Each change of the header list, half-closed or not, is answered by HTTP @http and @code."""
    text = f"one HEADERS(END_STREAM): HTTP {http}, grpc-status {code}; RST_STREAM(NO_ERROR) behind it if the client " \
           "has not ended"

    @row("intake", name, title, text, *refs)
    def _(t):
        for change, ended in itertools.product(changes, (True, False)):
            client = t.client()
            answer = client.finish(client.open(end=ended, more=more, **change))
            t.refused(answer, http, code)
            if not ended:
                client.conn.wait(lambda: answer.reset is not None, "RST_STREAM")
                t.same("RST_STREAM", answer.reset, 0)
            if also:
                also(t, answer)
            t.alive(client.conn)
            t.check(not ended or answer.reset is None, "RST_STREAM though both sides had ended")


@row("intake", "1.1/2", "a connection header", "RST_STREAM(PROTOCOL_ERROR), the connection lives")
def _(t):
    client = t.client()
    client.open(more=[("connection", "keep-alive")])
    t.stream_error(client.conn, 1, PROTOCOL_ERROR)


@row("intake", "1.1/3", "two :authority; two host", "HTTP 400 + INTERNAL, or RST_STREAM(PROTOCOL_ERROR)")
def _(t):
    two_hosts = grpc.fields(authority=None) + [("host", "a"), ("host", "b")]
    for fields in ([(":authority", "a")] + grpc.fields(), two_hosts):
        c = t.conn()
        c.frame(HEADERS, EH | ES, c.new_id(), block(fields))
        answer = grpc.Client(c).finish(grpc.Answer(c, 1))
        if answer.reset is None:
            t.refused(answer, "400", grpc.INTERNAL)
        else:
            t.same("RST_STREAM", answer.reset, PROTOCOL_ERROR)
        t.alive(c)


@row("intake", "1.1/4a", "host without :authority", "served")
def _(t):
    t.status(t.client().call(authority=None, host="localhost"), grpc.OK)


@row("intake", "1.1/4b", ":authority and another host", "served: the host is dropped")
def _(t):
    t.status(t.client().call(host="elsewhere"), grpc.OK)


@row("intake", "1.1/4c", "neither :authority nor host", "served (nothing needs it), or refused; never an end of the "
     "connection")
def _(t):
    client = t.client()
    answer = client.call(authority=None)
    t.note(f"answered {answer.http or 'RST_STREAM'}")
    t.alive(client.conn)


@row("intake", "1.1/5a", "a path without its first slash", "HTTP 404 + UNIMPLEMENTED, or RST_STREAM(PROTOCOL_ERROR)")
def _(t):
    for change in ({"path": "grpc.testing.TestService/EmptyCall"}, {"path": "EmptyCall"}, {"path": "*"}):
        client = t.client()
        answer = client.call(**change)
        if answer.reset is None:
            t.refused(answer, "404", grpc.UNIMPLEMENTED)
        else:
            t.same("RST_STREAM", answer.reset, PROTOCOL_ERROR)
        t.alive(client.conn)


@row("intake", "1.1/5b", ":scheme grpc and a path without its first slash (CVE-2026-33186)",
     "HTTP 404 + UNIMPLEMENTED, or a refusal of the scheme; never a call", "4.1/path-confusion", "9/11")
def _(t):
    for scheme in ("grpc", "ftp", "HTTP2", "x"):
        client = t.client()
        answer = client.call("grpc.testing.TestService/EmptyCall", scheme=scheme)
        if answer.reset is None:
            t.one_of(":status", answer.http, ("404", "400"))
            t.check(answer.status != grpc.OK, "served")
        t.alive(client.conn)


@row("intake", "1.1/5c", "a scheme that is neither http nor https with a right path", "refused, never a call",
     "4.1/path-confusion")
def _(t):
    for scheme in ("grpc", "ftp", "file", "httpx"):
        client = t.client()
        answer = client.call(scheme=scheme)
        t.check(answer.reset is not None or answer.status != grpc.OK, f"scheme {scheme} was served")
        t.alive(client.conn)


@row("intake", "1.1/5d", "paths that are nearly a method", "UNIMPLEMENTED, Trailers-Only", "1.1/16")
def _(t):
    client = t.client()
    for path in ("/", "//", "/a", "/a/", "/grpc.testing.TestService", "/grpc.testing.TestService/",
                 "//grpc.testing.TestService/EmptyCall", "/grpc.testing.TestService//EmptyCall",
                 "/grpc.testing.TestService/EmptyCall/", "/grpc.testing.TestService/EmptyCall?a=b",
                 "/grpc.testing.TestService/EmptyCall#a", "/grpc.testing.TestService/%45mptyCall",
                 "/grpc.testing.TestService/emptycall", "/./grpc.testing.TestService/EmptyCall",
                 "/x/../grpc.testing.TestService/EmptyCall", "/grpc.testing.TestService/EmptyCall" + "x" * 5000):
        answer = client.call(path)
        if answer.reset is not None:
            t.note(f"{path[:50]} was reset: {answer.reset}")
            continue
        t.one_of(f":status of {path[:50]}", answer.http, ("200", "404"))
        t.same(f"grpc-status of {path[:50]}", answer.status, grpc.UNIMPLEMENTED)
        t.check(answer.trailers_only, "not Trailers-Only")


@row("intake", "1.1/6a", "no content-type, or another one",
     "HTTP 415 + INTERNAL (INVALID_ARGUMENT as grpc-go has it)")
def _(t):
    for value in (None, "text/plain", "application/json", "application/grpcfoo", "application/grp",
                  "application/grpc foo", "application/x-protobuf", "applicationgrpc"):
        client = t.client()
        answer = client.call(content_type=value)
        t.same(f":status for {value}", answer.http, "415")
        t.one_of("grpc-status", answer.status, (grpc.INTERNAL, grpc.INVALID_ARGUMENT, grpc.UNKNOWN))
        t.alive(client.conn)


@row("intake", "1.1/6b", "content-types that are gRPC's", "served; the answer's is application/grpc or +proto alike",
     "1.2/content-type")
def _(t):
    for value in ("application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8",
                  "application/grpc+proto;charset=utf-8", "Application/GRPC", "application/grpc; foo=bar"):
        answer = t.client().call(content_type=value)
        t.status(answer, grpc.OK)
        t.same("content-type", answer.head["content-type"],
               "application/grpc+proto" if "+proto" in value else "application/grpc")


answers("1.1/7", "a subtype nobody registered", "415", grpc.INTERNAL,
        *({"content_type": f"application/grpc+{s}"} for s in ("json", "thrift", "protobuf", "proto2")))
answers("1.1/8", "gRPC-Web and JSON on this listener", "415", grpc.INTERNAL,
        *({"content_type": v} for v in ("application/grpc-web", "application/grpc-web+proto",
                                        "application/grpc-web-text", "application/connect+proto", "application/json")))
answers("1.1/9", "a method that is not POST", "405", grpc.INTERNAL,
        *({"method": m} for m in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "BREW")),
        also=lambda t, a: t.same("allow", a.head.get("allow"), "POST"))


@row("intake", "1.1/9b", "HEAD", "HTTP 405, allow: POST")
def _(t):
    client = t.client()
    answer = client.finish(client.open(end=True, method="HEAD"))
    t.same(":status", answer.http, "405")
    t.same("allow", answer.head.get("allow"), "POST")


def padded_to(t, c, size, fields):
    """@fields and one more, so that the header list has @size octets as RFC 9113 section 6.5.2 counts."""
    have = sum(len(n) + len(v) + 32 for n, v in fields) + len("x-fill") + 32
    return fields + [("x-fill", "f" * (size - have))]


def send_list(c, fields, end=True):
    data, stream = block(fields), c.new_id()
    pieces = [data[i:i + 16000] for i in range(0, len(data), 16000)]
    for i, piece in enumerate(pieces):
        last = EH if i == len(pieces) - 1 else 0
        c.frame(CONT if i else HEADERS, last | (ES if end and not i else 0), stream, piece)
    return grpc.Answer(c, stream)


@row("intake", "1.1/10a", "a header list of exactly the advertised size", "served", "9/11")
def _(t):
    c = t.conn()
    c.greeted()
    client = grpc.Client(c)
    answer = send_list(c, padded_to(t, c, c.settings[HEADER_LIST_MAX], grpc.fields()), end=False)
    client.send(answer, grpc.message(), end=True)
    t.status(client.finish(answer), grpc.OK)


@row("intake", "1.1/10b", "one octet more; twice; in one field and in a hundred",
     "HTTP 431 + RESOURCE_EXHAUSTED, the connection lives", "9/11", "4.1/header-limit")
def _(t):
    for n, many in itertools.product((1, 8192), (False, True)):
        c = t.conn()
        c.greeted()
        size = c.settings.get(HEADER_LIST_MAX, 8192) + n
        fields = grpc.fields() + ([(f"x-{i}", "v" * 20) for i in range(100)] if many else [])
        answer = grpc.Client(c).finish(send_list(c, padded_to(t, c, size, fields)))
        t.refused(answer, "431", grpc.RESOURCE_EXHAUSTED)
        t.alive(c)


@row("intake", "1.1/11", "no te", "served", "9/11", "grpc-server 3.1")
def _(t):
    t.status(t.client().call(te=None), grpc.OK)


answers("1.1/12", "grpc-timeout that is none", "400", grpc.INTERNAL,
        *({"grpc_timeout": v} for v in ("", "1", "S", "-1S", "+1S", "1s", "1 S", "123456789S", "1.5S", "0x1S", "1SS",
                                        "1h", "S1", "1,S", "999999999999999999999n", "\u0661S")),
        refs=["1.2/grpc-timeout", "9/28"])
answers("1.1/13", "-bin values that are not base64", "400", grpc.INTERNAL,
        *({"x_a_bin": v} for v in ("!!!!", "a", "YQ==YQ==", "YW Jj", "YWJj\u00e4", "=", "YWJj,!")),
        refs=["1.2/bin"])
answers("1.1/14", "grpc-timeout of nothing", "200", grpc.DEADLINE_EXCEEDED,
        *({"grpc_timeout": v} for v in ("0S", "0n", "00000000H")), refs=["9/7"])


@row("intake", "1.1/16", "unknown service, unknown method", "UNIMPLEMENTED, Trailers-Only; the texts differ", "9/2")
def _(t):
    client = t.client()
    texts = []
    for path in ("/no.such.Service/Method", "/grpc.testing.TestService/NoSuchMethod",
                 "/grpc.testing.UnimplementedService/UnimplementedCall", "/grpc.testing.TestService/UnimplementedCall"):
        answer = client.call(path)
        t.status(answer, grpc.UNIMPLEMENTED, trailers_only=True)
        texts.append(answer.text)
    t.check(texts[0] != texts[1] and texts[0] and texts[1], f"the texts are {texts[:2]}")


@row("intake", "1.1/17", "grpc-encoding nobody knows", "UNIMPLEMENTED + grpc-accept-encoding without it")
def _(t):
    client = t.client()
    for path in (grpc.EMPTY, grpc.DUPLEX):
        for encoding in ("snappy", "zstd", "GZIP2", "x-unknown"):
            answer = client.call(path, grpc_encoding=encoding)
            t.status(answer, grpc.UNIMPLEMENTED, trailers_only=True)
            offered = answer.trailers.get("grpc-accept-encoding", "").split(",")
            t.check("gzip" in offered and encoding not in offered, f"grpc-accept-encoding {offered}")


# ---- the order ----

FAULTS = (  # of the table, first to last: the change, what it is answered with
    ("path", {"scheme": "grpc", "path": "grpc.testing.TestService/EmptyCall"}, "404", grpc.UNIMPLEMENTED),
    ("content-type", {"content_type": "text/plain"}, "415", grpc.INTERNAL),
    ("method", {"method": "GET"}, "405", grpc.INTERNAL),
    ("size", {"x_fill": "f" * 9000}, "431", grpc.RESOURCE_EXHAUSTED),
    ("timeout", {"grpc_timeout": "soon"}, "400", grpc.INTERNAL),
    ("binary", {"x_a_bin": "!"}, "400", grpc.INTERNAL),
    ("passed", {"grpc_timeout": "0n"}, "200", grpc.DEADLINE_EXCEEDED),
    ("unknown", {"path": "/no.such.Service/Method"}, "200", grpc.UNIMPLEMENTED),
    ("encoding", {"grpc_encoding": "snappy"}, "200", grpc.UNIMPLEMENTED),
)


def order(at):
    name, change, http, code = FAULTS[at]

    @row("intake", f"1.1/order-{at + 1}", f"{name} before what comes later in the table",
         f"HTTP {http} + {code}, whatever else is wrong")
    def _(t):
        client = t.client()
        for later, other, _, _ in FAULTS[at + 1:]:
            if set(change) & set(other):
                continue
            both = {**change, **other}
            big = [("x-fill", both.pop("x_fill"))] if "x_fill" in both else []  # last: what follows is dropped
            answer = client.call(more=big, **both)
            t.same(f":status of {name} and {later}", answer.http, http)
            t.same(f"grpc-status of {name} and {later}", answer.status, code)


for n in range(len(FAULTS) - 1):
    order(n)


@row("intake", "1.1/order-all", "every fault at once, then one less each time", "each time the first of what is left")
def _(t):
    client = t.client()
    for at, (_, _, http, code) in enumerate(FAULTS):
        change = {}
        for _, one, _, _ in reversed(FAULTS[at:]):
            change.update(one)
        big = [("x-fill", change.pop("x_fill"))] if "x_fill" in change else []
        answer = client.call(more=big, **change)
        t.same(f":status without the first {at}", answer.http, http)
        t.same(f"grpc-status without the first {at}", answer.status, code)


@row("intake", "1.1/15", "a refused stream", "REFUSED_STREAM before anything of the call ran: nothing but RST_STREAM")
def _(t):
    c = t.conn()
    c.greeted()
    client = grpc.Client(c)
    opened = [client.open(grpc.DUPLEX) for _ in range(c.settings[3] + 1)]
    c.wait(lambda: c.find(RST), "RST_STREAM")
    t.same("the frames of the refused stream", [f.kind for f in opened[-1].frames], [RST])
    client.send(opened[0], grpc.message(grpc.output_request(3)), end=True)
    t.status(client.finish(opened[0]), grpc.OK)
    c.frame(DATA, ES, opened[1].stream, b"")
    t.status(client.finish(opened[1]), grpc.OK)
