"""The interop cases of grpc's doc/interop-test-descriptions.md with grpcio, whose wheel brings no interop client.

Called by tests/interop/run: client.py <address> <CA file, or -> <case>... Prints "ok <case>" or "failed <case>: why".
What must stay true: a case proves what its description says, or fails.
"""
import importlib
import pathlib
import sys
import tempfile
import threading
import time

import grpc
from grpc_tools import protoc

PROTOS = pathlib.Path(__file__).parent.parent / "protos"
NAMES = ["grpc/testing/empty.proto", "grpc/testing/messages.proto", "grpc/testing/test.proto"]
REQUEST_BYTES, REPLY_BYTES = 271828, 314159
REPLIES = [31415, 9, 2653, 58979]
REQUESTS = [27182, 8, 1828, 45904]
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
SOAK_ROUNDS = 10


def make_stubs():
    folder = tempfile.mkdtemp()
    if protoc.main(["protoc", f"-I{PROTOS}", f"--python_out={folder}", f"--grpc_python_out={folder}", *NAMES]):
        raise RuntimeError("protoc failed")
    # grpc.testing lies below grpc, which is a package of its own here: its folder is made part of that one.
    grpc.__path__.append(f"{folder}/grpc")
    return [importlib.import_module(f"grpc.testing.{name}") for name in ("empty_pb2", "messages_pb2", "test_pb2_grpc")]


empty, messages, services = make_stubs()


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(have, want):
    check(have == want, f"{have!r} instead of {want!r}"[:300])


def payload(size):
    return messages.Payload(body=bytes(size))


def simple(reply_bytes=REPLY_BYTES, request_bytes=REQUEST_BYTES, **more):
    return messages.SimpleRequest(response_size=reply_bytes, payload=payload(request_bytes), **more)


def output(*sizes, request_bytes=0, **more):
    return messages.StreamingOutputCallRequest(
        response_parameters=[messages.ResponseParameters(size=size, **more) for size in sizes],
        payload=payload(request_bytes))


def on(value):
    return messages.BoolValue(value=value)


