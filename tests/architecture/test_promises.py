"""The pages name what is there: tests that hold promises, files to open, commands to run."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
SECTION = TEXT.partition("## What never happens")[2].partition("\n## ")[0]
PROMISES = re.findall(r"^- (.*(?:\n  .*)*)", SECTION, re.MULTILINE)
PATHS = sorted(set(re.findall(r"\b(?:protocol|sandboxes|executor|docs)/[\w/-]*(?:\.\w+)?", TEXT)))


def functions() -> set[str]:
    """Return the names of all test functions."""
    return {
        node.name
        for source in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_there_are_promises() -> None:
    assert len(PROMISES) >= 15


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.partition(":")[0])
def test_each_promise_is_held_by_a_test_that_exists(promise: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", promise))

    assert named
    assert named <= functions()


@pytest.mark.parametrize("path", PATHS)
def test_each_file_that_it_sends_a_reader_to_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("marker", "end"), [("run", "examples/analyse.py"), ("test", "pytest -q")])
def test_the_readme_has_one_command_behind_each_marker(marker: str, end: str) -> None:
    found = subprocess.run(
        ["sed", "-n", f"/<!-- {marker} command -->/,/```$/p", "README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )  # as `.ci/run` looks for it

    [command] = [line for line in found.stdout.splitlines() if line.startswith("python3.13 ")]
    assert command.endswith(end)
