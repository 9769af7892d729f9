"""grpc-server.md section 1.3: length-prefixed messages, limits, compression."""

import gzip
import zlib

from kit import grpc
from kit.harness import row
from kit.wire import DATA, END_STREAM, STREAM_CLOSED

BIG = 4 << 20  # the default limit of a message


def aggregated(answer):
    return grpc.first(answer.messages[0][1], 1, 0)


@row("framing", "1.3/flags", "a flag octet that is neither 0 nor 1", "INTERNAL")
def _(t):
    for flag in (2, 3, 0x80, 0xff):
        client = t.client()
        t.status(client.call(grpc.UNARY, (grpc.message(b"", flag),)), grpc.INTERNAL)
        answer = client.open(grpc.DUPLEX)
        client.send(answer, grpc.message(b"", flag))
        t.status(client.finish(answer), grpc.INTERNAL)
        t.alive(client.conn)


@row("framing", "1.3/split", "a message cut at every octet of its prefix and body", "the call is answered", "9/1")
def _(t):
    client = t.client()
    body = grpc.message(grpc.simple_request(7, b"abc"))
    for at in range(1, len(body)):
        for path in (grpc.UNARY,):
            answer = client.open(path)
            client.send(answer, body[:at])
            client.send(answer, body[at:], end=True)
            t.status(client.finish(answer), grpc.OK)
            t.same("the payload", len(grpc.payload(answer.messages[0][1])), 7)


@row("framing", "1.3/dribble", "a message in frames of one octet, some of none", "the call is answered", "9/1")
def _(t):
    for path in (grpc.UNARY, grpc.DUPLEX):
        client = t.client()
        answer = client.open(path)
        body = grpc.message(grpc.simple_request(3) if path == grpc.UNARY else grpc.output_request(3))
        for i in range(len(body)):
            client.send(answer, body[i:i + 1])
            if i % 4 == 0:
                client.send(answer, b"")
        client.send(answer, b"", end=True)
        t.status(client.finish(answer), grpc.OK)
        t.same("the payload", len(grpc.payload(answer.messages[0][1])), 3)


@row("framing", "1.3/many", "a hundred messages in one DATA frame, the last one cut", "a hundred and one messages",
     "9/1")
def _(t):
    client = t.client()
    answer = client.open(grpc.INPUT)
    one = grpc.message(grpc.pb((1, grpc.pb((2, b"xy")))))
    client.send(answer, one * 100 + one[:3])
    client.send(answer, one[3:], end=True)
    t.status(client.finish(answer), grpc.OK)
    t.same("the octets counted", aggregated(answer), 202)


@row("framing", "1.3/many-and-part", "two small messages and the beginning of one larger than the window, all before the "
     "handler asks", "the window opens for the third when it is all that waits: three replies")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    small = grpc.message(grpc.output_request(5, interval_us=200000))
    client.send(answer, small * 2 + grpc.message(grpc.output_request(5, body=b"y" * 900000)), end=True)
    t.status(client.finish(answer), grpc.OK)
    t.same("the replies", len(answer.messages), 3)


@row("framing", "1.3/ping-pong", "four messages, each answered before the next",
     "four answers of the sizes asked for")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    sizes = (31415, 9, 2653, 58979)
    for i, size in enumerate(sizes):
        client.send(answer, grpc.message(grpc.output_request(size)))
        client.messages(answer, i + 1)
        t.same("the payload", len(grpc.payload(answer.messages[i][1])), size)
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)


@row("framing", "1.3/empty", "a message of no octets (empty_unary)", "a message of no octets")
def _(t):
    answer = t.client().call()
    t.status(answer, grpc.OK)
    t.same("the messages", answer.messages, [(0, b"")])


@row("framing", "1.3/none", "streams of no messages (empty_stream)", "OK; no message, or the one reply")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)
    t.same("the messages", answer.messages, [])
    answer = client.finish(client.open(grpc.INPUT, end=True))
    t.status(answer, grpc.OK)
    t.same("the octets counted", aggregated(answer), 0)


@row("framing", "1.3/end-stream", "END_STREAM on the last DATA, on an empty DATA, on HEADERS", "all the same")
def _(t):
    client = t.client()
    answer = client.open()
    client.send(answer, grpc.message(), end=True)
    t.status(client.finish(answer), grpc.OK)
    answer = client.open()
    client.send(answer, grpc.message())
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)
    t.status(client.finish(client.open(grpc.DUPLEX, end=True)), grpc.OK)


