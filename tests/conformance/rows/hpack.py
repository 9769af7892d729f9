"""RFC 7541: every representation a client may use, and what must be a decoding error."""

from kit import grpc
from kit.harness import ends, row
from kit.wire import (COMPRESSION_ERROR, CONT, DATA, END_HEADERS, END_STREAM, HEADERS, TABLE_SIZE, block, frame, integer,
                      literal, settings)

EH, ES = END_HEADERS, END_STREAM
CALL = block(grpc.fields())
SERVED = "the call is answered"
FORMS = (("with incremental indexing", 0x40, 6), ("without indexing", 0x00, 4), ("never indexed", 0x10, 4))


def serve(t, data, c=None):
    c = c or t.conn()
    stream = c.new_id()
    c.frame(HEADERS, EH, stream, data)
    c.frame(DATA, ES, stream, grpc.message())
    t.status(grpc.Client(c).finish(grpc.Answer(c, stream)), grpc.OK)
    return c


def broken(name, title, *blocks, refs=()):
    ends(name, title, (COMPRESSION_ERROR,), *(frame(HEADERS, EH | ES, 1, data) for data in blocks), group="hpack",
         refs=refs)


def forms():
    for n, (text, first, bits) in enumerate(FORMS):
        for k, huffman in enumerate((False, True)):
            for index in (True, False):
                name = f"hpack/{1 + n * 4 + k * 2 + (not index)}"

                def run(t, first=first, bits=bits, huffman=huffman, index=index):
                    # 58 is user-agent in the static table
                    field = literal(58 if index else "x-test", "value of it", first, bits, huffman)
                    serve(t, CALL + field)
                row("hpack", name, f"literal {text}, {'indexed' if index else 'new'} name"
                    f"{', Huffman' if huffman else ''}", SERVED)(run)


forms()


@row("hpack", "hpack/13", "indexed fields of the static table", SERVED)
def _(t):
    # 3 :method POST, 6 :scheme http; the others by name
    t_scheme = 7 if t.servers.tls_everywhere else 6
    data = b"\x83" + integer(t_scheme, 7, 0x80) + literal(4, grpc.EMPTY, 0x40, 6) + literal(1, "localhost", 0x40, 6)
    serve(t, data + literal("te", "trailers", 0x40, 6) + literal(31, "application/grpc", 0x40, 6))


@row("hpack", "hpack/14", "the second call made of indices only", SERVED)
def _(t):
    c = t.conn()
    data = b"\x83" + integer(7 if t.servers.tls_everywhere else 6, 7, 0x80)
    own = [literal(4, grpc.EMPTY, 0x40, 6), literal(1, "localhost", 0x40, 6), literal("te", "trailers", 0x40, 6),
           literal(31, "application/grpc", 0x40, 6, True)]
    serve(t, data + b"".join(own), c)
    serve(t, data + bytes([0xc1, 0xc0, 0xbf, 0xbe]), c)  # 65 64 63 62


@row("hpack", "hpack/15", "a size update at the beginning, and two of them", SERVED)
def _(t):
    c = serve(t, integer(0, 5, 0x20) + CALL)
    serve(t, integer(1024, 5, 0x20) + integer(4096, 5, 0x20) + CALL, c)


@row("hpack", "hpack/16", "a field larger than the whole table", "the table is empty then; " + SERVED)
def _(t):
    c = serve(t, CALL + literal("x-early", "1", 0x40, 6))
    serve(t, CALL + b"\xbe", c)
    serve(t, integer(64, 5, 0x20) + CALL + literal("x-big", "v" * 100, 0x40, 6), c)
    c.frame(HEADERS, EH | ES, c.new_id(), CALL + b"\xbe")
    t.conn_error(c, COMPRESSION_ERROR)


@row("hpack", "hpack/17", "eviction: 200 fields through a table of 4096 octets",
     "the newest are found, the oldest not")
def _(t):
    c = t.conn()
    for i in range(20):
        serve(t, CALL + b"".join(literal(f"x-{i}-{k}", "v" * 20, 0x40, 6) for k in range(10)), c)
    serve(t, CALL + bytes([0x80 | 62]) + bytes([0x80 | 100]), c)
    c.frame(HEADERS, EH | ES, c.new_id(), CALL + integer(62 + 150, 7, 0x80))
    t.conn_error(c, COMPRESSION_ERROR)


