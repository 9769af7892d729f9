"""grpc-server.md section 1.4: the shape of answers, and the ends of streams."""

import struct

from kit import grpc
from kit.harness import row
from kit.wire import (CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, NO_ERROR, RST, WINDOW, block,
                      frame)


def shape(answer):
    return [(f.kind, bool(f.flags & END_STREAM)) for f in answer.frames if f.kind in (DATA, HEADERS)]


@row("answers", "1.4/order", "calls that succeed", "HEADERS, DATA..., HEADERS(END_STREAM); END_STREAM never on DATA",
     "9/3", "9/4")
def _(t):
    client = t.client()
    answer = client.call(grpc.UNARY, grpc.simple_request(50000))
    t.status(answer, grpc.OK)
    kinds = shape(answer)
    t.same("the first frame", kinds[0], (HEADERS, False))
    t.same("the last frame", kinds[-1], (HEADERS, True))
    t.same("the frames between", set(kinds[1:-1]), {(DATA, False)})
    t.check(answer.reset is None, "RST_STREAM after both sides ended")
    t.check("grpc-status" not in answer.head, "grpc-status in the first HEADERS")


@row("answers", "1.4/trailers-only", "a call that fails before it sends", "one HEADERS with END_STREAM, HTTP 200",
     "9/2")
def _(t):
    client = t.client()
    for code in (1, 3, 5, 7, 9, 14, 16):
        answer = client.call(grpc.UNARY, grpc.simple_request(status=(code, "no")))
        t.status(answer, code, trailers_only=True)
        t.same("the message", answer.text, "no")
        t.check(answer.head.get("content-type", "").startswith("application/grpc"), "no content-type")
        t.check(answer.reset is None, "RST_STREAM after both sides ended")


@row("answers", "1.4/trailers-only-stream", "streaming calls that fail before they send",
     "one HEADERS with END_STREAM",
     "9/2")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    client.send(answer, grpc.message(grpc.output_request(status=(9, "no"))))
    client.finish(answer)
    t.status(answer, 9, trailers_only=True)
    client.conn.wait(lambda: answer.reset is not None, "RST_STREAM(NO_ERROR) behind it")
    t.same("RST_STREAM", answer.reset, NO_ERROR)
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(status=(9, "no"))), end=True)
    t.status(client.finish(answer), 9, trailers_only=True)


@row("answers", "1.4/late-headers", "a stream nobody has written to", "no HEADERS before the first message")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    t.alive(client.conn)
    t.check(not answer.blocks, "HEADERS came")
    client.send(answer, grpc.message(grpc.output_request(1)), end=True)
    t.status(client.finish(answer), grpc.OK)


@row("answers", "1.4/error-after-messages", "a stream that fails after a message",
     "HEADERS, DATA, HEADERS(END_STREAM) with the status")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    client.send(answer, grpc.message(grpc.output_request(10)))
    client.messages(answer, 1)
    client.send(answer, grpc.message(grpc.output_request(status=(10, "later"))))
    client.finish(answer)
    t.status(answer, 10)
    t.same("the frames", shape(answer), [(HEADERS, False), (DATA, False), (HEADERS, True)])


@row("answers", "1.4/early-end", "a stream ended by the server first",
     "END_STREAM, then RST_STREAM(NO_ERROR), in this order; trailers are not lost", "9/4")
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    client.send(answer, grpc.message(grpc.output_request(status=(5, "gone"))))
    client.conn.wait(lambda: answer.reset is not None, "RST_STREAM")
    kinds = [f.kind for f in answer.frames]
    t.check(kinds.index(RST) == len(kinds) - 1 and answer.end, f"the frames are {answer}")
    t.same("RST_STREAM", answer.reset, NO_ERROR)
    t.status(answer, 5)


@row("answers", "1.4/unary-waits", "a unary message without END_STREAM", "not answered before END_STREAM comes",
     "1.4/early-end")
def _(t):
    client = t.client()
    answer = client.open()
    client.send(answer, grpc.message())
    client.conn.ping()
    t.alive(client.conn)
    if answer.blocks:
        t.note("answered before END_STREAM: legal, but it races")
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)


@row("answers", "1.4/deadline-nothing-sent", "the deadline passes before anything was sent",
     "DEADLINE_EXCEEDED, Trailers-Only, or RST_STREAM(CANCEL)")
