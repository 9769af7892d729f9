"""Message classes from protos/, made by grpcio-tools at the start of a run into the build tree.

Nothing of the server is used: these are the stubs any Python user would generate.
"""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUT = ROOT / "build" / "rpc" / "pb"


def _generate():
    from grpc_tools import protoc
    import grpc_tools

    protos = sorted(str(p.relative_to(ROOT / "protos")) for p in (ROOT / "protos").rglob("*.proto"))
    OUT.mkdir(parents=True, exist_ok=True)
    stamp = OUT / ".made"
    newest = max(os.path.getmtime(ROOT / "protos" / p) for p in protos)
    if stamp.exists() and stamp.stat().st_mtime > newest:
        return
    include = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    status = protoc.main(["protoc", f"-I{ROOT / 'protos'}", f"-I{include}", f"--python_out={OUT}", *protos])
    if status != 0:
        sys.exit("protoc failed")
    stamp.touch()


_generate()
sys.path.insert(0, str(OUT))

import google  # noqa: E402  (a namespace package: ours joins it)
import grpc  # noqa: E402

google.__path__ = [*google.__path__, str(OUT / "google")]
grpc.__path__.append(str(OUT / "grpc"))
for _name in ("health", "reflection", "channelz"):
    sys.modules.pop(f"grpc.{_name}", None)  # grpcio gives these names to packages of its own where they are installed

from faregate.v1 import (  # noqa: E402,F401
    auth_service_pb2 as auth,
    booking_service_pb2 as booking,
    common_pb2 as common,
    flight_service_pb2 as flight,
    options_pb2 as options,
    payment_service_pb2 as payment,
)
from google.api import field_behavior_pb2 as behavior  # noqa: E402,F401
from google.protobuf import message_factory  # noqa: E402
from google.rpc import error_details_pb2 as details, status_pb2 as status  # noqa: E402,F401
from google.type import money_pb2 as money  # noqa: E402,F401
from grpc.health.v1 import health_pb2 as health  # noqa: E402,F401

# CreateBooking -> (path, request class, reply class): method names are unique among our services.
METHODS = {}
for _file in (auth, flight, booking, payment):
    for _service in _file.DESCRIPTOR.services_by_name.values():
        for _method in _service.methods:
            METHODS[_method.name] = (
                f"/{_service.full_name}/{_method.name}",
                message_factory.GetMessageClass(_method.input_type),
                message_factory.GetMessageClass(_method.output_type),
            )
