"""From a run's deadline to a cell that takes the next run, with a spare cell.

    python -m bench.deadline [--runs 200]

A run loops for ever; another waits behind it on the only cell. What is measured is the second
one's start after the first one's deadline. A start is when the run was sent, plus its time in the
queue.
"""

from __future__ import annotations

import argparse
import time

from bench import measure
from executor import Limits, Supervisor

WALL_S = 0.05
SPINS = {
    "a loop, ended softly": "while True: pass",
    "a loop that catches all": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "a long sum": "sum(range(10**12))",
    "a sleep": "import time; time.sleep(60)",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    given = parser.parse_args()

    measure.machine()
    rows = []
    with Supervisor(cells=1, limits=Limits(wall_s=20.0)) as supervisor:
        supervisor.run("1")
        for name, code in SPINS.items():
            late_s = []
            for _ in range(given.runs):
                spinning = supervisor.start(code, limits={"wall_s": WALL_S})
                sent_s = time.perf_counter()
                waiting = supervisor.start("1")
                sent_s -= time.perf_counter()
                after = waiting.result()
                outcome = spinning.result()
                assert (outcome.verdict, after.value) == ("timeout", 1), (outcome, after)
                started_s = outcome.timings.queued_s + sent_s  # to when the other was sent
                late_s.append(after.timings.queued_s - started_s - WALL_S)
            rows.append([name, *measure.Spread.of(late_s).cells()])
    measure.title(f"From a deadline of {WALL_S * 1e3:.0f} ms to the start of the next run")
    measure.table(["the guest", *measure.SPREAD_HEADS], rows)


if __name__ == "__main__":
    main()