@row("hpack", "hpack/18", "a size update in the middle of CONTINUATIONs' first octet", SERVED)
def _(t):
    c = t.conn()
    c.frame(HEADERS, 0, 1, integer(100, 5, 0x20))
    c.frame(CONT, EH, 1, CALL)
    c.frame(DATA, ES, 1, grpc.message())
    t.status(grpc.Client(c).finish(grpc.Answer(c, 1)), grpc.OK)


@row("hpack", "hpack/19", "integers with needless continuation octets", SERVED)
def _(t):
    serve(t, CALL + b"\x00\x06x-test" + b"\x7f\x80\x00" + b"v" * 127)


@row("hpack", "hpack/20", "an empty value, and one of 4000 octets in Huffman's code", SERVED)
def _(t):
    serve(t, CALL + literal("x-empty", "") + literal("x-long", "0" * 4000, huffman=True))


broken("7541-2.3.3/1", "an index beyond both tables", CALL + integer(70, 7, 0x80), CALL + integer(62, 7, 0x80),
       CALL + literal(62, "v"), CALL + integer(1 << 20, 7, 0x80))
broken("7541-4.2/1", "a size update at the end of a block", CALL + integer(1, 5, 0x20))
broken("7541-4.2/2", "a size update between fields", CALL[:14] + integer(1, 5, 0x20) + CALL[14:])
broken("7541-5.1/1", "an integer that overflows", CALL + b"\xff" + b"\xff" * 10 + b"\x7f",
       CALL + b"\x00\x7f" + b"\xff" * 6 + b"\x7f")
broken("7541-5.1/2", "an integer cut off", CALL + b"\xff", CALL + b"\xff\xff")
broken("7541-5.2/1", "Huffman: padding of more than 7 bits", CALL + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")
broken("7541-5.2/2", "Huffman: padded with zeros", CALL + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90")
broken("7541-5.2/3", "Huffman: the EOS symbol", CALL + b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f")
broken("7541-5.2/4", "a string longer than its block", CALL + b"\x00\x06x-test\x64short", CALL + b"\x00\x7fx")
broken("7541-6.1/1", "index 0", CALL + b"\x80", b"\x80")
broken("7541-6.3/1", "a size update above SETTINGS_HEADER_TABLE_SIZE", integer(4097, 5, 0x20) + CALL,
       integer(1 << 30, 5, 0x20) + CALL)


@row("hpack", "7541-6.3/2", "HEADER_TABLE_SIZE of the client raised to 65536, then lowered to 64",
     "the server's blocks stay decodable, with a size update")
def _(t):
    c = t.conn(pairs=((TABLE_SIZE, 65536),))
    for _ in range(3):
        t.alive(c)
    c.send(settings((TABLE_SIZE, 64)), "SETTINGS(HEADER_TABLE_SIZE 64)")
    c.wait(lambda: sum(f.kind == 4 and f.flags == 1 for f in c.frames) == 2, "the acknowledgement")
    c.decoder.max_allowed_table_size = 64
    for _ in range(3):
        t.alive(c)


@row("hpack", "7541-6.3/3", "HEADER_TABLE_SIZE 0 and 4096 in one SETTINGS", "the first block has both size updates")
def _(t):
    c = t.conn()
    t.alive(c)
    before = len(c.frames)
    c.send(settings((TABLE_SIZE, 0)) + settings((TABLE_SIZE, 4096)), "SETTINGS 0, SETTINGS 4096")
    c.wait(lambda: sum(f.kind == 4 and f.flags == 1 for f in c.frames) == 3, "the acknowledgements")
    t.alive(c)
    t.alive(c)
    opened = next(f for f in c.frames[before:] if f.kind == HEADERS).block
    t.check(opened.startswith(b"\x20"), f"the block begins with {opened[:4].hex()}")


@row("hpack", "hpack/21", "never-indexed request fields", "served; the literal is not in the table afterwards",
     "1.2/sensitive")
def _(t):
    c = serve(t, CALL + literal("authorization", "Bearer x", 0x10, 4))
    c.frame(HEADERS, EH | ES, c.new_id(), CALL + b"\xbe")
    t.conn_error(c, COMPRESSION_ERROR)
