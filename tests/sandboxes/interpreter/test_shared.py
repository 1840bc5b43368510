"""Memory that guests of a cell share: no update is lost, no wait is missed, nothing outlives it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.messages import EndSession
from tests.sandboxes.interpreter.kit import Cell, cell_of

ROUNDS = 200_000
#: Both runs have begun before either goes on.
MEET = """
from cellblock_shared import SharedArray, shared_bytes
here = SharedArray("here", 1)
here.add(0, 1)
here.notify(0)
while (count := here.load(0)) < 2:
    here.wait(0, count)
"""


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with cell_of(slots=2) as cell:
        cell.wait_ready()
        yield cell


@pytest.fixture
def kept(cell: Cell) -> Iterator[Cell]:
    """Two sessions, so that what their runs share lives on between them."""
    for session in (1, 2):
        assert cell.run("pass", session=session, session_new=True).verdict == "ok"
    yield cell
    for session in (1, 2):
        cell.send(EndSession(session))


def side_by_side(cell: Cell, source: str) -> None:
    runs = [cell.begin(MEET + source, session=session) for session in (1, 2)]
    for run_id in runs:
        ended = cell.wait(run_id)
        assert ended.verdict == "ok", ended.error


def test_no_update_of_two_guests_is_lost(kept: Cell) -> None:
    source = f"array = SharedArray('sum', 1)\nfor _ in range({ROUNDS}): array.add(0, 1)"
    side_by_side(kept, source)

    assert kept.run("array.load(0)", session=1).value == 2 * ROUNDS


def test_the_same_without_atomic_operations_loses_updates(kept: Cell) -> None:
    """The control: the guests do run at the same time, and the memory is the same."""
    source = "view = shared_bytes('plain', 8).cast('q')\n"
    source += f"for _ in range({ROUNDS}): view[0] += 1"
    side_by_side(kept, source)

    assert ROUNDS <= kept.run("view[0]", session=1).value < 2 * ROUNDS


def test_compare_exchange_lets_one_of_two_through_each_time(kept: Cell) -> None:
    source = f"""
lock, held = SharedArray('lock', 1), shared_bytes('held', 8).cast('q')
for _ in range({ROUNDS // 20}):
    while lock.compare_exchange(0, 0, 1) != 0:
        pass
    held[0] += 1
    lock.store(0, 0)
"""
    side_by_side(kept, source)

    assert kept.run("held[0]", session=1).value == 2 * (ROUNDS // 20)


def test_a_waiter_is_woken_by_each_change_it_waits_for(kept: Cell) -> None:
    """Two guests in turn, each asleep while it is the other's: one missed wake-up would hang."""
    source = """
turn, count = SharedArray('turn', 1), 0
me = SharedArray('who', 1).add(0, 1)
while count < 2_000:
    if (now := turn.load(0)) % 2 == me:
        turn.add(0, 1)
        turn.notify(0)
        count += 1
    else:
        turn.wait(0, now)
"""
    side_by_side(kept, source)

    assert kept.run("turn.load(0)", session=1).value == 4_000


def test_bytes_are_shared_without_a_copy(kept: Cell) -> None:
    source = "from cellblock_shared import shared_bytes\nview = shared_bytes('table', 50_000_000)\n"
    kept.run(source + "view[49_999_999] = 7", session=1)

    assert kept.run(source + "[view[49_999_999], view.readonly]", session=2).value == [7, False]


def test_shared_memory_begins_as_zeros_and_is_gone_with_its_last_user(cell: Cell) -> None:
    source = "from cellblock_shared import SharedArray\nSharedArray('again', 3).add(2, 5)"

    assert [cell.run(source).value for _ in range(20)][-1] == 0


def test_a_view_outlives_the_guest_that_made_it(cell: Cell) -> None:
    source = "from cellblock_shared import shared_bytes\nview = shared_bytes('mine', 10_000)\n"
    cell.run(source + "view[:] = b'x' * 10_000", session=5, session_new=True)
    cell.run(source, session=6, session_new=True)
    cell.send(EndSession(5))
    for _ in range(5):
        cell.run("1")

    assert cell.run("bytes(view) == b'x' * 10_000", session=6).value is True
    cell.send(EndSession(6))


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("SharedArray('a', 0)", "ValueError"),
        ("SharedArray('', 1)", "ValueError"),
        ("SharedArray('a\\nb', 1)", "ValueError"),
        ("SharedArray('x' * 257, 1)", "ValueError"),
        ("SharedArray('a', 1).load(1)", "IndexError"),
        ("SharedArray('a', 1).load(-1)", "IndexError"),
        ("SharedArray('a', 1).store(0, 2**63)", "OverflowError"),
        ("SharedArray('a', 1).add(0, -2**63 - 1)", "OverflowError"),
        ("SharedArray('a', 1); SharedArray('a', 2)", "ValueError"),
        ("SharedArray('a', 1); shared_bytes('a', 16)", "ValueError"),
        ("shared_bytes('a', 0)", "ValueError"),
        ("shared_bytes('a', 2**32 + 1)", "ValueError"),
        ("[SharedArray(str(i), 1) for i in range(1_025)]", "ValueError"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_the_guest(cell: Cell, source: str, error: str) -> None:
    ended = cell.run(f"from cellblock_shared import *\n{source}")

    assert ended.error is not None
    assert ended.error.name == error


def test_the_limits_themselves_are_allowed(cell: Cell) -> None:
    source = """
from cellblock_shared import *
array = SharedArray('x' * 256, 2)
array.store(0, 2**63 - 1)
[array.add(0, 1), array.load(0), array.exchange(1, -2**63), array.load(1), len(array)]
"""
    assert cell.run(source).value == [2**63 - 1, -(2**63), 0, -(2**63), 2]


def test_a_wait_ends_at_its_time_or_at_once(cell: Cell) -> None:
    source = """
from cellblock_shared import SharedArray
array = SharedArray('w', 1)
[array.wait(0, 0, 0.05), array.wait(0, 1), array.wait(0, 0, 0)]
"""
    assert cell.run(source).value == [False, True, False]
