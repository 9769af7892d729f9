"""The standard services as official clients see them: grpc-health-probe, grpcio-reflection, grpcio-channelz, grpcurl."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc
import pytest

from kit import stubs, wire
from kit.client import OPTIONS, Client, Refusal, refused
from kit.health import NOT_SERVING, SERVING, SERVICE_UNKNOWN, Watcher, check
from kit.instance import until
from kit.ports import free_port
from xds.data.orca.v3 import orca_load_report_pb2
from xds.service.orca.v3 import orca_pb2

OFFICIAL = stubs.ROOT / "tests" / "rpc" / "official"


def official(script, *args):
    """What the script says last; it has failed where its status is not 0."""
    done = subprocess.run([sys.executable, str(OFFICIAL / script), *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


def grpcurl(*args):
    done = subprocess.run(["grpcurl", "-plaintext", *args], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- health


def names(target):
    """Every name health knows, by List."""
    with grpc.insecure_channel(target) as channel:
        reply = channel.unary_unary("/grpc.health.v1.Health/List", stubs.health.HealthListRequest.SerializeToString,
                                    stubs.health.HealthListResponse.FromString)(stubs.health.HealthListRequest(), timeout=5)
    return {name: entry.status for name, entry in reply.statuses.items()}


def probe(*args):
    return subprocess.run(["grpc-health-probe", *args], capture_output=True, text=True, timeout=20).returncode


def test_the_probe_knows_every_name(world):
    listed = names(world.dev.target)
    served = grpcurl(world.dev.target, "list").split()
    assert set(listed) == {"", "liveness", "readiness", *served}
    for name, status in listed.items():
        assert status == SERVING == check(world.dev.target, name)
        assert probe(f"-addr={world.dev.target}", f"-service={name}") == 0, name
    assert probe(f"-addr={world.dev.target}", "-service=no.such.Service") == 3, "the call failed: NOT_FOUND"
    assert probe(f"-addr={world.dev.tls_target}", "-tls", f"-tls-ca-cert={world.dev.data}/tls-certificate.pem",
                 "-tls-server-name=localhost") == 0


def test_a_drain_is_told_and_ends_every_watch(world):
    with world.dev.sibling("--lame-duck-ms=6000") as server:
        watchers = [Watcher(server.target, name) for name in ("", "readiness", "faregate.v1.AuthService")]
        alive, unknown = Watcher(server.target, "liveness"), Watcher(server.target, "no.such.Service")
        until(lambda: all(w.seen for w in [*watchers, alive, unknown]), 10, "the first state comes at once")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: all(w.seen == [SERVING, NOT_SERVING] for w in watchers), 10, "told before it stops")
        assert probe(f"-addr={server.target}", "-service=liveness") == 0, "still serving, and alive"
        assert probe(f"-addr={server.target}", "-service=readiness") == 4, "not for new work"
        for watcher in [*watchers, alive, unknown]:
            assert watcher.ended() == "UNAVAILABLE", "a drain waits for no watcher"
        assert unknown.seen == [SERVICE_UNKNOWN] and alive.seen[0] == SERVING
        assert server.ended(20) == 0


# ---- reflection


def test_the_official_client_resolves_everything(world):
    walked = int(official("reflection.py", world.dev.target, str(stubs.ROOT / "gen" / "descriptor_set.pb")))
    assert walked > 900


def test_grpcurl_describes_everything_that_is_listed(world):
    text = grpcurl(world.dev.target, "describe")  # of all that is listed, with every method
    for service in grpcurl(world.dev.target, "list").split():
        assert f"{service} is a service" in text


# ---- channelz


def test_channelz_for_the_official_client(world):
    assert official("channelz.py", world.dev.target) == "OK"
    servers = json.loads(grpcurl(world.dev.target, "grpc.channelz.v1.Channelz/GetServers"))
    assert "worker" in servers["server"][0]["ref"]["name"] and servers["end"]


@pytest.mark.parametrize("flag, stranger", [("--channelz=off", "UNAUTHENTICATED"), ("--channelz=on", "OK")])
def test_channelz_tells_strangers_nothing_unless_a_flag_says_so(world, ann, flag, stranger):
    with world.dev.sibling(flag) as server:
        assert official("channelz.py", server.target) == stranger
        if stranger != "OK":
            assert official("channelz.py", server.target, ann.token) == "PERMISSION_DENIED"


# ---- load reports (ORCA)


def stream_reports(target, seconds):
    """The reports of OpenRcaService, on a connection of its own."""
    request = orca_pb2.OrcaLoadReportRequest()
    request.report_interval.FromMilliseconds(int(seconds * 1000))
    channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
    return channel.unary_stream("/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics",
                                orca_pb2.OrcaLoadReportRequest.SerializeToString,
                                orca_load_report_pb2.OrcaLoadReport.FromString)(request, timeout=60)


def test_load_reports_follow_the_load(world):
    with world.dev.sibling("--load-report-ms-min=200") as server:
        reports = stream_reports(server.target, 0.5)
        first = next(reports)
        assert 0 <= first.mem_utilization <= 1
        assert {"calls", "connections", "db_queue", "db_connections_up"} <= set(first.named_metrics)
        client = server.client()

        def busy():
            for _ in range(50):
                client.SearchPlaces(query="lon")
            report = next(reports)
            return report.rps_fractional > 5 and report.cpu_utilization > 0 and report

        report = until(busy, 30, "the calls are in a report")
        assert report.eps < report.rps_fractional and all(0 <= v <= 1 for v in report.utilization.values())
        assert report.application_utilization >= max(report.utilization.values())
        reports.cancel()


def test_the_pace_of_load_reports_is_bounded(world):
    reports = stream_reports(world.dev.target, 0.01)
    next(reports)
    began = time.monotonic()
    timer = threading.Timer(2, reports.cancel)
    timer.start()
    with pytest.raises(grpc.RpcError):
        next(reports)
    assert time.monotonic() - began > 1, "thirty seconds are the least"


@pytest.mark.parametrize("flag", ["--load-on-replies=on", "--load-on-replies=off"])
def test_load_on_replies(world, flag):
    with world.dev.sibling(flag) as server:
        for query in ("london", ""):  # a reply, a refusal
            request = stubs.flight.SearchPlacesRequest(query=query)
            reply = wire.exchange(server.port, "/faregate.v1.FlightService/SearchPlaces",
                                  wire.frame(request.SerializeToString()))
            assert reply.status == (0 if query else 3)
            # By hand: gRPC's clients take it for their balancers and hide it from callers.
            found = reply.headers.get("endpoint-load-metrics-bin")
            assert (found is not None) == flag.endswith("=on")
            if found:
                raw = base64.b64decode(found + "=" * (-len(found) % 4))
                report = orca_load_report_pb2.OrcaLoadReport.FromString(raw)
                assert report.mem_utilization > 0 and "calls" in report.utilization


def test_the_load_reports_are_what_grpc_go_reads(world):
    """By its own ORCA client: the one of Python keeps them to itself."""
    client = stubs.ROOT / "build" / "rpc" / "orca"
    subprocess.run(["go", "build", "-o", str(client), "."], cwd=OFFICIAL / "orca", check=True, timeout=580,
                   env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    with world.dev.sibling("--load-report-ms-min=100", "--load-on-replies=on") as server:
        done = subprocess.run([client, server.target], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert 0 < seen["reply_mem"] <= 1 and 0 < seen["stream_mem"] <= 1
        assert "calls" in seen["reply_utilization"] and "db_connections_up" in seen["stream_named"]


# ---- the service config for clients

CONFIG = (stubs.ROOT / "protos" / "faregate" / "v1" / "service_config.json").read_text()


class Flaky(grpc.GenericRpcHandler):
    """A server whose methods are UNAVAILABLE twice before they answer."""

    def __init__(self):
        self.calls = []

    def service(self, details):
        if not details.method.startswith("/faregate."):
            return None  # no health service: clients take it for healthy

        def answer(request, context):
            self.calls.append(details.method)
            if self.calls.count(details.method) < 3:
                context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def flaky():
    handler = Flaky()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([handler])
    handler.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield handler
    server.stop(0).wait()


def configured(target, config=CONFIG):
    client = Client(target)
    client.channel = grpc.insecure_channel(target, options=[("grpc.service_config", config), ("grpc.enable_retries", 1)])
    return client


def test_clients_with_the_service_config_repeat_reads_only(world, flaky):
    # Without its timeouts: a busy machine may take longer over three attempts than one may.
    client = configured(flaky.target, re.sub(r'"timeout": "[^"]*",', "", CONFIG))
    client.SearchPlaces(query="x", timeout=30)
    assert flaky.calls == [stubs.METHODS["SearchPlaces"][0]] * 3
    with refused("UNAVAILABLE"):
        client.CreateSession()
    assert len(flaky.calls) == 4, "what changes something is repeated by its caller"


def test_clients_with_the_service_config_watch_health_and_have_deadlines(world):
    assert configured(world.dev.target).SearchPlaces(query="london", timeout=None).places
    nobody = configured(f"127.0.0.1:{free_port()}")
    method = nobody.channel.unary_unary(stubs.METHODS["SearchPlaces"][0],
                                        stubs.flight.SearchPlacesRequest.SerializeToString)
    with refused("DEADLINE_EXCEEDED"):
        method(stubs.flight.SearchPlacesRequest(query="x"), wait_for_ready=True)  # and no timeout of its own


def test_the_service_config_follows_the_policies(world):
    config = json.loads(CONFIG)
    methods = {f"/{m['name'][0]['service']}/{m['name'][0]['method']}": m for m in config["methodConfig"]}
    assert set(methods) == {path for path, _, _ in stubs.METHODS.values()}
    for file in (stubs.auth, stubs.flight, stubs.booking, stubs.payment):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                found = methods[f"/{service.full_name}/{method.name}"]
                reads = method.GetOptions().idempotency_level == 1  # NO_SIDE_EFFECTS
                assert ("retryPolicy" in found) == reads, method.full_name
                if reads:
                    assert found["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
                    assert found["retryPolicy"]["maxAttempts"] <= 5
                policy = method.GetOptions().Extensions[stubs.options.policy]
                if policy.timeout_ms_max:
                    assert float(found["timeout"].rstrip("s")) == policy.timeout_ms_max / 1000
    assert config["healthCheckConfig"] == {"serviceName": "readiness"} and config["retryThrottling"]["maxTokens"] > 0


# ---- metrics


def test_metrics_have_the_names_and_labels_of_gRFC_A66(world):
    client = world.dev.client()
    client.SearchPlaces(query="london")
    with refused("UNIMPLEMENTED"):
        client.raw("/stranger.Service/Method", b"")

    def samples():
        found = world.dev.metrics()
        return {name: value for name, value in found.items() if name.startswith("grpc_server_call_")}

    until(lambda: any('"other"' in name and '"UNIMPLEMENTED"' in name for name in samples()), 5, "counted")
    seen = samples()
    methods = {path.lstrip("/") for path, _, _ in stubs.METHODS.values()}
    for name in seen:
        labels = dict(re.findall(r'(\w+)="([^"]*)"', name))
        assert set(labels) - {"le"} <= {"grpc_method", "grpc_status"}, name
        assert labels["grpc_method"] in methods | {"other"} or labels["grpc_method"].startswith(("grpc.", "xds.")), name
        assert labels.get("grpc_status", "OK") in grpc.StatusCode.__members__, name
    for family in ("duration_seconds", "sent_total_compressed_message_size_bytes",
                   "rcvd_total_compressed_message_size_bytes"):
        assert seen['grpc_server_call_%s_count{grpc_method="faregate.v1.FlightService/SearchPlaces",grpc_status="OK"}'
                    % family] >= 1
    assert seen['grpc_server_call_started_total{grpc_method="faregate.v1.FlightService/SearchPlaces"}'] >= 1
    assert "stranger" not in world.dev.http("/metrics")[1]
    otel = world.dev.http("/metrics?otel")[1]
    assert 'rpc_server_call_duration_seconds_count{rpc_system_name="grpc",rpc_method="_OTHER"' in otel
    assert "faregate_faregate" not in world.dev.http("/metrics")[1]


def test_watches_leave_room(world, dev):
    """Anybody may watch, and nothing ends it: calls go on, and so do clients that follow the published service config,
    each of which watches before it calls."""
    with dev.sibling("--calls-max=160", workers=1) as server:
        taken = [channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
                 for channel in (server.client().channel for _ in range(10)) for _ in range(30)]
        refusals = 0
        for call in taken:
            try:
                assert next(call)
            except grpc.RpcError as error:
                assert Refusal(error).reason == "OVERLOADED"
                refusals += 1
        assert 80 <= len(taken) - refusals <= 100, "20 for whoever comes, 8 for each connection"
        assert check(server.target, "") == SERVING
        config = (stubs.ROOT / "protos/faregate/v1/service_config.json").read_text()
        path, request, _ = stubs.METHODS["SearchPlaces"]
        for _ in range(3):
            with grpc.insecure_channel(server.target, options=[*OPTIONS, ("grpc.service_config", config)]) as channel:
                assert channel.unary_unary(path)(request(query="london").SerializeToString(), timeout=5)
        for call in taken:
            call.cancel()


def test_connections_that_only_watch_make_room(world, dev):
    """From two addresses as many as there may be, and nothing ends them: who comes is answered, and they may come again."""
    path, each = "/grpc.health.v1.Health/Watch", 10
    with dev.sibling(f"--conns-max={2 * each}", f"--conns-per-address-max={each}") as server:
        watching = [wire.open_stream(server.port, path, wire.frame(b""), f"127.0.0.{i % 2 + 2}") for i in range(2 * each)]
        try:
            for _ in range(3):
                began = time.monotonic()
                assert wire.exchange(server.port, "/grpc.health.v1.Health/Check", wire.frame(b""), source="127.0.0.9").status == 0
                assert time.monotonic() - began < 5
            until(lambda: server.metrics()['faregate_connections_closed_total{cause="conns"}'] > 0, 5, "they made room")
            ann = world.traveller("Ann", server)
            assert ann.GetUser(name="users/me").email == ann.email
        finally:
            for sock in watching:
                sock.close()
