"""What the supervisor promises whatever its host and its guests do, on real processes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

import pytest

from executor import Limits, Refused, Supervisor, Verdict, isolate
from executor.keeper import Keeper
from executor.loop.watch import resident_bytes
from executor.options import Defaults, make_plan
from executor.pools import Sizes
from executor.statistics import Statistics
from sandboxes.wasm.image import Compiled
from tests.executor.processes import descendants, wait_gone

PATIENCE_S = 30
ROOT = Path(__file__).parents[2]
SPIN = "from host import begin\nbegin()\nwhile True: pass"


class Begins:
    """Counts the guests that began, by what they said."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = threading.Condition()

    def begin(self, name: str = "") -> None:
        """Take note of a guest."""
        with self._changed:
            self.names.append(name)
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Wait until so many have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.names) >= count, PATIENCE_S)

    @property
    def options(self) -> Any:
        """What a run needs to be counted."""
        return {"functions": {"begin": self.begin}}


# --- the host holds its interpreter --------------------------------------------------------------
def one_long_call() -> float:
    """Hold the interpreter's lock in one call of C code; return for how many seconds."""
    began = time.perf_counter()
    pow(3, 12_000_000)
    return time.perf_counter() - began


def test_cells_that_hang_are_killed_and_replaced_while_the_host_holds_its_interpreter() -> None:
    begins, before = Begins(), set(descendants())
    with Supervisor(cells=1, jail="none", limits=Limits(wall_s=PATIENCE_S)) as supervisor:
        supervisor.run("1")
        while supervisor.statistics().pools[0].cells_by_state["idle"] < 2:
            pass  # the spare, which is to hang as well, is not there yet
        hung = [supervisor.start(SPIN, limits={"wall_s": 0.1}, **begins.options)]
        begins.wait(1)
        for pid in set(descendants()) - before:
            os.kill(pid, signal.SIGSTOP)  # deaf to the soft interrupt, as a broken cell is
        hung.append(supervisor.start("1", limits={"wall_s": 0.1}))  # for the spare cell
        waiting = [supervisor.start(str(number)) for number in range(3)]
        held_s = one_long_call()

        lost = [handle.result(PATIENCE_S) for handle in hung]
        others = [handle.result(PATIENCE_S) for handle in waiting]

    assert held_s > 1.0, "the call was too short to tell anything"
    assert [outcome.verdict for outcome in lost] == [Verdict.TIMEOUT] * 2
    assert max(outcome.usage.wall_s for outcome in lost) < held_s / 2
    assert [other.value for other in others] == [0, 1, 2]
    assert max(other.timings.queued_s for other in others) < held_s


# --- cells that do not start ---------------------------------------------------------------------
@pytest.mark.parametrize("jail", ["none", "full"])
def test_cells_that_crash_on_start_open_the_breaker_and_runs_are_refused_with_the_cause(
    jail: Literal["none", "full"],
) -> None:
    keeper = Keeper(
        lambda spool_path: isolate.start("interpreter", jail=jail, spool_path=spool_path),
        checked=True,
        compiled=lambda fuel: Compiled("/nowhere/image.cwasm", "0" * 64, "key"),
        sizes=Sizes(cells=1, spares=0, stock=1, queue_max=10),
        limits=Limits(),
        is_jailed=jail != "none",
    )
    try:
        waiting = keeper.launcher.start(make_plan("1", {}, Defaults()))
        with pytest.raises(Refused, match="image") as refused:
            waiting.result(PATIENCE_S)
        with pytest.raises(Refused) as at_once:
            keeper.launcher.start(make_plan("2", {}, Defaults())).result(PATIENCE_S)
        snapshot = Statistics.from_json(keeper.statistics(PATIENCE_S))
    finally:
        keeper.close(0.0)

    assert {refused.value.reason, at_once.value.reason} == {"breaker_open"}
    (pool,) = snapshot.pools
    assert pool.breaker.state in {"open", "half_open"}
    assert "image" in pool.breaker.cause
    assert pool.breaker_opened == 1
    assert pool.refused["breaker_open"] == 2


