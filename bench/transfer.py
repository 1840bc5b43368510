"""Large values into a guest and out of it.

    python -m bench.transfer [--megabytes 10] [--runs 15]

The time of a transfer is that of a run with the value less that of the same run without it, right
before it, both from the caller's side. A JSON-like value (a list of records) is held against
`json.dumps` and `json.loads` of it on the host.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from bench import measure
from executor import Limits, Outcome, Supervisor

LIMITS = Limits(value_bytes="256MB", memory_bytes="1GB")
#: Lets the cell fill its stock before each run.
REST_S = 0.02
MAKE_RECORDS = """\
def records(count):
    return [
        {"id": n, "name": f"record {n}", "score": n / 7, "on": n % 2 == 0, "tags": ["a", "b"]}
        for n in range(count)
    ]
"""


def records_of(size_bytes: int) -> list[object]:
    """Return a list of records that is about `size_bytes` long as JSON."""
    names: dict[str, Callable[[int], list[object]]] = {}
    exec(MAKE_RECORDS, names)  # the same code as the guest runs
    one_bytes = len(json.dumps(names["records"](1000))) / 1000
    return names["records"](round(size_bytes / one_bytes))


def through_json(value: object) -> object:
    """Return the value after a trip through JSON text."""
    return json.loads(json.dumps(value))


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    size_bytes = round(given.megabytes * 1e6)
    data, records = bytes(range(256)) * (size_bytes // 256), records_of(size_bytes)

    measure.machine()
    with Supervisor(limits=LIMITS, cells=1) as supervisor:

        def run(code: str, **inputs: object) -> Outcome:
            outcome: Outcome = supervisor.run(code, inputs=inputs)
            assert outcome.ok, outcome.error
            return outcome

        make = f"{MAKE_RECORDS}kept = records({len(records)})\n"
        pairs: dict[str, tuple[Callable[[], Outcome], Callable[[], Outcome]]] = {
            "bytes in": (lambda: run("None"), lambda: run("None", data=data)),
            "bytes out": (lambda: run("None"), lambda: run(f"bytes({len(data)})")),
            "records in": (lambda: run("None"), lambda: run("None", records=records)),
            "records out": (lambda: run(make + "None"), lambda: run(make + "kept")),
        }
        contestants: dict[str, Callable[[], object]] = {"json": lambda: through_json(records)}
        for name, (without, carry) in pairs.items():
            contestants |= {f"{name}, without": without, name: carry}
        samples = measure.interleaved(contestants, runs=given.runs, block=1, pause_s=REST_S)
        inside = {name: carry().timings for name, (_, carry) in pairs.items()}
    spreads = {name: measure.Spread.of(found) for name, found in samples.items()}

    def row(name: str) -> list[str]:
        before, spread = spreads[f"{name}, without"], spreads[name]
        middle_ms, least_ms = spread.p50_ms - before.p50_ms, spread.least_ms - before.least_ms
        parts = inside[name]
        return [
            name,
            f"{middle_ms:.2f}",
            f"{least_ms:.2f}",
            f"{middle_ms / spreads['json'].p50_ms:.2f}",
            f"{parts.encode_s * 1e3:.1f}",
            f"{parts.decode_s * 1e3:.1f}",
        ]

    measure.title(
        f"{len(data) / 1e6:.1f} MB of bytes, and {len(records):,} records, "
        f"{len(json.dumps(records)) / 1e6:.1f} MB as JSON, for which\ndumps and loads take "
        f"{spreads['json'].p50_ms:.0f} ms (least {spreads['json'].least_ms:.0f})"
    )
    heads = ["", "p50 ms", "least ms", "p50 to json", "encode ms", "decode ms"]
    measure.table(heads, [row(name) for name in inside])


if __name__ == "__main__":
    main()
