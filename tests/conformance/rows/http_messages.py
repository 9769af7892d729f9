"""RFC 9113 section 8: requests as HTTP sees them, before gRPC has a word."""

from kit import grpc
from kit.harness import row
from kit.wire import (CONT, DATA, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, block)

EH, ES = END_HEADERS, END_STREAM
RESET = "RST_STREAM(PROTOCOL_ERROR), the connection lives"


def malformed(name, title, *lists, refs=(), expected=RESET):
    """Each header list on a connection of its own is answered by RST_STREAM(PROTOCOL_ERROR): RFC 9113 section
    8.1.1. A whole HTTP answer of 4xx is as good by that section and taken; silence or success is not."""
    @row("streams", name, title, expected, *refs)
    def _(t):
        for fields in lists:
            c = t.conn()
            client = grpc.Client(c)
            c.frame(HEADERS, EH, 1, block(fields))
            c.used(1)
            c.frame(DATA, ES, 1, grpc.message())
            answer = client.finish(grpc.Answer(c, 1))
            if answer.end:
                t.check(answer.http.startswith("4"), f"answered with {answer.http}")
                t.note(f"answered with {answer.http}")
                t.alive(c)
            else:
                t.stream_error(c, 1, PROTOCOL_ERROR)


def with_field(*pairs):
    return [grpc.fields() + [pair] for pair in pairs]


def reordered(*first):
    """Pseudo-header @first moved behind the regular fields."""
    pairs = grpc.fields()
    return [p for p in pairs if p[0] not in first] + [p for p in pairs if p[0] in first]


@row("streams", "8.1/1", "a second HEADERS without END_STREAM", "PROTOCOL_ERROR of the stream or the connection")
def _(t):
    c = t.conn()
    c.frame(HEADERS, EH, 1, block(grpc.fields()))
    c.frame(HEADERS, EH, 1, block([("x-trailer", "no end")]))
    t.error(c, 1, (PROTOCOL_ERROR,), (PROTOCOL_ERROR,))


@row("streams", "8.1/2", "request trailers", "ignored, the call is answered", "1.1/18")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open(grpc.UNARY)
    client.send(answer, grpc.message(grpc.simple_request(5)))
    c.frame(HEADERS, EH | ES, 1, block([("x-trailer", "t"), ("grpc-status", "7"), ("grpc-timeout", "1n")]))
    t.status(client.finish(answer), grpc.OK)
    t.same("the payload", len(grpc.payload(answer.messages[0][1])), 5)


@row("streams", "8.1/3", "request trailers in HEADERS and CONTINUATION", "ignored, the call is answered")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open()
    client.send(answer, grpc.message())
    c.frame(HEADERS, ES, 1, block([("x-trailer", "t")]))
    c.frame(CONT, EH, 1, block([("x-other", "u")]))
    t.status(client.finish(answer), grpc.OK)


@row("streams", "8.1/4", "request trailers beyond the header limit",
     "counted against the limit (1.1 row 18): 431 or RESOURCE_EXHAUSTED or reset, and the connection lives", "1.1/18")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open()
    client.send(answer, grpc.message())
    c.frame(HEADERS, EH | ES, 1, block([("x-trailer", "t" * 15000)]))
    client.finish(answer)
    t.check(answer.reset is not None or answer.http == "431" or answer.status == grpc.RESOURCE_EXHAUSTED,
            f"answered {answer}")
    t.alive(c)


@row("streams", "8.1/5", "the whole reply comes before the request has ended",
     "HEADERS with END_STREAM, then RST_STREAM(NO_ERROR)", "1.4/early-end")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.finish(client.open("/no.Such/Method"))
    t.check(answer.end, "no END_STREAM")
    c.wait(lambda: answer.reset is not None, "RST_STREAM")
    t.same("RST_STREAM", answer.reset, 0)


malformed("8.1.1/1", "content-length larger, smaller and not a number",
          *(grpc.fields(content_length=n) for n in ("6", "4", "0", "5x", "-5", "+5", "18446744073709551621")),
          refs=["4.1/made-you-reset"])
malformed("8.1.1/2", "two content-lengths that differ", grpc.fields(content_length="5") + [("content-length", "6")])


