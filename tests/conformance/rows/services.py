"""grpc-server.md section 1.7: health and reflection, as bytes. grpc.health.v1 and grpc.reflection.* by hand."""

from kit import grpc
from kit.harness import row
from kit.wire import RST

CHECK, WATCH, LIST = (f"/grpc.health.v1.Health/{m}" for m in ("Check", "Watch", "List"))
REFLECT = tuple(f"/grpc.reflection.{v}.ServerReflection/ServerReflectionInfo" for v in ("v1", "v1alpha"))
SERVING, SERVICE_UNKNOWN = 1, 3


def health(t, answer, code=grpc.OK):
    t.status(answer, code)
    return grpc.first(answer.messages[0][1], 1, 0) if code == grpc.OK else None


@row("services", "1.7/check", "Health/Check of the whole server, without a token", "OK, SERVING", "9/17",
     "3.2/health")
def _(t):
    client = t.client()
    t.same("the health", health(t, client.call(CHECK)), SERVING)
    t.same("the health", health(t, client.call(CHECK, grpc.pb((1, "")))), SERVING)


@row("services", "1.7/check-unknown", "Health/Check of a name nobody knows", "NOT_FOUND", "9/17")
def _(t):
    t.status(t.client().call(CHECK, grpc.pb((1, "no.such.Service"))), grpc.NOT_FOUND)


@row("services", "1.7/watch", "Health/Watch", "the first message at once, no second, the stream stays open", "9/17")
def _(t):
    client = t.client()
    answer = client.open(WATCH)
    client.send(answer, grpc.message(), end=True)
    client.messages(answer, 1)
    t.same("the health", grpc.first(answer.messages[0][1], 1, 0), SERVING)
    t.alive(client.conn)
    t.check(answer.end is None and len(answer.messages) == 1, f"then came {answer}")


@row("services", "1.7/watch-unknown", "Health/Watch of a name nobody knows", "SERVICE_UNKNOWN as a message, open",
     "9/17")
def _(t):
    client = t.client()
    answer = client.open(WATCH)
    client.send(answer, grpc.message(grpc.pb((1, "no.such.Service"))), end=True)
    client.messages(answer, 1)
    t.same("the health", grpc.first(answer.messages[0][1], 1, 0), SERVICE_UNKNOWN)
    t.alive(client.conn)
    t.check(answer.end is None, "the stream ended")
    client.conn.frame(RST, 0, answer.stream, b"\0\0\0\x08")
    t.alive(client.conn)


@row("services", "1.7/list", "Health/List (A90: should)", "a map with the whole server's health", "9/17")
def _(t):
    answer = t.client().call(LIST)
    if answer.status == grpc.UNIMPLEMENTED:
        t.check(not t.servers.is_ours, "UNIMPLEMENTED")
        t.note("this server has no List")
        return
    t.status(answer, grpc.OK)
    entries = [grpc.parse(entry) for _, entry in grpc.parse(answer.messages[0][1])]
    found = {dict(e).get(1, b"").decode(): grpc.first(dict(e)[2], 1, 0) for e in entries}
    t.same("the health of the server", found.get(""), SERVING)


def reflect(client, path, *requests):
    """The responses to @requests on one stream, parsed; the stream ends well."""
    answer = client.open(path)
    found = []
    for i, request in enumerate(requests):
        client.send(answer, grpc.message(request))
        client.messages(answer, i + 1)
        if len(answer.messages) <= i:
            return answer, found
        found.append(grpc.parse(answer.messages[i][1]))
    client.send(answer, b"", end=True)
    return client.finish(answer), found


def each_version(name, title, expected, *refs):
    def register(run):
        for version, path in zip(("v1", "v1alpha"), REFLECT):
            row("services", f"1.7/{name}-{version}", f"{title} ({version})", expected, *refs)(
                lambda t, path=path: run(t, path))
        return run
    return register


@each_version("reflect-list", "reflection: list_services", "every service; host and request are echoed", "9/18")
def _(t, path):
    request = grpc.pb((1, "a.host"), (7, ""))
    answer, found = reflect(t.client(), path, request)
    t.status(answer, grpc.OK)
    response = dict(found[0])
    t.same("valid_host", response.get(1), b"a.host")
    t.same("original_request", response.get(2), request)
    names = [grpc.first(v, 1).decode() for _, v in grpc.parse(response[6])]
    for name in ("grpc.testing.TestService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                 "grpc.reflection.v1alpha.ServerReflection"):
        t.check(name in names or not t.servers.is_ours, f"{name} is not among {names}")


@row("services", "1.7/reflect-queue", "reflection at --stream-queue-bytes-max=1024: answers larger than four times that",
     "all the same: the files, OK")
def _(t):
    answer, found = reflect(t.client(t.server("--set=stream-queue-bytes-max=1024")), REFLECT[0],
                            *[grpc.pb((4, "grpc.testing.TestService"))] * 2)
    t.status(answer, grpc.OK)
    t.check(len(answer.data) > 4096, f"no more than {len(answer.data)} octets came")
    t.same("the answers", len(found), 2)


@each_version("reflect-errors", "reflection: three things that do not exist",
              "error_response NOT_FOUND as messages, the stream stays open", "9/18")
def _(t, path):
    answer, found = reflect(t.client(), path, grpc.pb((4, "no.such.Symbol")), grpc.pb((3, "no/such.proto")),
                            grpc.pb((5, grpc.pb((1, "no.Such"), (2, 5)))), grpc.pb((7, "")))
    t.status(answer, grpc.OK)
    for response in found[:3]:
        t.same("error_code", grpc.first(dict(response)[7], 1, 0), grpc.NOT_FOUND)
    t.check(6 in dict(found[3]), "the stream is not good any more")


@each_version("reflect-unset", "reflection: a request without a question", "INVALID_ARGUMENT ends the stream", "9/18")
def _(t, path):
    client = t.client()
    answer = client.open(path)
    client.send(answer, grpc.message())
    t.status(client.finish(answer), grpc.INVALID_ARGUMENT)


@each_version("reflect-symbols", "reflection: service, method, message, field, enum, value",
              "each resolves to its file; dependencies come once a stream, by the names they are imported by", "9/18")
def _(t, path):
    def files(response):
        t.check(4 in dict(response), f"an error: {response}")
        return [v for _, v in grpc.parse(dict(response)[4])]

    symbols = ("grpc.testing.TestService", "grpc.testing.TestService.UnaryCall", "grpc.testing.SimpleRequest",
               "grpc.testing.SimpleRequest.response_size", "grpc.testing.PayloadType")
    client, seen = t.client(), {}
    for symbol in symbols:
        answer, found = reflect(client, path, grpc.pb((4, symbol)))
        t.status(answer, grpc.OK)
        for file in files(found[0]):
            seen[grpc.first(file, 1).decode()] = [v.decode() for n, v in grpc.parse(file) if n == 3]
    t.check(seen, "no file")
    missing = {name for names in seen.values() for name in names} - set(seen)
    for name in missing:
        _, found = reflect(client, path, grpc.pb((3, name)))
        t.same("the file's name", grpc.first(files(found[0])[0], 1).decode(), name)
    _, found = reflect(client, path, grpc.pb((4, symbols[0])), grpc.pb((4, symbols[0])))
    t.same("files of the second answer", len(files(found[1])), 1)
