"""grpc.health.v1 as a client sees it."""

import threading

import grpc

from kit import stubs

Reply = stubs.health.HealthCheckResponse
SERVING, NOT_SERVING, SERVICE_UNKNOWN = Reply.SERVING, Reply.NOT_SERVING, Reply.SERVICE_UNKNOWN


def _method(channel, name, many=False):
    return (channel.unary_stream if many else channel.unary_unary)(
        "/grpc.health.v1.Health/" + name, stubs.health.HealthCheckRequest.SerializeToString, Reply.FromString)


def check(target, service="", wait=False):
    """The status, on a connection of its own; raises NOT_FOUND."""
    with grpc.insecure_channel(target) as channel:
        return _method(channel, "Check")(stubs.health.HealthCheckRequest(service=service), timeout=10,
                                         wait_for_ready=wait).status


class Watcher:
    """A Watch in the background: @seen grows; @code is how it ended."""

    def __init__(self, target, service=""):
        self.seen, self.code = [], None
        self.channel = grpc.insecure_channel(target)
        self.call = _method(self.channel, "Watch", many=True)(stubs.health.HealthCheckRequest(service=service))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for reply in self.call:
                self.seen.append(reply.status)
            self.code = "OK"
        except grpc.RpcError as error:
            self.code = error.code().name

    def ended(self, seconds=20):
        self.thread.join(seconds)
        self.channel.close()
        return self.code

    def cancel(self):
        self.call.cancel()
        return self.ended()