@row("framing", "1.3/truncated", "END_STREAM inside a prefix and inside a body", "INTERNAL")
def _(t):
    client = t.client()
    whole = grpc.message(grpc.simple_request(1, b"x" * 50))
    for path in (grpc.UNARY, grpc.INPUT, grpc.DUPLEX):
        for size in (1, 4, 5, 20, len(whole) - 1):
            answer = client.open(path)
            client.send(answer, whole[:size], end=True)
            t.same(f"grpc-status of {path} cut at {size}", client.finish(answer).status, grpc.INTERNAL)


@row("framing", "1.3/flag-no-encoding", "flag 1 without grpc-encoding and with identity",
     "INTERNAL, the text says why",
     "9/9")
def _(t):
    client = t.client()
    body = grpc.message(gzip.compress(grpc.simple_request(1)), 1)
    for encoding in (None, "identity"):
        answer = client.call(grpc.UNARY, (body,), grpc_encoding=encoding)
        t.status(answer, grpc.INTERNAL)
        t.check("compress" in answer.text.lower() or "encoding" in answer.text.lower(), f"the text is {answer.text!r}")


@row("framing", "1.3/flag-unsupported", "flag 1 with an encoding nobody has", "UNIMPLEMENTED + grpc-accept-encoding")
def _(t):
    answer = t.client().call(grpc.UNARY, (grpc.message(b"x", 1),), grpc_encoding="zstd")
    t.status(answer, grpc.UNIMPLEMENTED)
    t.check("gzip" in answer.trailers.get("grpc-accept-encoding", ""), "no grpc-accept-encoding")


@row("framing", "1.3/gzip-in", "gzip in, flag 1 and flag 0 in one stream", "all inflated; gzip listed as accepted")
def _(t):
    client = t.client()
    answer = client.open(grpc.INPUT, grpc_encoding="gzip")
    one = grpc.pb((1, grpc.pb((2, b"z" * 1000))))
    client.send(answer, grpc.message(gzip.compress(one), 1) + grpc.message(one) + grpc.message(gzip.compress(one), 1),
                end=True)
    t.status(client.finish(answer), grpc.OK)
    t.same("the octets counted", aggregated(answer), 3000)
    t.check("gzip" in answer.head.get("grpc-accept-encoding", ""), "gzip is not listed (should)")


@row("framing", "1.3/gzip-empty", "gzip of nothing; flag 1 and a body of no octets", "served; INTERNAL or served")
def _(t):
    client = t.client()
    t.status(client.call(grpc.EMPTY, (grpc.message(gzip.compress(b""), 1),), grpc_encoding="gzip"), grpc.OK)
    answer = client.call(grpc.EMPTY, (grpc.message(b"", 1),), grpc_encoding="gzip")
    t.one_of("grpc-status", answer.status, (grpc.OK, grpc.INTERNAL))


@row("framing", "1.3/gzip-broken", "gzip cut off, with a wrong checksum, with more behind it, zlib, deflate, garbage",
     "INTERNAL")
def _(t):
    client = t.client()
    good = gzip.compress(grpc.simple_request(1, b"y" * 300))
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    for name, data in (("cut", good[:-9]), ("without its last octet", good[:-1]), ("checksum", good[:-8] + b"\0\0\0\0" +
                       good[-4:]), ("length", good[:-4] + b"\1\0\0\0"), ("more", good + b"more"),
                       ("zlib", zlib.compress(b"x")), ("deflate", raw.compress(b"x") + raw.flush()),
                       ("garbage", b"\x1f\x8b\x08garbage"), ("one octet", b"\x1f")):
        answer = client.call(grpc.UNARY, (grpc.message(data, 1),), grpc_encoding="gzip")
        t.same(f"grpc-status of gzip {name}", answer.status, grpc.INTERNAL)


@row("framing", "1.3/limit-prefix", "a prefix that announces one octet too many, and 4 GiB",
     "RESOURCE_EXHAUSTED at once, before the body", "9/8", "9/28")
