"""What a native guest finds of files: its folder, its mounts, its libraries, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executor import Supervisor, Verdict


def test_the_working_directory_is_a_private_folder_to_write_to(single: Supervisor) -> None:
    code = """
import os, tempfile
open("here", "w").write("x")
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, "there"), "w").close()
os.listdir("."), open(os.path.abspath("here")).read(), os.access(".", os.W_OK)
"""
    assert single.run(code).value == (["here"], "x", True)


def test_the_working_directory_has_a_short_name_unless_a_library_lies_there(
    single: Supervisor,
) -> None:
    code = """
import os, sys
open("here", "w").write("x")
is_taken = any(path.startswith("/work/") for path in sys.path)
os.path.samefile("/work", ".") != is_taken
"""
    assert single.run(code).value is True


def test_nothing_of_the_host_is_there_but_libraries(single: Supervisor) -> None:
    code = """
import os, sys
seen = set()
for path in ("/etc", "/home", "/root", "/proc", "/sys", "/dev", "/var", "/usr/bin", "/tmp"):
    try:
        names = os.listdir(path)
    except OSError:
        continue
    for name in names:
        inside = os.path.join(path, name)
        if not any(lib.startswith(inside) for lib in sys.path):
            seen.add(inside)
sorted(seen)
"""
    assert single.run(code).value == []


def test_libraries_cannot_be_written_to(single: Supervisor) -> None:
    code = """
import json, os
refused = []
for act in (lambda: open(json.__file__, "a"), lambda: os.unlink(json.__file__),
            lambda: os.chmod(json.__file__, 0o777), lambda: os.utime(json.__file__)):
    try:
        act()
    except OSError as error:
        refused.append(type(error).__name__)
len(refused)
"""
    assert single.run(code).value == 4


def test_a_mount_is_seen_under_the_name_it_was_given(single: Supervisor, tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    (tmp_path / "a").write_text("of the host")
    code = """
import os
try:
    open("/data/b", "w")
except OSError as error:
    refused = type(error).__name__
open("/data/a").read(), os.listdir("/data"), refused
"""
    outcome = single.run(code, mounts=[f"{tmp_path}:/data:ro"])

    assert outcome.value == ("of the host", ["a"], "OSError")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_written_to_a_writable_mount_is_the_hosts(
    single: Supervisor, tmp_path: Path
) -> None:
    outcome = single.run("open('/out/x', 'w').write('said')", mounts=[f"{tmp_path}:/out"])

    assert outcome.value == 4
    assert (tmp_path / "x").read_text() == "said"


@pytest.mark.parametrize("guest_path", ["/work", "/work/in", "/scratch", "/scratch/in"])
def test_a_mount_over_what_a_cell_needs_is_refused_in_words(
    single: Supervisor, tmp_path: Path, guest_path: str
) -> None:
    outcome = single.run("1", mounts=[f"{tmp_path}:{guest_path}"])

    assert outcome.verdict is Verdict.EXCEPTION
    assert outcome.error is not None
    assert outcome.error.name == "MountRefused"


def test_mounts_inside_one_another_are_refused(single: Supervisor, tmp_path: Path) -> None:
    outcome = single.run("1", mounts=[f"{tmp_path}:/a", f"{tmp_path}:/a/b"])

    assert outcome.error is not None
    assert "it would lie in, or hide, '/a'" in outcome.error.message
    assert single.run("1").value == 1


def test_no_program_of_a_mount_can_be_run_or_loaded(single: Supervisor, tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)
    (tmp_path / "lib.so").write_bytes(Path("/bin/true").read_bytes())
    code = """
import ctypes
try:
    ctypes.CDLL("/data/lib.so")
except OSError as error:
    print(error)
"""
    said = single.run(code, mounts=[f"{tmp_path}:/data:ro"]).stdout

    assert "the sandbox loads no shared objects once it runs" in said


def test_usual_ways_to_copy_and_pack_files_work(single: Supervisor) -> None:
    code = """
import os, shutil, sqlite3, tarfile, zipfile
open("a", "w").write("text")
shutil.copyfile("a", "b")
os.makedirs("deep/er")
shutil.move("b", "deep/er/b")
os.symlink("a", "link")
with tarfile.open("t.tar", "w") as tar:
    tar.add("deep")
with tarfile.open("t.tar") as tar:
    tar.extractall("out", filter="data")
with zipfile.ZipFile("z.zip", "w") as packed:
    packed.write("a")
base = sqlite3.connect("base.db")
base.execute("create table t (x)")
base.execute("insert into t values (1)")
base.commit()
shutil.rmtree("deep")
open("out/deep/er/b").read(), zipfile.ZipFile("z.zip").read("a"), os.readlink("link")
"""
    assert single.run(code).value == ("text", b"text", "a")
