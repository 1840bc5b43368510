"""Runs the examples as a reader would: each as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: A hanging example fails here instead of holding up the suite; the first may build the guest.
DEADLINE_S = 300


@pytest.fixture
def examples() -> Path:
    """Give the folder of examples."""
    return ROOT / "examples"


@pytest.fixture
def environment() -> dict[str, str]:
    """Give an environment in which a program finds the packages of this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.fixture
def run_program(environment: dict[str, str]) -> Callable[..., list[str]]:
    """Give the function that runs Python with these arguments and returns the lines it printed."""

    def run(*arguments: str | Path) -> list[str]:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout.splitlines()

    return run
