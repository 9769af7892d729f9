"""Running programs and several things at once. run and the stacks use it; standard library only."""
import pathlib
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor, as_completed

from kit.report import NotHere

HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
OUT = ROOT / "build/interop"
AT_ONCE = 4


def sh(*argv, seconds=600, **more):
    """Runs it to its end; what it said is shown only when it fails."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=seconds, **more)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: " + " | ".join(lines[-12:]))
    return done.stdout


def parallel(work, items, seconds):
    """Pairs of an item and the exception that @work raised for it, or None; as they end."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(work, item): item for item in items}
        for done in as_completed(running, timeout=seconds):
            yield running[done], done.exception()


def need(program, minimum, argument="--version"):
    """Raises NotHere unless @program is there in at least this version, e.g. need("node", (18, 0))."""
    if shutil.which(program) is None:
        raise NotHere(f"no {program}")
    text = sh(program, argument)
    found = re.search(r"(\d+)\.(\d+)", text)
    have = (int(found[1]), int(found[2])) if found else (0, 0)
    if have < minimum:
        raise NotHere(f"needs {program} >= {minimum[0]}.{minimum[1]}, has {have[0]}.{have[1]}")


def changed(stamp, *inputs):
    """Whether @inputs (files) differ from when @stamp was last kept: keep(stamp, *inputs)."""
    return not stamp.exists() or stamp.read_bytes() != b"".join(pathlib.Path(file).read_bytes() for file in inputs)


def keep(stamp, *inputs):
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_bytes(b"".join(pathlib.Path(file).read_bytes() for file in inputs))
