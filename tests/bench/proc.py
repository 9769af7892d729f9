"""CPU time by process, from /proc. What must stay true: foreign() counts everything that is not ours, so that a
disturbed run can be told from a slow one."""
import os
import time

HZ = os.sysconf("SC_CLK_TCK")
CPUS = len(os.sched_getaffinity(0))


def _processes():
    """pid -> (parent, comm, CPU seconds with those of waited-for children)"""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                    text = f.read()
            except OSError:
                continue
            fields = text[text.rindex(")") + 2:].split()
            comm = text[text.index("(") + 1:text.rindex(")")]
            found[int(name)] = (int(fields[1]), comm, sum(map(int, fields[11:15])) / HZ)
    return found


def resident_bytes(root, name):
    """Memory of the children of @root that are called so."""
    total = 0
    for pid, (parent, comm, _) in _processes().items():
        if parent == root and comm == name:
            with open(f"/proc/{pid}/statm", encoding="ascii") as f:
                total += int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def usage(roots):
    """CPU seconds of the trees under @roots, by kind: server, database, provider."""
    found = _processes()
    children = {}
    for pid, (parent, _, _) in found.items():
        children.setdefault(parent, []).append(pid)
    sums = {"server": 0.0, "database": 0.0, "provider": 0.0}
    seen = set()

    def walk(pid, kind):
        if pid not in found or pid in seen:
            return
        seen.add(pid)
        comm = found[pid][1]
        if comm.startswith("postgres"):
            kind = "database"
        elif "psp" in comm:
            kind = "provider"
        sums[kind] += found[pid][2]
        for child in children.get(pid, []):
            walk(child, kind)

    for root in roots:
        walk(root, "server")
    return sums


def busy():
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(x) for x in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / HZ


class Watch:
    """CPU seconds between start and stop: ours by kind, and the share of the machine that others took."""

    def __init__(self, roots):
        self.roots = roots
        self.began = time.monotonic()
        self.busy = busy()
        self.ours = self._ours()
        self.used = usage(roots)

    def _ours(self):
        return sum(usage(self.roots + [os.getpid()]).values())

    def stop(self):
        used, total = usage(self.roots), busy()
        mine = self._ours() - self.ours
        self.seconds = time.monotonic() - self.began
        self.foreign = max(0.0, (total - self.busy - mine) / self.seconds / CPUS)
        return {kind: used[kind] - self.used[kind] for kind in used}


def wait_for_quiet(roots, seconds, foreign_max):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watch = Watch(roots)
        time.sleep(0.25)
        watch.stop()
        if watch.foreign < foreign_max:
            return
