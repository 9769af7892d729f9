"""Proxies find out who serves: ready, draining, without a database, gone."""

import signal
import subprocess

import pytest

from front import Envoy, HAProxy, Nginx
from kit.client import refused
from kit.instance import Cluster, Serve, binary, until
from kit.ports import free_port


@pytest.fixture(params=[Envoy, HAProxy], ids=["envoy", "haproxy"])
def kind(request):
    return request.param


def down(proxy, server):
    """The proxy has taken @server out."""
    if isinstance(proxy, Envoy):
        return proxy.hosts().get(server.port) != ""
    return not proxy.states()[f"s{proxy.servers.index(server)}"].startswith("UP")


def test_a_draining_server_is_left_before_it_stops(world, dev, kind):
    """Readiness goes false at SIGTERM; while the lame duck still serves, the proxy moves to the other one."""
    with dev.sibling("--lame-duck-ms=6000") as leaving, dev.sibling() as staying, kind([leaving, staying]) as proxy:
        client = proxy.client()
        assert client.SearchPlaces(query="london").places
        leaving.process.send_signal(signal.SIGTERM)
        until(lambda: down(proxy, leaving), 6, "the proxy has noticed")
        assert leaving.process.poll() is None, "it is still there for those who have not"
        assert leaving.client().SearchPlaces(query="london").places
        until(lambda: proxy.client().SearchPlaces(query="london").places, 1, "the other one serves")
        assert leaving.ended(20) == 0


def test_a_server_without_its_database_is_left(world, dev):
    """It is alive, not ready; when the database is back, so is the server."""
    cluster = Cluster()
    try:
        for command in (["migrate"], ["seed", "--scale", "0.01", "--days", "1"]):
            subprocess.run([binary(), *command, "--database", cluster.conninfo], check=True, timeout=60,
                           stderr=subprocess.DEVNULL)
        with Serve(cluster.conninfo, dev.data, provider_port=free_port()) as lonely, dev.sibling() as other, \
                Envoy([lonely, other]) as envoy, HAProxy([lonely, other]) as haproxy:
            cluster.stop()
            until(lambda: down(envoy, lonely) and down(haproxy, lonely), 15, "the proxies have noticed", every=0.1)
            assert lonely.http("/healthz")[0] == 200
            for proxy in (envoy, haproxy) * 3:
                assert proxy.client().SearchPlaces(query="london").places
            cluster.start()
            until(lambda: not down(envoy, lonely) and not down(haproxy, lonely), 15, "it is back", every=0.1)
    finally:
        cluster.remove()


def test_no_server_at_all(world, dev, proxy_alone):
    """Whatever the proxy says, a gRPC client reads UNAVAILABLE."""
    with refused("UNAVAILABLE"):
        proxy_alone.client().ask("SearchPlaces", query="london", timeout=20)


@pytest.fixture(params=["envoy", "haproxy", "nginx"])
def proxy_alone(request, dev):
    """A proxy whose server has gone."""
    kind = {"envoy": Envoy, "haproxy": HAProxy, "nginx": Nginx}[request.param]
    with dev.sibling() as server, kind([server]) as proxy:
        server.stop()
        if request.param != "nginx":
            until(lambda: down(proxy, server), 10, "the proxy has noticed", every=0.1)
        yield proxy
