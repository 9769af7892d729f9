"""The server as such: health, reflection, deadlines, drain, subsets, TLS, metrics, log."""

import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time

import grpc
import pytest

from kit import stubs, wire
from kit.client import Client, Refusal, new_id, refused
from kit.health import NOT_SERVING, SERVING, SERVICE_UNKNOWN, Watcher, check
from kit.instance import binary, until
from kit.lock import Lock
from kit.ports import is_refused
from kit.world import PASSWORD

SERVICES = ["faregate.v1.AuthService", "faregate.v1.BookingService", "faregate.v1.FlightService",
            "faregate.v1.PaymentService"]


def grpcurl(*args, status=0):
    done = subprocess.run(["grpcurl", *args], capture_output=True, text=True, timeout=30)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---- health and reflection


def test_health_check(world):
    for service in ["", *SERVICES]:
        assert check(world.dev.target, service) == SERVING
    with refused("NOT_FOUND"):
        check(world.dev.target, "no.such.Service")


def test_health_watch_sees_the_drain(world):
    with world.dev.sibling() as server:
        watcher, unknown = Watcher(server.target, "faregate.v1.AuthService"), Watcher(server.target, "no.such.Service")
        until(lambda: watcher.seen and unknown.seen, 5, "the watchers hear")
        assert (watcher.seen, unknown.seen) == ([SERVING], [SERVICE_UNKNOWN])
        unknown.cancel()
        assert server.stop() == 0
        watcher.ended()
        assert watcher.seen == [SERVING, NOT_SERVING]


def test_reflection_needs_no_protos(world):
    at = world.dev.target
    listed = grpcurl("-plaintext", at, "list").split()
    assert set(SERVICES) <= set(listed) and "grpc.health.v1.Health" in listed
    assert "grpc.reflection.v1.ServerReflection" in listed
    assert "faregate.v1.BookingService.CreateBooking" in grpcurl("-plaintext", at, "list", "faregate.v1.BookingService")
    method = grpcurl("-plaintext", at, "describe", "faregate.v1.BookingService.CreateBooking")
    assert "rpc CreateBooking ( .faregate.v1.CreateBookingRequest ) returns ( .faregate.v1.Booking )" in method
    message = grpcurl("-plaintext", at, "describe", "faregate.v1.Money2", status=1)
    assert "not found" in message.lower()
    assert "string record_locator = 2" in grpcurl("-plaintext", at, "describe", "faregate.v1.Booking")
    answer = json.loads(grpcurl("-plaintext", "-d", '{"query":"lond","page_size":3}', at,
                                "faregate.v1.FlightService/SearchPlaces"))
    assert 1 <= len(answer["places"]) <= 3


def test_grpcurl_shows_rich_errors(world):
    text = grpcurl("-plaintext", "-d", '{"email":"nonsense"}', world.dev.target, "faregate.v1.AuthService/CreateUser",
                   status=67)
    assert "InvalidArgument" in text and "FIELD_INVALID" in text and "email" in text and "password" in text


# ---- deadlines and cancelling


@pytest.mark.parametrize("timeout", ["0m", "0n", "1n", "1u"])
def test_tiny_deadlines(world, timeout):
    """Nothing is done any more for a caller who is gone by then."""
    user = stubs.auth.CreateUserRequest(email=f"{new_id()}@example.org", password=PASSWORD, request_id=new_id())
    reply = wire.exchange(world.dev.port, "/faregate.v1.AuthService/CreateUser", wire.frame(user.SerializeToString()),
                          grpc_timeout=timeout)
    assert reply.status == 4 and reply.reason == "DEADLINE_PASSED"


def test_a_deadline_ends_work_in_the_database(world, ann):
    """The answer comes at the deadline, made by the server, and the statement does not go on behind it."""
    ann.GetUser(name="users/me")
    with Lock(world.dev, "LOCK TABLE app_user IN ACCESS EXCLUSIVE MODE"):
        began = time.monotonic()
        with refused("DEADLINE_EXCEEDED"):
            ann.GetUser(name="users/me", timeout=0.7)
        assert 0.5 < time.monotonic() - began < 10
        until(lambda: world.dev.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == [["0"]],
              10, "nothing of the call waits in the database any more")
    assert ann.GetUser(name="users/me").name == ann.user.name


