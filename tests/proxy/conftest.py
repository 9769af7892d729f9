"""One `faregate dev` for the run, two servers that share the work, and a proxy of each kind in front of them."""

import os
import shutil
import subprocess

import pytest

from front import BUILD, ROOT, Envoy, HAProxy, Nginx
from kit.fixtures import dev, shared_world, world  # noqa: F401
from kit.instance import binary


@pytest.fixture(scope="session", autouse=True)
def proxy_files():
    """Descriptor set and certificates, by the script that compose.yml runs."""
    Envoy.files = BUILD / "files"
    shutil.rmtree(Envoy.files, ignore_errors=True)
    Envoy.files.mkdir(parents=True)
    path = os.path.dirname(os.path.abspath(binary())) + ":" + os.environ["PATH"]
    subprocess.run([ROOT / "docker/setup-proxy", Envoy.files], env={**os.environ, "PATH": path}, check=True, timeout=30)


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
