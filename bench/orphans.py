"""From SIGKILL of the host to the end of the last process that it had started.

    python -m bench.orphans [--times 20]

The guests are burning, and none of the processes is told anything: they have the kernel's word
that their parent died, and the end of their pipes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from bench import measure
from tests.executor.processes import wait_gone

PATIENCE_S = 10.0
HOST = """
import sys, threading
sys.path.insert(0, sys.argv[2])
from executor import Limits, Supervisor
from tests.executor.processes import descendants
begun = threading.Semaphore(0)
def begin() -> None:
    begun.release()
supervisor = Supervisor(isolate=sys.argv[1], limits=Limits(wall_s=60)).open()
for _ in range(2):
    code = "from host import begin\\nbegin()\\nwhile True: pass"
    supervisor.start(code, functions={"begin": begin})
for _ in range(2):
    begun.acquire()
print(*descendants(), flush=True)
threading.Event().wait()
"""


def one(isolate: str) -> tuple[float, int]:
    """Return the seconds until the last process was gone, and how many there were."""
    command = [sys.executable, "-c", HOST, isolate, str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        below = [int(pid) for pid in host.stdout.readline().split()]
        began = time.perf_counter()
        host.kill()
        left = wait_gone(below, PATIENCE_S)
        taken_s = time.perf_counter() - began
    assert not left, f"still there: {left}"
    return taken_s, len(below)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()

    measure.machine()
    rows = []
    for isolate in ("interpreter", "process"):
        taken = [one(isolate) for _ in range(given.times)]
        spread = measure.Spread.of(taken_s for taken_s, _ in taken)
        most_ms = max(taken_s for taken_s, _ in taken) * 1e3
        rows.append([isolate, *spread.cells(), f"{most_ms:.3f}", str(taken[0][1])])
    measure.title("From SIGKILL of the host to its last process gone (looked at every 2 ms)")
    heads = ["the loop's isolate", *measure.SPREAD_HEADS, "most ms", "processes"]
    measure.table(heads, rows)


if __name__ == "__main__":
    main()