def _(t):
    client = t.client()
    answer = client.finish(client.open(grpc.DUPLEX, grpc_timeout="50m"))
    if answer.end:
        t.status(answer, grpc.DEADLINE_EXCEEDED, trailers_only=True)
    else:
        t.same("RST_STREAM", answer.reset, CANCEL)
    t.alive(client.conn)


@row("answers", "1.4/deadline-between", "the deadline passes between messages",
     "DEADLINE_EXCEEDED in trailers, or RST_STREAM(CANCEL)", "9/7")
def _(t):
    client = t.client()
    answer = client.open(grpc.OUTPUT, grpc_timeout="300m")
    client.send(answer, grpc.message(grpc.output_request(5, 5, 5, interval_us=200000) + grpc.pb(
        (2, grpc.pb((1, 5), (2, 30_000_000))))), end=True)
    client.finish(answer)
    if answer.end:
        t.same("grpc-status", answer.status, grpc.DEADLINE_EXCEEDED)
    else:
        t.same("RST_STREAM", answer.reset, CANCEL)
    t.alive(client.conn)


@row("answers", "1.4/deadline-unread", "the deadline passes while the client's window is shut", "RST_STREAM(CANCEL)",
     "9/7", "9/13")
def _(t):
    client = t.client(credit=False, pairs=((INITIAL_WINDOW, 10),))
    answer = client.open(grpc.OUTPUT, grpc_timeout="300m")
    client.send(answer, grpc.message(grpc.output_request(50000)), end=True)
    client.finish(answer)
    t.check(answer.reset is not None, "trailers overtook the data")
    t.same("RST_STREAM", answer.reset, CANCEL)
    client.conn.send(b"\0\0\4\x08\0\0\0\0\0\0\x0f\0\0")
    t.check(client.finish(client.open("/no.Such/Method", end=True)).status == grpc.UNIMPLEMENTED, "the connection hangs")


@row("answers", "1.4/client-cancel", "RST_STREAM from the client, with every code",
     "nothing more on that stream; the connection lives",
     "9/7", "9/19")
def _(t):
    client = t.client()
    for code in range(0, 15):
        answer = client.open(grpc.OUTPUT)
        client.send(answer, grpc.message(grpc.output_request(1, 1, 1, interval_us=20000)), end=True)
        client.messages(answer, 1)
        client.conn.frame(RST, 0, answer.stream, struct.pack(">I", code))
        t.alive(client.conn)
        before = len(answer.frames)
        t.alive(client.conn)
        t.same("frames that came later", len(answer.frames), before)


@row("answers", "1.4/client-cancel-early", "RST_STREAM right behind HEADERS, behind DATA, a hundred times",
     "the connection lives",
     "9/7")
def _(t):
    client = t.client()
    for i in range(100):
        answer = client.open(grpc.UNARY)
        if i % 2:
            client.send(answer, grpc.message(grpc.simple_request(100)), end=i % 4 == 1)
        client.conn.frame(RST, 0, answer.stream, struct.pack(">I", CANCEL))
    t.ignored(client.conn)


@row("answers", "1.4/connection-lost", "connections cut in the middle of calls", "the server lives", "9/19")
def _(t):
    for _ in range(10):
        client = t.client()
        answer = client.open(grpc.DUPLEX)
        client.send(answer, grpc.message(grpc.output_request(100000)))
        client.open(grpc.OUTPUT)
        client.messages(answer, 0)
        client.conn.close()
    t.alive(t.conn())


@row("answers", "1.4/http-status", "every gRPC status of a handler", "HTTP 200: never derived from the gRPC code")
def _(t):
    client = t.client()
    for code in range(17):
        answer = client.call(grpc.UNARY, grpc.simple_request(status=(code, "x")) if code else grpc.simple_request(1))
        t.status(answer, code)


@row("answers", "1.4/odd-status", "a handler that asks for a code gRPC does not have",
     "UNKNOWN or that number; the server lives")
def _(t):
    client = t.client()
    for code in (17, 99, 2147483647):
        answer = client.call(grpc.UNARY, grpc.simple_request(status=(code, "x")))
        t.check(answer.status is not None and answer.status != grpc.OK, f"answered {answer}")
    t.alive(client.conn)


@row("answers", "1.4/back-pressure", "a reply of 100 messages of 10 kB, read a window at a time",
     "no more than the windows allow, then all of it", "9/12")
