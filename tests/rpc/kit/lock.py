"""A lock in the database for as long as a test wants, and who waits for it."""

import subprocess

from kit.instance import until


class Lock:
    """What @statements lock, in a transaction of another session that ends with the block, by @end."""

    def __init__(self, server, statements, end="ROLLBACK"):
        self.server, self.ending = server, end
        self.psql = subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", server.conninfo], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write(f"BEGIN; {statements}; SELECT 'holder', pg_backend_pid();\n")
        self.psql.stdin.flush()
        self.pid = next(line.split("|")[1].strip() for line in self.psql.stdout if line.startswith("holder|"))

    def wait_for_a_waiter(self):
        until(lambda: self.server.sql("SELECT count(*) FROM pg_stat_activity "
                                      f"WHERE {self.pid} = ANY (pg_blocking_pids(pid))") != [["0"]],
              10, "somebody waits for the lock")

    def end(self):
        if self.psql.poll() is None:
            self.psql.communicate(self.ending + ";\n", timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
