"""docs/conformance.md: what was run, and what came of it, by module."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

from tests.conformance.differences import REASONS, UNEXPLAINED, reasons_of
from tests.conformance.running import Report

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
_INTRO: Final = """\
# Conformance

CPython's own tests, run inside the guest: a fresh sandbox for each file, no test left out but
those that the files themselves skip for WASI. Written by `python -m tests.conformance --write`,
from the `test` package of the Python that runs it.

- tests of CPython {host}, guest CPython {guest}
- {modules} modules, {passed:,} tests passed, {failed:,} failed, {skipped:,} skipped by themselves
- of the failures: {reasons}
"""


def page(reports: list[Report], host: str, guest: str) -> str:
    """Return the page.

    Args:
        reports: of every module.
        host: version of the Python whose tests they are.
        guest: version of the guest's Python.
    """
    reasons: Counter[str] = Counter()
    for report in reports:
        reasons += reasons_of(report)
    intro = _INTRO.format(
        host=host,
        guest=guest,
        modules=len(reports),
        passed=sum(report.count("passed") for report in reports),
        failed=sum(len(report.failures) for report in reports),
        skipped=sum(report.count("skipped") for report in reports),
        reasons=_listed(reasons) or "none",
    )
    legend = "\n".join(f"- **{name}**: {REASONS[name]}" for name in reasons if name != UNEXPLAINED)
    rows = ["| module | passed | failed | skipped | why |", "|---|---:|---:|---:|---|"]
    rows += [row(report) for report in sorted(reports, key=lambda report: report.name)]
    table = "\n".join(rows)
    files = "Which test fails for which reason: `tests/conformance/differences.txt`."
    return f"{intro}\n## Why\n\n{legend}\n\n{files}\n\n## Modules\n\n{table}\n"


def row(report: Report) -> str:
    """Return the line of one module."""
    counts = (report.count("passed"), len(report.failures), report.count("skipped"))
    numbers = " | ".join(map(str, counts))
    return f"| `{report.name}` | {numbers} | {_listed(reasons_of(report))} |"


def published() -> dict[str, str]:
    """Return the lines of the page, by module."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {match[1]: line for line in lines if (match := re.match(r"\| `(\w+)` \|", line))}


def versions() -> tuple[str, str]:
    """Return the versions that the page was written with: of the tests, of the guest."""
    match = re.search(r"tests of CPython (\S+), guest CPython (\S+)", FILE.read_text("utf-8"))
    return (match[1], match[2]) if match else ("", "")


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in reasons.most_common())
