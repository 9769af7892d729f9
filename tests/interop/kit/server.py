"""The interop server as a process: started on ports that the kernel chooses, drained at the end."""
import signal
import subprocess
import threading

START_SECONDS_MAX = 30
DRAIN_SECONDS_MAX = 40


class Server:
    """Its certificate is the one it makes for itself, as `faregate dev` does: every stack has to accept that."""

    def __init__(self, binary, out):
        log, self.ca = out / "server.log", out / "server.crt"
        self.ports, self.exit_problem = {}, None
        self.ca.unlink(missing_ok=True)
        argv = [str(binary), f"--tls-certificate={self.ca}", f"--tls-key={out}/server.key"]
        with open(log, "w") as errors:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, text=True)
        watch = threading.Timer(START_SECONDS_MAX, self.process.kill)
        watch.start()
        for line in self.process.stdout:
            if line == "ready\n":
                break
            word, address = line.split()
            self.ports[word] = int(address.rsplit(":", 1)[1])
        watch.cancel()
        if len(self.ports) == 0:
            raise RuntimeError(f"the interop server did not start; see {log}")

    def address(self, transport):
        """localhost: what the certificate says."""
        return f"localhost:{self.ports[transport]}" if transport == "tls" else f"127.0.0.1:{self.ports[transport]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is not None:
            self.exit_problem = f"had ended by itself with {self.process.returncode}"
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DRAIN_SECONDS_MAX)
            self.exit_problem = f"ended with {status}" if status else None
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.exit_problem = "did not end"
