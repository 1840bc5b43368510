"""5,000 runs while cells, zygotes and the loop are killed with SIGKILL, three times over.

    python -m bench.chaos [--runs 5000] [--kills 100] [--times 3]

Ends with status 1 if a run had no ending, two beginnings, or a refusal after it began.
"""

from __future__ import annotations

import argparse
import sys
import time

from bench import measure
from tests.executor.chaos import unleash


def main() -> None:
    """Print what became of the runs, one row for each time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()

    measure.machine()
    rows, broken = [], list[str]()
    for seed in range(given.times):
        began = time.perf_counter()
        report = unleash(runs=given.runs, kills=given.kills, isolate="process", seed=seed)
        taken_s = time.perf_counter() - began
        broken += report.broken
        endings = report.endings
        refused = given.runs - endings["ok"] - endings["crashed"] - endings["none"]
        counts = (
            endings["ok"], endings["crashed"], refused, endings["none"],
            report.kills["cell or zygote"], report.kills["loop"],
            report.statistics.isolate_restarts if report.statistics else 0, len(report.broken),
        )  # fmt: skip
        rows.append([str(seed), *(f"{count:,}" for count in counts), f"{taken_s:.1f}"])
    measure.title(f"{given.runs:,} runs and {given.kills} kills")
    heads = [
        "seed", "ok", "crashed", "refused", "no ending", "cells and zygotes killed",
        "loops killed", "loops restarted", "broken promises", "s",
    ]  # fmt: skip
    measure.table(heads, rows)
    for line in broken:
        print(line)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