def _(t):
    for size in (BIG + 1, 0x7fffffff, 0xffffffff):
        for path in (grpc.UNARY, grpc.DUPLEX, grpc.INPUT):
            client = t.client()
            answer = client.open(path)
            client.send(answer, b"\0" + size.to_bytes(4, "big"))
            t.same(f"grpc-status for {size}", client.finish(answer).status, grpc.RESOURCE_EXHAUSTED)
            t.alive(client.conn)


@row("framing", "1.3/limit-exact", "a message of exactly 4 MiB", "taken")
def _(t):
    client = t.client()
    body = grpc.pb((3, grpc.pb((2, b"\0" * (BIG - 10)))))
    body = grpc.pb((3, grpc.pb((2, b"\0" * (BIG - 10 - (len(body) - BIG))))))
    t.same("the size of the message", len(body), BIG)
    answer = client.open(grpc.UNARY)
    client.send(answer, grpc.message(body), end=True)
    t.status(client.finish(answer), grpc.OK)


@row("framing", "1.3/limit-inflated", "128 MiB of zeros in 130 kB of gzip", "RESOURCE_EXHAUSTED, at the limit", "9/8")
def _(t):
    client = t.client()
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros, data = b"\0" * (1 << 24), b""
    for _ in range(8):
        data += bomb.compress(zeros)
    data += bomb.flush()
    for path in (grpc.UNARY, grpc.INPUT):
        answer = client.open(path, grpc_encoding="gzip")
        client.send(answer, grpc.message(data, 1), end=True)
        t.same("grpc-status", client.finish(answer).status, grpc.RESOURCE_EXHAUSTED)
    t.alive(client.conn)


@row("framing", "1.3/limit-later", "the second message of a stream is too large",
     "the first is answered, then RESOURCE_EXHAUSTED")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    client.send(answer, grpc.message(grpc.output_request(4)))
    client.messages(answer, 1)
    client.send(answer, b"\0\xff\xff\xff\xff")
    t.status(client.finish(answer), grpc.RESOURCE_EXHAUSTED)
    t.same("the messages", len(answer.messages), 1)


@row("framing", "1.3/response-gzip", "grpc-accept-encoding in several spellings", "gzip announced, flag 1, inflates",
     "9/9")
def _(t):
    client = t.client()
    for value in ("gzip", "identity,gzip", "identity, deflate, gzip", "gzip,x-unknown", "deflate ,gzip"):
        answer = client.call(grpc.UNARY, grpc.simple_request(20000, compressed=True), grpc_accept_encoding=value)
        t.status(answer, grpc.OK)
        t.same("grpc-encoding", answer.head.get("grpc-encoding"), "gzip")
        flag, data = answer.messages[0]
        t.same(f"the flag with {value}", flag, 1)
        t.same("the payload", len(grpc.payload(gzip.decompress(data))), 20000)


@row("framing", "1.3/response-plain", "no grpc-accept-encoding, or one without gzip", "flag 0, no gzip announced",
     "9/9")
def _(t):
    client = t.client()
    for value in (None, "identity", "deflate,snappy", "", "gzip2", "xgzip"):
        for encoding in (None, "gzip"):
            answer = client.call(grpc.UNARY, grpc.simple_request(20000), grpc_accept_encoding=value,
                                 grpc_encoding=encoding)
            t.status(answer, grpc.OK)
            t.one_of("grpc-encoding", answer.head.get("grpc-encoding"), (None, "identity"))
            t.same(f"the flag with {value}", answer.messages[0][0], 0)


@row("framing", "1.3/response-tiny", "a reply of few octets, gzip accepted", "flag 0 (or gzip that is valid)")
def _(t):
    answer = t.client().call(grpc.UNARY, grpc.simple_request(1), grpc_accept_encoding="gzip")
    t.status(answer, grpc.OK)
    flag, data = answer.messages[0]
    if flag:
        t.note("tiny replies are compressed")
        t.same("grpc-encoding", answer.head.get("grpc-encoding"), "gzip")
        data = gzip.decompress(data)
    t.same("the payload", grpc.payload(data), b"\0")


