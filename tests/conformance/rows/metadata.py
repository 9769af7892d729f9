"""grpc-server.md section 1.2: fields in, fields out."""

import base64
import re
import time

from kit import grpc
from kit.harness import row
from kit.wire import HEADERS

ECHO, ECHO_BIN = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


@row("metadata", "1.2/timeouts", "grpc-timeout in every unit, one digit and eight", "served", "9/28")
def _(t):
    client = t.client()
    for value in ("1H", "99999999H", "1M", "99999999M", "10S", "99999999S", "20000m", "99999999m", "20000000u",
                  "99999999u", "99999999n", "00000010S"):
        answer = client.call(grpc_timeout=value)
        t.check(answer.status == grpc.OK or value == "99999999n", f"{value} gives {answer}")  # that is 0.1 s


@row("metadata", "1.2/no-timeout", "no grpc-timeout", "served")
def _(t):
    t.status(t.client().call(), grpc.OK)


@row("metadata", "1.2/reserved", "unknown grpc- fields, in and beside the three that handlers see", "served, ignored")
def _(t):
    t.status(t.client().call(more=[("grpc-future", "1"), ("grpc-tags-bin", "AAAA"), ("grpc-trace-bin", "AAAA"),
                                   ("grpc-previous-rpc-attempts", "2"), ("grpc-retry-pushback-ms", "1"),
                                   ("grpc-message-type", "x"), ("grpc-status", "5"), ("grpc-message", "no")]), grpc.OK)


@row("metadata", "1.2/attempts", "grpc-previous-rpc-attempts that is no number", "served", "1.5/attempts")
def _(t):
    for value in ("-1", "x", "", "99999999999999999999"):
        t.status(t.client().call(grpc_previous_rpc_attempts=value), grpc.OK)


@row("metadata", "1.2/ascii-in", "values outside 0x20..0x7E that HTTP allows; odd but legal names", "served")
def _(t):
    t.status(t.client().call(more=[("x-latin", b"caf\xe9"), ("x-utf8", "\u263a"), ("x-tab", "a\tb"),
                                   ("x_under.score-9", "v"), ("x!odd~name", "v"), ("x-empty", "")]), grpc.OK)


@row("metadata", "1.2/echo", "interop custom_metadata", "the ASCII value in HEADERS, the binary one in trailers",
     "9/6")
def _(t):
    client = t.client()
    answer = client.call(grpc.UNARY, grpc.simple_request(1), more=[(ECHO, "test_initial_metadata_value"),
                                                                   (ECHO_BIN, base64.b64encode(b"\xab\xab\xab"))])
    t.status(answer, grpc.OK)
    t.same(ECHO, answer.head.get(ECHO), "test_initial_metadata_value")
    t.same(ECHO_BIN, answer.trailers.get(ECHO_BIN), "q6ur")


@row("metadata", "1.2/bin", "-bin padded and not, empty", "taken; sent without padding", "9/6")
def _(t):
    client = t.client()
    for value, back in (("YQ==", "YQ"), ("YQ", "YQ"), ("YWI=", "YWI"), ("YWI", "YWI"), ("YWJj", "YWJj"), ("+/8", "+/8")):
        answer = client.call(grpc.UNARY, grpc.simple_request(1), more=[(ECHO_BIN, value)])
        t.status(answer, grpc.OK)
        t.same(f"the echo of {value}", answer.trailers.get(ECHO_BIN), back)
    t.status(client.call(more=[("x-a-bin", "")]), grpc.OK)


@row("metadata", "1.2/bin-comma", "-bin values joined by commas, with mixed padding",
     "split before they are decoded; the first two come back in order", "1.2/repeated", "9/6")
def _(t):
    client = t.client()
    for more in ([(ECHO_BIN, "YQ==,YWI")], [(ECHO_BIN, "YQ"), (ECHO_BIN, "YWI=")], [(ECHO_BIN, "YQ,YWI=")],
                 [(ECHO_BIN, "YQ== , YWI")]):
        answer = client.call(grpc.UNARY, grpc.simple_request(1), more=more)
        t.status(answer, grpc.OK)
        found = ",".join(v for n, v in answer.blocks[-1].fields if n == ECHO_BIN)
        t.check(found.replace(" ", "") in ("YQ,YWI", "YQ"), f"the echo is {found}")
        if found == "YQ":
            t.note("this server echoes the first value only")


