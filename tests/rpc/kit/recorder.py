"""A proxy for HTTP/1.1 that writes down what it passes on: `with Recorder(port) as r: ... r.port ... r.seen`."""

import http.client
import http.server
import threading


class Recorder:
    def __init__(self, to_port):
        self.seen = []  # (path, {name in lower case: value}) of each request
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                recorder.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                onward = http.client.HTTPConnection("127.0.0.1", to_port, timeout=10)
                onward.request(self.command, self.path, body, dict(self.headers.items()))
                answer = onward.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                onward.close()

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
