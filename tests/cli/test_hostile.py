"""Each hostile example meets its wall: its verdict, its exit code, and a host that goes on.

The examples are run as the comment at their top says, with the directories they ask for.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

type Cellblock = Callable[..., subprocess.CompletedProcess[bytes]]

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "hostile"
SCRIPTS = sorted(FOLDER.glob("*.py"))
RUN = re.compile(r"^# Run: .*?cellblock run (.*)$", re.MULTILINE)
EXPECT = re.compile(r"^# Expect: (\w+), exit code (\d+)", re.MULTILINE)
LINES = {
    "timeout": rb"timeout after \d+\.\d s \(limit 0\.5 s\)",
    "memory": rb"out of memory \(limit 64 MB\)",
    "fuel": rb"out of fuel \(limit 100,000,000 instructions\)",
    "value": rb"result too large \(limit 1 kB\)",
    "files": rb"too much written to files \(limit 1 MB\)",
}
BY_COMMAND = [script for script in SCRIPTS if RUN.search(script.read_text())]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with what the examples ask for, beside a secret."""
    for name in ("data", "out", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "file").write_text("unchanged")
    (tmp_path / "secret").write_text("hunter2")
    return tmp_path


@pytest.mark.parametrize("script", BY_COMMAND, ids=lambda script: script.stem)
def test_a_hostile_script_meets_its_wall(script: Path, place: Path, cellblock: Cellblock) -> None:
    text = script.read_text()
    run, expected = RUN.search(text), EXPECT.search(text)
    assert run is not None
    assert expected is not None
    argv = [word.replace("./", f"{place}/") for word in shlex.split(run[1])]
    reader, writer = os.pipe()  # a standard input that nobody feeds

    done = cellblock("run", *argv, stdin=reader, SECRET="hunter2")

    os.close(reader)
    os.close(writer)
    verdict, code = expected[1], int(expected[2])
    assert done.returncode == code, done
    if verdict in LINES:
        assert re.search(rb"(?:\A|\n)cellblock: " + LINES[verdict] + rb"\n\Z", done.stderr), done
    if "--json" in argv:
        assert json.loads(done.stdout)["verdict"] == verdict
    assert b"hunter2" not in done.stdout + done.stderr
    assert b"escaped" not in done.stdout + done.stderr
    assert (place / "data" / "file").read_text() == "unchanged"
    assert sorted(p.name for p in place.iterdir()) == ["data", "out", "scratch", "secret"]


def test_each_example_says_what_it_tries_and_how_it_is_to_end() -> None:
    for script in SCRIPTS:
        text = script.read_text()
        assert text.startswith("# Tries:  "), script
        assert "\n# Run:    " in text, script
        assert "\n# Expect: " in text, script


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_is_cut_at_its_limit(stream: str, cellblock: Cellblock) -> None:
    done = cellblock("run", f"--{stream}-limit", "1000", str(FOLDER / f"flood_{stream}.py"))

    flood = done.stdout if stream == "stdout" else done.stderr.rpartition(b"cellblock: ")[0]
    assert flood.rstrip(b"\n").count(b"x") in range(980, 1_001)
    assert f"--{stream}-limit".encode() in done.stderr


def test_no_traceback_is_larger_than_its_cap(cellblock: Cellblock) -> None:
    done = cellblock("run", str(FOLDER / "huge_traceback.py"))

    assert done.returncode == 1
    assert len(done.stderr) < 300_000


def test_a_host_function_that_never_answers_does_not_hold_the_run() -> None:
    from executor import Limits, Supervisor, Verdict

    released = threading.Event()
    code = (FOLDER / "sit_in_host_call.py").read_text()
    with Supervisor(cells=1, isolate="inline") as supervisor:
        outcome = supervisor.run(code, functions={"wait": released.wait}, limits=Limits(wall_s=0.5))
        released.set()
        again = supervisor.run("1 + 1")

    assert outcome.verdict is Verdict.TIMEOUT
    assert again.value == 2


def test_a_flood_of_host_calls_ends_at_its_limit() -> None:
    from executor import Limits, Supervisor, Verdict

    calls = 0

    def add(a: int, b: int) -> int:
        nonlocal calls
        calls += 1
        return a + b

    code = (FOLDER / "flood_host_calls.py").read_text()
    with Supervisor(cells=1, isolate="inline") as supervisor:
        outcome = supervisor.run(code, functions={"add": add}, limits=Limits(host_calls=100))
        again = supervisor.run("1 + 1")

    assert outcome.verdict is Verdict.HOST_CALLS
    assert calls == 100
    assert again.value == 2