@row("framing", "1.3/context", "ten compressed replies of a stream", "each inflates by itself")
def _(t):
    client = t.client()
    answer = client.open(grpc.OUTPUT, grpc_accept_encoding="gzip")
    parameters = [(2, grpc.pb((1, 5000), (3, grpc.pb((1, 1))))) for _ in range(10)]
    client.send(answer, grpc.message(grpc.pb(*parameters)), end=True)
    t.status(client.finish(answer), grpc.OK)
    t.same("the messages", len(answer.messages), 10)
    for flag, data in answer.messages:
        data = gzip.decompress(data) if flag else data
        t.same("the payload", len(grpc.payload(data)), 5000)


@row("framing", "1.3/unparsable", "a message that is no protobuf", "INTERNAL", "9/21")
def _(t):
    client = t.client()
    nested = b""
    for _ in range(3000):
        nested = grpc.pb((3, nested))
    for name, body in (("a tag cut", b"\x80"), ("field 0", b"\x00\x01"), ("a length beyond", b"\x1a\x7fx"),
                       ("an end group", b"\x0c"), ("an 11-octet varint", b"\x10" + b"\xff" * 11),
                       ("wire type 6", b"\x16"), ("wire type 7", b"\x17\x00")):
        answer = client.call(grpc.UNARY, body)
        t.same(f"grpc-status of {name}", answer.status, grpc.INTERNAL)
    answer = client.call(grpc.UNARY, nested)
    t.one_of("grpc-status of 3000 levels", answer.status, (grpc.OK, grpc.INTERNAL, grpc.RESOURCE_EXHAUSTED))
    t.alive(client.conn)


@row("framing", "1.3/utf8", "a string with NUL, and one that is not UTF-8", "never OK: INTERNAL or INVALID_ARGUMENT",
     "9/21")
def _(t):
    client = t.client()
    for text in (b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80"):
        body = grpc.pb((7, grpc.pb((1, 2), (2, text))))
        answer = client.call(grpc.UNARY, body)
        if text == b"a\0b" and answer.status == 2:
            t.note("NUL is passed on, as UTF-8 allows")
            continue
        t.one_of("grpc-status", answer.status, (grpc.INTERNAL, grpc.INVALID_ARGUMENT))


@row("framing", "1.3/cardinality-0", "a unary call without a message, ended by DATA and by HEADERS", "INTERNAL")
def _(t):
    client = t.client()
    for path in (grpc.EMPTY, grpc.UNARY, grpc.OUTPUT):
        answer = client.open(path)
        client.send(answer, b"", end=True)
        t.status(client.finish(answer), grpc.INTERNAL)
        t.status(client.finish(client.open(path, end=True)), grpc.INTERNAL)


@row("framing", "1.3/cardinality-2", "a unary call with two messages, in one frame and in two", "INTERNAL")
def _(t):
    for path in (grpc.EMPTY, grpc.UNARY, grpc.OUTPUT):
        client = t.client()
        for pieces in ([grpc.message() * 2], [grpc.message(), grpc.message()], [grpc.message() + b"\0"],
                       [grpc.message(), b"\0\0"]):
            answer = client.open(path)
            for i, piece in enumerate(pieces):
                client.send(answer, piece, end=i == len(pieces) - 1)
            client.conn.wait(lambda a=answer: a.end or a.reset is not None, "an end")
            t.same(f"grpc-status of {path}", answer.status, grpc.INTERNAL)


@row("framing", "1.3/send-limit", "a reply larger than the server may send",
     "RESOURCE_EXHAUSTED or a failure, never a cut reply")
def _(t):
    client = t.client()
    answer = client.call(grpc.UNARY, grpc.simple_request(BIG + 1))
    if answer.status == grpc.OK:
        t.note("this server sends more than 4 MiB")
        t.same("the payload", len(grpc.payload(answer.messages[0][1])), BIG + 1)
    else:
        t.check(not answer.messages, "a message came")


@row("framing", "1.3/large", "interop large_unary: 271828 octets in, 314159 out", "answered in whole")
def _(t):
    client = t.client()
    answer = client.call(grpc.UNARY, grpc.simple_request(314159, b"\0" * 271828))
    t.status(answer, grpc.OK)
    t.same("the payload", len(grpc.payload(answer.messages[0][1])), 314159)
    t.check(all(not f.flags & END_STREAM for f in answer.frames if f.kind == DATA), "END_STREAM on DATA")
    t.check(answer.reset != STREAM_CLOSED, "reset")
