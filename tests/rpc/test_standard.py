"""The standard services as official clients see them: grpc-health-probe, grpcio-reflection, grpcio-channelz, grpcurl."""

import json
import signal
import subprocess
import sys

import grpc
import pytest

from kit import stubs
from kit.health import NOT_SERVING, SERVING, SERVICE_UNKNOWN, Watcher, check
from kit.instance import until

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
    server = world.dev.sibling("--lame-duck-ms=1500")
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
    assert server.process.wait(20) == 0


# ---- reflection


def test_the_official_client_resolves_everything(world):
    walked = int(official("reflection.py", world.dev.target, str(stubs.ROOT / "gen" / "descriptor_set.pb")))
    assert walked > 900


def test_grpcurl_describes_everything_that_is_listed(world):
    for service in grpcurl(world.dev.target, "list").split():
        assert "is a service" in grpcurl(world.dev.target, "describe", service)
        for method in grpcurl(world.dev.target, "list", service).split():
            assert "is a method" in grpcurl(world.dev.target, "describe", method)


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
