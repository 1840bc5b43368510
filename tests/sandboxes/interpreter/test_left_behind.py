"""What a guest leaves in its cell, or does to it: the cell is replaced, no other run is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.messages import Ready
from tests.sandboxes.interpreter.kit import WAIT_S, Cell, cell_of, limits


@pytest.fixture(scope="module")
def shared() -> Iterator[Cell]:
    with cell_of() as cell:
        cell.wait_ready()
        yield cell


def wait_spent(cell: Cell) -> Ready:
    while True:
        message, _, _ = cell.hear()
        if isinstance(message, Ready) and message.spent:
            return message


@pytest.mark.parametrize(
    "source",
    [
        "import _thread, time; _thread.start_new_thread(time.sleep, (60,)); 5",
        "import threading, time\n"
        "t = threading.Thread(target=lambda: time.sleep(60), daemon=False)\n"
        "t._daemonic = True; t.start(); 5",
    ],
)
def test_a_cell_in_which_a_thread_was_left_says_that_it_is_spent(source: str) -> None:
    with cell_of() as cell:
        assert not cell.wait_ready().spent
        ended = cell.run(source)

        assert ended.value == 5
        if not ended.ready.spent:
            wait_spent(cell)
        assert cell.run("1 + 1").value == 2, "runs at hand are still served"


def test_a_thread_left_behind_says_nothing_in_the_runs_after_it() -> None:
    source = (
        "import _thread, os\n"
        "def speak():\n"
        "    while True:\n"
        "        print('still here', flush=True)\n"
        "_thread.start_new_thread(speak, ())"
    )
    with cell_of() as cell:
        cell.wait_ready()
        cell.run(source)

        for _ in range(5):
            assert cell.run("print('mine')", stream=True).stdout == "mine\n"


def test_a_session_in_which_a_thread_was_left_is_over() -> None:
    with cell_of() as cell:
        cell.wait_ready()
        source = "import _thread, time; _thread.start_new_thread(time.sleep, (60,))"
        cell.run(source, session=1, session_new=True)

        error = cell.run("1", session=1).error
        assert error is not None
        assert error.name == "SessionLost"


def test_a_guest_that_will_not_end_after_its_run_makes_its_cell_a_spent_one() -> None:
    source = (
        "import sys\n"
        "class Stay:\n"
        "    def __del__(self):\n"
        "        while True: pass\n"
        "sys.modules['stay'] = Stay(); 5"
    )
    with cell_of() as cell:
        cell.wait_ready()
        assert cell.run(source).value == 5

        wait_spent(cell)
        assert cell.run("1 + 1").value == 2


def test_a_crash_takes_the_cell_and_is_seen_at_once() -> None:
    with cell_of() as cell:
        cell.wait_ready()
        cell.begin("import ctypes; ctypes.string_at(0)")

        with pytest.raises((EOFError, ConnectionResetError)):
            cell.hear()
        assert cell.process.wait(WAIT_S) == -11


@pytest.mark.parametrize(
    "words",
    [
        b"\x15\xff\xff\xff\xff\xff\xff\xff\xff",  # a reply of 2**64 - 1 bytes
        b"\x15\x05\0\0\0\0\0\0\0hello",  # a reply that is none
        b"\x16\0\0\0\0\0\0\0\0",  # main's own word, before its time
        b"\x63\0\0\0\0\0\0\0\0",  # no such kind
        b"\x11\x02\0\0\0\0\0\0\0\xffx",  # an entry of no known kind
        b"\x12\x05\0\0\0\0\0\0\0f\nabc",  # a call of no value
        b"\x14\x04\0\0\0\0\0\0\0a\nb\n",  # a block of no size
        b"\x15\x05",  # half a message
    ],
)
def test_a_guest_that_lies_to_its_own_cell_ends_its_run_alone(shared: Cell, words: bytes) -> None:
    other = shared.begin("import host; host.twice(4)", functions=("twice",))
    lie = (
        "import os, sys\n"
        "guest = sys.modules['_cellblock']\n"
        f"__import__('posix').write(guest._fd, {words!r})\n"
        "x = 0\n"
        "while True: x += 1"
    )
    liar = shared.begin(lie, limits=limits(wall_ms=300))

    assert shared.wait(liar).verdict in ("crashed", "timeout")
    assert shared.wait(other).value == 8
    assert shared.run("1 + 1").value == 2


def test_what_interpreters_leave_in_memory_is_in_the_cells_report() -> None:
    with cell_of(stock=1) as cell:
        first = cell.wait_ready().heap_bytes
        cell.run("kept = bytearray(50_000_000)", session=1, session_new=True)

        assert cell.run("1").ready.heap_bytes - first > 40_000_000


def test_a_cell_without_memory_for_another_guest_says_so_and_keeps_those_it_has() -> None:
    with cell_of(stock=1) as cell:
        cell.wait_ready()
        assert cell.run("x = 5", session=1, session_new=True).verdict == "ok"
        eater = "kept = []\ntry:\n    while True: kept.append(bytearray(1 << 20))\n"
        eater += "except MemoryError: pass\nlen(kept) > 100"
        assert cell.run(eater, session=2, session_new=True).value is True

        ended = [cell.run("1 + 1") for _ in range(3)][-1]
        assert ended.verdict == "memory"
        assert cell.run("x", session=1).value == 5
        assert cell.run("kept.clear()", session=2).verdict == "ok"
        assert cell.run("1 + 1").value == 2
