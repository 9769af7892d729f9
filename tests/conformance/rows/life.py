"""grpc-server.md sections 1.6 and 8.4: keepalive, idle and old connections, drain. Each row's server has the flags
that make it happen soon; times are only ever waited for, with lower bounds where "not before" is the obligation."""

import time

from kit import grpc
from kit.harness import row
from kit.wire import ACK, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, NO_ERROR, PING, PREFACE, REFUSED_STREAM, RST, SETTINGS

LAST = 0x7fffffff


def graceful(t, c, debug):
    """GOAWAY(2^31-1, NO_ERROR), PING, and after its answer GOAWAY(last id): the two-step."""
    c.wait(lambda: c.count(GOAWAY) >= 2, "two GOAWAYs")
    first, second = [f for f in c.frames if f.kind == GOAWAY][:2]
    t.same("the first GOAWAY's last id", first.last_id, LAST)
    t.same("the codes", (first.code, second.code), (NO_ERROR, NO_ERROR))
    ping = next((f for f in c.frames if f.kind == PING and not f.flags & ACK), None)
    t.check(ping and c.frames.index(first) < c.frames.index(ping) < c.frames.index(second), "no PING between them")
    t.check(second.last_id < LAST, "the second names no stream")
    if debug:
        t.check(debug in (first.payload[8:].decode(), second.payload[8:].decode()),
                f"the debug data are {first.payload[8:]!r}, {second.payload[8:]!r}")
    return second.last_id


def answered(t, c):
    t.alive(c)
    return c


@row("life", "1.6/idle", "no streams for 300 ms at --idle-timeout-ms=300", "two-step GOAWAY, debug max_idle, closed",
     slow=True)
def _(t):
    c = answered(t, t.conn(t.server("--set=idle-timeout-ms=300")))
    start = time.monotonic()
    t.same("the last id", graceful(t, c, "max_idle"), 1)
    t.check(time.monotonic() - start > 0.2, "too early")
    c.until_closed()


@row("life", "1.6/idle-stream", "a stream open for longer than --idle-timeout-ms=300", "no GOAWAY before it ends",
     slow=True)
def _(t):
    client = t.client(t.server("--set=idle-timeout-ms=300"))
    answer = client.open(grpc.OUTPUT)
    client.send(answer, grpc.message(grpc.output_request(1, 1, interval_us=500000)), end=True)
    t.status(client.finish(answer), grpc.OK)
    ended = len(client.conn.frames)
    t.check(not any(f.kind == GOAWAY for f in client.conn.frames[:ended]), "GOAWAY during the call")
    graceful(t, client.conn, "max_idle")


@row("life", "1.6/idle-never-used", "a connection without any stream at --idle-timeout-ms=300", "GOAWAY as well",
     slow=True)
def _(t):
    c = t.conn(t.server("--set=idle-timeout-ms=300"))
    graceful(t, c, "max_idle")
    c.until_closed()


@row("life", "1.6/age", "--age-max-ms=600 with calls going on", "two-step GOAWAY, debug max_age; calls finish",
     slow=True)
def _(t):
    client = t.client(t.server("--set=age-max-ms=600", "--set=age-grace-ms=60000"))
    answer = client.open(grpc.DUPLEX)
    start = time.monotonic()
    t.same("the last id", graceful(t, client.conn, "max_age"), answer.stream)
    t.check(time.monotonic() - start > 0.4, "before nine tenths of the age")
    client.send(answer, grpc.message(grpc.output_request(9)), end=True)
    t.status(client.finish(answer), grpc.OK)
    client.conn.until_closed()


@row("life", "1.6/age-grace", "--age-max-ms=300 --age-grace-ms=500, a call that does not end", "closed by force",
     slow=True)
def _(t):
    client = t.client(t.server("--set=age-max-ms=300", "--set=age-grace-ms=500"))
    answer = client.open(grpc.DUPLEX)
    graceful(t, client.conn, "max_age")
    client.conn.until_closed()
    t.check(not (answer.end and answer.status == grpc.OK), "the call ended well")


@row("life", "1.6/goaway-refuses", "three streams opened after the second GOAWAY",
     "REFUSED_STREAM for each; the older call finishes",
     "1.1/15", slow=True)
def _(t):
    client = t.client(t.server("--set=age-max-ms=600", "--set=age-grace-ms=60000"))
    answer = client.open(grpc.DUPLEX)
    graceful(t, client.conn, None)
    late = [client.open(grpc.EMPTY, end=True) for _ in range(3)]
    client.conn.ping()
    client.send(answer, grpc.message(grpc.output_request(9)), end=True)
    t.status(client.finish(answer), grpc.OK)
    t.check(not any(one.blocks for one in late), "a late stream was answered")
    t.same("RST_STREAM of the late streams", [one.reset for one in late], [REFUSED_STREAM] * 3)


