"""A fresh place for each run: each kind of sandbox beside the pools and threads of others.

    python -m bench.kinds_start [--runs 60] [--block 6] [--pause-ms 30]

With a pause before each run a warm spare is waiting, as it does where runs come now and then. Back
to back and without spares, each run waits for its own cell to be made: the cold start. Peers make
and end a process, an interpreter or a thread for each call. Native kinds run the host's Python;
numpy cannot be loaded in a second interpreter, so those rows are of processes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack

from bench import measure, python_peers
from bench.node_peers import Node, node
from executor import Image, Limits, Supervisor
from protocol.fields import Kind

KINDS: tuple[Kind, ...] = ("wasm", "process", "interpreter")
CODE = "def answer(n): return 2 * n + 1\nanswer(20)"
NUMPY_CODE = "import numpy\nint(numpy.arange(21).max()) * 2 + 1"
LIMITS = Limits(memory_bytes="512MB")
WARM_UP_RUNS = 5


def ours(supervisor: Supervisor, code: str) -> Callable[[], None]:
    """Return a run of ours."""

    def call() -> None:
        outcome = supervisor.run(code)
        assert outcome.value == python_peers.EXPECTED, outcome

    return call


def contestants(stack: ExitStack, *, spares: bool, peers: bool) -> dict[str, Callable[[], None]]:
    """Return what is measured, by name, each ready to start."""
    calls: dict[str, Callable[[], None]] = {}
    # An inline loop keeps no spare, and a supervisor of one cell makes each cell when it is needed.
    cells, isolate = (2, "interpreter") if spares else (1, "inline")

    def enter(name: str, code: str, kind: Kind, image: Image | None = None) -> None:
        made = Supervisor(image, kind=kind, cells=cells, isolate=isolate, limits=LIMITS)  # type: ignore[arg-type]  # one of its words
        calls[name] = ours(stack.enter_context(made), code)

    for kind in KINDS:
        enter(kind, CODE, kind)
    enter("process, numpy", NUMPY_CODE, "process", Image(preload=["numpy"]))
    if peers:
        calls |= _python_peers()
    for call in calls.values():
        for _ in range(WARM_UP_RUNS):
            call()
    return calls


def _python_peers() -> dict[str, Callable[[], None]]:
    found: dict[str, Callable[[], None] | None] = {
        "InterpreterPoolExecutor": python_peers.interpreter_pool(),
        "multiprocessing spawn": python_peers.process("spawn", with_numpy=False),
        "multiprocessing forkserver": python_peers.process("forkserver", with_numpy=False),
        "ProcessPoolExecutor": python_peers.executor(with_numpy=False),
        "pebble": python_peers.pebble_pool(with_numpy=False),
        "spawn, numpy": python_peers.process("spawn", with_numpy=True),
        "forkserver, numpy": python_peers.process("forkserver", with_numpy=True),
        "pebble, numpy": python_peers.pebble_pool(with_numpy=True),
    }
    for name, call in found.items():
        if call is None:
            print(f"({name} is not installed: its row is missing)")
    return {name: call for name, call in found.items() if call is not None}


def show(
    calls: dict[str, Callable[[], None]], other: Node | None, runs: int, block: int, pause_s: float
) -> None:
    """Measure and print one table."""
    samples: dict[str, list[float]] = {}
    for _ in range(-(-runs // block)):
        part = measure.interleaved(calls, runs=block, block=block, pause_s=pause_s)
        if other is not None:
            part["node worker_threads"] = other.seconds("start", count=block)
        for name, found in part.items():
            samples.setdefault(name, []).extend(found)
    spreads = {name: measure.Spread.of(found) for name, found in samples.items()}
    reference = spreads["process"].p50_ms
    measure.table(
        ["", *measure.SPREAD_HEADS, "p50 to process"],
        [
            [name, *spread.cells(), f"{spread.p50_ms / reference:.2f}"]
            for name, spread in spreads.items()
        ],
    )


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--block", type=int, default=6)
    parser.add_argument("--pause-ms", type=float, default=30.0)
    given = parser.parse_args()

    measure.machine()
    with node() as other, ExitStack() as stack:
        measure.title(f"{given.pause_ms:g} ms of rest before each run: a warm spare waits")
        calls = contestants(stack, spares=True, peers=True)
        show(calls, other, given.runs, given.block, given.pause_ms / 1e3)
    with ExitStack() as stack:
        measure.title("Back to back, one cell, no spare: each run waits for its own")
        show(contestants(stack, spares=False, peers=False), None, given.runs * 2, given.block, 0.0)


if __name__ == "__main__":
    main()
