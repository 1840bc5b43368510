"""A cell gets a run only after the host's socket took the word that it was placed.

Otherwise a loop that dies in between leaves a run that began, and that its host, knowing nothing of
it, submits again. The loop here is the real one with a real cell, turned by hand.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator

import pytest

from executor.images import compiled_image
from executor.loop.launch import find_library
from executor.loop.spawn import DirectSpawner
from executor.loop.spool import make_spool, remove_folder
from executor.loop.supervisor_loop import SupervisorLoop
from executor.options import Defaults, make_plan
from executor.pool import PoolCore
from protocol.frames import FrameDecoder
from protocol.messages import LOOP_SENDS_HOST, DefinePool, Done, Output, Placed, Run, Submit
from protocol.reading import decode_frame, encode_message, write

RUN = 7
TURNS_MAX = 10_000


class Turned:
    """A loop, its host's end, and the frames that the host has read."""

    def __init__(self, spool_path: str) -> None:
        self.host, theirs = socket.socketpair()
        library_path = find_library()
        assert library_path is not None
        spawner = DirectSpawner(python=sys.executable, library_path=library_path)
        self.loop = SupervisorLoop(theirs, PoolCore(), spawner, spool_path=spool_path)
        self.loop._selector.register(theirs, 1, self.loop._on_host)
        spawner.attach(self.loop._selector, self.loop)
        self._decoder = FrameDecoder(kinds=LOOP_SENDS_HOST)
        self.said: list[object] = []

    def send(self, *parts: bytes | bytearray | memoryview) -> None:
        self.host.sendall(b"".join(parts))

    def read(self) -> None:
        """Read what has come, as a host does."""
        data = self.host.recv(1 << 20, socket.MSG_DONTWAIT)
        self.said += (decode_frame(frame)[0] for frame in self._decoder.feed(data))

    def turn_until(self, condition: Callable[[], bool], *, reads: bool = False) -> None:
        for _ in range(TURNS_MAX):
            if condition():
                return
            if reads:  # first: a turn waits for something to happen
                with contextlib.suppress(BlockingIOError):
                    self.read()
                if condition():
                    return
            self.loop._turn()
        raise AssertionError("it did not come to that")

    @property
    def runs_of_cells(self) -> set[int]:
        return {run_id for cell in self.loop._cells.values() for run_id in cell._runs}


@pytest.fixture
def turned() -> Iterator[Turned]:
    spool_path = make_spool()
    made = Turned(spool_path)
    yield made
    made.loop._end()
    made.host.close()
    remove_folder(spool_path)


def test_a_cell_has_no_run_of_which_the_host_has_not_been_told(turned: Turned) -> None:
    image = compiled_image(None, False, is_quick=False)
    pool = DefinePool(1, "wasm", image.path, image.sha256, 1, 0, 1, 10, 256 << 20)
    turned.send(*encode_message(pool))
    turned.turn_until(lambda: any(cell.pool for cell in turned.loop._cells.values()))
    host = turned.loop._host
    while not host.waiting_bytes:  # the host reads nothing: its socket fills up
        turned.loop._tell(Output("stdout"), 1, (b"x" * 60_000,))

    plan = make_plan("1", {}, Defaults())
    run = Run(limits=plan.run_limits)
    submit = Submit(pool=1, wall_ms=20_000)
    turned.send(*encode_message(submit, RUN, (write(run), b"1")))
    turned.turn_until(lambda: bool(turned.loop._placed))

    for _ in range(5):
        assert not turned.runs_of_cells
        turned.loop._give_placed()
    turned.turn_until(lambda: bool(turned.runs_of_cells), reads=True)
    assert not host.waiting_bytes
    turned.turn_until(lambda: any(isinstance(m, Done) for m in turned.said), reads=True)
    kinds = [type(message) for message in turned.said if not isinstance(message, Output)]
    assert kinds == [Placed, Done]
