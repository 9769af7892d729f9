"""The Connect conformance runner (gRPC over HTTP/2) against the interop server, as one more stack of run.

What must stay true: a case that fails is a row of its own; known_failing.txt gives a reason for each it names.
"""
import os
import re
import subprocess

from kit.clients import Go
from kit.tools import HERE, OUT

RUN_SECONDS_MAX = 300


class Conformance(Go):
    name, needs = "conformance", (1, 24)
    module, package = "conformance", "connectrpc.com/conformance/cmd/connectconformance"
    cases = ("connectconformance",)

    def __init__(self, binary):
        self.binary = binary

    def run_cases(self, server, transport, cases, rows):
        """It starts servers of its own, clear and TLS, as many as it wants: once is enough."""
        if transport != "h2c":
            return
        folder = HERE / "conformance"
        argv = [OUT / "go/conformance/connectconformance", "--mode", "server", "--conf", folder / "config.yaml",
                "--known-failing", f"@{folder}/known_failing.txt", "--", "python3", folder / "server.py", self.binary]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=RUN_SECONDS_MAX,
                              env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        (OUT / "conformance.log").write_text(done.stdout + done.stderr)
        for name, why in re.findall(r"^FAILED: (.*?):\n((?:\t.*\n)*)", done.stdout, re.M):
            rows.add(self.name, "both", name, " ".join(why.split()))
        counts = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
        known = re.search(r"^\(.*failed as expected.*$", done.stdout, re.M)
        if not counts or (done.returncode and counts[2] == "0"):
            rows.add(self.name, "both", "runs", f"ended with {done.returncode}; see {OUT}/conformance.log")
            return
        rows.count(self.name, "both", int(counts[1]), known[0] if known else "")
