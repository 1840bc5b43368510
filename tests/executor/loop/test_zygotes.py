"""Zygotes of special pools go when nobody needs them; the plain pool's stays. All of it real."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executor.loop.launch import find_library
from executor.loop.spawn import Death, Spawned
from executor.loop.zygotes import IDLE_S, ZygoteSpawner, own_jail
from protocol.messages import DefinePool
from sandboxes.wasm import image

#: Long enough for any machine; nothing waits it out unless it is broken.
PATIENCE_S = 30.0


class Yard:
    """A spawner with its owner and selector; time is the test's once cells are there."""

    def __init__(self, folder: Path, image_path: str) -> None:
        library_path = find_library()
        assert library_path is not None
        self.spawner = ZygoteSpawner(
            python=sys.executable, library_path=library_path, jail=own_jail("full")
        )
        self.selector = selectors.DefaultSelector()
        self.spawner.attach(self.selector, self)
        self.cells: dict[int, Spawned] = {}
        self.ended: set[int] = set()
        self._folder = folder
        self._image_path = image_path

    # --- as its owner ----------------------------------------------------------------------------
    def cell_spawned(self, number: int, spawned: Spawned) -> None:
        self.cells[number] = spawned

    def cell_not_spawned(self, number: int, death: Death) -> None:
        raise AssertionError(f"cell {number}: {death}")

    def death_known(self, number: int) -> None:
        self.ended.add(number)

    # --- for tests -------------------------------------------------------------------------------
    def spawn(self, number: int, *, on_demand: bool) -> None:
        """Start a cell and wait for it."""
        pool = DefinePool(
            1, "wasm", self._image_path, "0" * 64, 1, 0, 1, 1, 64 << 20, on_demand=on_demand
        )
        spool_path = self._folder / f"cell-{number}"
        spool_path.mkdir()
        self.spawner.spawn(number, pool, str(spool_path))
        self.wait(lambda: number in self.cells)

    def end(self, number: int) -> None:
        """Kill a cell and wait until its zygote has told."""
        signal.pidfd_send_signal(self.cells[number].pidfd, signal.SIGKILL)
        self.wait(lambda: number in self.ended)

    def wait(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < until
            for key, mask in self.selector.select(PATIENCE_S):
                key.data(mask)

    def zygotes(self) -> int:
        """Return how many zygotes the selector listens to."""
        return len(self.selector.get_map())

    def close(self) -> None:
        self.spawner.close()
        self.selector.close()
        for spawned in self.cells.values():
            spawned.sock.close()
            os.close(spawned.pidfd)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path, image.ensure(progress=None).path)
    yield made
    made.close()


def test_a_zygote_without_cells_is_closed_after_a_while_and_not_before(yard: Yard) -> None:
    yard.spawn(1, on_demand=True)
    assert yard.spawner.wake_at() is None
    yard.end(1)
    at = yard.spawner.wake_at()
    assert at is not None
    assert 0 < at - time.monotonic() <= IDLE_S

    yard.spawner.advance(at - 0.001)
    assert yard.zygotes() == 1
    yard.spawner.advance(at)

    assert yard.zygotes() == 0
    assert yard.spawner.wake_at() is None


def test_a_zygote_is_started_again_for_a_cell_after_it_was_closed(yard: Yard) -> None:
    yard.spawn(1, on_demand=True)
    yard.end(1)
    yard.spawner.advance(yard.spawner.wake_at() or 0.0)

    yard.spawn(2, on_demand=True)

    assert yard.zygotes() == 1


def test_a_zygote_with_a_cell_or_asked_for_one_again_stays(yard: Yard) -> None:
    for number in (1, 2):
        yard.spawn(number, on_demand=True)
    yard.end(1)
    assert yard.spawner.wake_at() is None
    yard.end(2)
    at = yard.spawner.wake_at()
    yard.spawn(3, on_demand=True)

    assert yard.spawner.wake_at() is None
    yard.spawner.advance((at or 0.0) + IDLE_S)
    assert yard.zygotes() == 1


def test_the_zygote_of_a_pool_that_keeps_cells_ready_stays_whoever_else_uses_it(
    yard: Yard,
) -> None:
    yard.spawn(1, on_demand=False)
    yard.spawn(2, on_demand=True)
    for number in (1, 2):
        yard.end(number)

    assert yard.spawner.wake_at() is None
    yard.spawner.advance(time.monotonic() + 10 * IDLE_S)
    assert yard.zygotes() == 1
