"""The servers that rows talk to: the test-only interop server, one process a set of flags, or the one --target names.

What must stay true: every process started here is ended by its own handle."""

import os
import pathlib
import ssl
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]


def tls_client(versions=None, alpn=("h2",), ciphers=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if versions:
        context.minimum_version, context.maximum_version = versions
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def parse(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


class Server:
    def __init__(self, binary, flags, folder):
        self.log = open(folder / f"server-{time.monotonic_ns()}.log", "w+b")
        argv = [binary, "--listen=127.0.0.1:0", "--listen-tls=127.0.0.1:0",
                f"--tls-certificate={folder}/server.crt", f"--tls-key={folder}/server.key", *flags]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.log)
        self.address = self.tls_address = None
        for line in self.process.stdout:
            word, _, rest = line.decode().strip().partition(" ")
            if word == "h2c":
                self.address = parse(rest)
            elif word == "tls":
                self.tls_address = parse(rest)
            elif word == "ready":
                return
        raise RuntimeError(f"{' '.join(map(str, argv))} did not start: {self.said()}")

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")[-3000:]

    def terminate(self):
        self.process.terminate()

    def stop(self):
        """"" or what went wrong: a server that fell is a finding of its own."""
        if self.process.poll() is not None:
            return "" if self.process.returncode == 0 else f"status {self.process.returncode}: {self.said()}"
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.terminate()  # the second one is obeyed at once
            self.process.wait(10)
            return ""
        return "" if self.process.returncode == 0 else f"status {self.process.returncode}: {self.said()}"


class Servers:
    """Our own, started when first asked for."""

    tls_everywhere = None
    is_ours = True

    def __init__(self, binary):
        self.binary, self.lock, self.started = binary, threading.Lock(), {}
        self.folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.path = pathlib.Path(self.folder.name)

    def get(self, *flags):
        with self.lock:
            if flags not in self.started:
                self.started[flags] = Server(self.binary, flags, self.path)
            return self.started[flags]

    def fresh(self, *flags):
        """One of its own: the row is going to end it."""
        with self.lock:
            key = (*flags, object())
            self.started[key] = Server(self.binary, flags, self.path)
            return self.started[key]

    def stop(self):
        found = [text for server in self.started.values() if (text := server.stop())]
        self.folder.cleanup()
        return found


class Target:
    """Somebody else's, whatever its flags."""

    is_ours = False

    def __init__(self, address, tls):
        self.address = self.tls_address = parse(address)
        self.tls_everywhere = tls_client() if tls else None

    def get(self, *_):
        return self

    fresh = get

    def stop(self):
        return []


def find_binary():
    if "CONFORMANCE_SERVER" in os.environ:
        return os.environ["CONFORMANCE_SERVER"]
    found = sorted((p for p in ROOT.glob("build/*/tests/interop/interop_server")), key=os.path.getmtime)
    found = found or sorted(ROOT.glob("build/*/tests/interop_server"), key=os.path.getmtime)
    return str(found[-1]) if found else None
