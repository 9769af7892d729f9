"""One `faregate dev` for the run, two servers that share the work, and a proxy of each kind in front of them."""

import itertools
import os
import shutil
import subprocess

import pytest

from front import BUILD, ROOT, Envoy, HAProxy, Nginx
from kit.instance import Dev, binary
from kit.world import World


def proxy_files():
    """Descriptor set and certificates, by the script that compose.yml runs."""
    directory = BUILD / "files"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    path = os.path.dirname(os.path.abspath(binary())) + ":" + os.environ["PATH"]
    subprocess.run([ROOT / "docker/setup-proxy", directory], env={**os.environ, "PATH": path}, check=True, timeout=30)
    return directory


@pytest.fixture(scope="session")
def dev():
    instance = Dev("--workers", "2", "--provider-timeout-ms", "1500")
    Envoy.files = proxy_files()
    yield instance
    status = instance.stop()
    if not os.environ.get("RPC_KEEP"):
        instance.remove()
    assert status == 0, f"SIGTERM must end it with status 0, not {status}"


@pytest.fixture(scope="session")
def shared_world(dev):
    return World(dev, itertools.count(1))


@pytest.fixture
def world(shared_world):
    yield shared_world
    shared_world.dev.check()


@pytest.fixture(scope="session")
def auth_server(dev):
    """Serves AuthService alone."""
    with dev.sibling(services="auth") as server:
        yield server


@pytest.fixture(scope="session")
def rest_server(dev):
    """Serves everything but AuthService."""
    with dev.sibling(services="flight,booking,payment") as server:
        yield server


@pytest.fixture(scope="session")
def envoy(auth_server, rest_server):
    """The shipped config, split by service."""
    with Envoy([rest_server], [auth_server]) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def haproxy(auth_server, rest_server):
    with HAProxy([rest_server], [auth_server]) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def nginx(auth_server, rest_server):
    with Nginx([rest_server], [auth_server]) as proxy:
        yield proxy


@pytest.fixture(params=["envoy", "haproxy", "nginx"])
def proxy(request):
    return request.getfixturevalue(request.param)
