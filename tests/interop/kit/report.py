"""The rows of a run: printed as they come, counted at the end. run and the stacks add to it, from several threads."""
import threading

STACKS = ("grpc-go", "grpc-java", "grpc-java-okhttp", "grpcio", "grpc-js", "tonic", "connect-go", "grpcurl",
          "grpc-health-probe", "conformance", "server")


class NotHere(Exception):
    """A toolchain that this machine has not, or not new enough."""


class Report:
    def __init__(self, words):
        self.words, self.lock = words, threading.Lock()
        self.passed = 0
        self.skips, self.failures = [], []

    def wants_stack(self, name):
        """Whether the arguments leave anything of this stack to run; a word that is no stack's name is a case or transport."""
        named = [word for word in self.words if word in STACKS]
        return not named or name in named

    def wants(self, transport, case):
        words = [word for word in self.words if word not in STACKS]
        transports = [word for word in words if word in ("h2c", "tls")]
        cases = [word for word in words if word not in ("h2c", "tls")]
        return (not transports or transport in transports) and (not cases or case in cases)

    def add(self, stack, transport, case, problem):
        """@problem None: passed."""
        with self.lock:
            self.passed += problem is None
            row = f"{stack:<18} {transport:<5} {case}"
            if problem is not None:
                self.failures.append(f"{row}: {problem}")
            print(f"ok     {row}" if problem is None else f"FAILED {row}: {problem}", flush=True)

    def count(self, stack, transport, passed, note):
        """Rows that a suite has counted itself and that passed."""
        with self.lock:
            self.passed += passed
            print(f"ok     {stack:<18} {transport:<5} {passed} cases {note}", flush=True)

    def skip(self, stack, why):
        with self.lock:
            self.skips.append(f"{stack}: {why}")
            print(f"SKIPPED {stack}: {why}", flush=True)

    def prepared(self, stack, problem):
        if isinstance(problem, NotHere):
            self.skip(stack.name, str(problem))
        elif problem:
            self.add(stack.name, "-", "builds", str(problem))

    def finish(self):
        for line in self.skips:
            print(f"SKIPPED {line}")
        for line in self.failures:
            print(f"FAILED {line}")
        skipped = f", {len(self.skips)} skipped" if self.skips else ""
        print(f"{self.passed} passed, {len(self.failures)} failed{skipped}")
        return 1 if self.failures else 0