@row("life", "1.6/goaway-between", "a stream opened between the two GOAWAYs", "served", slow=True)
def _(t):
    client = t.client(t.server("--set=age-max-ms=400", "--set=age-grace-ms=60000"), pong=False)
    c = client.conn
    held = client.open(grpc.DUPLEX)
    c.wait(lambda: c.find(GOAWAY), "the first GOAWAY")
    answer = client.open()
    client.send(answer, grpc.message(), end=True)
    t.status(client.finish(answer), grpc.OK)
    c.wait(lambda: c.count(GOAWAY) == 2, "the second GOAWAY though the PING is not answered")
    client.send(held, b"", end=True)
    t.status(client.finish(held), grpc.OK)


@row("life", "1.6/keepalive", "--keepalive-time-ms=300 --keepalive-timeout-ms=300, a silent client",
     "PING from the server; closed when no answer comes", slow=True)
def _(t):
    c = t.conn(t.server("--set=keepalive-time-ms=300", "--set=keepalive-timeout-ms=300"), pong=False)
    c.wait(lambda: c.find(PING, flags=0), "the server's PING")
    c.until_closed()


@row("life", "1.6/keepalive-alive", "the same, and the client answers", "the connection stays", slow=True)
def _(t):
    c = t.conn(t.server("--set=keepalive-time-ms=300", "--set=keepalive-timeout-ms=300"))
    c.wait(lambda: sum(f.kind == PING and not f.flags for f in c.frames) >= 4, "four PINGs")
    t.alive(c)


@row("life", "1.6/keepalive-calls", "the same with a call open and no answer", "closed: the call is lost", slow=True)
def _(t):
    client = t.client(t.server("--set=keepalive-time-ms=300", "--set=keepalive-timeout-ms=300"), pong=False)
    client.open(grpc.DUPLEX)
    client.conn.until_closed()


@row("life", "1.6/strikes", "PINGs in a row without calls (A8)",
     "two strikes answered, then GOAWAY(ENHANCE_YOUR_CALM, \"too_many_pings\"), closed at once", "9/15",
     "4.1/ping-flood")
def _(t):
    c = t.conn()
    for i in range(6):
        c.frame(PING, 0, 0, b"strike %d" % i)
    c.wait(lambda: c.find(GOAWAY), "GOAWAY")
    t.same("GOAWAY", c.find(GOAWAY).code, ENHANCE_YOUR_CALM)
    t.same("its debug data", c.find(GOAWAY).payload[8:], b"too_many_pings")
    c.until_closed()


@row("life", "1.6/strikes-reset", "PINGs, each behind a reply", "no strike: 20 of them are answered", "9/15")
def _(t):
    c = t.conn()
    for i in range(20):
        c.ping(b"ping %03d" % i)
        t.alive(c)


@row("life", "1.6/strikes-data", "a stream that gets DATA now and then, PINGs between", "no strike", "9/15",
     slow=True)
def _(t):
    client = t.client()
    answer = client.open(grpc.DUPLEX)
    for i in range(10):
        client.send(answer, grpc.message(grpc.output_request(1)))
        client.messages(answer, i + 1)
        client.conn.ping(b"ping %03d" % i)
    client.send(answer, b"", end=True)
    t.status(client.finish(answer), grpc.OK)


@row("life", "1.6/strikes-calls", "PINGs faster than permitted while a silent call is open",
     "GOAWAY(ENHANCE_YOUR_CALM, \"too_many_pings\")", "9/15")
def _(t):
    client = t.client()
    client.open(grpc.DUPLEX)
    for i in range(6):
        client.conn.frame(PING, 0, 0, b"strike %d" % i)
    c = client.conn
    c.wait(lambda: c.find(GOAWAY), "GOAWAY")
    t.same("its debug data", c.find(GOAWAY).payload[8:], b"too_many_pings")


@row("life", "1.6/strikes-permitted", "PINGs with calls, slower than --ping-interval-min-ms=100", "no strike",
     slow=True)
def _(t):
    client = t.client(t.server("--set=ping-interval-min-ms=100"))
    client.open(grpc.DUPLEX)
    for i in range(8):
        client.conn.ping(b"ping %03d" % i)
        time.sleep(0.15)
    t.alive(client.conn)


@row("life", "1.6/preface-timeout", "a peer that says nothing, half a preface, a preface without SETTINGS",
     "closed after --preface-timeout-ms=400", "9/14", slow=True)
def _(t):
    server = t.server("--set=preface-timeout-ms=400")
    conns = []
    for data in (b"", PREFACE[:10], PREFACE, PREFACE + b"\0\0\0\4"):
        conns.append(t.conn(server, greet=False))
        if data:
            conns[-1].send(data)
    for c in conns:
        c.until_closed()


@row("life", "1.6/tcp-probe", "connect and close, two hundred times", "the server lives")
def _(t):
    for _ in range(200):
        t.conn(greet=False).close()
    t.alive(t.conn())


