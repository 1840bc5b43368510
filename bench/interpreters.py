"""Interpreters of one tenant side by side: speed-up, recycling over 2,000 runs, shared memory.

python -m bench.interpreters [RUNS]

speed-up    the same Python computation twice: one after the other, and both at once
recycling   fresh interpreters one after another; what their cells hold, which are replaced
sessions    runs in kept interpreters, from one thread and from two
sharing     operations of a `SharedArray`, alone and contended
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque

from bench.measure import machine, table, title
from executor import Limits, RunHandle, Supervisor, Verdict

RUNS = 2_000
ROUNDS = 15
AT_HAND = 4
#: Some tenths of a second of pure Python.
WORK = """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
fib(29)
"""
SHARE = """
import time
from cellblock_shared import SharedArray
array = SharedArray("bench", 2)
array.add(0, 1)
array.notify(0)
while (here := array.load(0)) < both:
    array.wait(0, here)
began = time.perf_counter()
for _ in range(200_000):
    array.add(1, 1)
(time.perf_counter() - began) / 200_000 * 1e9
"""


def speed_up(supervisor: Supervisor) -> None:
    """Print how much sooner two computations are done side by side."""
    in_turn_s, at_once_s = [], []
    in_turn_cpu_s = at_once_cpu_s = 0.0
    with supervisor.session() as first, supervisor.session() as second:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for session in (first, second):
                in_turn_cpu_s += session.run(WORK).usage.cpu_s
            in_turn_s.append(time.perf_counter() - began)
            began = time.perf_counter()
            for handle in [session.start(WORK) for session in (first, second)]:
                at_once_cpu_s += handle.result().usage.cpu_s
            at_once_s.append(time.perf_counter() - began)
    ratios = [one / both for one, both in zip(in_turn_s, at_once_s, strict=True)]
    title("Two computations in two interpreters of one cell")
    table(
        ["in turn s", "at once s", "median speed-up", "of the least", "CPU, at once to in turn"],
        [
            [
                f"{statistics.median(in_turn_s):.3f}",
                f"{statistics.median(at_once_s):.3f}",
                f"{statistics.median(ratios):.2f}",
                f"{min(in_turn_s) / min(at_once_s):.2f}",
                f"{at_once_cpu_s / in_turn_cpu_s:.2f}",
            ]
        ],
    )


def recycling(runs: int) -> None:
    """Print what many fresh interpreters leave, and that none of their runs is lost."""
    with Supervisor(kind="interpreter", cells=2, limits=Limits(wall_s=60.0)) as supervisor:
        at_hand: deque[RunHandle] = deque()
        most_bytes = failed = 0

        def take() -> None:
            nonlocal failed
            failed += at_hand.popleft().result().verdict is not Verdict.OK

        began = time.perf_counter()
        for number in range(runs):
            at_hand.append(supervisor.start("number + 1", inputs={"number": number}))
            if len(at_hand) >= AT_HAND:
                take()
            if number % 10 == 0:
                cells = supervisor.statistics().pools[0].cells
                most_bytes = max(most_bytes, *(cell.heap_bytes for cell in cells))
        while at_hand:
            take()
        took_s = time.perf_counter() - began
        pool = supervisor.statistics().pools[0]
    title(f"{runs:,} runs, each in a fresh interpreter")
    table(
        ["runs/s", "most held by a cell MB", "cells started", "replaced", "failed", "lost"],
        [
            [
                f"{runs / took_s:.0f}",
                f"{most_bytes / 1e6:.0f}",
                str(pool.spawned),
                str(sum(pool.kills.values())),
                str(failed),
                str(sum(pool.lost.values())),
            ]
        ],
    )


def sessions(supervisor: Supervisor) -> None:
    """Print how many runs a second kept interpreters serve."""
    with supervisor.session() as first, supervisor.session() as second:
        rows = []
        for name, used in (("one", [first]), ("two", [first, second])):
            count = 600
            waiting: deque[RunHandle] = deque()
            began = time.perf_counter()
            for number in range(count):
                waiting.append(used[number % len(used)].start("1 + 1"))
                if len(waiting) > 2 * len(used):
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
            rows.append([name, f"{count / (time.perf_counter() - began):.0f}"])
    title("Runs in kept interpreters")
    table(["sessions", "runs/s"], rows)


def sharing(supervisor: Supervisor) -> None:
    """Print what an atomic operation costs."""
    rows = []
    for name, both in (("alone", 1), ("contended by two", 2)):
        handles = [supervisor.start(SHARE, inputs={"both": both}) for _ in range(both)]
        costs = [handle.result().unwrap() for handle in handles]
        rows.append([name, f"{max(costs):.0f}"])  # type: ignore[type-var]  # numbers
    title("SharedArray.add")
    table(["", "ns"], rows)


def main() -> None:
    """Measure all of it."""
    machine()
    with Supervisor(kind="interpreter", cells=2, limits=Limits(wall_s=120.0)) as supervisor:
        speed_up(supervisor)
        sessions(supervisor)
        sharing(supervisor)
    recycling(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)


if __name__ == "__main__":
    main()
