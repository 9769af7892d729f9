"""The rows of a run: printed as they come, counted at the end. run and the stacks add to it, from several threads."""
import threading

STACKS = ("grpc-go", "grpc-java", "grpc-java-okhttp", "grpcio", "grpc-js", "tonic", "connect-go", "grpcurl",
          "grpc-health-probe", "conformance", "server")


class NotHere(Exception):
    """A toolchain that this machine has not, or not new enough."""


class Report:
    def __init__(self, words):
        self.words, self.lock = words, threading.Lock()
        self.passed = self.failed = 0
        self.skips = []

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
            self.failed += problem is not None
            print(f"{'ok    ' if problem is None else 'FAILED'} {stack:<18} {transport:<5} {case}"
                  + (f": {problem}" if problem else ""), flush=True)

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
        print(f"{len(self.skips)} stacks skipped")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
