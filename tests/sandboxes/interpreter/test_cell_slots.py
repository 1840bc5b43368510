"""A cell of several slots: runs side by side, each with one answer, whatever the others do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.messages import EndSession, HostCall, Interrupt, Output, Variable, Verdict
from tests.sandboxes.interpreter.kit import Cell, cell_of, limits


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with cell_of(slots=2) as cell:
        assert cell.wait_ready().stock == 1
        yield cell


def test_a_run_gives_its_value_and_its_output(cell: Cell) -> None:
    ended = cell.run("print('hello'); [1, {'a': b'x'}]")

    assert (ended.verdict, ended.value, ended.stdout) == ("ok", [1, {"a": b"x"}], "hello\n")


def test_two_runs_are_at_hand_at_the_same_time(cell: Cell) -> None:
    first = cell.begin("import host; host.wait('first')", functions=("wait",))
    cell.wait_said(first, HostCall)

    assert cell.run("1 + 1").value == 2

    cell.send(Interrupt(Verdict.CANCELLED), first)
    assert cell.wait(first).verdict == "cancelled"


def test_answers_go_to_the_run_that_asked(cell: Cell) -> None:
    source = "import host\n[host.twice(seed + i) for i in range(50)]"
    runs = {seed: cell.begin(f"seed = {seed}\n{source}", functions=("twice",)) for seed in (0, 900)}

    for seed, run_id in runs.items():
        assert cell.wait(run_id).value == [2 * (seed + i) for i in range(50)]


def test_each_run_has_modules_and_globals_of_its_own(cell: Cell) -> None:
    cell.run("import json; json.left = 1; left = 1")

    ended = cell.run("import json; [hasattr(json, 'left'), 'left' in globals()]")

    assert ended.value == [False, False]


def test_a_session_keeps_its_state_and_no_other_run_sees_it(cell: Cell) -> None:
    assert cell.run("x = 5", session=7, session_new=True).verdict == "ok"
    assert cell.run("'x' in globals()").value is False
    assert cell.run("x = x + 1; x", session=7).value == 6

    cell.send(EndSession(7))

    ended = cell.run("x", session=7)
    assert ended.error is not None
    assert ended.error.name == "SessionLost"


def test_the_deadline_of_one_run_is_nothing_to_another(cell: Cell) -> None:
    slow = cell.begin("while True: pass", limits=limits(wall_ms=200))
    other = cell.run("n = 0\nwhile n < 3_000_000: n += 1\nn")

    assert other.value == 3_000_000
    assert cell.wait(slow).verdict == "timeout"


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "while True:\n    try:\n        pass\n    finally:\n        continue",
        "def f():\n    try:\n        g()\n    except BaseException:\n        f()\n"
        "def g():\n    while True: [0]\nf()",
        "import time; time.sleep(3600)",
        "import threading; threading.Event().wait()",
        "import queue; queue.Queue().get()",
        "import asyncio; await asyncio.sleep(3600)",
        "import atexit\n@atexit.register\ndef f():\n    while True: pass",
        "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()",
        "class C:\n    def __del__(self):\n        while True: pass\nc = C()",
        "class C:\n    @property\n    def __class__(self):\n        while True: pass\nC()",
        "import host\nwhile True:\n    try:\n        host.wait()\n    except BaseException: pass",
        "from cellblock_shared import SharedArray; SharedArray('never', 1).wait(0, 0)",
    ],
)
def test_a_guest_that_does_not_want_to_end_is_ended_softly(cell: Cell, source: str) -> None:
    run_id = cell.begin(source, limits=limits(wall_ms=150), functions=("wait",))

    assert cell.wait(run_id).verdict == "timeout"
    assert cell.run("6 * 7").value == 42


def test_an_interrupt_that_comes_late_is_nothing_to_the_next_run_of_the_session(cell: Cell) -> None:
    cell.run("1", session=8, session_new=True)
    finished = cell.begin("2", session=8)
    cell.wait(finished)
    cell.send(Interrupt(Verdict.CANCELLED), finished)

    assert cell.run("n = 0\nwhile n < 100_000: n += 1\nn", session=8).value == 100_000


def test_a_program_ends_with_its_threads_as_in_python(cell: Cell) -> None:
    source = "import threading, time\n"
    source += "threading.Timer(0.1, print, ['late']).start()\nprint('early')"

    assert cell.run(source, mode="script").stdout == "early\nlate\n"


def test_what_a_guest_says_before_it_is_ended_is_not_lost(cell: Cell) -> None:
    run_id = cell.begin("print('begun')\nwhile True: pass", limits=limits(wall_ms=200), stream=True)
    cell.wait_said(run_id, Output)

    ended = cell.wait(run_id)

    assert (ended.verdict, ended.stdout) == ("timeout", "begun\n")


def test_a_host_function_past_the_limit_ends_its_run_alone(cell: Cell) -> None:
    source = "import host\nwhile True:\n    try: host.twice(1)\n    except Exception: pass"
    ended = cell.run(source, functions=("twice",), limits=limits(host_calls=3))

    assert ended.verdict == "host_calls"
    assert ended.done.usage.host_calls == 3


def test_deep_recursion_is_an_error_in_the_guest_and_not_a_crash(cell: Cell) -> None:
    for source in (
        "def f(): f()\nf()",
        "x = []\nfor _ in range(200_000): x = [x]\nrepr(x)",
        "eval('(' * 5000 + ')' * 5000)",
        "import json; json.loads('[' * 500_000)",
        "import re; re.compile('(' * 20_000 + ')' * 20_000)",
    ):
        assert cell.run(source).verdict in ("exception", "memory")
    assert cell.run("1").value == 1


def test_runs_that_compute_run_in_parallel_threads_of_the_kernel(cell: Cell) -> None:
    spin = "import time\nbegan = time.thread_time()\nwhile time.thread_time() - began < 0.2: pass"
    runs = [cell.begin(spin) for _ in range(2)]

    for run_id in runs:
        assert cell.wait(run_id).done.usage.cpu_us >= 200_000


def test_the_environment_and_the_arguments_are_those_of_the_run_alone(cell: Cell) -> None:
    source = "import os, sys; [dict(os.environ), sys.argv, os.getenv('B')]"
    ended = cell.run(source, env=(Variable("A", "1"),), argv=("x",), filename="prog.py")

    assert ended.value == [{"A": "1"}, ["prog.py", "x"], None]
