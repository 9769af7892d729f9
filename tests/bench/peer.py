"""The peer: a grpc-go and pgx service on the same PostgreSQL, built from a folder outside this repository. Nothing
here knows how it works, only how to make it, start it and drive it with its own load generator."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

PLUGINS = ("google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6", "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1")
GO_MOD = """module peer

go 1.23

require (
	air v0.0.0
	github.com/jackc/pgx/v4 v4.18.3
	google.golang.org/grpc v1.71.0
)

replace air => ./air
"""
# Our operation -> the peer's, with what it takes.
OPS = {"search": "search", "search-even": "search", "flight": "flight", "seatmap": "flight", "book": "book",
       "hot": "book hot=100", "pay": "pay", "history": "history", "mix": "mix"}


def build(source, out):
    """Makes peer and grpcload in @out from @source; what is there already is kept."""
    if (out / "peer").exists() and (out / "grpcload").exists():
        return
    (out / "air").mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, GOBIN=str(out / "bin"), GOFLAGS="-mod=mod")
    env["PATH"] = f"{out / 'bin'}:{env['PATH']}"

    def sh(*argv):
        subprocess.run(argv, cwd=out, env=env, check=True, capture_output=True, text=True)

    for plugin in PLUGINS:
        sh("go", "install", plugin)
    shutil.copyfile(source / "peer/go/main.go", out / "main.go")
    shutil.copyfile(source / "peer/air.proto", out / "air.proto")
    options = "paths=source_relative,Mair.proto=peer/air"
    sh("protoc", "--go_out=air", "--go-grpc_out=air", f"--go_opt={options}", f"--go-grpc_opt={options}", "air.proto")
    (out / "go.mod").write_text(GO_MOD)
    (out / "air/go.mod").write_text("module air\n\ngo 1.23\n")
    sh("go", "mod", "tidy")
    sh("go", "build", "-o", "peer", ".")
    sh("cc", "-O2", str(source / "c/grpcload.c"), "-o", "grpcload", "-lnghttp2")


class Peer:
    def __init__(self, source, out, pg, port, conns, streams, db_conns, days, bookings):
        self.source, self.out, self.pg, self.port = source, out, pg, port
        self.conns, self.streams, self.flights = conns, streams, days * 4000
        self.base, self.process = 1, None
        self.bookings = bookings
        pg.sql("CREATE DATABASE peer")
        pg.file(source / "schema.sql", "peer", {"bookings": bookings, "days": days})
        env = dict(os.environ, PGHOST=pg.socket, PGPORT="5432", PGDATABASE="peer", PGUSER="faregate")
        self.process = subprocess.Popen([out / "peer", "-addr", f"127.0.0.1:{port}", "-style", "one", "-conns",
                                         str(db_conns)], env=env)
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("the peer does not listen")

    @property
    def pid(self):
        return self.process.pid

    def run(self, op, seconds):
        name, *more = OPS[op.removesuffix("-memory")].split()
        text = subprocess.run([self.out / "grpcload", str(self.port), name, f"c={self.conns}", f"s={self.streams}",
                               f"t={seconds}", f"base={self.base}", f"f1={self.flights}", *more], check=True,
                              capture_output=True, text=True).stdout
        values = {k: float(v) for k, v in re.findall(r"(ok/s|rps|p50|p99|loader_us)=([\d.]+)", text)}
        if name in ("pay", "mix"):
            self.base += int(values["rps"] * seconds * 1.2) + 2000
        return {"rate": values["ok/s"], "p50_ms": values["p50"], "p99_ms": values["p99"],
                "calls": values["rps"] * seconds, "loader_us": values["loader_us"],
                "errors": {k: int(v) for k, v in re.findall(r"grpc(-?\d+)=(\d+)", text)}}

    def check(self):
        """Names of invariants of the peer that do not hold."""
        text = self.pg.file(self.source / "check.sql", "peer", {"loaded": self.bookings})
        return [line.strip() for line in text.splitlines() if re.search(r"\|\s*[1-9-]", line)]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
