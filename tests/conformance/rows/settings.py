"""RFC 9113 section 6.5: SETTINGS, what ours say, and that theirs are kept."""

from kit import grpc
from kit.harness import ends, row
from kit.wire import (ACK, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_MAX, FRAME_SIZE_ERROR,
                      GOAWAY, HEADER_LIST_MAX, HEADERS, INITIAL_WINDOW, NO_PRIORITIES, PREFACE, PROTOCOL_ERROR, SETTINGS,
                      STREAMS_MAX, TABLE_SIZE, block, frame, settings)


ends("6.5/1", "SETTINGS ACK with a payload", (FRAME_SIZE_ERROR,), frame(SETTINGS, ACK, 0, b"\0" * 6))
ends("6.5/2", "SETTINGS on stream 1", (PROTOCOL_ERROR,), frame(SETTINGS, 0, 1, b"\0\x03\0\0\0\x64"))
ends("6.5/3", "SETTINGS of three and of seven octets", (FRAME_SIZE_ERROR,), frame(SETTINGS, 0, 0, b"\0" * 3),
     frame(SETTINGS, 0, 0, b"\0" * 7))
ends("6.5.2/1", "ENABLE_PUSH neither 0 nor 1", (PROTOCOL_ERROR,), settings((ENABLE_PUSH, 2)),
     settings((ENABLE_PUSH, 0xffffffff)))
ends("6.5.2/2", "INITIAL_WINDOW_SIZE above 2^31-1", (FLOW_CONTROL_ERROR,), settings((INITIAL_WINDOW, 1 << 31)),
     refs=["6.9.2/3"])
ends("6.5.2/3", "MAX_FRAME_SIZE below 16384", (PROTOCOL_ERROR,), settings((FRAME_MAX, 16383)), settings((FRAME_MAX, 0)))
ends("6.5.2/4", "MAX_FRAME_SIZE above 2^24-1", (PROTOCOL_ERROR,), settings((FRAME_MAX, 1 << 24)),
     settings((FRAME_MAX, 0xffffffff)))
ends("6.5.2/5", "SETTINGS_NO_RFC7540_PRIORITIES of 2 (RFC 9218)", (PROTOCOL_ERROR,), settings((NO_PRIORITIES, 2)))


@row("frames", "6.5.2/6", "unknown settings, also gRPC's 0xfe03", "acknowledged, ignored", "1.2/true-binary")
def _(t):
    c = t.conn(pairs=((0xfe03, 1), (0xff, 7), (0, 0), (0xffff, 0xffffffff)))
    c.wait(lambda: c.find(SETTINGS, flags=ACK), "the acknowledgement")
    t.ignored(c)


@row("frames", "6.5.2/7", "what the server's SETTINGS say",
     "finite MAX_CONCURRENT_STREAMS 100..256, header list 8 KiB, no priorities", "4.2/settings", "9/10", "1.6/A105",
     "4.1/resource-loop")
def _(t):
    c = t.conn()
    c.greeted()
    said = c.settings
    t.note(f"SETTINGS {said}")
    t.check(100 <= said.get(STREAMS_MAX, 1 << 31) <= 256, f"MAX_CONCURRENT_STREAMS {said.get(STREAMS_MAX)}")
    t.check(8192 <= said.get(HEADER_LIST_MAX, 1 << 31) <= 16384, f"MAX_HEADER_LIST_SIZE {said.get(HEADER_LIST_MAX)}")
    t.check(said.get(INITIAL_WINDOW, 65535) >= 65535, f"INITIAL_WINDOW_SIZE {said.get(INITIAL_WINDOW)}")
    t.same("MAX_FRAME_SIZE", said.get(FRAME_MAX, 16384), 16384)
    t.same("NO_RFC7540_PRIORITIES", said.get(NO_PRIORITIES), 1)
    t.check(ENABLE_PUSH not in said or said[ENABLE_PUSH] == 0, "a server may not enable push")


@row("frames", "6.5.3/1", "INITIAL_WINDOW_SIZE twice in one SETTINGS", "the last value counts")
def _(t):
    c = t.conn(pairs=((INITIAL_WINDOW, 100), (INITIAL_WINDOW, 1)), credit=False)
    client = grpc.Client(c)
    answer = client.open(grpc.UNARY)
    client.send(answer, grpc.message(grpc.simple_request(50)), end=True)
    c.wait(lambda: answer.data, "DATA")
    c.ping()
    t.same("the octets that came", len(answer.data), 1)


