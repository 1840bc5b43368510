"""One script from the shell, warm cache: `cellblock run` beside `python -m eryx`, wall time.

    python -m bench.cli_start [--runs 30] [SCRIPT]

The script is examples/analyse.py unless another is named; `print(1+1)` is timed as well. A bare
`python -c pass` stands beside them for scale.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import measure

ROOT = Path(__file__).resolve().parents[1]


def commands(script: Path) -> dict[str, list[str]]:
    """Return the command lines to compare, ours first."""
    entry = Path(sys.executable).with_name("cellblock")
    ours = [str(entry)] if entry.exists() else [sys.executable, "-m", "executor.cli"]
    found = {"cellblock run": [*ours, "run", str(script)]}
    if importlib.util.find_spec("eryx") is not None:
        found["python -m eryx"] = [sys.executable, "-m", "eryx", str(script)]
    found["python -c pass"] = [sys.executable, "-c", "pass"]
    return found


def starter(command: list[str]) -> Callable[[], None]:
    """Return a call that runs a command to its end and insists that it went well."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Without it a tree that was not installed is compiled anew at each start; packages never are.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start() -> None:
        subprocess.run(command, env=environment, capture_output=True, check=True)

    return start


def compare(script: Path, runs: int) -> None:
    """Print one table for one script."""
    calls = {name: starter(command) for name, command in commands(script).items()}
    for call in calls.values():
        call()  # fills the caches
    samples = measure.interleaved(calls, runs=runs, block=1)
    spreads = {name: measure.Spread.of(found) for name, found in samples.items()}
    ours = spreads["cellblock run"]
    measure.table(
        ["", *measure.SPREAD_HEADS, "p50 to ours"],
        [
            [name, *spread.cells(), f"{spread.p50_ms / ours.p50_ms:.2f}"]
            for name, spread in spreads.items()
        ],
    )


def main() -> None:
    """Print a table for each script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("script", nargs="?", type=Path, default=ROOT / "examples" / "analyse.py")
    given = parser.parse_args()

    measure.machine()
    measure.title(given.script.name)
    compare(given.script, given.runs)
    with tempfile.NamedTemporaryFile("w", suffix=".py") as smallest:
        smallest.write("print(1+1)\n")
        smallest.flush()
        measure.title("print(1+1)")
        compare(Path(smallest.name), given.runs)


if __name__ == "__main__":
    main()
