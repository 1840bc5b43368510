"""The audit is green for an ordinary user as well, who has no user to change to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_plain_user import DROP, ROOT, UID, _cache_for_user as cache_for_user

#: One promise for each sort of control and target; the others differ in nothing for this user.
ONLY = "files,secrets,crash"


@pytest.fixture
def outside() -> Iterator[Path]:
    """A directory that others may enter; pytest makes its own for one user alone."""
    with tempfile.TemporaryDirectory(prefix="cellblock-test-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.mark.skipif(os.getuid() != 0, reason="this is an ordinary user already")
def test_every_attack_bites_in_its_control_and_not_here_for_an_ordinary_user(
    outside: Path,
) -> None:
    place = outside / "home"
    cache = cache_for_user(place)

    done = subprocess.run(
        [sys.executable, str(DROP), str(UID), *(sys.executable, "-B", "-m", "executor.cli"),
         "audit", "--json", "--only", ONLY],
        cwd=ROOT,
        env=os.environ | {"CELLBLOCK_CACHE": str(cache), "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert done.stdout, done.stderr[-2_000:]
    report = json.loads(done.stdout)
    wrong = [r for r in report["results"] if r["status"] not in ("held", "skipped")]
    assert [(r["id"], r["evidence"], r["control_evidence"]) for r in wrong] == []
    assert done.returncode == 0
    assert report["machine"]["user"] == "an ordinary user"
