"""Many tiny calls, and two large ones at once: what each kind of sandbox gets done in a second.

    python -m bench.kinds_batch [--calls 20000] [--chunk 1000] [--rounds 5] [--seconds 0.5]

Throughput: `CellExecutor.map` of a function that adds one, many calls in each run (`chunksize`), so
that a sandbox is fresh for each chunk. piscina keeps its threads and their state. Fresh runs a
second are those of `Supervisor.map`: a sandbox for each call.

Speed-up: two runs of pure Python side by side against one after another.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from contextlib import ExitStack

from bench import measure
from bench.node_peers import node
from executor import CellExecutor, Limits, Supervisor
from executor.kinds import Reuse
from protocol.fields import Kind

KINDS: tuple[Kind, ...] = ("wasm", "process", "interpreter")
PLACES: dict[str, tuple[Kind, Reuse | None]] = {
    "wasm": ("wasm", None),
    "process": ("process", None),
    "process kept for its tenant": ("process", "tenant"),
    "interpreter": ("interpreter", None),
}
THREADS = 2
BURN = "total = 0\nfor n in range(count): total += n * n % 7\ntotal"


def add_one(n: int) -> int:
    """Do the tiny work."""
    return n + 1


def chunked(pool: CellExecutor, calls: int, chunk: int) -> None:
    """Have a batch of tiny calls done."""
    found = list(pool.map(add_one, range(calls), chunksize=chunk))
    assert found[-1] == calls


def fresh(supervisor: Supervisor, calls: int) -> None:
    """Have a batch of tiny calls done, a sandbox for each."""
    found = [o.value for o in supervisor.map("n + 1", ({"n": n} for n in range(calls)))]
    assert found[-1] == calls


def throughput(calls: int, chunk: int, rounds: int) -> None:
    """Print calls a second, a block of one contestant after a block of the other."""
    rates: dict[str, list[float]] = {}

    def note(name: str, done: int, spent_s: float) -> None:
        rates.setdefault(name, []).append(done / spent_s)

    with node(piscina=True) as other, ExitStack() as stack:
        places = {
            name: stack.enter_context(Supervisor(kind=kind, reuse=reuse, cells=THREADS))
            for name, (kind, reuse) in PLACES.items()
        }
        pools = {name: stack.enter_context(CellExecutor(made)) for name, made in places.items()}
        few = calls // 50
        for number in range(rounds + 1):
            for name, pool in pools.items():
                spent_s = measure.timed(functools.partial(chunked, pool, calls, chunk))
                alone_s = measure.timed(functools.partial(fresh, places[name], few))
                if number:  # the first round warms up
                    note(f"{name}, chunks of {chunk}", calls, spent_s)
                    note(f"{name}, a run for each", few, alone_s)
            if other is not None and other.has_piscina:
                [spent_s] = other.seconds("piscina", tasks=calls, threads=THREADS)
                if number:
                    note("piscina, kept threads", calls, spent_s)
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    base = middle.get("piscina, kept threads")
    measure.table(
        ["", "calls/s", "best", "to piscina"],
        [
            [
                name,
                f"{rate:,.0f}",
                f"{max(rates[name]):,.0f}",
                f"{rate / base:.2f}" if base else "-",
            ]
            for name, rate in middle.items()
        ],
    )


def speed_up(seconds: float, rounds: int) -> None:
    """Print how much sooner two runs end side by side than one after another."""
    rows = []
    for kind in KINDS:
        with Supervisor(kind=kind, cells=THREADS, limits=Limits(wall_s=120)) as supervisor:
            ratios = []
            count = _count_for(seconds, lambda n: _burn(supervisor, n, 1))
            for _ in range(rounds):
                alone_s = sum(_burn(supervisor, count, 1) for _ in range(THREADS))
                ratios.append(alone_s / _burn(supervisor, count, THREADS))
        ratios.sort()
        rows.append([kind, f"{ratios[len(ratios) // 2]:.2f}", f"{ratios[-1]:.2f}"])
    measure.table(["", "speed-up", "best"], rows)


def _burn(supervisor: Supervisor, count: int, together: int) -> float:
    time.sleep(0.05)  # spares are made meanwhile
    began = time.perf_counter()
    handles = [supervisor.start(BURN, inputs={"count": count}) for _ in range(together)]
    for handle in handles:
        handle.result().unwrap()
    return time.perf_counter() - began


def _count_for(seconds: float, burn: Callable[[int], float]) -> int:
    burn(1_000)
    return round(200_000 * seconds / burn(200_000))


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--chunk", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    given = parser.parse_args()

    measure.machine()
    measure.title(f"Tiny calls, {THREADS} at once")
    throughput(given.calls, given.chunk, given.rounds)
    measure.title(f"{THREADS} CPU-bound runs of {given.seconds:g} s, together against in turn")
    speed_up(given.seconds, given.rounds)


if __name__ == "__main__":
    main()
