"""Which obligations there are, and that each has a row. run is the caller.

What must stay true: an obligation of grpc-server.md that can be seen on the wire is listed here by the name its rows
give; what cannot be seen is listed in the README with where it is tested instead."""

INTAKE = [f"1.1/{n}" for n in range(1, 19)]
HEADERS = ["1.2/" + n for n in (
    "grpc-timeout", "no-timeout", "reserved", "charset", "ascii-in", "bin", "repeated", "grpc-status", "grpc-message",
    "grpc-status-details-bin", "header-list-to-peer", "content-type", "true-binary")]
MESSAGES = ["1.3/" + n for n in (
    "flags", "split", "many", "empty", "none", "end-stream", "truncated", "flag-no-encoding", "flag-unsupported",
    "gzip-in", "gzip-broken", "limit-prefix", "limit-inflated", "context", "response-gzip", "response-plain",
    "unparsable", "cardinality-0", "cardinality-2")]
ANSWERS = ["1.4/" + n for n in (
    "trailers-only", "late-headers", "order", "early-end", "deadline", "client-cancel", "connection-lost", "shutdown",
    "http-status")]
LIFE = ["1.6/" + n for n in (
    "strikes", "strikes-reset", "keepalive", "idle", "age", "age-grace", "goaway-refuses", "goaway-between",
    "preface-timeout", "conns-max", "conns-soft", "conns-address", "drain")]
ATTACKS = ["4.1/" + n for n in (
    "ping-flood", "settings-flood", "settings-large", "empty-data", "internal-buffering", "slow-read", "resource-loop",
    "zero-length-name", "rapid-reset", "continuation-flood", "hpack-bomb", "made-you-reset", "terminate",
    "window-update-flood", "smuggling", "path-confusion")]
USAGE = ["4.2/" + n for n in ("settings", "no-auto-window", "consume-closed", "after-terminate", "turns")]
TLS = ["4.4/" + n for n in ("versions", "ciphers-12", "ciphers-12-bad", "groups", "alpn-none", "alpn-http1",
                            "renegotiation", "early-data", "records")]
# Items 16, 20, 22 to 26 and 29, 30 of section 9 are not seen on the wire of one connection: README.md.
NAIVE = [f"9/{n}" for n in (*range(1, 16), 17, 18, 19, 21, 27, 28)]
# RFC 9113 and RFC 7541 by the sections of h2spec's cases, in today's numbering.
GENERIC = ["3.4/1", "4.1/1", "4.2/2", "4.3/1", "5.1/1", "5.1.1/1", "5.1.2/1", "5.4.1/1", "5.5/1", "6.1/1", "6.2/3",
           "6.3/1", "6.4/1", "6.5/1", "6.5.2/1", "6.5.3/2", "6.6/1", "6.7/1", "6.8/1", "6.9/1", "6.9.1/1", "6.9.2/1",
           "6.10/1", "7/1", "8.1/1", "8.1.1/1", "8.2.1/1", "8.2.2/1", "8.3/1", "8.3.1/1", "7541-2.3.3/1", "7541-4.2/1",
           "7541-5.2/1", "7541-6.1/1", "7541-6.3/1"]
ALL = INTAKE + HEADERS + MESSAGES + ANSWERS + LIFE + ATTACKS + USAGE + TLS + NAIVE + GENERIC


def answering(rows, name):
    return [row.name for row in rows.values()
            if any(ref == name or ref.startswith(name) and ref[len(name):len(name) + 1] in ("-", *"abcde")
                   for ref in (row.name, *row.refs))]


def missing(rows):
    return [name for name in ALL if not answering(rows, name)]


def show(rows):
    for row in rows.values():
        print(f"{row.group:9} {row.name:24} {row.title}")
    print()
    for name in ALL:
        print(f"{name:28} {' '.join(answering(rows, name)) or 'NO ROW'}")
    return 1 if missing(rows) else 0
