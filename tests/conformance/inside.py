"""Runs in the guest: one file of CPython's own tests, with a word to the host about each test.

The host gives the globals `name` (such as "test.test_json.test_decode"), `left_out` (tests not to
run) and the function `host.tell(event, test, text)`; the package of tests is mounted at /tests.

Rule: the host hears of a test before it begins, as it may end the sandbox.
"""

from __future__ import annotations

import importlib
import sys
import types
import unittest
from typing import Any

import host  # type: ignore[import-not-found]  # exists in a guest alone

name: str = globals()["inputs"]["name"]
left_out: list[str] = globals()["inputs"]["left_out"]
TEXT_CHARS_MAX = 600


class Told(unittest.TestResult):
    """Tells the host; keeps nothing."""

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802, RUF100 - unittest's name
        super().startTest(test)
        host.tell("begin", test.id(), "")

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802, RUF100
        super().stopTest(test)
        host.tell("end", test.id(), "")

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802, RUF100
        host.tell("passed", test.id(), "")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802, RUF100
        host.tell("skipped", test.id(), reason[:TEXT_CHARS_MAX])

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802, RUF100
        host.tell("passed", test.id(), "")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802, RUF100
        host.tell("failed", test.id(), "unexpected success")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802, RUF100
        host.tell("failed", test.id(), said(err))

    addError = addFailure  # noqa: N815, RUF100

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802, RUF100
        if err is not None:
            host.tell("failed", test.id(), said(err))


def said(err: Any) -> str:
    """Return an exception in one line."""
    try:
        text = " ".join(str(err[1]).split())
    except Exception as error:  # noqa: BLE001 - a test's own class may fail to show itself
        text = f"({type(error).__name__} while it was shown)"
    return f"{err[0].__name__}: {text}"[:TEXT_CHARS_MAX]


def without(suite: unittest.TestSuite, names: set[str]) -> unittest.TestSuite:
    """Return a suite without the tests of these names, its order and nesting kept."""
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(without(test, names))
        elif test.id() not in names:
            kept.addTest(test)
    return kept


def main() -> None:
    """Run the tests."""
    package = types.ModuleType("test")
    package.__path__, package.__file__ = ["/tests"], "/tests/__init__.py"
    sys.modules["test"] = package
    support: Any = importlib.import_module("test.support")
    support.use_resources = ()  # none: no network, no large files, no tests of minutes
    try:
        module = importlib.import_module(name)
    except unittest.SkipTest as skip:
        host.tell("skipped", name, str(skip)[:TEXT_CHARS_MAX])
        return
    except Exception:  # noqa: BLE001 - whatever the file raises
        host.tell("failed", name, "not imported, " + said(sys.exc_info()))
        return
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    without(suite, set(left_out)).run(Told())


main()
