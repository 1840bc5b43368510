"""What the jail costs: each step of a cell's plan, fork to hello, and kill to gone.

    python bench/jail.py [--cells N]

Read ratios; on a busy machine the least of many is closest to a quiet one.
"""

from __future__ import annotations

import argparse
import itertools
import os
import select
import signal
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sandboxes.jail.enter import Surroundings, enter, filter_code
from sandboxes.jail.identity import PLAIN_UID, become
from sandboxes.jail.namespaces import Namespace, enter_new
from sandboxes.jail.plan import CellWish, Jail, Strength, cell_plan
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.steps import Step, Wall
from sandboxes.zygote_client import (
    CellExited,
    CellForked,
    Event,
    Recipe,
    ZygoteClient,
    ZygoteGone,
    ZygoteReady,
)

WISH = CellWish(Resources(memory_bytes=256 << 20))
SCRATCH = CellWish(Resources(memory_bytes=256 << 20), writable_tmpfs_bytes=1 << 20)
UID = PLAIN_UID if os.getuid() == 0 else 0


def hello(fd: int) -> None:
    """Body of the cells measured here."""
    os.write(fd, b"hello")
    os.read(fd, 1)


def shown(name: str, times_ms: list[float]) -> None:
    """Print one line of the table."""
    times_ms.sort()
    middle, least = statistics.median(times_ms), times_ms[0]
    print(f"{name:42} {middle:8.3f} {least:8.3f} {times_ms[int(len(times_ms) * 0.95)]:8.3f}")


def wait[E: Event](client: ZygoteClient, kind: type[E]) -> E:
    """Return the next event of a kind."""
    while True:
        select.select([client], [], [])
        for event in client.receive():
            if isinstance(event, kind):
                return event
            assert not isinstance(event, ZygoteGone), event


def measure_zygote(name: str, jail: Jail, wish: CellWish, count: int) -> None:
    """Time a zygote's start, and the birth and death of its cells."""
    here = str(Path(__file__).resolve().parent)
    began = time.perf_counter()
    with ZygoteClient.start(Recipe(jail, "jail:hello", import_paths=(here,))) as client:
        wait(client, ZygoteReady)
        shown(f"{name}: zygote to ready", [(time.perf_counter() - began) * 1e3])
        forks, kills = [], []
        for cell in range(1, count + 1):
            ours, theirs = socket.socketpair()
            began = time.perf_counter()
            client.fork_cell(cell, wish, theirs.fileno())
            theirs.close()
            forked = wait(client, CellForked)
            assert ours.recv(5) == b"hello"
            said = time.perf_counter()
            signal.pidfd_send_signal(forked.pidfd, signal.SIGKILL)
            select.select([forked.pidfd], [], [])
            forks.append((said - began) * 1e3)
            kills.append((time.perf_counter() - said) * 1e3)
            ours.close()
            os.close(forked.pidfd)
            wait(client, CellExited)
        shown(f"{name}: fork to hello", forks)
        shown(f"{name}: kill to gone", kills)


def measure_steps(count: int) -> None:
    """Time each step of a cell's plan in forked processes inside the zygote's namespaces."""
    steps = cell_plan(Jail(), WISH)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        if UID:
            become(UID)
        enter_new(Namespace.USERS | Namespace.MOUNTS | Namespace.NETWORK)
        for _ in range(count):
            _time_one(steps, writing)
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as lines:
        rows = [[float(word) for word in line.split()] for line in lines]
    for at, step in enumerate(steps):
        shown(f"step {type(step).__name__}", [row[at] for row in rows])
    shown("all steps", [sum(row) for row in rows])


def _time_one(steps: tuple[Step, ...], writing: int) -> None:
    parent = os.getpid()
    if (pid := os.fork()) == 0:
        around = Surroundings(kept=frozenset({0, 1, 2, writing}), parent=parent)
        filter_code("wasm", "none", os.getpid())  # a zygote has built it before the fork
        marks = [time.perf_counter()]
        enter(steps, around, after_step=lambda _: marks.append(time.perf_counter()))
        spent = [(b - a) * 1e3 for a, b in itertools.pairwise(marks)]
        os.write(writing, (" ".join(f"{ms:.4f}" for ms in spent) + "\n").encode())
        os._exit(0)
    os.waitpid(pid, 0)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    count = parser.parse_args().cells
    print(f"{'milliseconds':42} {'median':>8} {'least':>8} {'p95':>8}")
    measure_steps(count)
    strengths: tuple[Strength, ...] = ("full", "light")
    for strength in strengths:
        measure_zygote(strength, Jail(strength=strength, uid=UID), WISH, count)
    measure_zygote("full, with scratch", Jail(uid=UID), SCRATCH, count)
    bare = Jail(strength="light", uid=UID, without=frozenset(Wall))
    measure_zygote("no walls at all", bare, WISH, count)


if __name__ == "__main__":
    main()