# --- endings -------------------------------------------------------------------------------------
HOST = """
import os, sys, threading
sys.path.insert(0, sys.argv[2])
from executor import Limits, Supervisor
from tests.executor.processes import descendants
begun = threading.Semaphore(0)
def begin() -> None:
    begun.release()
supervisor = Supervisor(cells=2, isolate=sys.argv[1], limits=Limits(wall_s=60)).open()
for _ in range(2):
    supervisor.start(sys.argv[3], functions={"begin": begin})
for _ in range(2):
    begun.acquire(timeout=30)
print(*descendants(), flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("where", ["interpreter", "process", "inline"])
def test_killing_the_host_leaves_no_process_behind(where: str) -> None:
    command = [sys.executable, "-c", HOST, where, str(ROOT), SPIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        below = [int(pid) for pid in host.stdout.readline().split()]
        host.kill()

    assert len(below) >= 2
    assert not wait_gone(below, PATIENCE_S)


@pytest.mark.parametrize("within_s", [0.0, 0.2])
def test_a_close_ends_spinning_guests_and_what_waits_behind_them(within_s: float) -> None:
    begins, before = Begins(), set(descendants())
    supervisor = Supervisor(cells=2, limits=Limits(wall_s=PATIENCE_S)).open()
    spinning = [supervisor.start(SPIN, **begins.options) for _ in range(2)]
    begins.wait(2)
    waiting = [supervisor.start("1") for _ in range(50)]
    began = time.monotonic()
    supervisor.close(within_s=within_s)

    assert time.monotonic() - began < PATIENCE_S / 3
    assert {handle.result(0).verdict for handle in spinning} <= {Verdict.CANCELLED, Verdict.CRASHED}
    for handle in waiting:
        with pytest.raises(Refused):
            handle.result(0)
    assert not wait_gone([pid for pid in descendants() if pid not in before], PATIENCE_S)


# --- fairness ------------------------------------------------------------------------------------
def test_a_tenant_with_2_000_waiting_runs_delays_another_ones_run_by_one_run_at_most() -> None:
    begins = Begins()
    limits = Limits(wall_s=PATIENCE_S)
    with Supervisor(cells=1, limits=limits, queue_max=2_001) as supervisor:
        gate = supervisor.start(SPIN, tenant="many", **begins.options)
        begins.wait(1)
        code = "from host import begin\nbegin({name!r})"
        for _ in range(2_000):
            supervisor.start(code.format(name="many"), tenant="many", **begins.options)
        one = supervisor.start(code.format(name="one"), tenant="one", **begins.options)
        gate.cancel()
        assert one.result(PATIENCE_S).verdict is Verdict.OK
        supervisor.close(within_s=0.0)

    assert begins.names[1:].index("one") <= 1


# --- what many runs leave behind -----------------------------------------------------------------
def account(before: set[int]) -> tuple[int, int, int]:
    """Return resident bytes, descriptors and processes of this process and what it started."""
    gc.collect()
    pids = [os.getpid(), *(pid for pid in descendants() if pid not in before)]
    descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    return sum(map(resident_bytes, pids)), descriptors, len(pids)


def test_1_500_runs_leave_no_memory_no_descriptor_and_no_process_behind() -> None:
    before = set(descendants())
    with Supervisor(cells=2) as supervisor:

        def some(count: int) -> None:
            for number in range(count):
                if number % 50 == 49:
                    assert supervisor.run("1 / 0").verdict is Verdict.EXCEPTION
                else:
                    assert supervisor.run("print(1)").stdout == "1\n"

        some(200)
        resident, descriptors, processes = account(before)
        some(1_300)
        resident_after, descriptors_after, processes_after = account(before)

    assert processes_after == processes
    assert descriptors_after <= descriptors + 4  # of sandboxes in stock, which come and go
    assert resident_after < resident + (24 << 20)