def test_a_cancelled_call_leaves_nothing(world, ann):
    offer = world.offer(ann)
    request = world.hold_request(ann, offer)
    with Lock(world.dev, f"SELECT FROM inventory WHERE flight_id = '{world.flight_id(offer)}' FOR UPDATE") as lock:
        path = stubs.METHODS["CreateBooking"][0]
        call = ann.channel.unary_unary(path, type(request).SerializeToString).future(
            request, timeout=20, metadata=[("authorization", "Bearer " + ann.token)])
        lock.wait_for_a_waiter()
        call.cancel()
        assert world.dev.event(lambda e: e.get("request_id") == request.request_id)["status"] == "CANCELLED"
    taken = world.inventory(offer)[1]
    booking = ann.CreateBooking(request)  # the same request again: done once, whether or not the first was
    assert world.inventory(offer)[1] == 1 >= taken and world.state(booking) == "HELD"


# ---- drain, subset, TLS


def test_descriptors_are_raised_to_what_the_system_allows(world):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1), hard))
    try:
        with world.dev.sibling() as server:
            found = resource.prlimit(server.pids()["worker 0"], resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == (hard, hard)


@pytest.mark.parametrize("everybody", [False, True])
def test_drain_finishes_what_runs(world, ann, everybody):
    """Also where who stops it signals all its processes, as systemd does: the supervisor signals them once more."""
    with world.dev.sibling() as server:
        client = server.client(ann.token)
        client.GetUser(name="users/me")
        outcome = []

        def call():
            try:
                outcome.append(client.GetUser(name="users/me", timeout=30).name)
            except grpc.RpcError as error:
                outcome.append(Refusal(error))

        with Lock(world.dev, "LOCK TABLE app_user IN ACCESS EXCLUSIVE MODE") as lock:
            caller = threading.Thread(target=call)
            caller.start()
            lock.wait_for_a_waiter()
            for pid in [p for p in server.pids().values() if p > 0] if everybody else []:
                os.kill(pid, signal.SIGTERM)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: is_refused(server.port), 10, "connections are refused")
            with refused("UNAVAILABLE"):
                server.client(ann.token).GetUser(name="users/me", timeout=2)
        caller.join(10)
        assert outcome == [ann.user.name]
        assert server.ended(10) == 0


def test_lame_duck(world):
    """Told before it stops: not ready, but still serving."""
    with world.dev.sibling("--lame-duck-ms=60000") as server:
        client = server.client()
        client.SearchPlaces(query="x")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.http("/readyz")[0] == 503, 10, "not ready")
        assert server.client().SearchPlaces(query="london").places
        assert server.process.poll() is None
        assert server.stop() == 0, "a second signal ends it at once"
    with world.dev.sibling("--lame-duck-ms=1000") as server:
        assert server.stop() == 0, "else it ends by itself"


def test_subset_of_services(world, ann):
    with world.dev.sibling(services="auth,flight") as server:
        client = server.client(ann.token)
        assert client.GetUser(name="users/me").name == ann.user.name
        assert client.SearchPlaces(query="london").places
        with refused("UNIMPLEMENTED"):
            client.ListBookings()
        listed = grpcurl("-plaintext", server.target, "list").split()
        assert "faregate.v1.FlightService" in listed and "faregate.v1.BookingService" not in listed


def test_tls(world):
    certificate = world.dev.certificate()
    client = Client(f"localhost:{world.dev.port + 1}", root=certificate)
    assert client.SearchPlaces(query="london").places
    with pytest.raises(grpc.RpcError):
        Client(f"localhost:{world.dev.port + 1}", root=ssl_of_somebody_else()).SearchPlaces(query="x", timeout=3)
    with pytest.raises(grpc.RpcError):
        Client(f"localhost:{world.dev.port + 1}").SearchPlaces(query="x", timeout=3)
    grpcurl("-cacert", f"{world.dev.data}/tls-certificate.pem", f"localhost:{world.dev.port + 1}", "list")


def ssl_of_somebody_else():
    return ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(binary_form=True)[0]).encode()


def test_tls_versions_and_alpn(world):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", world.dev.port + 1), timeout=5) as plain:
            with context.wrap_socket(plain) as tls:
                assert tls.selected_alpn_protocol() == "h2"
                assert tls.version() == version.name.replace("_", ".")


# ---- what operators see