def status_of(call):
    """Code and message of a call that must fail."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call succeeded")


class Duplex:
    """FullDuplexCall, one message at a time."""

    def __init__(self, stub, **more):
        self.queue, self.closed = [], False
        self.condition = threading.Condition()
        self.call = stub.FullDuplexCall(self._requests(), **more)

    def _requests(self):
        while True:
            with self.condition:
                self.condition.wait_for(lambda: self.queue or self.closed)
                if not self.queue:
                    return
                message = self.queue.pop(0)
            yield message

    def send(self, message):
        with self.condition:
            self.queue.append(message)
            self.condition.notify()

    def close(self):
        with self.condition:
            self.closed = True
            self.condition.notify()


# ---- the cases ----

def empty_unary(stub):
    equal(stub.EmptyCall(empty.Empty()), empty.Empty())


def large_unary(stub):
    equal(stub.UnaryCall(simple()).payload, payload(REPLY_BYTES))


def cacheable_unary(stub):
    before = time.time_ns()
    reply = int(stub.CacheableUnaryCall(simple()).payload.body)
    check(before - 1e9 < reply < time.time_ns() + 1e9, "the reply is not the time")


def client_compressed_unary(stub):
    code, _ = status_of(lambda: stub.UnaryCall(simple(expect_compressed=on(True)), compression=grpc.Compression.NoCompression))
    equal(code, grpc.StatusCode.INVALID_ARGUMENT)
    for flag, how in ((True, grpc.Compression.Gzip), (False, grpc.Compression.NoCompression)):
        reply = stub.UnaryCall(simple(expect_compressed=on(flag)), compression=how)
        equal(reply.payload, payload(REPLY_BYTES))


def server_compressed_unary(stub):
    for flag in (True, False):
        reply, call = stub.UnaryCall.with_call(simple(response_compressed=on(flag)))
        equal(reply.payload, payload(REPLY_BYTES))


def client_compressed_streaming(stub):
    code, _ = status_of(lambda: stub.StreamingInputCall(iter([messages.StreamingInputCallRequest(
        expect_compressed=on(True), payload=payload(27182))]), compression=grpc.Compression.NoCompression))
    equal(code, grpc.StatusCode.INVALID_ARGUMENT)
    requests = [messages.StreamingInputCallRequest(expect_compressed=on(True), payload=payload(size)) for size in (27182, 45904)]
    equal(stub.StreamingInputCall(iter(requests), compression=grpc.Compression.Gzip).aggregated_payload_size, 73086)


def server_compressed_streaming(stub):
    request = messages.StreamingOutputCallRequest(response_parameters=[
        messages.ResponseParameters(size=31415, compressed=on(True)), messages.ResponseParameters(size=92653, compressed=on(False))])
    equal([len(r.payload.body) for r in stub.StreamingOutputCall(request)], [31415, 92653])


def client_streaming(stub):
    requests = [messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS]
    equal(stub.StreamingInputCall(iter(requests)).aggregated_payload_size, 74922)


def server_streaming(stub):
    equal([len(r.payload.body) for r in stub.StreamingOutputCall(output(*REPLIES))], REPLIES)


def ping_pong(stub):
    duplex = Duplex(stub)
    for ask, give in zip(REPLIES, REQUESTS):
        duplex.send(output(ask, request_bytes=give))
        equal(len(next(duplex.call).payload.body), ask)
    duplex.close()
    equal(list(duplex.call), [])
    equal(duplex.call.code(), grpc.StatusCode.OK)


def half_duplex(stub):
    duplex = stub.HalfDuplexCall(iter([output(size) for size in REPLIES]))
    equal([len(r.payload.body) for r in duplex], REPLIES)


def empty_stream(stub):
    equal(list(stub.FullDuplexCall(iter([]))), [])


def cancel_after_begin(stub):
    duplex = Duplex(stub)
    call = stub.StreamingInputCall.future(duplex._requests())
    call.cancel()
    equal(call.code(), grpc.StatusCode.CANCELLED)
    duplex.close()


def cancel_after_first_response(stub):
    duplex = Duplex(stub)
    duplex.send(output(REPLIES[0], request_bytes=REQUESTS[0]))
    equal(len(next(duplex.call).payload.body), REPLIES[0])
    duplex.call.cancel()
    equal(status_of(lambda: next(duplex.call))[0], grpc.StatusCode.CANCELLED)
    duplex.close()


def timeout_on_sleeping_server(stub):
    duplex = Duplex(stub, timeout=0.001)
    duplex.send(output(REPLIES[0], request_bytes=REQUESTS[0]))
    equal(status_of(lambda: list(duplex.call))[0], grpc.StatusCode.DEADLINE_EXCEEDED)
    duplex.close()


def custom_metadata(stub):
    sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\x0a\x0b\x0a\x0b\x0a\x0b"))
    _, unary = stub.UnaryCall.with_call(simple(), metadata=sent)
    duplex = Duplex(stub, metadata=sent)
    duplex.send(output(REPLY_BYTES, request_bytes=REQUEST_BYTES))
    duplex.close()
    list(duplex.call)
    for call in (unary, duplex.call):
        equal(dict(call.initial_metadata()).get(INITIAL), sent[0][1])
        equal(dict(call.trailing_metadata()).get(TRAILING), sent[1][1])


def status_is(stub, code, text):
    asked = messages.EchoStatus(code=code, message=text)
    want = next(c for c in grpc.StatusCode if c.value[0] == code), text
    equal(status_of(lambda: stub.UnaryCall(messages.SimpleRequest(response_status=asked))), want)
    duplex = Duplex(stub)
    duplex.send(messages.StreamingOutputCallRequest(response_status=asked))
    equal(status_of(lambda: next(duplex.call)), want)
    duplex.close()


def status_code_and_message(stub):
    status_is(stub, 2, "test status message")


def special_status_message(stub):
    status_is(stub, 2, SPECIAL)


def every_status(stub):
    for code in range(1, 17):
        status_is(stub, code, f"code {code}")


def unimplemented_method(stub):
    equal(status_of(lambda: stub.UnimplementedCall(empty.Empty()))[0], grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(stub):
    other = services.UnimplementedServiceStub(stub.channel)
    equal(status_of(lambda: other.UnimplementedCall(empty.Empty()))[0], grpc.StatusCode.UNIMPLEMENTED)


def rpc_soak(stub):
    for _ in range(SOAK_ROUNDS):
        large_unary(stub)


def channel_soak(stub):
    for _ in range(SOAK_ROUNDS):
        with stub.dial() as channel:
            large_unary(services.TestServiceStub(channel))


# ---- around ----

def dialer(address, ca):
    """Makes channels of their own: grpcio shares connections between equal ones otherwise."""
    def dial():
        options = [("grpc.use_local_subchannel_pool", 1)]
        if ca == "-":
            return grpc.insecure_channel(address, options)
        credentials = grpc.ssl_channel_credentials(pathlib.Path(ca).read_bytes())
        return grpc.secure_channel(address, credentials, options)
    return dial


def main():
    address, ca, *cases = sys.argv[1:]
    dial = dialer(address, ca)
    failed = 0
    with dial() as channel:
        stub = services.TestServiceStub(channel)
        stub.channel, stub.dial = channel, dial
        for case in cases:
            try:
                globals()[case](stub)
                print("ok", case, flush=True)
            except Exception as error:  # the next case is worth trying whatever happened to this one
                failed += 1
                print(f"failed {case}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
    sys.exit(failed > 0)


main()
