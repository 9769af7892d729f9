"""What the documents say is so: the tour of README.md runs, the names in src/README.md exist."""

import os
import re
import shutil
import subprocess

from kit.instance import ROOT, until


def test_the_tour_in_the_readme(world):
    text = (ROOT / "README.md").read_text()
    tour = text.split("```sh\n")[1].split("```")[0]
    assert len(tour.splitlines()) == 10, "a ten-line tour"
    assert "at=127.0.0.1:50051;" in tour
    tour = tour.replace("127.0.0.1:50051", world.dev.target)
    done = subprocess.run(["bash", "-uo", "pipefail"], input=tour, capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    assert '"state": "CONFIRMED"' in done.stdout and '"tickets"' in done.stdout, done.stdout


def test_the_life_of_a_call():
    """Each of the ten lines names a file and functions that are defined there."""
    text = (ROOT / "src/README.md").read_text()
    part = text.split("## The life of a call")[1].split("\n## ")[0]
    lines = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^`tests|\Z)", part, re.M | re.S)
    assert [int(n) for n, _ in lines] == list(range(1, 11))
    for number, line in lines:
        source, seen = None, 0
        for word in re.findall(r"`([^`]+)`", line):
            if "/" in word:
                source = (ROOT / "src" / word).read_text()
            else:
                assert source and re.search(rf"^[a-z][^;\n]*\b{word}\(", source, re.M), f"line {number}: {word}"
                seen += 1
        assert seen > 0, f"line {number} names no function"


def test_every_path_in_the_documents_exists():
    for page in ("README.md", "src/README.md", "tests/rpc/README.md", "docker/README.md"):
        text = (ROOT / page).read_text()
        for path in re.findall(r"\]\(([^)h#][^)]*)\)", text):
            assert (ROOT / os.path.dirname(page) / path).exists(), f"{page}: {path}"
        if page == "src/README.md":
            table = text.split("## To change X, open Y")[1].split("\n## ")[0]
            for path in re.findall(r"`([a-z]+/[^`<> ]+)`", table):
                base = ROOT if path.startswith("protos") else ROOT / "src"
                assert path.endswith("/") and (base / path).is_dir() or list(base.glob(path)) or "000N" in path, path


def test_what_is_known_of_describe_survives_its_failure(tmp_path):
    for name in ("tests/golden/check", "tests/golden/describe.txt", "protos/faregate/v1/service_config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert subprocess.run([tmp_path / "tests/golden/check", "/bin/false", "--write"], timeout=10).returncode == 1
    for name in ("tests/golden/describe.txt", "protos/faregate/v1/service_config.json"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()
    assert len([f for f in tmp_path.rglob("*") if f.is_file()]) == 3, "nothing is left beside them"


def test_what_to_watch_is_there_to_be_seen(dev):
    """Every number that docker/README.md tells people to watch."""
    part = (ROOT / "docker/README.md").read_text().split("## What to watch")[1].split("\n## ")[0]
    named = set(re.findall(r"\bfaregate_\w+", part))
    assert len(named) > 4
    until(lambda: named <= {name.split("{")[0] for name in dev.metrics()}, 10, f"/metrics has {named}")


def test_every_service_of_compose_comes_back():
    """But for those that others wait for to be done."""
    text = re.sub(r" *#.*", "", (ROOT / "docker/compose.yml").read_text())
    part = text.split("\nservices:\n")[1].split("\nnetworks:\n")[0]
    services = dict(re.findall(r"^  ([a-z-]+):\n((?:    .*\n|\n)*)", part, re.M))
    once = set(re.findall(r"([a-z-]+):\n +condition: service_completed_successfully", part))
    assert {"postgres", "server", "envoy"} <= services.keys() - once and "setup" in once
    assert [name for name, body in services.items() if ("restart: unless-stopped" in body) == (name in once)] == []
