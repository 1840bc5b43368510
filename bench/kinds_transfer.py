"""Large bytes into a sandbox and out of it, each kind beside Node's clone and transfer.

    python -m bench.kinds_transfer [--megabytes 10 100] [--runs 9]

In: a run that is told the size of its input. Shared: the same by `Supervisor.share`, written before
the clock starts, as it is written once for many runs. Out: a run that returns as many bytes, less
the time that a run takes to make them and return none. Both times are the caller's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack

from bench import measure
from bench.node_peers import Node, node
from executor import Limits, Supervisor
from protocol.fields import Kind

KINDS: tuple[Kind, ...] = ("wasm", "process", "interpreter")
LIMITS = Limits(value_bytes="512MB", memory_bytes="1GB")
#: Lets spares be made before each run.
REST_S = 0.03


def calls_of(
    supervisor: Supervisor, data: bytes, stack: ExitStack
) -> dict[str, Callable[[], None]]:
    """Return the runs that are timed."""
    shared = stack.enter_context(supervisor.share(data))
    make = f"made = bytes(range(256)) * {len(data) // 256}\n"

    def run(code: str, expected: object, **inputs: object) -> Callable[[], None]:
        def call() -> None:
            assert supervisor.run(code, inputs=inputs).unwrap() == expected

        return call

    return {
        "nothing": run("0", 0),
        "in": run("len(data)", len(data), data=data),
        "shared": run("len(data)", len(data), data=shared),
        "made": run(make + "len(made)", len(data)),
        "out": run(make + "made", data),
    }


def node_rows(other: Node, size_bytes: int, runs: int) -> list[list[str]]:
    """Return the rows of Node."""
    rows = []
    for how in ("clone", "transfer"):
        found = other.ask("transfer", bytes=size_bytes, count=runs, how=how)
        one, both = (sorted(found[way]) for way in ("in", "both"))
        middle, least = len(one) // 2, 0
        rows.append(
            [
                f"node, {how}",
                *(f"{one[at]:.2f}" for at in (middle, least)),
                "-",
                *(f"{both[at] - one[at]:.2f}" for at in (middle, least)),
            ]
        )
    return rows


def show(size_bytes: int, runs: int, other: Node | None) -> None:
    """Print one table."""
    data = bytes(range(256)) * (size_bytes // 256)
    with ExitStack() as stack:
        made = {k: stack.enter_context(Supervisor(kind=k, cells=1, limits=LIMITS)) for k in KINDS}
        calls = {
            f"{kind}|{name}": call
            for kind, supervisor in made.items()
            for name, call in calls_of(supervisor, data, stack).items()
        }
        for call in calls.values():
            call()
        samples = measure.interleaved(calls, runs=runs, block=1, pause_s=REST_S)
    spreads = {name: measure.Spread.of(found) for name, found in samples.items()}

    def less(kind: str, name: str, without: str, part: str) -> str:
        of, base = spreads[f"{kind}|{name}"], spreads[f"{kind}|{without}"]
        return f"{max(0.0, getattr(of, part) - getattr(base, part)):.2f}"

    rows = [
        [
            kind,
            less(kind, "in", "nothing", "p50_ms"),
            less(kind, "in", "nothing", "least_ms"),
            less(kind, "shared", "nothing", "p50_ms"),
            less(kind, "out", "made", "p50_ms"),
            less(kind, "out", "made", "least_ms"),
        ]
        for kind in KINDS
    ]
    if other is not None:
        rows += node_rows(other, size_bytes, runs)
    measure.table(["ms", "in", "least", "shared", "out", "least"], rows)


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, nargs="+", default=[10.0, 100.0])
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()

    measure.machine()
    with node() as other:
        for megabytes in given.megabytes:
            measure.title(f"{megabytes:g} MB of bytes, beyond a run without them")
            show(round(megabytes * 1e6), given.runs, other)


if __name__ == "__main__":
    main()
