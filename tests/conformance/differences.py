"""Why tests of CPython fail in a guest: a reason for each, in differences.txt beside this file.

A line there is a reason and the pattern of a test's name. A failure without a line is unexplained:
the command ends with an error, and so does the test of the quick part.
"""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Final

from tests.conformance.running import Report

FILE: Final = Path(__file__).with_name("differences.txt")
REASONS: Final = {
    "version": (
        "The tests are those of the Python that runs the command; the guest's is newer and was "
        "changed since: a message, an added name, something deprecated that is gone. Judged by "
        "what the failures say, as there was no package of the newer tests to run."
    ),
    "capi": (
        "The file imports a test module of CPython in C, such as `_testinternalcapi`, or one that "
        "was taken out of the guest's version."
    ),
    "source": "The standard library is packed without its sources, which the test reads.",
    "logging": (
        "The guest's root logger has a handler, which carries entries to the host; the tests of "
        "`logging` insist that there is none."
    ),
    "clock": "A guest has one clock: processor time goes on while it sleeps.",
    "files": (
        "The test leaves more levels of directories behind than a sandbox may have, or needs the "
        "root directory, which a guest does not have."
    ),
    "sqlite": "SQLite for WASI locks a file whole, and is built without one extension.",
    "stack": (
        "Recursion in C that does not count its depth: it overflows the guest's stack, ends the "
        "sandbox, and nothing else."
    ),
}
UNEXPLAINED: Final = "unexplained"


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    lines = (line.split() for line in FILE.read_text().splitlines() if line.strip()[:1] != "#")
    return tuple((line[0], re.compile(translate(line[1]))) for line in lines if line)


def reason_of(test: str) -> str:
    """Return why a test fails, `UNEXPLAINED` if nobody has said so."""
    for reason, pattern in _patterns():
        if pattern.match(test):
            return reason
    return UNEXPLAINED


def reasons_of(report: Report) -> Counter[str]:
    """Return how many tests of a report fail for each reason."""
    return Counter(map(reason_of, report.failures))


def unused(reports: list[Report]) -> list[str]:
    """Return the patterns that explain no failure of these reports."""
    failed = [test for report in reports for test in report.failures]
    return [p.pattern for _, p in _patterns() if not any(p.match(test) for test in failed)]