def _(t):
    client = t.client(credit=False)
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(*[10000] * 100)), end=True)
    client.conn.wait(lambda: len(answer.data) == 65535, "the first window")
    client.conn.ping()
    t.same("the octets within the window", len(answer.data), 65535)
    while not answer.end:
        got = len(answer.data)
        more = struct.pack(">I", 65535)
        client.conn.send(b"\0\0\4\x08\0\0\0\0\0" + more + b"\0\0\4\x08\0" + struct.pack(">I", answer.stream) + more,
                         "WINDOW_UPDATE")
        client.conn.wait(lambda: len(answer.data) > got or answer.end, "more")
    t.status(answer, grpc.OK)
    t.same("the messages", len(answer.messages), 100)


@row("answers", "1.4/large-messages", "streamed messages larger than what may be queued, alone and behind another",
     "all of them, OK: one message has no limit but the method's", "9/12")
def _(t):
    client = t.client()
    for sizes in ((1048600,), (4000000,), (200000, 900000)):
        answer = client.open(grpc.OUTPUT)
        client.send(answer, grpc.message(grpc.output_request(*sizes)), end=True)
        t.status(client.finish(answer), grpc.OK)
        t.same("the payloads", tuple(len(grpc.payload(body)) for _, body in answer.messages), sizes)


@row("answers", "1.4/large-messages-slowly", "three messages of 1 MB, the window shut 5 kB before the first one's end",
     "none is made before the one in front has left: all of them, OK", "9/12")
def _(t):
    first = 1000000 - 5000
    client = t.client(credit=False, pairs=((INITIAL_WINDOW, first),))
    client.conn.frame(WINDOW, 0, 0, struct.pack(">I", 10_000_000))
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(1000000, 1000000, 1000000)), end=True)
    client.conn.wait(lambda: len(answer.data) == first, "the first window")
    t.alive(client.conn)
    client.conn.frame(WINDOW, 0, answer.stream, struct.pack(">I", 10_000_000))
    t.status(client.finish(answer), grpc.OK)
    t.same("the messages", len(answer.messages), 3)


@row("answers", "1.4/interleaved", "a hundred calls at once, bodies interleaved", "each gets its own reply", "9/10")
def _(t):
    client = t.client()
    answers = [client.open(grpc.UNARY) for _ in range(100)]
    bodies = [grpc.message(grpc.simple_request(i + 1)) for i in range(100)]
    for answer, body in zip(answers, bodies):
        client.send(answer, body[:4])
    for answer, body in reversed(list(zip(answers, bodies))):
        client.send(answer, body[4:], end=True)
    for i, answer in enumerate(answers):
        t.status(client.finish(answer), grpc.OK)
        t.same("the payload", len(grpc.payload(answer.messages[0][1])), i + 1)


@row("answers", "1.4/half-duplex", "HalfDuplexCall: three messages, then END_STREAM", "three answers afterwards")
def _(t):
    client = t.client()
    answer = client.open(grpc.HALF)
    for size in (1, 2, 3):
        client.send(answer, grpc.message(grpc.output_request(size)), end=size == 3)
    client.finish(answer)
    if answer.status == grpc.UNIMPLEMENTED:
        t.note("this server has no HalfDuplexCall")
        return
    t.status(answer, grpc.OK)
    t.same("the payloads", [len(grpc.payload(m)) for _, m in answer.messages], [1, 2, 3])


@row("answers", "9/13", "60 small replies asked for in one write",
     "they come in far fewer segments than replies (noted)")
def _(t):
    client = t.client()
    client.conn.greeted()
    data, answers = b"", []
    for _ in range(60):
        stream = client.conn.new_id()
        data += frame(HEADERS, END_HEADERS, stream, block(grpc.fields())) + frame(DATA, END_STREAM, stream, grpc.message())
        answers.append(grpc.Answer(client.conn, stream))
    client.conn.send(data, "60 calls")
    reads = 0
    while not all(a.end for a in answers):
        reads += client.conn.read(10)
        t.check(not client.conn.closed, "closed")
    t.note(f"60 replies in {reads} reads")
    t.check(reads <= 60, "one segment a frame")


@row("answers", "1.4/window-update-data", "WINDOW_UPDATE on a stream that ended meanwhile", "ignored")
def _(t):
    client = t.client()
    answer = client.call()
    client.conn.frame(WINDOW, 0, answer.stream, struct.pack(">I", 1000))
    t.ignored(client.conn)
