"""What 1,000 and 10,000 runs leave behind in the host and in its cells.

    python -m bench.leaks [--cells 2] [COUNT ...]

Counts are totals. One run in fifty fails and one in two hundred hits its deadline, as such runs
take other ways out. Memory is read from /proc (Linux).
"""

from __future__ import annotations

import argparse
import gc
import os
from dataclasses import dataclass
from pathlib import Path

from bench import measure
from executor import Limits, Supervisor

WARM_UP_RUNS = 200
SHORT = Limits(wall_s=0.02)


@dataclass(frozen=True, slots=True)
class Account:
    """What some processes hold."""

    processes: int
    resident_mb: float
    private_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pids: list[int]) -> Account:
        """Read the account of these processes from the kernel."""
        resident = private = descriptors = threads = 0
        for pid in pids:
            home = Path(f"/proc/{pid}")
            rollup = fields(home / "smaps_rollup")
            resident += rollup["Rss"]
            private += rollup["Private_Clean"] + rollup["Private_Dirty"]
            descriptors += len(os.listdir(home / "fd"))
            threads += len(os.listdir(home / "task"))
        return cls(len(pids), resident / 1024, private / 1024, descriptors, threads)

    def row(self, name: str) -> list[str]:
        """Return a row of the table."""
        megabytes = (f"{self.resident_mb:.1f}", f"{self.private_mb:.1f}")
        return [name, str(self.processes), *megabytes, str(self.descriptors), str(self.threads)]


def fields(path: Path) -> dict[str, int]:
    """Return the numbers of a file such as smaps_rollup, by name."""
    found = {}
    for line in path.read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0])
    return found


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            parent = int(stat.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    below, found = [pid], []
    while below:
        children = parents.get(below.pop(), [])
        found += children
        below += children
    return sorted(found)


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
