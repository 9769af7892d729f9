"""grpcio-reflection against a server: everything it lists is resolved and compared. A process of its own, because its
messages and ours have the same names. reflection.py <target> <descriptor set>; prints how many symbols it walked."""

import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

target, path = sys.argv[1:]
channel = grpc.insecure_channel(target)
ours = descriptor_pb2.FileDescriptorSet.FromString(open(path, "rb").read())


def symbols(file):
    prefix = file.package + "." if file.package else ""

    def message(scope, m):
        yield scope + m.name
        for part in (*m.field, *m.oneof_decl, *m.extension):
            yield f"{scope}{m.name}.{part.name}"
        for e in m.enum_type:
            yield from enum(f"{scope}{m.name}.", e)
        for nested in m.nested_type:
            yield from message(f"{scope}{m.name}.", nested)

    def enum(scope, e):
        yield scope + e.name
        yield from (scope + v.name for v in e.value)

    for m in file.message_type:
        yield from message(prefix, m)
    for e in file.enum_type:
        yield from enum(prefix, e)
    yield from (prefix + x.name for x in file.extension)
    for s in file.service:
        yield prefix + s.name
        yield from (f"{prefix}{s.name}.{m.name}" for m in s.method)


def extensions(file):
    def inside(m):
        yield from m.extension
        for nested in m.nested_type:
            yield from inside(nested)

    yield from file.extension
    for m in file.message_type:
        yield from inside(m)


# 1. The official client finds every service, with all that it imports, and can build it.
database = ProtoReflectionDescriptorDatabase(channel)
pool = descriptor_pool.DescriptorPool(database)
services = database.get_services()
assert "grpc.channelz.v1.Channelz" in services and "faregate.v1.BookingService" in services, services
for name in services:
    for method in pool.FindServiceByName(name).methods:
        assert method.input_type.full_name and method.output_type.full_name
for number in database.FindAllExtensionNumbers("google.protobuf.MethodOptions"):
    assert pool.FindExtensionByNumber(pool.FindMessageTypeByName("google.protobuf.MethodOptions"), number)


# 2. Every question there is, in one stream: the bytes are those of the descriptor set.
def ask(requests):
    return reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(requests), timeout=60)


def question(**fields):
    return reflection_pb2.ServerReflectionRequest(host="some.host", **fields)


asked, wanted = [], []
for file in ours.file:
    asked.append(question(file_by_filename=file.name))
    wanted.append(file)
    for symbol in symbols(file):
        asked.append(question(file_containing_symbol=symbol))
        wanted.append(file)
    for extension in extensions(file):
        asked.append(question(file_containing_extension=reflection_pb2.ExtensionRequest(
            containing_type=extension.extendee.lstrip("."), extension_number=extension.number)))
        wanted.append(file)
imports = {file.name: set(file.dependency) for file in ours.file}
seen = set()
for request, file, reply in zip(asked, wanted, ask(asked), strict=True):
    assert reply.original_request == request and reply.valid_host == "some.host"
    files = [descriptor_pb2.FileDescriptorProto.FromString(raw)
             for raw in reply.file_descriptor_response.file_descriptor_proto]
    assert files[0] == file, f"{request}: {files[0].name} and not {file.name}"
    assert not seen & {f.name for f in files[1:]}, "what was imported comes once in a stream"
    seen |= {f.name for f in files}
    assert imports[file.name] <= seen, f"{file.name}: its imports have been sent"

# 3. What is not there is an answer, and the stream goes on.
nothing = [question(file_by_filename="no.proto"), question(file_containing_symbol="no.such"),
           question(file_containing_extension=reflection_pb2.ExtensionRequest(containing_type="no.such",
                                                                              extension_number=1)),
           question(all_extension_numbers_of_type="no.such"), question(list_services="")]
replies = list(ask(nothing))
assert [r.error_response.error_code for r in replies] == [5, 5, 5, 5, 0], replies
assert [r.original_request for r in replies] == nothing
assert {s.name for s in replies[4].list_services_response.service} == set(services)
try:
    list(ask([question()]))
    raise SystemExit("a question that asks nothing ends the stream")
except grpc.RpcError as error:
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
print(len(asked))
