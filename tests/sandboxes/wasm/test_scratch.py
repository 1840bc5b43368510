"""A guest's folder takes files by value, gives back what changed, and goes away in any state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandboxes.errors import MountRefused
from sandboxes.scratch import (
    DEPTH_MAX,
    ENTRIES_MAX,
    FilesOverLimit,
    Scratch,
    remove_tree,
    scratch_parent,
    sizes,
)

LIMIT_BYTES = 1 << 20


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(str(tmp_path))


def _inside(scratch: Scratch) -> Path:
    return Path(scratch.path)


def test_the_folder_is_open_to_its_owner_alone(scratch: Scratch) -> None:
    assert _inside(scratch).stat().st_mode & 0o777 == 0o700


def test_files_lie_where_their_names_say(scratch: Scratch) -> None:
    scratch.put("a.txt", b"one")
    scratch.put("deep/er/b", memoryview(b"two"))
    scratch.put("deep/c", bytearray())
    assert (_inside(scratch) / "a.txt").read_bytes() == b"one"
    assert (_inside(scratch) / "deep/er/b").read_bytes() == b"two"
    assert (_inside(scratch) / "deep/c").read_bytes() == b""


@pytest.mark.parametrize(
    "name",
    ["", "/", "/etc/x", "..", "../x", "a/../b", "a/..", ".", "./a", "a//b", "a/", "a\0b",
     "x" * 256, "a/" + "\u00e9" * 128],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_or_cannot_be_is_refused(
    scratch: Scratch, tmp_path: Path, name: str
) -> None:
    with pytest.raises(MountRefused):
        scratch.put(name, b"x")
    assert list(tmp_path.iterdir()) == [_inside(scratch)]


def test_the_longest_name_is_taken(scratch: Scratch) -> None:
    scratch.put("x" * 255, b"x")
    assert scratch.take(LIMIT_BYTES) == {}


def test_a_link_that_a_guest_left_is_not_followed_when_files_come_in(
    scratch: Scratch, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"kept")
    (_inside(scratch) / "link").symlink_to(outside)
    (_inside(scratch) / "f").symlink_to(outside / "f")
    for name in ("link/f", "f"):
        with pytest.raises(MountRefused):
            scratch.put(name, b"changed")
    assert (outside / "f").read_bytes() == b"kept"


def test_only_what_was_made_or_changed_comes_back(scratch: Scratch) -> None:
    for name in ("same", "changed", "replaced", "grown", "gone"):
        scratch.put(name, b"12345")
    inside = _inside(scratch)
    (inside / "changed").write_bytes(b"54321")
    (inside / "new").write_bytes(b"12345")
    (inside / "new").rename(inside / "replaced")
    with (inside / "grown").open("ab") as file:
        file.write(b"6")
    (inside / "gone").unlink()
    (inside / "sub").mkdir()
    (inside / "sub" / "made").write_bytes(b"")
    assert scratch.take(LIMIT_BYTES) == {
        "changed": b"54321",
        "replaced": b"12345",
        "grown": b"123456",
        "sub/made": b"",
    }


def test_a_change_cannot_be_hidden_by_setting_the_time(scratch: Scratch) -> None:
    scratch.put("f", b"12345")
    file = _inside(scratch) / "f"
    before = file.stat()
    file.write_bytes(b"54321")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert scratch.take(LIMIT_BYTES) == {"f": b"54321"}


def test_links_pipes_and_folders_do_not_come_back(scratch: Scratch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    inside = _inside(scratch)
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "folder").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe")
    (inside / "empty").mkdir()
    assert scratch.take(LIMIT_BYTES) == {}


def test_files_come_back_up_to_the_limit_and_not_one_byte_more(scratch: Scratch) -> None:
    (_inside(scratch) / "a").write_bytes(b"x" * 600)
    (_inside(scratch) / "b").write_bytes(b"x" * 400)
    assert sum(map(len, scratch.take(1_000).values())) == 1_000
    with pytest.raises(FilesOverLimit):
        scratch.take(999)


def test_a_sparse_file_counts_by_its_size(scratch: Scratch) -> None:
    with (_inside(scratch) / "hole").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FilesOverLimit):
        scratch.take((1 << 30) - 1)
    assert sizes(scratch.path) is not None
    assert sum((sizes(scratch.path) or {}).values()) == 1 << 30


def test_a_file_with_two_names_is_counted_once(scratch: Scratch) -> None:
    (_inside(scratch) / "a").write_bytes(b"x" * 100)
    (_inside(scratch) / "b").hardlink_to(_inside(scratch) / "a")
    assert list((sizes(scratch.path) or {}).values()) == [100]


@pytest.mark.parametrize(("over", "is_crowded"), [(0, False), (1, True)])
def test_a_tree_has_its_number_of_entries_and_not_one_more(
    scratch: Scratch, over: int, is_crowded: bool
) -> None:
    for number in range(ENTRIES_MAX + over):
        (_inside(scratch) / str(number)).symlink_to("nowhere")
    assert scratch.is_crowded() is is_crowded
    if is_crowded:
        with pytest.raises(FilesOverLimit):
            scratch.take(LIMIT_BYTES)
    else:
        assert scratch.take(LIMIT_BYTES) == {}


@pytest.mark.parametrize(("over", "is_crowded"), [(0, False), (1, True)])
def test_a_tree_has_its_depth_and_not_one_level_more(
    scratch: Scratch, over: int, is_crowded: bool
) -> None:
    path = _inside(scratch)
    for _ in range(DEPTH_MAX - 1 + over):
        path = path / "d"
    path.mkdir(parents=True)
    assert scratch.is_crowded() is is_crowded


def _dig(path: str, levels: int) -> None:
    """Make a tree that is deeper than any path can say."""
    at = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 50, dir_fd=at)
        below = os.open("d" * 50, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def test_a_tree_deeper_than_any_path_is_removed(scratch: Scratch, tmp_path: Path) -> None:
    _dig(scratch.path, 2_000)
    before = len(os.listdir("/proc/self/fd"))
    assert scratch.is_crowded()
    scratch.close()
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_odd_names_links_and_pipes_are_removed_and_what_they_point_to_stays(
    scratch: Scratch, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"kept")
    inside = _inside(scratch)
    (inside / "to folder").symlink_to(kept)
    (inside / "to file").symlink_to(kept / "file")
    (inside / "loop").symlink_to("loop")
    os.mkfifo(inside / "pipe")
    for name in ("\n", " ", "-rf", "\u202e", "*", "\u00e9" * 127, "..x"):
        (inside / name).mkdir()
        (inside / name / "sub").mkdir()
        (inside / name / "sub" / name).write_bytes(b"x")
    scratch.close()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "file").read_bytes() == b"kept"


def test_closing_twice_and_closing_what_is_gone_is_harmless(
    scratch: Scratch, tmp_path: Path
) -> None:
    remove_tree(scratch.path)
    scratch.close()
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(MountRefused, match="No such file"):
        Scratch(str(tmp_path / "missing"))


def test_scratch_folders_do_not_lie_in_the_spool_that_guests_see(tmp_path: Path) -> None:
    spool, own = str(tmp_path / "spool"), str(tmp_path / "own")
    assert scratch_parent("", spool) == str(tmp_path)
    assert scratch_parent(own, spool) == own
    assert Path(scratch_parent("", "")).is_dir()
