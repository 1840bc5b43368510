"""Files whose names a guest chose are written under `--out DIR` and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executor.cli.keep import keep_files


def test_files_and_their_folders_are_written(tmp_path: Path) -> None:
    keep_files({"a.txt": b"1", "deep/er/b": b"2", "deep/c": b""}, str(tmp_path / "new" / "out"))

    out = tmp_path / "new" / "out"
    assert (out / "a.txt").read_bytes() == b"1"
    assert (out / "deep/er/b").read_bytes() == b"2"
    assert (out / "deep/c").read_bytes() == b""


def test_a_file_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"longer than the new")

    keep_files({"a": b"new"}, str(tmp_path))

    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a//b", "a/", "x\0y"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"

    with pytest.raises(OSError, match="no plain relative name"):
        keep_files({name: b"owned"}, str(out))

    assert not (tmp_path / "x").exists()
    assert list(out.rglob("*")) == []


def test_a_link_that_was_there_before_is_not_followed(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(b"safe")
    (out / "folder").symlink_to(outside)
    (out / "link").symlink_to(outside / "file")
    (out / "dangling").symlink_to(outside / "new")

    for name in ("folder/new", "link", "dangling"):
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            keep_files({name: b"owned"}, str(out))

    assert [p.name for p in outside.iterdir()] == ["file"]
    assert (outside / "file").read_bytes() == b"safe"


def test_a_pipe_in_the_way_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="No such device"):
        keep_files({"pipe": b"x"}, str(tmp_path))
