import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from kit.fixtures import ann, bob, clock, dev, shared_world, world  # noqa: E402,F401
