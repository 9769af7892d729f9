"""The client stacks: how each is made and how its cases are run. run goes through ALL.

What must stay true: versions are pinned in the stack's own lock file; nothing is written outside build/interop but the
tools' own caches.
"""
import os
import pathlib
import re
import subprocess
import threading

from kit import tools
from kit.tools import HERE, OUT, need, sh

RUN_SECONDS_MAX = 240
CASE_SECONDS_MAX = 40
STEP_SECONDS_MAX = 20  # for clients whose own bound of a connect or call is a second: all stacks run beside each other

SIMPLE = ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
          "cancel_after_begin", "cancel_after_first_response", "timeout_on_sleeping_server", "custom_metadata",
          "status_code_and_message", "special_status_message", "unimplemented_method", "unimplemented_service",
          "rpc_soak", "channel_soak")
COMPRESSED = ("client_compressed_unary", "server_compressed_unary", "client_compressed_streaming",
              "server_compressed_streaming")
OURS = SIMPLE + COMPRESSED + ("half_duplex", "every_status")  # the cases our own drivers have


class Stack:
    name = cases = None
    ready = False

    def prepare(self):
        """Builds; raises NotHere where the toolchain is missing."""

    def run(self, server, transport, rows):
        cases = [case for case in self.cases if rows.wants(transport, case)]
        if cases:
            self.run_cases(server, transport, cases, rows)

    def run_cases(self, server, transport, cases, rows):
        """One process for all cases, which prints "ok <case>" or "failed <case>: why"."""
        seen = {}
        log = OUT / f"{self.name}-{transport}.log"
        with open(log, "w") as errors:
            process = subprocess.Popen([str(word) for word in self.argv(server, transport, cases)],
                                       stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                text, _ = process.communicate(timeout=RUN_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                text, _ = process.communicate()
        for line in text.splitlines():
            found = re.match(r"(ok|failed) (\w+)(?:: (.*))?$", line)
            if found:
                seen[found[2]] = None if found[1] == "ok" else found[3] or "?"
        for case in cases:
            rows.add(self.name, transport, case, seen.get(case, f"never ended; see {log}"))

    def argv(self, server, transport, cases):
        raise NotImplementedError

    @staticmethod
    def ca(server, transport):
        return server.ca if transport == "tls" else "-"


class Go(Stack):
    """A program of the module in tests/interop/<module>, whose go.mod and go.sum pin it."""
    needs, module = (1, 19), "go"

    def prepare(self):
        need("go", self.needs, "version")
        target = OUT / "go" / self.name
        target.mkdir(parents=True, exist_ok=True)
        env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=readonly")
        sh("go", "build", "-o", f"{target}/", self.package, cwd=HERE / self.module, env=env)


class GrpcGo(Go):
    """grpc-go's official interop client: a process a case."""
    name, package = "grpc-go", "google.golang.org/grpc/interop/client"
    cases = SIMPLE + ("pick_first_unary",)

    def run_cases(self, server, transport, cases, rows):
        host, port = server.address(transport).split(":")
        tls = ["--use_tls", "--use_test_ca", f"--ca_file={server.ca}"] if transport == "tls" else []
        for case in cases:
            argv = [OUT / "go/grpc-go/client", f"--server_host={host}", f"--server_port={port}", f"--test_case={case}",
                    "--soak_iterations=5", f"--soak_overall_timeout_seconds={STEP_SECONDS_MAX}",
                    f"--soak_per_iteration_max_acceptable_latency_ms={STEP_SECONDS_MAX * 1000}", *tls]
            try:
                sh(*argv, seconds=CASE_SECONDS_MAX)
                rows.add(self.name, transport, case, None)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                rows.add(self.name, transport, case, str(error))


class ConnectGo(Go):
    name, package, cases = "connect-go", "./connect", OURS

    def argv(self, server, transport, cases):
        return [OUT / "go/connect-go/connect", server.address(transport), self.ca(server, transport), *cases]


class GrpcJava(Stack):
    """grpc-java's official interop client. Its cacheable_unary wants a caching proxy and is left out."""
    name, flags = "grpc-java", ""
    cases = SIMPLE + COMPRESSED + ("pick_first_unary", "client_compressed_unary_noprobe",
                                   "client_compressed_streaming_noprobe")

    making = threading.Lock()  # both transports are made of the same

    def prepare(self):
        need("javac", (17, 0))
        need("mvn", (3, 6))
        with self.making:
            self.make()

    @staticmethod
    def make():
        jars, classes = OUT / "java/jars", OUT / "java/classes"
        pom, driver, stamp = HERE / "java/pom.xml", HERE / "java/Interop.java", OUT / "java/made"
        if not tools.changed(stamp, pom, driver):
            return
        sh("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
           f"-DoutputDirectory={jars}")
        classes.mkdir(parents=True, exist_ok=True)
        sh("javac", "-cp", f"{jars}/*", "-d", classes, driver)
        tools.keep(stamp, pom, driver)

    def trust(self, server):
        """Java reads authorities from a store of its own."""
        store = OUT / f"java/{self.name}.p12"
        store.unlink(missing_ok=True)
        sh("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", server.ca, "-keystore", store,
           "-storetype", "PKCS12", "-storepass", "changeit")
        return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]

    def argv(self, server, transport, cases):
        trust = self.trust(server) if transport == "tls" else []
        return ["java", "-XX:TieredStopAtLevel=1", *trust, "-cp", f"{OUT}/java/classes:{OUT}/java/jars/*", "Interop",
                server.address(transport), f"{transport}{self.flags}", *cases]


class GrpcJavaOkHttp(GrpcJava):
    """The same cases over grpc-java's other transport."""
    name, flags = "grpc-java-okhttp", "+okhttp"


class Grpcio(Stack):
    name, cases = "grpcio", OURS + ("cacheable_unary",)

    def argv(self, server, transport, cases):
        return ["python3", HERE / "python/client.py", server.address(transport), self.ca(server, transport), *cases]


class GrpcJs(Stack):
    name, cases = "grpc-js", OURS

    def prepare(self):
        need("node", (18, 0))
        need("npm", (8, 0))
        out, inputs = OUT / "node", [HERE / "node/package.json", HERE / "node/package-lock.json"]
        if not tools.changed(out / "made", *inputs):
            return
        out.mkdir(parents=True, exist_ok=True)
        for file in inputs:
            (out / file.name).write_bytes(file.read_bytes())
        sh("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=out)
        tools.keep(out / "made", *inputs)

    def argv(self, server, transport, cases):
        return ["env", f"NODE_PATH={OUT}/node/node_modules", "node", HERE / "node/client.js",
                server.address(transport), self.ca(server, transport), *cases]


class Tonic(Stack):
    name, cases = "tonic", OURS

    def prepare(self):
        need("cargo", (1, 63))
        sh("cargo", "build", "--quiet", "--locked", "--manifest-path", HERE / "rust/Cargo.toml", "--target-dir",
           OUT / "rust")

    def argv(self, server, transport, cases):
        return [OUT / "rust/debug/interop", server.address(transport), self.ca(server, transport), *cases]


class Tool(Stack):
    """A program whose cases are command lines: what it must print, and how it must end."""

    def run_cases(self, server, transport, cases, rows):
        for case in cases:
            try:
                getattr(self, case)(server, transport)
                rows.add(self.name, transport, case, None)
            except (AssertionError, RuntimeError, subprocess.TimeoutExpired) as error:
                rows.add(self.name, transport, case, f"{error}".replace("\n", " "))

    def tool(self, server, transport, *words, before=(), status=0, text=""):
        """Runs the tool with @words behind the address; what it said. @status: how it must end."""
        argv = [str(word) for word in [*self.program(server, transport), *before, server.address(transport), *words]]
        done = subprocess.run(argv, capture_output=True, text=True, input=text, timeout=CASE_SECONDS_MAX)
        said = done.stdout + done.stderr
        assert done.returncode == status, f"{' '.join(argv)}: ended with {done.returncode}: {said[-300:]}"
        return said


class HealthProbe(Go, Tool):
    name, package = "grpc-health-probe", "github.com/grpc-ecosystem/grpc-health-probe"
    cases = ("whole_server", "liveness", "readiness", "a_service", "unknown_service")
    UNKNOWN_SERVICE = 3  # the probe's exit code for an RPC that failed

    def run_cases(self, *args):
        Tool.run_cases(self, *args)

    def program(self, server, transport):
        tls = ["-tls", f"-tls-ca-cert={server.ca}"] if transport == "tls" else []
        return [OUT / "go/grpc-health-probe/grpc-health-probe", *tls, f"-connect-timeout={STEP_SECONDS_MAX}s",
                f"-rpc-timeout={STEP_SECONDS_MAX}s", "-addr"]

    def probe(self, server, transport, service, status=0):
        said = self.tool(server, transport, f"-service={service}", status=status)
        assert status or "SERVING" in said, said

    def whole_server(self, server, transport):
        self.probe(server, transport, "")

    def liveness(self, server, transport):
        self.probe(server, transport, "liveness")

    def readiness(self, server, transport):
        self.probe(server, transport, "readiness")

    def a_service(self, server, transport):
        self.probe(server, transport, "grpc.testing.TestService")

    def unknown_service(self, server, transport):
        self.probe(server, transport, "coffee", status=self.UNKNOWN_SERVICE)


class Grpcurl(Tool):
    """Everything through reflection: it knows no proto."""
    name = "grpcurl"
    cases = ("list", "describe_every_service", "describe_every_message", "empty_unary", "large_unary",
             "server_streaming", "client_streaming", "ping_pong", "custom_metadata", "status_code_and_message",
             "unimplemented_method", "health")
    STATUS_EXIT = 64  # its exit code is this and the gRPC code

    def program(self, server, transport):
        return ["grpcurl", *(["-cacert", server.ca] if transport == "tls" else ["-plaintext"])]

    def services(self, server, transport):
        return self.tool(server, transport, "list").split()

    def call(self, server, transport, method, text="", status=0, before=()):
        return self.tool(server, transport, f"grpc.testing.TestService/{method}", status=status, text=text,
                         before=[*before, *(["-d", "@"] if text else [])])

    def list(self, server, transport):
        have = self.services(server, transport)
        for name in ("grpc.testing.TestService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                     "grpc.reflection.v1alpha.ServerReflection"):
            assert name in have, have
        assert "grpc.testing.UnimplementedService" not in have, have

    def describe_every_service(self, server, transport):
        for name in self.services(server, transport):
            said = self.tool(server, transport, "describe", name)
            assert f"{name} is a service" in said, said

    def describe_every_message(self, server, transport):
        messages = set()
        for name in self.services(server, transport):
            said = self.tool(server, transport, "describe", name)
            messages.update(re.findall(r"(?:\(|stream )\s*\.([\w.]+)", said))
        assert len(messages) > 10, messages
        for name in messages:
            said = self.tool(server, transport, "describe", name)
            assert f"{name} is a message" in said, said

    def empty_unary(self, server, transport):
        assert "".join(self.call(server, transport, "EmptyCall").split()) == "{}"

    def large_unary(self, server, transport):
        said = self.call(server, transport, "UnaryCall", '{"response_size": 314159}')
        assert len(said) > 314159 * 4 / 3, len(said)

    def server_streaming(self, server, transport):
        text = '{"response_parameters": [{"size": 1}, {"size": 2, "interval_us": 20000}, {"size": 3}]}'
        assert self.call(server, transport, "StreamingOutputCall", text).count("payload") == 3

    def client_streaming(self, server, transport):
        text = '{"payload": {"body": "AAAA"}} {"payload": {"body": "AAAAAAAA"}}'
        said = self.call(server, transport, "StreamingInputCall", text)
        assert '"aggregatedPayloadSize": 9' in said, said

    def ping_pong(self, server, transport):
        text = '{"response_parameters": [{"size": 1}]} {"response_parameters": [{"size": 2}]}'
        assert self.call(server, transport, "FullDuplexCall", text).count("payload") == 2

    def custom_metadata(self, server, transport):
        said = self.call(server, transport, "EmptyCall", before=[
            "-v", "-H", "x-grpc-test-echo-initial: seen", "-H", "x-grpc-test-echo-trailing-bin: CgsK"])
        headers, _, trailers = said.partition("Response contents:")
        assert "x-grpc-test-echo-initial: seen" in headers, said
        assert "x-grpc-test-echo-trailing-bin: CgsK" in trailers, said

    def status_code_and_message(self, server, transport):
        text = '{"response_status": {"code": 9, "message": "no coffee"}}'
        said = self.call(server, transport, "UnaryCall", text, status=self.STATUS_EXIT + 9)
        assert "FailedPrecondition" in said and "no coffee" in said, said

    def unimplemented_method(self, server, transport):
        said = self.call(server, transport, "UnimplementedCall", status=self.STATUS_EXIT + 12)
        assert "Unimplemented" in said, said

    def health(self, server, transport):
        said = self.tool(server, transport, "grpc.health.v1.Health/Check")
        assert '"status": "SERVING"' in said, said


def prepare(stack):
    stack.prepare()
    stack.ready = True


ALL = [GrpcJava(), Tonic(), GrpcGo(), GrpcJs(), Grpcio(), ConnectGo(), HealthProbe(), Grpcurl(), GrpcJavaOkHttp()]
