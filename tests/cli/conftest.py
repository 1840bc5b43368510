"""Runs the real command, as a user would: a process, its streams, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "executor.cli"]
#: For a run that fails to end; none should take a tenth of it.
PATIENCE_S = 60

type Done = subprocess.CompletedProcess[bytes]
type Cellblock = Callable[..., Done]


def environment(**more: str) -> dict[str, str]:
    """Return what a command needs of our environment, and nothing that could change it."""
    kept = ("PATH", "HOME", "CELLBLOCK_CACHE", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in kept if name in os.environ} | more


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    """Build the image first, so that no test meets a progress line."""
    subprocess.run([*COMMAND, "image", "build", "-q"], cwd=ROOT, env=environment(), check=True)


@pytest.fixture
def cellblock() -> Cellblock:
    """Run the command to its end: `cellblock("run", "-c", "1", stdin=b"", NAME="value")`."""

    def run(*argv: str, stdin: Any = b"", **environ: str) -> Done:
        source = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        return subprocess.run(
            [*COMMAND, *argv],
            capture_output=True,
            cwd=ROOT,
            env=environment(**environ),
            timeout=PATIENCE_S,
            check=False,
            **source,
        )

    return run


@pytest.fixture
def started() -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command and return its process."""

    def start(*argv: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*COMMAND, *argv], cwd=ROOT, env=environment(), **options)

    return start
