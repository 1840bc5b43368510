"""A run goes to the cell that can begin it soonest: one with sandboxes left, or one that rests."""

from __future__ import annotations

import pytest

from executor.pool import CellReady, RunEnded
from executor.pool.parts import REFILL_S, REST_S
from tests.executor.pool.world import World


@pytest.mark.parametrize(
    ("stock", "after_s", "is_same"),
    [
        (2, 0.0, True),  # it has some, and makes no more yet
        (2, REST_S / 2, True),
        (2, REST_S * 1.01, False),  # it may be making one just now
        (0, 0.0, False),  # it makes one at once
        (0, REFILL_S / 2, False),
        (0, REFILL_S * 1.01, True),  # it has made them
        (2, REFILL_S * 1.01, True),
    ],
)
def test_the_cell_of_the_last_run_is_taken_again_unless_it_makes_sandboxes(
    stock: int, after_s: float, is_same: bool
) -> None:
    world = World()
    world.pool(2)
    first = world.submit()
    cell = world.cell_of(first)
    other = world.submit()
    world.end(other)
    world.after(REFILL_S)
    world.do(RunEnded(cell, first))
    world.do(CellReady(cell, stock, 0))

    world.after(after_s)
    next_run = world.submit()

    assert (world.cell_of(next_run) == cell) is is_same
