"""The look at cells from outside, and the order in which a run is placed.

The loop here is the real one on a thread, with real cells; only its headroom is made small enough
for an ordinary guest to be over it.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from executor import Limits, Verdict
from executor.client import Client
from executor.images import compiled_image
from executor.launch import Launcher
from executor.loop.launch import find_library
from executor.loop.spawn import DirectSpawner
from executor.loop.spool import make_spool, remove_folder
from executor.loop.supervisor_loop import SupervisorLoop
from executor.loop.watch import Beat, look, resident_bytes
from executor.options import Defaults, make_plan
from executor.pool import MemorySeen, PoolCore
from executor.pools import Pools, Sizes
from executor.spool import Spool

PATIENCE_S = 30
CAP_BYTES = 128 << 20
HOG = f"""
import time
held = bytearray({CAP_BYTES * 11 // 16})
for at in range(0, len(held), 4096):
    held[at] = 1
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    """Give the facade on a loop that grants a cell three quarters of its guests' memory."""
    ours, theirs = socket.socketpair()
    library_path = find_library()
    assert library_path is not None
    spool_path = make_spool()
    loop = SupervisorLoop(
        theirs,
        PoolCore(),
        DirectSpawner(python=sys.executable, library_path=library_path),
        spool_path=spool_path,
        headroom_bytes=-CAP_BYTES // 4,
    )
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    client = Client(ours, checked=True)
    pools = Pools(
        client,
        compiled=lambda fuel: compiled_image(None, fuel, is_quick=False),
        sizes=Sizes(cells=1, spares=0, stock=1, queue_max=10),
        limits=Limits(memory_bytes=CAP_BYTES, wall_s=PATIENCE_S),
        is_jailed=False,
    )
    spool = Spool(spool_path)
    made = Launcher(client, pools, spool)
    yield made
    client.close_begins()
    ours.shutdown(socket.SHUT_RDWR)
    ours.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    made.close()
    spool.close()
    remove_folder(spool_path)


def test_a_cell_over_its_cap_is_killed_and_the_verdict_is_memory(launcher: Launcher) -> None:
    defaults = Defaults(limits=Limits(memory_bytes=CAP_BYTES, wall_s=PATIENCE_S))
    hog = launcher.start(make_plan(HOG, {}, defaults)).result(PATIENCE_S)

    assert hog.verdict is Verdict.MEMORY
    assert hog.error is not None
    assert "over its cap" in hog.error.message
    after = launcher.start(make_plan("1 + 1", {}, defaults)).result(PATIENCE_S)
    assert after.value == 2


def test_a_cell_under_its_cap_is_left_alone_and_its_size_is_told(launcher: Launcher) -> None:
    defaults = Defaults(limits=Limits(memory_bytes=CAP_BYTES, wall_s=PATIENCE_S))
    outcome = launcher.start(
        make_plan("import time\ntime.sleep(1.3)\n'here'", {}, defaults)
    ).result(PATIENCE_S)

    assert outcome.value == "here"


def test_the_kernel_is_asked_for_what_a_process_holds() -> None:
    mine = resident_bytes(os.getpid())

    held = b"x" * (64 << 20)
    assert resident_bytes(os.getpid()) - mine > len(held) // 2


def test_a_process_that_is_gone_holds_nothing_and_is_not_reported() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", "-c", ""], {})
    os.waitpid(pid, 0)

    assert resident_bytes(pid) == 0
    assert [seen.cell for seen in look([(1, pid), (2, os.getpid()), (3, 0)])] == [2]
    assert all(isinstance(seen, MemorySeen) for seen in look([(2, os.getpid())]))


def test_a_beat_comes_a_period_after_it_was_first_wanted_and_once() -> None:
    beat = Beat(1.0)

    assert beat.plan(10.0, is_wanted=False) is None
    assert beat.plan(10.0, is_wanted=True) == 11.0
    assert beat.take(10.9) is None
    assert beat.take(11.5) == 11.0
    assert beat.take(11.5) is None
    assert beat.plan(11.5, is_wanted=False) is None


def test_runs_shorter_than_a_beat_do_not_put_it_off() -> None:
    beat = Beat(1.0)
    moments = [at / 10 for at in range(25)]

    came = []
    for number, now in enumerate(moments):
        beat.plan(now, is_wanted=number % 2 == 0)
        if beat.take(now) is not None:
            came.append(now)

    assert came == [1.0, 2.2]
