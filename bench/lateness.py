"""How late three kinds of loop wake up while the host is busy, all of them in one run.

    python -m bench.lateness [--seconds 4]

    isolate    the supervisor's loop in its own interpreter: beats of 50 ms and deadlines, as
               `statistics().loop_lateness` counts them
    thread     a thread of the host's interpreter that sleeps 10 ms at a time
    asyncio    a coroutine on the host's event loop that sleeps 10 ms at a time; the burning is
               done on that loop, in turns, as careless code does it

Under three loads of the host (idle, pure Python, long calls of C code that keep the interpreter's
lock), each without guests and with every CPU burning in guests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import threading
import time
from collections.abc import Callable

from bench import measure
from executor import Limits, Supervisor
from executor.loop.lateness import Lateness

BEAT_S = 0.01
#: One C call of about 0.25 s.
EXPONENT = 3_000_000
#: How long pure Python holds the event loop before it lets it turn.
BURN_S = 0.05
BUSY = "while True: pass"
#: Keeps the loop's beat alive where no other guest runs; takes no CPU.
QUIET = "import time\nwhile True: time.sleep(1)"


def burn_python() -> None:
    """Run pure Python for a moment."""
    until = time.perf_counter() + BURN_S
    while time.perf_counter() < until:
        pass


def burn_c() -> None:
    """Make one long call of C code."""
    pow(3, EXPONENT)


LOADS: dict[str, Callable[[], object] | None] = {
    "idle": None,
    "pure Python": burn_python,
    "long C calls": burn_c,
}


class Beating(threading.Thread):
    """A thread that notes how late it wakes up."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.lateness = Lateness()
        self._is_over = False

    def run(self) -> None:
        """Sleep and note."""
        while not self._is_over:
            due = time.monotonic() + BEAT_S
            time.sleep(BEAT_S)
            self.lateness.note(time.monotonic() - due)

    def end(self) -> None:
        """Stop and wait."""
        self._is_over = True
        self.join()


async def load_host(load: Callable[[], object] | None, seconds: float) -> Lateness:
    """Put a load on the host's event loop; return how late a coroutine on it was."""
    lateness, until = Lateness(), time.monotonic() + seconds

    async def beat() -> None:
        while time.monotonic() < until:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            lateness.note(time.monotonic() - due)

    beating = asyncio.create_task(beat())
    while time.monotonic() < until:
        if load is None:
            await asyncio.sleep(BEAT_S)
        else:
            load()
            await asyncio.sleep(0)
    await beating
    return lateness


def measured(name: str, guests: int, seconds: float) -> list[list[str]]:
    """Return a row for each kind of loop."""
    cpus = os.process_cpu_count() or 1
    with Supervisor(cells=cpus, limits=Limits(wall_s=seconds * 3 + 20)) as supervisor:
        supervisor.run("1")
        handles = [supervisor.start(BUSY if guests else QUIET) for _ in range(guests or 1)]
        thread = Beating()
        thread.start()
        coroutine = asyncio.run(load_host(LOADS[name], seconds))
        thread.end()
        isolate = supervisor.statistics().loop_lateness
        for handle in handles:
            handle.cancel()
        supervisor.close(within_s=0.0)
    whose = {"isolate": (isolate.count, isolate.p50_s, isolate.p99_s, isolate.max_s)}
    for kind, lateness in (("thread", thread.lateness), ("asyncio", coroutine)):
        found = lateness.snapshot()
        whose[kind] = (int(found["count"]), found["p50_s"], found["p99_s"], found["max_s"])
    burning = f"{guests} guests" if guests else "no guest"
    rows = []
    for kind, (count, *times_s) in whose.items():
        times = [f"{time_s * 1e3:.1f}" for time_s in times_s]
        ratio = f"{times_s[2] / isolate.max_s:.1f}" if isolate.max_s else ""
        rows.append([f"{name}, {burning}, {kind}", *times, str(count), ratio])
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="for each of the six loads")
    given = parser.parse_args()

    measure.machine()
    cpus = os.process_cpu_count() or 1
    rows = [
        row
        for guests in (0, cpus)
        for name in LOADS
        for row in measured(name, guests, given.seconds)
    ]
    measure.title("Late by (p50 and p99 are upper ends of buckets)")
    heads = ["host, guests, loop", "p50 ms", "p99 ms", "max ms", "beats", "max to isolate"]
    measure.table(heads, rows)


if __name__ == "__main__":
    main()