@row("life", "1.6/drain", "SIGTERM with a call open",
     "two-step GOAWAY; the call finishes; the connection is closed; the process ends with status 0", "9/14", "8.4/drain",
     slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    server = t.servers.fresh()
    idle, client = t.conn(server), t.client(server)
    t.alive(idle)
    answer = client.open(grpc.DUPLEX)
    client.send(answer, grpc.message(grpc.output_request(1)))
    client.messages(answer, 1)
    server.terminate()
    t.same("the last id", graceful(t, client.conn, None), answer.stream)
    client.send(answer, grpc.message(grpc.output_request(2)), end=True)
    t.status(client.finish(answer), grpc.OK)
    for c in (client.conn, idle):
        c.until_closed()
    t.same("the exit status", server.process.wait(15), 0)


@row("life", "1.6/drain-watch", "SIGTERM while Health/Watch is open",
     "NOT_SERVING, then the stream is ended by the server",
     "9/14", "1.7/shutdown", slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    server = t.servers.fresh()
    client = t.client(server)
    answer = client.open("/grpc.health.v1.Health/Watch")
    client.send(answer, grpc.message(), end=True)
    client.messages(answer, 1)
    server.terminate()
    client.finish(answer)
    t.same("the last health", grpc.first(answer.messages[-1][1], 1, 0), 2)
    t.one_of("grpc-status", answer.status, (grpc.UNAVAILABLE, grpc.OK))
    client.conn.until_closed()
    t.same("the exit status", server.process.wait(15), 0)


@row("life", "1.6/drain-grace", "SIGTERM, a call that does not end, --drain-grace-ms=500",
     "UNAVAILABLE (Trailers-Only, nothing was sent), or RST_STREAM(CANCEL); the process ends", "1.4/shutdown",
     "8.4/drain", slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    server = t.servers.fresh("--drain-grace-ms=500")
    client = t.client(server)
    answer = client.open(grpc.DUPLEX)
    t.alive(client.conn)
    server.terminate()
    client.finish(answer)
    if answer.end:
        t.status(answer, grpc.UNAVAILABLE, trailers_only=True)
    else:
        t.same("RST_STREAM", answer.reset, 8)
    client.conn.until_closed()
    t.same("the exit status", server.process.wait(15), 0)


@row("life", "1.6/drain-handshake", "SIGTERM while a peer has connected and says nothing",
     "drain does not hang on it",
     "9/14", slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    server = t.servers.fresh("--drain-grace-ms=60000", "--set=preface-timeout-ms=1000")
    silent = t.conn(server, greet=False)
    t.alive(t.conn(server))
    server.terminate()
    silent.until_closed()
    t.same("the exit status", server.process.wait(15), 0)


@row("life", "1.6/lame-duck", "SIGTERM with --lame-duck-ms=700",
     "new connections are still served meanwhile; health says NOT_SERVING",
     "8.4/drain", slow=True)
def _(t):
    if not t.servers.is_ours:
        return t.note("not asked of this server")
    server = t.servers.fresh("--lame-duck-ms=700")
    t.alive(t.conn(server))
    server.terminate()
    client = t.client(server)
    end = time.monotonic() + 5
    while True:  # the signal takes its time to arrive
        answer = client.call("/grpc.health.v1.Health/Check")
        if answer.status == grpc.OK and grpc.first(answer.messages[0][1], 1, 0) == 2:
            break
        t.check(time.monotonic() < end, f"still SERVING: {answer}")
    t.alive(client.conn)
    client.conn.until_closed()
    t.same("the exit status", server.process.wait(15), 0)


@row("life", "1.6/conns-max", "one connection more than --conns-max=3, each of which has a call",
     "it waits; served when another closes", slow=True)
def _(t):
    server = t.server("--set=conns-max=3")
    held = []
    for _ in range(3):  # idle ones would be closed to make room: conns-soft
        held.append(t.client(server))
        answer = held[-1].open(grpc.DUPLEX)
        held[-1].send(answer, grpc.message(grpc.output_request(1)))
        held[-1].messages(answer, 1)
    late = t.conn(server)
    late.read(0.5)
    t.check(not late.find(SETTINGS) and not late.find(HEADERS), "served above the limit")
    held[0].conn.close()
    t.alive(late)


@row("life", "1.6/conns-soft", "one connection more than --conns-soft-max=3", "the one idle for longest gets GOAWAY",
     slow=True)
def _(t):
    server = t.server("--set=conns-soft-max=3")
    conns = []
    for _ in range(4):
        conns.append(answered(t, t.conn(server)))
        time.sleep(0.05)
    conns[0].wait(lambda: conns[0].find(GOAWAY), "GOAWAY on the oldest")
    t.same("its code", conns[0].find(GOAWAY).code, NO_ERROR)
    t.alive(conns[3])


@row("life", "1.6/conns-address", "a third connection at --conns-per-address-max=2",
     "refused: closed, the others live", slow=True)
def _(t):
    server = t.server("--set=conns-per-address-max=2")
    held = [answered(t, t.conn(server)) for _ in range(2)]
    third = t.conn(server)
    third.until_closed()
    t.check(not third.find(HEADERS), "it was served")
    t.alive(held[0])
    t.check(not any(c.find(RST) for c in held), "RST_STREAM on another connection")