@row("frames", "6.5.3/2", "three SETTINGS", "three acknowledgements")
def _(t):
    c = t.conn()
    c.send(settings((TABLE_SIZE, 100)) + settings())
    c.wait(lambda: sum(f.kind == SETTINGS and f.flags & ACK for f in c.frames) == 3, "three acknowledgements")


@row("frames", "6.5.3/3", "ACK for SETTINGS that were never sent",
     "ignored, or GOAWAY(PROTOCOL_ERROR): RFC 9113 leaves it open")
def _(t):
    c = t.conn()
    c.greeted()
    c.frame(SETTINGS, ACK)
    c.frame(SETTINGS, ACK)
    answer = grpc.Client(c).open(end=True)
    c.wait(lambda: answer.end or c.find(GOAWAY), "an answer")
    if c.find(GOAWAY):
        t.conn_error(c, PROTOCOL_ERROR)


@row("frames", "6.5.2/8", "HEADER_TABLE_SIZE 0, as nginx sends it",
     "the server's next block opens with a size update and uses no table", "grpc-server 3.1")
def _(t):
    c = t.conn()
    t.alive(c)
    c.send(settings((TABLE_SIZE, 0)), "SETTINGS(HEADER_TABLE_SIZE 0)")
    before = sum(f.kind == SETTINGS and bool(f.flags & ACK) for f in c.frames)
    c.wait(lambda: sum(f.kind == SETTINGS and bool(f.flags & ACK) for f in c.frames) > min(before, 1), "ACK")
    c.decoder.max_allowed_table_size = 0
    for _ in range(3):
        t.alive(c)
    blocks = [f.block for f in c.frames if f.kind == HEADERS][-6:]
    t.same("the first octet of the next block", blocks[0][0], 0x20)


@row("frames", "6.5.2/9", "MAX_FRAME_SIZE 65536 allowed by the client", "frames of at most that size")
def _(t):
    c = t.conn(pairs=((FRAME_MAX, 65536), (INITIAL_WINDOW, 1 << 20)))
    client = grpc.Client(c)
    answer = client.call(grpc.UNARY, grpc.simple_request(200000))
    t.status(answer, grpc.OK)
    t.check(max(len(f.payload) for f in answer.frames) <= 65536, "a larger frame")


@row("frames", "6.5.2/10", "MAX_CONCURRENT_STREAMS 0 from the client (it binds only pushes)", "calls are answered")
def _(t):
    t.alive(t.conn(pairs=((STREAMS_MAX, 0), (ENABLE_PUSH, 0))))


@row("frames", "6.5.2/11", "MAX_HEADER_LIST_SIZE 1024 from the client; a failure with a long message",
     "trailers within 1024 octets (section 1.2: details dropped, message cut), or RST_STREAM; never more",
     "1.2/header-list-to-peer")
def _(t):
    c = t.conn(pairs=((HEADER_LIST_MAX, 1024),))
    client = grpc.Client(c)
    answer = client.call(grpc.UNARY, grpc.simple_request(status=(grpc.ABORTED, "m" * 900)))
    sizes = [sum(len(n) + len(v) + 32 for n, v in b.fields) for b in answer.blocks]
    t.note(f"header lists of {sizes} octets, RST {answer.reset}")
    t.check(all(size <= 1024 for size in sizes), f"a header list of {max(sizes, default=0)} octets")
    if answer.reset is None:
        t.same("grpc-status", answer.status, grpc.ABORTED)


@row("frames", "6.5.2/12", "SETTINGS ENABLE_CONNECT_PROTOCOL 1 from a client (RFC 8441: ours to send)",
     "ignored: the next call is answered")
def _(t):
    t.alive(t.conn(pairs=((8, 1),)))


@row("frames", "6.5/4", "HEADERS split by a SETTINGS that changes the window between HEADERS and DATA",
     "the call is answered")
def _(t):
    c = t.conn(greet=False)
    c.send(PREFACE + settings() + frame(HEADERS, END_HEADERS, 1, block(grpc.fields())) +
           settings((INITIAL_WINDOW, 1 << 16)) + frame(DATA, END_STREAM, 1, grpc.message()))
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)