@row("metadata", "1.2/bin-size", "a -bin value whose base64 is within the limit", "served: sizes count after base64")
def _(t):
    t.status(t.client().call(more=[("x-big-bin", base64.b64encode(b"\xff" * 4500))]), grpc.OK)


@row("metadata", "1.2/grpc-status", "grpc-status of OK and of failures", "always there, decimal, no leading zero",
     "9/3")
def _(t):
    client = t.client()
    for code in range(0, 17):
        status = (code, "as asked") if code else None
        answer = client.call(grpc.UNARY, grpc.simple_request(1, status=status))
        t.same("grpc-status", answer.trailers.get("grpc-status"), str(code))


@row("metadata", "1.2/grpc-message", "interop special_status_message",
     "UTF-8, every octet outside 0x20..0x7E and % as %XX in capitals", "9/5")
def _(t):
    text = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
    answer = t.client().call(grpc.UNARY, grpc.simple_request(status=(2, text)))
    t.status(answer, grpc.UNKNOWN)
    t.same("grpc-message", answer.trailers.get("grpc-message"),
           "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A")
    answer = t.client().call(grpc.UNARY, grpc.simple_request(status=(2, "100%41 \x7f~")))
    t.same("grpc-message", answer.trailers.get("grpc-message"), "100%2541 %7F~")


@row("metadata", "1.2/details", "a failure with details", "google.rpc.Status: its code and message are the trailers'",
     "1.2/grpc-status-details-bin")
def _(t):
    answer = t.client().call(grpc.UNARY, grpc.simple_request((1 << 64) - 1))  # a size of -1
    found = grpc.details(answer)
    t.check(answer.status not in (None, 0), f"answered {answer}")
    if found is None:
        t.note("this server sends no details")
        return
    t.same("the code", dict(found).get(1), answer.status)
    t.same("the message", dict(found).get(2, b"").decode(), answer.text)
    t.check("=" not in answer.trailers["grpc-status-details-bin"], "padded")


@row("metadata", "1.2/long-message", "a status message of 20 kB", "trailers within 8 KiB, the message cut",
     "1.2/header-list-to-peer")
def _(t):
    for text in ("m" * 20000, "\u263a" * 7000):
        answer = t.client().call(grpc.UNARY, grpc.simple_request(status=(10, text)))
        t.same("grpc-status", answer.status, grpc.ABORTED)
        size = sum(len(n) + len(v) + 32 for n, v in answer.blocks[-1].fields)
        t.check(size <= 8192, f"a header list of {size} octets")
        t.check(text.startswith(answer.text) and answer.text, "cut inside a character")


@row("metadata", "1.2/charset", "every field of the answers", "names of 0-9 a-z _ - . only, values in 0x20..0x7E")
def _(t):
    client = t.client()
    answers = [client.call(), client.call("/no.Such/Method"),
               client.call(grpc.UNARY, grpc.simple_request(status=(3, "\x01\u20ac")))]
    for frame in (f for a in answers for f in a.frames if f.kind == HEADERS):
        for name, value in frame.fields:
            t.check(re.fullmatch(r":?[0-9a-z_.-]+", name), f"the name {name!r}")
            t.check(re.fullmatch(r"[ -~]*", value), f"the value {value!r}")


@row("metadata", "1.2/deadline", "grpc-timeout of 100 ms on a call that waits", "DEADLINE_EXCEEDED about then",
     "1.4/deadline", "9/7")
def _(t):
    client = t.client()
    start = time.monotonic()
    answer = client.finish(client.open(grpc.DUPLEX, grpc_timeout="100m"))
    t.status(answer, grpc.DEADLINE_EXCEEDED, trailers_only=True)
    t.check(time.monotonic() - start > 0.09, "too early")
    client.conn.wait(lambda: answer.reset is not None, "RST_STREAM behind it")


@row("metadata", "1.2/server", "the server names itself (A8: should)", "a server field, or none (noted)")
def _(t):
    answer = t.client().call()
    t.note(f"server: {answer.head.get('server')}")
