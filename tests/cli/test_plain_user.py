"""Every hostile script meets its wall for an ordinary user as well, inside the full jail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes.wasm import keys
from sandboxes.wasm.cache import Cache, location
from sandboxes.wasm.image import ensure

ROOT = Path(__file__).resolve().parents[2]
DROP = ROOT / "tests" / "sandboxes" / "jail" / "plain_user.py"
UID = 65_113


@pytest.mark.skipif(os.getuid() != 0, reason="this is an ordinary user already")
def test_every_hostile_script_meets_its_wall_for_an_ordinary_user(tmp_path: Path) -> None:
    place = tmp_path / "home"
    cache = _cache_for_user(place)
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:  # pytest makes them for root alone
        folder.chmod(folder.stat().st_mode | 0o011)
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [
            sys.executable,
            str(DROP),
            str(UID),
            *command,
            f"--basetemp={place / 'tmp'}",
            "tests/cli/test_hostile.py",
        ],
        cwd=ROOT,
        env=os.environ | {"CELLBLOCK_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout


def _cache_for_user(place: Path) -> Path:
    """Give the user a cache of their own with the built base image in it."""
    compiled = [ensure(fuel=False), ensure(fuel=True)]
    guest = Cache(location()).record(keys.sources_key())
    wanted = {Path(item.path).stem for item in compiled} | ({guest.key} if guest else set())
    cache = place / "cellblock"
    files = Path(compiled[0].path).parent
    (cache / files.name).mkdir(parents=True)
    for path in files.iterdir():
        if path.stem in wanted:
            shutil.copy(path, cache / files.name / path.name)
    for path in (place, *place.rglob("*")):
        os.chown(path, UID, UID)
        path.chmod(0o700 if path.is_dir() else 0o600)
    return cache
