"""The guest passes CPython's own tests, and what it does not pass is known, with a reason."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Supervisor
from tests.conformance import page, running
from tests.conformance.differences import REASONS, UNEXPLAINED, _patterns, reasons_of
from tests.conformance.modules import QUICK, SELECTED
from tests.conformance.running import Result, run_module

TESTS = running.tests_path()
OTHERS = "the page is about the tests of another Python"
OWN_TESTS = """
import os, unittest

class Own(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self): self.assertEqual(1, 2)
    def test_skips(self): self.skipTest("not here")
    def test_ends(self): os.abort()
    def test_part_fails(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)
"""


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    """Give a started supervisor with one cell."""
    with Supervisor(cells=1) as started:
        yield started


@pytest.mark.skipif(TESTS is None, reason="this Python has no package of tests")
@pytest.mark.skipif(platform.python_version() != page.versions()[0], reason=OTHERS)
@pytest.mark.parametrize("name", QUICK)
def test_a_module_does_in_a_guest_what_the_page_says(supervisor: Supervisor, name: str) -> None:
    assert TESTS is not None
    report = run_module(supervisor, name, TESTS)

    assert UNEXPLAINED not in reasons_of(report), report.failures
    assert page.row(report) == page.published()[name]


def test_the_results_are_those_of_the_tests(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "support").mkdir()
    (tmp_path / "support" / "__init__.py").touch()
    (tmp_path / "test_own.py").write_text(OWN_TESTS)
    (tmp_path / "test_broken.py").write_text("import nothing_of_the_kind")

    own = run_module(supervisor, "test_own", tmp_path)
    broken = run_module(supervisor, "test_broken", tmp_path)

    own_of = {name.rpartition(".")[2]: result for name, result in own.tests.items()}
    assert own_of == {
        "test_passes": Result("passed"),
        "test_fails": Result("failed", "AssertionError: 1 != 2"),
        "test_skips": Result("skipped", "not here"),
        "test_ends": Result("ended", "crashed, GuestCrashed: the guest aborted"),
        "test_part_fails": Result("failed", "AssertionError: 1 == 1"),
    }
    [result] = broken.failures.values()
    assert result.text.startswith("not imported, ModuleNotFoundError")
    assert reasons_of(own) == {UNEXPLAINED: 3}


def test_the_page_has_every_selected_module_and_leaves_nothing_unexplained() -> None:
    assert list(page.published()) == sorted(SELECTED)
    assert len(SELECTED) >= 60
    assert UNEXPLAINED not in page.FILE.read_text()


def test_every_difference_has_a_known_reason() -> None:
    assert {reason for reason, _ in _patterns()} <= set(REASONS)