@row("streams", "8.1.1/3", "content-length over several DATA frames", "right: answered; wrong: PROTOCOL_ERROR")
def _(t):
    for size, good in (("10", True), ("11", False), ("9", False)):
        c = t.conn()
        client = grpc.Client(c)
        answer = client.open(grpc.DUPLEX, content_length=size)
        client.send(answer, grpc.message())
        client.send(answer, grpc.message(), end=True)
        client.finish(answer)
        if good:
            t.status(answer, grpc.OK)
        else:
            t.same("RST_STREAM", answer.reset, PROTOCOL_ERROR)


malformed("8.2.1/1", "upper case in a field's name", *with_field(("X-Upper", "v"), ("x-uppeR", "v")))
malformed("8.2.1/2", "octets a name may not have",
          *with_field(*((b"x" + bytes([o]) + b"y", "v") for o in (0, 9, 10, 13, 32, 34, 40, 58, 127, 128, 255)), ("", "v")))
malformed("8.2.1/3", "NUL, CR, LF in a field's value", *with_field(("x-a", b"a\0b"), ("x-a", b"a\nb"), ("x-a",
     b"a\rb")))
malformed("8.2.1/4", "blanks around a field's value", *with_field(("x-a", " b"), ("x-a", "b "), ("x-a", "\tb")))
malformed("8.2.2/1", "connection and its kind",
          *with_field(("connection", "close"), ("connection", "keep-alive"), ("keep-alive", "timeout=5"),
                      ("proxy-connection", "close"), ("transfer-encoding", "chunked"), ("upgrade", "h2c")),
          refs=["1.1/2"])
malformed("8.2.2/2", "te that is not trailers",
          *(grpc.fields(te=v) for v in ("gzip", "trailers, deflate", "trailers;q=0.5", "")), refs=["1.1/11"])


@row("streams", "8.2.2/3", "TE: Trailers in capitals", "served", "1.1/11")
def _(t):
    client = t.client()
    t.status(client.call(te="Trailers"), grpc.OK)


@row("streams", "8.2.3/1", "cookie in crumbs", "served")
def _(t):
    t.status(t.client().call(more=[("cookie", "a=b"), ("cookie", "c=d")]), grpc.OK)


malformed("8.3/1", "an unknown pseudo-header field",
          *([(":test", "ok")] + grpc.fields(), grpc.fields()[:4] + [(":protocol", "websocket")] + grpc.fields()[4:]))
malformed("8.3/2", "the response's pseudo-header field", [(":status", "200")] + grpc.fields())
malformed("8.3/3", "a pseudo-header field behind a regular one",
          *(reordered(p) for p in (":path", ":method", ":scheme", ":authority")))


@row("streams", "8.3/4", "a pseudo-header field in trailers", RESET)
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    answer = client.open(grpc.UNARY)
    client.send(answer, grpc.message())
    c.frame(HEADERS, EH | ES, 1, block([(":method", "POST")]))
    t.error(c, 1, (PROTOCOL_ERROR,), (PROTOCOL_ERROR,))


malformed("8.3.1/1", "an empty :path", grpc.fields(path=""), refs=["1.1/5"])
malformed("8.3.1/2", "no :method, no :scheme, no :path", *(grpc.fields(**{p: None}) for p in ("method", "scheme")),
          grpc.fields(path=None), refs=["1.1/5"])
malformed("8.3.1/3", "a pseudo-header field twice",
          *([pair] + grpc.fields() for pair in grpc.fields()[:4]), refs=["1.1/3"])
malformed("8.3.1/4", "user information in :authority", grpc.fields(authority="user@localhost"),
          grpc.fields(authority="user:word@localhost:80"))


@row("streams", "8.3.1/5", "path * with OPTIONS, CONNECT with and without path",
     "4xx, or RST_STREAM, never a call; the connection lives", "1.1/9")
def _(t):
    c = t.conn()
    client = grpc.Client(c)
    for fields in ([(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "localhost")],
                   [(":method", "CONNECT"), (":authority", "localhost:1")],
                   grpc.fields(method="CONNECT")):
        stream = c.new_id()
        c.frame(HEADERS, EH | ES, stream, block(fields))
        answer = client.finish(grpc.Answer(c, stream))
        t.check(answer.reset not in (None, 0) or answer.http.startswith("4"), f"answered {answer}")
    t.alive(c)
