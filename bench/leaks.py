"""What 1,000 and 10,000 runs leave behind in the host and in its cells.

    python -m bench.leaks [--cells 2] [COUNT ...]

Counts are totals. One run in fifty fails and one in two hundred hits its deadline, as such runs
take other ways out. Memory is read from /proc (Linux).
"""

from __future__ import annotations

import argparse
import gc
import os

from bench import measure
from bench.accounts import Account, descendants
from executor import Limits, Supervisor

WARM_UP_RUNS = 200
SHORT = Limits(wall_s=0.02)


def some_runs(supervisor: Supervisor, count: int) -> None:
    """Run `count` guests, most of them well-behaved."""
    for number in range(count):
        if number % 200 == 199:
            verdict = supervisor.run("while True: pass", limits=SHORT).verdict
            assert verdict == "timeout", verdict
        elif number % 50 == 49:
            verdict = supervisor.run("1 / 0").verdict
            assert verdict == "exception", verdict
        else:
            outcome = supervisor.run("print(1+1)")
            assert outcome.stdout == "2\n", outcome


def main() -> None:
    """Print the account before and after."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=2)
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000])
    given = parser.parse_args()

    measure.machine()
    rows: dict[str, list[list[str]]] = {"host": [], "cells": []}
    with Supervisor(cells=given.cells) as supervisor:
        done = -WARM_UP_RUNS
        for count in (0, *sorted(given.counts)):
            some_runs(supervisor, count - done)
            done = count
            gc.collect()
            me = os.getpid()
            for name, pids in (("host", [me]), ("cells", descendants(me))):
                rows[name].append(Account.of(pids).row(f"{name} after {count:,}"))
    measure.title(f"{WARM_UP_RUNS} runs to warm up, and then")
    heads = ["", "processes", "resident MB", "private MB", "descriptors", "threads"]
    measure.table(heads, rows["host"] + rows["cells"])


if __name__ == "__main__":
    main()
