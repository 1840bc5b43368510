"""What a cell with mounts or a scratch directory reaches, and what of the host it changes."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.jail.identity import PLAIN_UID
from sandboxes.jail.plan import CellWish
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind
from sandboxes.jail.steps import SCRATCH, Wall
from tests.sandboxes.jail.conftest import MakeNest, Nest

MIB = 1 << 20
RESOURCES = Resources(memory_bytes=256 * MIB, file_bytes_max=64 * MIB)


@pytest.fixture
def data() -> Iterator[Path]:
    """A directory of the host with a file and a subdirectory, owned by whom cells run as."""
    with tempfile.TemporaryDirectory(prefix="cellblock-mounts-") as name:
        base = Path(name)
        base.chmod(0o755)
        (base / "sub").mkdir()
        (base / "file").write_text("from the host")
        (base / "sub" / "deep").write_text("deep")
        if os.getuid() == 0:
            for path in (base, base / "file", base / "sub", base / "sub" / "deep"):
                os.chown(path, PLAIN_UID, PLAIN_UID)
        yield base


def ask(made: Nest, cell: int, request: str) -> str:
    made.sockets[cell].send(request.encode())
    return made.hear(cell).decode()


def cell_with(made: Nest, number: int, *binds: Bind, scratch_bytes: int = 0) -> None:
    wish = CellWish(RESOURCES, binds=binds, writable_tmpfs_bytes=scratch_bytes)
    made.fork(number, wish)
    assert made.hear(number) == b"hello"


@pytest.fixture
def made(nest: MakeNest) -> Nest:
    return nest("files", host_files=True)


def test_a_mount_shows_the_directory_beneath_its_target_and_nothing_else(
    made: Nest, data: Path
) -> None:
    cell_with(made, 1, Bind(str(data), "/mnt/data"))

    assert ask(made, 1, "read /mnt/data/file") == "from the host"
    assert ask(made, 1, "read /mnt/data/sub/deep") == "deep"
    assert ask(made, 1, "list /mnt/data") == "file sub"
    assert ask(made, 1, "read /mnt/data/../../etc/passwd").startswith("errno")
    assert ask(made, 1, f"list {data}").startswith("errno")
    assert ask(made, 1, "list /").startswith("errno")


def test_a_cell_without_mounts_beside_it_reaches_nothing(made: Nest, data: Path) -> None:
    cell_with(made, 1, Bind(str(data), "/data"))
    cell_with(made, 2)

    assert ask(made, 2, "read /data/file") == f"errno {errno.EACCES}"


def test_a_link_out_of_a_mount_leads_nowhere(made: Nest, data: Path) -> None:
    (data / "link").symlink_to("/etc/passwd")
    cell_with(made, 1, Bind(str(data), "/data"))

    assert ask(made, 1, "read /data/link").startswith("errno")


def test_a_writable_mount_is_written_to_and_a_read_only_one_beside_it_is_not(
    made: Nest, data: Path
) -> None:
    (data / "sub").chmod(0o777)
    cell_with(made, 1, Bind(str(data), "/ro"), Bind(str(data / "sub"), "/rw", writable=True))

    assert ask(made, 1, "write /rw/new 5000") == "written"
    assert ask(made, 1, "write /ro/new 10") == f"errno {errno.EROFS}"
    assert ask(made, 1, "rename /ro/file /rw/file").startswith("errno")
    assert (data / "sub" / "new").stat().st_size == 5_000
    assert not (data / "new").exists()


@pytest.mark.parametrize("wall", [Wall.LANDLOCK, Wall.ROOT])
def test_a_read_only_mount_is_read_only_by_its_mount_and_by_landlock_each_alone(
    nest: MakeNest, data: Path, wall: Wall
) -> None:
    other = ({Wall.LANDLOCK, Wall.ROOT} - {wall}).pop()
    made = nest("files", host_files=True, without=frozenset({other, Wall.SECCOMP}))
    target = str(data) if other is Wall.ROOT else "/data"
    cell_with(made, 1, Bind(str(data), target))

    assert ask(made, 1, f"read {target}/file") == "from the host"
    wanted = errno.EACCES if wall is Wall.LANDLOCK else errno.EROFS
    assert ask(made, 1, f"write {target}/new 10") == f"errno {wanted}"


def test_with_both_walls_of_a_read_only_mount_down_it_is_written_to(
    nest: MakeNest, data: Path
) -> None:
    down = frozenset({Wall.LANDLOCK, Wall.ROOT, Wall.SECCOMP})
    made = nest("files", host_files=True, without=down)
    cell_with(made, 1, Bind(str(data), str(data)))

    assert ask(made, 1, f"write {data}/new 10") == "written"
    assert (data / "new").exists()


def test_one_file_can_be_mounted(made: Nest, data: Path) -> None:
    cell_with(made, 1, Bind(str(data / "file"), "/in/one"))

    assert ask(made, 1, "read /in/one") == "from the host"
    assert ask(made, 1, "read /in/sub/deep").startswith("errno")


def test_a_scratch_directory_takes_its_size_and_not_a_page_more(made: Nest) -> None:
    for number, length in ((1, MIB - 4_096), (2, MIB + 1)):
        cell_with(made, number, scratch_bytes=MIB)
        answer = ask(made, number, f"write {SCRATCH}/file {length}")
        assert answer == ("written" if number == 1 else f"errno {errno.ENOSPC}")


def test_a_scratch_directory_is_private_to_its_cell(made: Nest) -> None:
    cell_with(made, 1, scratch_bytes=MIB)
    cell_with(made, 2, scratch_bytes=MIB)

    assert ask(made, 1, f"write {SCRATCH}/mine 10") == "written"
    assert ask(made, 1, f"list {SCRATCH}") == "mine"
    assert ask(made, 2, f"list {SCRATCH}") == "nothing"


def test_mounts_beneath_a_mount_come_along_read_only(made: Nest) -> None:
    """A directory under which others are mounted is mounted with them, all of them read-only."""
    cell_with(made, 1, Bind("/dev", "/dev-of-host"))

    assert ask(made, 1, "write /dev-of-host/shm/new 10").startswith("errno")
    assert ask(made, 1, "read /dev-of-host/null").startswith("errno"), "no device works there"


def test_in_the_light_jail_a_mount_keeps_its_path_and_its_rights(
    nest: MakeNest, data: Path
) -> None:
    made = nest("files", strength="light")
    (data / "sub").chmod(0o777)
    cell_with(
        made, 1, Bind(str(data), str(data)), Bind(f"{data}/sub", f"{data}/sub", writable=True)
    )

    assert ask(made, 1, f"read {data}/file") == "from the host"
    assert ask(made, 1, f"write {data}/new 10") == f"errno {errno.EACCES}"
    assert ask(made, 1, f"write {data}/sub/new 10") == "written"
    assert ask(made, 1, "read /etc/passwd") == f"errno {errno.EACCES}"


@pytest.fixture
def private() -> Iterator[Path]:
    """A directory that only its owner may enter, as temporary directories are."""
    with tempfile.TemporaryDirectory(prefix="cellblock-private-") as name:
        base = Path(name)
        (base / "file").write_text("for the owner alone")
        (base / "file").chmod(0o600)
        yield base


def test_a_cell_finds_in_a_mount_what_its_host_finds_there(made: Nest, private: Path) -> None:
    """Also where the host is root and the cell is not."""
    cell_with(made, 1, Bind(str(private), "/data"))

    assert ask(made, 1, "read /data/file") == "for the owner alone"
    assert ask(made, 1, "write /data/new 10") == f"errno {errno.EROFS}"


def test_what_a_cell_writes_into_a_mount_belongs_to_its_host(made: Nest, private: Path) -> None:
    cell_with(made, 1, Bind(str(private), "/data", writable=True))

    assert ask(made, 1, "write /data/new 10") == "written"
    assert (private / "new").stat().st_uid == os.getuid()
    assert (private / "new").stat().st_gid == os.getgid()


def test_a_mount_that_is_not_there_costs_its_cell_and_no_other(made: Nest, private: Path) -> None:
    made.ask(1, CellWish(RESOURCES, binds=(Bind(str(private / "gone"), "/data"),)))
    cell_with(made, 2, Bind(str(private), "/data"))

    assert ask(made, 2, "read /data/file") == "for the owner alone"
