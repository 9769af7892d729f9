"""An honest client, in a process of its own: calls at a steady rate on two connections, and how they fared. With TLS
each connection is made anew after some calls, because newcomers are whom an attack on handshakes hurts.

Paced, not as fast as it can: the machine's other work must not decide. A call that was not answered within a second is
lost, whatever happens to it later. Prints one JSON line per window asked for on standard input (seconds as text).
"""

import json
import select
import ssl
import sys
import time

import wire

RATE = 250  # calls a second
LOST_S = 1.0
CALLS_PER_TLS = 50


class Connection:
    def __init__(self, port, tls):
        self.port, self.tls, self.sock = port, tls, None
        self.pending, self.buf = {}, bytearray()

    def open(self):
        self.sock, self.early = wire.dial(self.port), None
        self.next_id, self.pending, self.buf = 1, {}, bytearray()
        if self.tls:
            self.sock.setblocking(False)
            self.sock, self.early = self.tls.wrap_socket(self.sock, do_handshake_on_connect=False), bytearray()
        self.send(wire.HELLO)
        self.shake_hands()

    def shake_hands(self):
        """Calls go on meanwhile: they wait in self.early."""
        if self.early is None:
            return
        try:
            self.sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        self.sock.settimeout(5)
        early, self.early = self.early, None
        self.send(early)

    def send(self, data):
        if self.early is None:
            self.sock.sendall(data)
        else:
            self.early += data

    def call(self, due):
        """One that should have been made at @due: what comes of waiting for a connection is counted."""
        if self.tls and self.sock and self.next_id > 2 * CALLS_PER_TLS and not self.pending:
            self.sock.close()
            self.sock = None
        if self.sock is None:
            self.open()
        i, self.next_id = self.next_id, self.next_id + 2
        self.pending[i] = due
        data = wire.frame(wire.HEADERS, wire.END_HEADERS, i, wire.CHECK)
        data += wire.frame(wire.DATA, wire.END_STREAM, i, wire.EMPTY_MESSAGE)
        if i % 1001 == 0:
            data += wire.window(0, 30000)
        self.send(data)

    def read(self, done):
        if self.early is not None:
            self.shake_hands()
            return
        got = self.sock.recv(65536)
        while self.tls and self.sock.pending():  # select does not see these
            got += self.sock.recv(65536)
        if not got:
            self.sock.close()
            self.sock = None
            return
        self.buf += got
        now = time.monotonic()
        for kind, flags, stream, _ in wire.frames(self.buf):
            if kind == wire.PING and not flags & wire.ACK:
                self.sock.sendall(wire.frame(wire.PING, wire.ACK, 0, _))
            elif kind in (wire.HEADERS, wire.RST) and (flags & wire.END_STREAM or kind == wire.RST):
                began = self.pending.pop(stream, None)
                if began is not None and kind == wire.HEADERS:
                    done.append(now - began)


def window(conns, seconds):
    done, sent, stall = [], 0, 0.0
    began = last = time.monotonic()
    while (now := time.monotonic()) - began < seconds + LOST_S:
        stall, last = max(stall, now - last), now
        while sent < (now - began) * RATE and now - began < seconds:
            try:
                conns[sent % len(conns)].call(began + sent / RATE)
            except OSError:
                conns[sent % len(conns)].sock = None
            sent += 1
        waiting = [c for c in conns if c.sock]
        if now - began >= seconds and not any(c.pending for c in waiting):
            break
        ready, _, _ = select.select([c.sock for c in waiting], [], [], 0.002)
        for c in waiting:
            if c.sock in ready:
                try:
                    c.read(done)
                except OSError:
                    c.sock = None
    stall = max(stall, now - last)
    for c in conns:
        c.pending.clear()
    done = sorted(d for d in done if d < LOST_S)
    sent = max(sent, int(seconds * RATE))  # what it did not come to, waiting for a connection, is lost too
    return {"sent": sent, "done": len(done), "p50_ms": round(done[len(done) // 2] * 1e3, 2) if done else None,
            "p99_ms": round(done[len(done) * 99 // 100] * 1e3, 2) if done else None, "stall_s": round(stall, 3)}


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def main():
    tls = tls_context() if sys.argv[2:] == ["tls"] else None
    conns = [Connection(int(sys.argv[1]), tls) for _ in range(2)]
    for c in conns if not tls else []:  # nobody would drive handshakes meanwhile
        c.open()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(window(conns, float(line))), flush=True)


main()
