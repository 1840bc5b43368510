"""What 50,000 runs leave behind: memory, descriptors and processes at the start, middle and end.

    python -m bench.soak [--runs 50000]

As `bench.leaks`, over a longer time and with several callers at once, so that cells are replaced
and queues fill on the way.
"""

from __future__ import annotations

import argparse
import gc
import os
from concurrent.futures import ThreadPoolExecutor

from bench import measure
from bench.accounts import Account, descendants
from bench.leaks import some_runs
from executor import Supervisor

CALLERS = 3
WARM_UP_RUNS = 1_000


def main() -> None:
    """Print the account at three moments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50_000)
    given = parser.parse_args()

    measure.machine()
    rows: dict[str, list[list[str]]] = {"host": [], "cells": []}
    rates = []
    with Supervisor() as supervisor, ThreadPoolExecutor(CALLERS) as callers:
        for name, count in (
            ("start", WARM_UP_RUNS), ("middle", given.runs // 2), ("end", given.runs // 2)
        ):  # fmt: skip

            def share(_: int, count: int = count) -> None:
                some_runs(supervisor, count // CALLERS)

            taken_s = measure.timed(lambda: list(callers.map(share, range(CALLERS))))
            rates.append(f"{name} {count / taken_s:.0f}")
            gc.collect()
            for whose, pids in (("host", [os.getpid()]), ("cells", descendants(os.getpid()))):
                rows[whose].append(Account.of(pids).row(f"{whose}, {name}"))
    measure.title(f"{given.runs:,} runs after {WARM_UP_RUNS:,}; runs/s: {', '.join(rates)}")
    heads = ["", "processes", "resident MB", "private MB", "descriptors", "threads"]
    measure.table(heads, rows["host"] + rows["cells"])


if __name__ == "__main__":
    main()
