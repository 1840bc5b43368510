"""A fresh sandbox for each run of `print(1+1)`: how long a caller waits, and how many a second.

    python -m bench.fresh_run [--runs 1000] [--block 50] [--pause-ms 4] [--cells 2]

With pauses, each of our runs finds a warmed sandbox in stock; back to back, a cell has to make the
next one between two runs. eryx and pydantic-monty take part where they are installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from bench import measure
from bench.peers import RunFresh, installed

CODE = "print(1+1)"
WARM_UP_RUNS = 30


def checked(run: RunFresh) -> Callable[[], None]:
    """Return a call of `run` that fails if the guest did not do its work."""

    def call() -> None:
        printed = run(CODE)
        assert printed == "2\n", printed

    return call


def latency(calls: dict[str, Callable[[], None]], runs: int, block: int, pause_s: float) -> None:
    """Print what one caller waits."""
    samples = measure.interleaved(calls, runs=runs, block=block, pause_s=pause_s)
    spreads = {name: measure.Spread.of(found) for name, found in samples.items()}
    ours = spreads["cellblock"]
    measure.table(
        ["", *measure.SPREAD_HEADS, "p50 to ours"],
        [
            [name, *spread.cells(), f"{spread.p50_ms / ours.p50_ms:.2f}"]
            for name, spread in spreads.items()
        ],
    )


def throughput(runs: int, cells: int, rounds: int = 5) -> None:
    """Print how many fresh sandboxes a second each gives with `cells` of them at once."""
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        gives = [
            (
                name,
                [stack.enter_context(give(cells)) for _ in range(cells if name == "eryx" else 1)],
            )
            for name, give in installed().items()
        ]
        threads = stack.enter_context(ThreadPoolExecutor(cells))
        for _ in range(rounds):
            for name, places in gives:
                calls = [checked(places[at % len(places)]) for at in range(cells)]
                share = max(1, runs // rounds // cells)
                began = time.perf_counter()
                for done in [threads.submit(repeat, call, share) for call in calls]:
                    done.result()
                spent_s = time.perf_counter() - began
                rates.setdefault(name, []).append(share * cells / spent_s)
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    measure.table(
        ["", "runs/s", "best", "to ours"],
        [
            [
                name,
                f"{middle[name]:.0f}",
                f"{max(rates[name]):.0f}",
                f"{middle[name] / middle['cellblock']:.2f}",
            ]
            for name in rates
        ],
    )


def repeat(call: Callable[[], None], times: int) -> None:
    """Call it that often."""
    for _ in range(times):
        call()


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--block", type=int, default=50)
    parser.add_argument("--pause-ms", type=float, default=4.0)
    parser.add_argument("--cells", type=int, default=2)
    given = parser.parse_args()

    measure.machine()
    with ExitStack() as stack:
        calls = {
            name: checked(stack.enter_context(give(given.cells)))
            for name, give in installed().items()
        }
        for call in calls.values():
            repeat(call, WARM_UP_RUNS)
        measure.title(f"One caller, {given.pause_ms:g} ms of rest before each run")
        latency(calls, given.runs, given.block, given.pause_ms / 1e3)
        measure.title("One caller, back to back")
        latency(calls, given.runs, given.block, 0.0)
    measure.title(f"{given.cells} callers at once, {given.cells} places to run")
    throughput(given.runs * 4, given.cells)


if __name__ == "__main__":
    main()
