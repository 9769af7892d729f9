"""What the build gives to proxies: the descriptor set, from the program and from the install rules."""

import subprocess

from google.protobuf import descriptor_pb2

from front import DESCRIPTORS, ROOT
from kit.instance import binary


def test_the_program_writes_its_descriptor_set(tmp_path):
    path = tmp_path / "faregate.pb"
    subprocess.run([binary(), "describe", f"--descriptor-set={path}"], check=True, timeout=20)
    assert path.read_bytes() == DESCRIPTORS.read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    known = {f.name for f in files}
    assert all(set(f.dependency) <= known for f in files), "every import is there"
    services = {f"{f.package}.{s.name}" for f in files for s in f.service}
    assert {"faregate.v1.AuthService", "faregate.v1.FlightService", "faregate.v1.BookingService",
            "faregate.v1.PaymentService", "grpc.health.v1.Health"} <= services
    messages = {f"{f.package}.{m.name}" for f in files for m in f.message_type}
    assert {"google.rpc.Status", "google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RetryInfo",
            "google.rpc.QuotaFailure", "google.rpc.PreconditionFailure"} <= messages, "details become JSON"
    refused = subprocess.run([binary(), "describe", "--descriptor-set=/no/such/folder/x"], capture_output=True, timeout=20)
    assert refused.returncode == 2 and b"cannot write" in refused.stderr


def test_install(tmp_path):
    """The program, the descriptor set, the .proto files and the documents with these proxies' configs."""
    subprocess.run(["cmake", "--install", str(ROOT / "build/release"), "--prefix", str(tmp_path)], check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    share = tmp_path / "share"
    assert (tmp_path / "bin/faregate").stat().st_mode & 0o111
    assert (share / "faregate/faregate.pb").read_bytes() == DESCRIPTORS.read_bytes()
    assert (share / "faregate/protos/faregate/v1/booking_service.proto").exists()
    examples = share / "doc/faregate/examples"
    assert {p.name for p in examples.iterdir()} == {"envoy.yaml", "haproxy.cfg", "nginx.conf"}
