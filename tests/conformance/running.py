"""Runs CPython's test files in guests: a fresh sandbox for each file, results by test.

A test that ends its sandbox, or runs past the deadline, is noted with the verdict, and the file is
run again without it and without those that are done.
"""

from __future__ import annotations

import os
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from executor import Limits, Outcome, Supervisor

HERE = Path(__file__).parent
#: One file; the longest takes a quarter of it on a slow machine.
LIMITS = Limits(
    wall_s=240.0,
    memory_bytes="768MiB",
    host_calls=1_000_000,
    stdout_bytes="16MB",
    stderr_bytes="16MB",
    files_bytes="8GB",
)
#: Tests of one file that end its sandbox, before the rest of the file is given up.
ENDS_MAX = 25


@dataclass(frozen=True, slots=True)
class Result:
    """How one test ended: "passed", "failed", "skipped" or "ended" (took the sandbox with it)."""

    how: str
    text: str = ""


@dataclass(slots=True)
class Report:
    """The results of one module, by test."""

    name: str
    tests: dict[str, Result] = field(default_factory=dict)

    def count(self, *hows: str) -> int:
        """Return how many tests ended in one of these ways."""
        counted = Counter(result.how for result in self.tests.values())
        return sum(counted[how] for how in hows)

    @property
    def failures(self) -> dict[str, Result]:
        """The tests that neither passed nor were skipped."""
        return {k: r for k, r in self.tests.items() if r.how in {"failed", "ended"}}


def tests_path() -> Path | None:
    """Return this interpreter's own package of tests, None where it was not installed."""
    path = Path(sysconfig.get_path("stdlib")) / "test"
    return path if (path / "support" / "__init__.py").exists() else None


def files_of(name: str, tests: Path) -> Iterator[str]:
    """Yield the importable files of one selected name: itself, or those of its package."""
    if (tests / f"{name}.py").exists():
        yield f"test.{name}"
        return
    below = sorted((tests / name).rglob("test_*.py"))
    for path in below:
        yield ".".join(["test", *path.relative_to(tests).with_suffix("").parts])
    if not below:
        yield f"test.{name}"


def run_module(supervisor: Supervisor, name: str, tests: Path) -> Report:
    """Run one selected name and return its results."""
    report = Report(name)
    for file in files_of(name, tests):
        _run_file(supervisor, file, tests, report)
    return report


def _run_file(supervisor: Supervisor, file: str, tests: Path, report: Report) -> None:
    done: dict[str, Result] = {}
    at_hand: list[str] = []

    def tell(event: str, test: str, text: str) -> None:
        if event == "begin":
            at_hand[:] = [test]
        elif event == "end":
            at_hand.clear()
        elif test not in done or done[test].how == "passed":  # a subtest may have failed before
            done[test] = Result(event, text)

    for _ in range(ENDS_MAX):
        at_hand.clear()
        outcome = supervisor.run(
            (HERE / "inside.py").read_text(),
            inputs={"name": file, "left_out": sorted(done)},
            functions={"tell": tell},
            mounts=[f"{tests}:/tests:ro"],
            limits=LIMITS,
            mode="script",
            files={"empty.txt": ""},  # and so a folder to write to
        )
        if outcome.ok:
            break
        done[at_hand[0] if at_hand else file] = Result("ended", _said(outcome))
        if not at_hand:
            break
    report.tests.update(done)


def _said(outcome: Outcome) -> str:
    error = outcome.error
    said = f"{error.name}: {error.message}" if error else os.strerror(0)
    return f"{outcome.verdict.value}, {said}" if error else outcome.verdict.value