def test_admin_endpoint(world):
    assert world.dev.http("/healthz")[0] == 200
    until(lambda: world.dev.http("/startupz") == (200, "started\n"), 10, "ready is one worker, started are all")
    assert world.dev.http("/readyz") == (200, "ready\n")
    assert world.dev.http("/nothing")[0] == 404
    assert world.dev.http("/readyz?other=1") == (200, "ready\n")
    status, text = world.dev.http("/readyz?verbose")
    assert status == 200 and "worker 0" in text and "worker 1" in text and "jobs" in text


def test_metrics_move(world, ann):
    def read():
        found = world.dev.metrics()
        return {key: sum(v for k, v in found.items() if all(part in k for part in parts)) for key, parts in {
            "ok": ("duration_seconds_count", "AuthService/GetUser", '"OK"'),
            "missing": ("duration_seconds_count", "BookingService/GetBooking", '"NOT_FOUND"'),
            "statements": ("faregate_db_statements_total",), "accepted": ("faregate_connections_accepted_total",),
        }.items()}

    world.wait(0.6)  # published four times a second
    before = read()
    other = ann.again()
    for _ in range(5):
        other.GetUser(name="users/me")
    with refused("NOT_FOUND"):
        other.GetBooking(name="bookings/" + new_id())
    least = {"ok": 5, "missing": 1, "statements": 1, "accepted": 1}
    until(lambda: all(now - before[key] >= least[key] for key, now in read().items()), 10, f"{least} more than {before}")


def test_metrics_are_well_formed(world):
    text = world.dev.http("/metrics")[1]
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^{}]*\})? [-+0-9.eEinfNa]+", line), line
    typed = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert len(typed) == len(set(typed)) > 10


def test_one_event_for_each_call_without_secrets(world):
    ann = world.traveller("Loggy")
    booking = world.hold(ann)
    card = world.card("pm_card_visa")
    trace = "0af7651916cd43dd8448eb211c80319c"
    ann.ask("CreatePaymentIntent", parent=booking.name, amount=booking.balance.due, confirm=True, payment_method=card,
            metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")], timeout=15)
    refused_id = new_id()
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_MISMATCH"):
        for name in ("A", "B"):
            ann.CreateUser(email="loggy@example.org", password=PASSWORD, display_name=name, request_id=refused_id)

    def events(**fields):
        return [e for e in world.dev.events() if fields.items() <= e.items() and "method" in e]

    until(lambda: events(trace_id=trace) and len(events(request_id=refused_id)) >= 2, 10, "the calls are logged")
    mine = events(trace_id=trace)
    assert len(mine) == 1, mine
    event = mine[0]
    assert "CreatePaymentIntent" in event["method"] and event["status"] == "OK" and event["duration_us"] > 0
    assert event["user"] == ann.user.name.removeprefix("users/") and "steps" in event
    failed = events(request_id=refused_id)
    assert [e["status"] for e in failed] == ["OK", "INVALID_ARGUMENT"] and failed[1]["reason"] == "IDEMPOTENCY_MISMATCH"
    text = open(world.dev.log).read()
    for secret in (PASSWORD, ann.token, ann.token.split(".")[2], ann.tokens.refresh_token, card, "pm_card", "pm_sandbox",
                   ann.email, "loggy@example.org", "$argon2", "sk_test", "Ann Lee"):
        assert secret not in text, f"{secret!r} is in the log"


# ---- commands


def test_commands_that_only_print(world):
    def run(*args, status=0):
        done = subprocess.run([binary(), *args], capture_output=True, text=True, timeout=20)
        assert done.returncode == status, done.stderr
        return done

    assert run("version").stdout.startswith("faregate ")
    described = json.loads(run("describe", "--json").stdout)
    assert "faregate.v1.BookingService" in json.dumps(described)
    assert "CREATE TABLE" in run("migrate", "--print").stdout
    for command in ("serve", "dev", "seed", "check", "jobs"):
        said = run(command, "--help").stdout
        assert "--" in said and ("--conns-max" in said) == (command in ("serve", "dev")), command
    assert "[12111]" in run("sandbox-psp", "--help").stdout, "defaults are told"
    for wrong in (["serve", "--no-such-flag"], ["nonsense"], ["serve", "--workers=many"], ["serve", "--services=auth,wings"],
                  ["serve", "--listen=0.0.0.0:1"]):
        done = run(*wrong, status=2)
        assert len(done.stderr.strip().splitlines()) == 1, f"one clear line: {done.stderr}"
