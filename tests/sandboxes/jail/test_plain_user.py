"""All of this folder's promises, kept for an ordinary user as well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
#: Another user than the one cells of root become, so that nothing is shared with those.
UID = 65_112


@pytest.mark.skipif(os.getuid() != 0, reason="this is an ordinary user already")
@pytest.mark.parametrize("half", ["test_probes.py", "the rest"])
def test_every_test_of_the_jail_passes_for_an_ordinary_user(half: str) -> None:
    others = [str(path) for path in sorted(HERE.glob("test_*.py")) if path.name != "test_probes.py"]
    chosen = [str(HERE / half)] if half == "test_probes.py" else others
    pytest_command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [sys.executable, str(HERE / "plain_user.py"), str(UID), *pytest_command, *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
