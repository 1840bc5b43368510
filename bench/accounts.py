"""What processes hold, by the kernel's account (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """What some processes hold."""

    processes: int
    resident_mb: float
    private_mb: float
    descriptors: int
    threads: int

    @classmethod
    def of(cls, pids: Iterable[int]) -> Account:
        """Read the account of these processes; those that are gone hold nothing."""
        processes = resident = private = descriptors = threads = 0
        for pid in pids:
            home = Path(f"/proc/{pid}")
            try:
                rollup = fields(home / "smaps_rollup")
                descriptors += len(os.listdir(home / "fd"))
                threads += len(os.listdir(home / "task"))
            except OSError:
                continue
            processes += 1
            resident += rollup["Rss"]
            private += rollup["Private_Clean"] + rollup["Private_Dirty"]
        return cls(processes, resident / 1024, private / 1024, descriptors, threads)

    def row(self, name: str) -> list[str]:
        """Return a row of a table."""
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
