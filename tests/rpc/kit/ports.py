"""Ports for servers that a test starts. No imports from the rest of the kit: the attack runs and the bench use it too."""

import pathlib
import random
import socket

given = set()


def _ephemeral():
    """Where the kernel takes the near end of outgoing connections from: a port there can be gone before its server starts."""
    return int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def _free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: what lingers in TIME_WAIT is no obstacle
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(run=2):
    """The first of @run ports in a row that nobody has and that no other call of this process was given."""
    for _ in range(10000):
        first = random.randrange(10000, max(_ephemeral(), 20000) - run)
        ports = range(first, first + run)
        if given.isdisjoint(ports) and all(map(_free, ports)):
            given.update(ports)
            return first
    raise RuntimeError("no free ports")


def is_refused(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) != 0
