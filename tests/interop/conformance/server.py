"""The interop server as the Connect conformance runner wants one: told on standard input what to serve, answering on
standard output where. The runner calls it: server.py <interop_server>.

What must stay true: it ends when the runner closes its input or sends SIGTERM, and the server with it.
"""
import importlib
import pathlib
import signal
import subprocess
import sys
import tempfile

from grpc_tools import protoc

PROTOS = pathlib.Path(__file__).parent.parent / "protos"
NAMES = [f"connectrpc/conformance/v1/{name}.proto" for name in ("config", "server_compat")]


def messages(folder):
    if protoc.main(["protoc", f"-I{PROTOS}", f"--python_out={folder}", *NAMES]):
        raise RuntimeError("protoc failed")
    sys.path.insert(0, str(folder))
    return importlib.import_module("connectrpc.conformance.v1.server_compat_pb2")


def flags(request, folder):
    if request.message_receive_limit:
        yield f"--message-bytes-max={request.message_receive_limit}"
    if not request.use_tls:
        yield "--listen=127.0.0.1:0"
        return
    yield "--listen-tls=127.0.0.1:0"
    pems = {"certificate": request.server_creds.cert, "key": request.server_creds.key,
            "client-ca": request.client_tls_cert}
    for name, pem in pems.items():
        if not pem:
            continue
        file = folder / name
        file.touch(0o600)
        file.write_bytes(pem)
        yield f"--tls-{name}={file}"


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        compat = messages(folder)
        size = int.from_bytes(sys.stdin.buffer.read(4), "big")
        request = compat.ServerCompatRequest.FromString(sys.stdin.buffer.read(size))
        server = subprocess.Popen([sys.argv[1], *flags(request, folder)], stdout=subprocess.PIPE, text=True)
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        port = 0
        for line in server.stdout:
            if line == "ready\n":
                break
            port = int(line.rsplit(":", 1)[1])
        answer = compat.ServerCompatResponse(host="127.0.0.1", port=port,
                                             pem_cert=request.server_creds.cert).SerializeToString()
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
        sys.stdout.buffer.flush()
        status = server.wait()
    sys.exit(status)


main()
