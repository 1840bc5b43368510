"""Ten thousand runs over three machines while they are killed, frozen and cut off.

    python -m bench.chaos_link [--runs 10000] [--seed 1] [--every 1.5]

The machines are `cellblock worker` processes and the server is a real nats-server; each machine is
behind a proxy that freezes and cuts its connections, and so is the submitter. Every second or two
one of these happens: a machine is killed with SIGKILL and started anew, the server is killed and
started anew, a machine's or the submitter's connection is cut, or frozen for longer than a lease.

Prints how the runs ended and what was done. Exit code 0 if each ended once, with its own value.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.link.fleet import Fleet


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=1.5, help="seconds between faults")
    given = parser.parse_args()
    began = time.monotonic()

    def tell(ended: int) -> None:
        print(f"\r{ended} runs have ended, {time.monotonic() - began:.0f} s", end="", flush=True)

    with (
        tempfile.TemporaryDirectory() as folder,
        Fleet(Path(folder), machines=given.machines) as fleet,
    ):
        result = fleet.run(given.runs, seed=given.seed, every_s=given.every, tell=tell)
    took_s = time.monotonic() - began
    once = sum(count == 1 for count in result.endings.values())
    print(f"\r{given.runs} runs over {given.machines} machines in {took_s:.0f} s")
    print(f"ended exactly once: {once}; lost: {given.runs - len(result.endings)}")
    print("outcomes:", ", ".join(f"{count} {name}" for name, count in result.outcomes.items()))
    print("faults:", ", ".join(f"{count} x {name}" for name, count in result.faults.items()))
    if result.statistics is not None:
        print(f"begun again on another machine: {result.statistics.runs_begun_again}")
        print(f"reconnects of the submitter: {result.statistics.reconnects}")
    for line in result.wrong[:20]:
        print("wrong:", line)
    return 0 if once == given.runs and not result.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
