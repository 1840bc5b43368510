"""What the spool promises: private, and gone with its host."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from executor.loop.spool import make_spool, remove_folder


def test_nobody_else_may_list_a_spool() -> None:
    path = Path(make_spool())
    try:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if os.getuid() else 0o711)
        assert path.stat().st_uid == os.getuid()
    finally:
        remove_folder(str(path))


def test_the_spool_of_a_dead_host_is_removed_by_the_next_and_a_living_one_is_kept() -> None:
    script = (
        "import executor.loop.spool as s, os; p = s.make_spool(); open(p + '/x', 'w'); print(p)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    abandoned = Path(done.stdout.strip())
    assert abandoned.exists()

    first, second = Path(make_spool()), Path(make_spool())
    try:
        assert not abandoned.exists()
        assert first.exists()
    finally:
        remove_folder(str(first))
        remove_folder(str(second))


def test_nothing_that_an_ordinary_guest_can_make_stays_in_the_hosts_memory(tmp_path: Path) -> None:
    script = f"""
import os
from executor.loop.spool import remove_folder
os.chdir({str(tmp_path)!r})
os.chown(".", 65534, -1) if os.getuid() == 0 else None
top = os.open(".", os.O_RDONLY)
os.mkdir("a")  # so that all modules are loaded while they can be read
open("a/x", "w").close()
remove_folder("a")
os.setresuid(65534, 65534, 65534) if os.getuid() == 0 else None
os.makedirs("a/unreadable/below")
open("a/unreadable/below/kept", "w").write("x")
os.makedirs("a/full/empty")
for name, mode in (("unreadable/below", 0o300), ("unreadable", 0), ("full", 0o500), ("", 0o300)):
    os.chmod("a/" + name, mode)
remove_folder("a")
assert not os.path.exists("a")
os.mkdir("a")
os.chdir("a")
for _ in range(3_000):
    os.mkdir("d")
    os.chdir("d")
os.fchdir(top)
remove_folder("a")
assert not os.path.exists("a")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_removing_a_folder_twice_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")

    remove_folder(str(tmp_path / "a"))
    remove_folder(str(tmp_path / "a"))

    assert not (tmp_path / "a").exists()
