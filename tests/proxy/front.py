"""Envoy, HAProxy and nginx on the files of docker/, unprivileged on loopback, and what they count.

A config is the shipped text with some of its words replaced; a word that is not there any more fails the test.
"""

import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "rpc"))

from kit import stubs  # noqa: E402
from kit.client import Client  # noqa: E402
from kit.instance import until  # noqa: E402
from kit.ports import free_port  # noqa: E402

BUILD = ROOT / "build" / "proxy"
DESCRIPTORS = ROOT / "gen" / "descriptor_set.pb"
numbers = itertools.count(1)
# Envoy does not ask a server again that it has found healthy: one refusal takes it away, whatever the threshold is.
BLIND = ("interval: 1s\n      no_traffic_interval: 1s", "interval: 3600s\n      unhealthy_interval: 1s\n"
         "      no_traffic_interval: 1s\n      no_traffic_healthy_interval: 3600s")


def edit(text, changes):
    for old, new in changes:
        assert old in text, f"the shipped config has no {old!r}"
        text = text.replace(old, new)
    return text


def take_call(server):
    """A call whose message does not come: where --calls-max is 1, everything else is refused for ten seconds. None:
    another has it."""
    over = threading.Event()

    def nothing():
        over.wait()
        yield from ()

    def is_full():
        try:
            return not server.client().SearchPlaces(query="london")
        except grpc.RpcError:
            return True

    call = server.client().channel.stream_unary(stubs.METHODS["CreateUser"][0]).future(nothing())
    call.add_done_callback(lambda _: over.set())
    until(lambda: call.done() or is_full(), 5, "the call is there")
    return None if call.done() else call  # refused: a health check of the proxy's


class Proxy:
    """One process. @servers and @auth_servers: kit's Dev or Serve, for the two groups of the shipped config."""

    template = None

    def __init__(self, servers, auth_servers=None, changes=(), wait=True):
        self.servers, self.auth_servers = servers, auth_servers or servers
        self.dir = BUILD / f"{self.name}-{os.getpid()}-{next(numbers)}"
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.port, self.tls_port, self.admin_port = free_port(), free_port(), free_port()
        self.path = self.dir / self.template
        text = (ROOT / "docker" / self.template).read_text()
        self.path.write_text(edit(text, [*changes, *self.addresses()]))
        self.log = self.dir / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.argv(), stdout=log, stderr=subprocess.STDOUT, cwd=self.dir)
        try:
            until(self._up, 20, f"{self.name} serves; its log is {self.log}", every=0.05)
            if wait:
                until(self.healthy, 20, f"{self.name} finds its servers; its log is {self.log}", every=0.05)
        except AssertionError:
            self.close()
            raise

    def _up(self):
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return self.is_up()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        self.close()
        if not failed and not os.environ.get("RPC_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    # What kit.world.World asks of a server.

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"

    def client(self, token=None):
        return Client(self.target, token)

    def http(self, method, path, body=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


class Envoy(Proxy):
    name, template = "envoy", "envoy.yaml"

    def argv(self):
        return [str(BUILD / "envoy/envoy/_bin/envoy"), "-c", str(self.path), "--concurrency", "2", "-l", "warning",
                "--disable-hot-restart"]

    def addresses(self):
        def endpoints(host, servers):
            line = "        - endpoint: {address: {socket_address: {address: %s, port_value: %d}}}\n"
            return line % (host, 50051), "".join(line % ("127.0.0.1", server.port) for server in servers)

        return [
            endpoints("server", self.servers),
            endpoints("server-auth", self.auth_servers),
            ("{address: server, port_value: 9090}", f"{{address: 127.0.0.1, port_value: {self.servers[0].admin_port}}}"),
            ("{address: 127.0.0.1, port_value: 9901}", f"{{address: 127.0.0.1, port_value: {self.admin_port}}}"),
            ("{address: 0.0.0.0, port_value: 8080}", f"{{address: 127.0.0.1, port_value: {self.port}}}"),
            ("{address: 0.0.0.0, port_value: 8443}", f"{{address: 127.0.0.1, port_value: {self.tls_port}}}"),
            ("/var/lib/faregate-proxy", str(self.files)),
        ]

    files = None  # what docker/setup-proxy made; conftest says where

    def admin(self, path, method="GET"):
        return self.http(method, path, port=self.admin_port)[2].decode()

    def is_up(self):
        try:
            return json.loads(self.admin("/server_info"))["state"] == "LIVE"
        except (OSError, ValueError):
            return False

    def stats(self, prefix=""):
        text = self.admin(f"/stats?filter=^{prefix}")
        return {name: int(value) for name, _, value in (line.partition(": ") for line in text.splitlines())
                if value.isdigit()}

    def stat(self, name):
        return self.stats(name + "$").get(name, 0)

    def hosts(self, cluster="faregate"):
        """{port: health flags}, empty text where healthy."""
        found = {}
        for status in json.loads(self.admin("/clusters?format=json"))["cluster_statuses"]:
            if status["name"] == cluster:
                for host in status.get("host_statuses", []):
                    flags = [k for k, v in host["health_status"].items() if v is True]
                    found[host["address"]["socket_address"]["port_value"]] = " ".join(flags)
        return found

    def healthy(self):
        wanted = {"faregate": self.servers, "faregate-auth": self.auth_servers}
        return all(self.hosts(cluster) == {s.port: "" for s in servers} for cluster, servers in wanted.items())

    def access_log(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class HAProxy(Proxy):
    name, template = "haproxy", "haproxy.cfg"

    def argv(self):
        return ["haproxy", "-db", "-f", str(self.path)]

    def addresses(self):
        def lines(host, servers):
            return f"    server one {host}:50051 port 9090\n", "".join(
                f"    server s{i} 127.0.0.1:{s.port} port {s.admin_port}\n" for i, s in enumerate(servers))

        return [lines("server", self.servers), lines("server-auth", self.auth_servers),
                ("bind :8080", f"bind 127.0.0.1:{self.port}"),
                ("global\n", f"global\n    stats socket {self.dir}/admin level admin\n")]

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{self.dir}/admin")
            sock.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()

    def is_up(self):
        try:
            return "Name: HAProxy" in self.ask("show info")
        except OSError:
            return False

    def states(self, backend="faregate"):
        """{name: state} such as UP or DOWN."""
        rows = [line.split(",") for line in self.ask("show stat").splitlines()]
        return {row[1]: row[17] for row in rows if row[0] == backend and row[1] not in ("BACKEND", "FRONTEND")}

    def healthy(self):
        return all(state == "UP" for backend in ("faregate", "auth") for state in self.states(backend).values())


class Nginx(Proxy):
    name, template = "nginx", "nginx.conf"

    def argv(self):
        return ["nginx", "-p", str(self.dir), "-c", str(self.path), "-e", "stderr", "-g", "daemon off;"]

    def addresses(self):
        def lines(host, servers):
            line = "        server %s max_fails=3 fail_timeout=5s;\n"
            return line % f"{host}:50051", "".join(line % s.target for s in servers)

        return [lines("server", self.servers), lines("server-auth", self.auth_servers),
                ("listen 8080", f"listen 127.0.0.1:{self.port}"), ("/tmp/nginx", f"{self.dir}/nginx"),
                ("worker_processes auto", "worker_processes 2")]

    def is_up(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    healthy = is_up
