"""Runs CPython's own tests in guests and says what differs.

python -m tests.conformance                    all that are selected, some minutes
python -m tests.conformance --write            the same, and writes docs/conformance.md
python -m tests.conformance test_json test_re  some of them
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence

from executor import Supervisor
from tests.conformance import page
from tests.conformance.differences import UNEXPLAINED, reason_of, unused
from tests.conformance.modules import SELECTED
from tests.conformance.running import Report, run_module, tests_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a failure is unexplained, 2 if there is nothing to run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("modules", nargs="*", help="files of CPython's Lib/test")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    parser.add_argument("--reasons", action="store_true", help="name each failure and its reason")
    given = parser.parse_args(arguments)
    tests = tests_path()
    if tests is None:
        sys.stderr.write("this Python was installed without its `test` package\n")
        return 2
    if given.write and given.modules:
        parser.error("--write is for all modules")
    reports = []
    with Supervisor(cells=1) as supervisor:
        guest = str(supervisor.run("import platform; platform.python_version()").unwrap())
        for name in given.modules or SELECTED:
            reports.append(run_module(supervisor, name, tests))
            _tell(reports[-1], all_failures=given.reasons)
    if given.write:
        page.FILE.write_text(page.page(reports, platform.python_version(), guest), "utf-8")
        sys.stdout.write(f"written: {page.FILE}\n")
        for pattern in unused(reports):
            sys.stdout.write(f"explains nothing any more: {pattern}\n")
    failures = [test for report in reports for test in report.failures]
    return 1 if UNEXPLAINED in map(reason_of, failures) else 0


def _tell(report: Report, *, all_failures: bool) -> None:
    """Print a line, and one for each failure that wants a look."""
    sys.stdout.write(page.row(report) + "\n")
    for test, result in report.failures.items():
        reason = reason_of(test)
        if all_failures or reason == UNEXPLAINED:
            sys.stdout.write(f"    {reason}: {test}: {result.text[:160]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
