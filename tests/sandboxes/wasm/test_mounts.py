"""A guest reaches the directories it was given and nothing else, and reads what is read-only.

Every attack runs in a real guest. `tell` prints what it got or how it was refused, and the host's
files are looked at afterwards, from outside.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol.messages import Mount, Verdict
from sandboxes.errors import MountRefused
from sandboxes.wasm.mounts import Preopen, preopens
from tests.sandboxes.wasm.engine_kit import Bench, Recorder, order, tree

TELL = """
import os
def tell(act):
    try:
        print("GOT", act())
    except (OSError, ValueError) as error:
        print("REFUSED", type(error).__name__)
"""


@dataclass(frozen=True)
class Arena:
    """A read-only and a writable directory, with a secret beside them."""

    bench: Bench
    path: Path

    @property
    def mounts(self) -> tuple[Mount, Mount]:
        return (
            Mount(str(self.path / "ro"), "/ro"),
            Mount(str(self.path / "rw"), "/rw", writable=True),
        )

    def attack(self, *acts: str) -> list[str]:
        """Try each expression in one guest; return the first word of each result."""
        source = TELL + "\n".join(f"tell(lambda: {act})" for act in acts)
        said = self.bench.say(source, mounts=self.mounts).splitlines()
        assert len(said) == len(acts)
        assert not any("SECRET" in line for line in said)
        return [line.split()[0] for line in said]


@pytest.fixture
def arena(bench: Bench, tmp_path: Path) -> Iterator[Arena]:
    for name in ("ro", "rw", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "ro" / "f").write_text("read me")
    (tmp_path / "ro" / "sub").mkdir()
    (tmp_path / "ro" / "sub" / "g").write_text("and me")
    (tmp_path / "secret" / "s").write_text("SECRET")
    before = tree(tmp_path / "ro"), tree(tmp_path / "secret")
    yield Arena(bench, tmp_path)
    assert (tree(tmp_path / "ro"), tree(tmp_path / "secret")) == before


def test_the_arena_bites_where_a_mount_is_writable(arena: Arena) -> None:
    """The positive control: the same acts succeed where they may."""
    said = arena.attack(
        "open('/ro/f').read()",
        "open('/rw/new', 'w').write('x')",
        "os.mkdir('/rw/d')",
        "os.rename('/rw/new', '/rw/d/moved')",
        "os.symlink('d/moved', '/rw/inside')",
        "open('/rw/inside').read()",
        "os.link('/rw/d/moved', '/rw/second')",
        "os.truncate('/rw/second', 0)",
        "os.utime('/rw/second', (0, 0))",
        "open('/rw/d/../second').read()",
        "os.unlink('/rw/inside')",
    )
    assert said == ["GOT"] * 11
    assert tree(arena.path / "rw") == {"d/moved": b"", "second": b""}


def test_no_path_leads_above_a_mount(arena: Arena) -> None:
    said = arena.attack(
        *(
            f"open({path!r}).read()"
            for path in (
                "/ro/../secret/s",
                "/rw/../secret/s",
                "/rw/sub/../../secret/s",
                "/ro/sub/../../secret/s",
                "/ro/./../secret/s",
                "/ro//..//secret/s",
                "/secret/s",
                f"{arena.path}/secret/s",
                f"/ro/{arena.path}/secret/s",
                "/etc/passwd",
                "/rw/../../../../../../../../etc/passwd",
                "/proc/self/environ",
                "/dev/null",
                "../secret/s",
                "",
            )
        ),
        "os.listdir('/')",
        "os.listdir('/ro/..')",
        "os.stat('/ro/../secret')",
        "os.mkdir('/ro/../new')",
        "os.rename('/rw', '/ro')",
    )
    assert set(said) == {"REFUSED"}


def test_links_of_the_host_that_lead_outside_are_not_followed(arena: Arena) -> None:
    secret = arena.path / "secret"
    for place in ("ro", "rw"):
        (arena.path / place / "absolute").symlink_to(secret / "s")
        (arena.path / place / "relative").symlink_to("../secret/s")
        (arena.path / place / "folder").symlink_to(secret)
        (arena.path / place / "up").symlink_to("..")
        (arena.path / place / "chain").symlink_to("up")
    said = arena.attack(
        *(
            f"open('/{place}/{name}').read()"
            for place in ("ro", "rw")
            for name in ("absolute", "relative", "folder/s", "up/secret/s", "chain/secret/s")
        ),
        "open('/rw/absolute', 'w')",
        "open('/rw/folder/new', 'w')",
        "os.listdir('/rw/folder')",
        "os.listdir('/rw/up')",
        "os.stat('/rw/absolute')",
        "os.chdir('/rw/up') or open('secret/s').read()",
        "os.truncate('/rw/absolute', 0)",
        "os.link('/rw/folder/s', '/rw/stolen')",
        "os.rename('/rw/folder/s', '/rw/stolen')",
        "os.rename('/rw/up/secret', '/rw/stolen')",
        "os.unlink('/rw/folder/s')",
    )
    assert set(said) == {"REFUSED"}
    for place in ("ro", "rw"):
        for name in ("absolute", "relative", "folder", "up", "chain"):
            (arena.path / place / name).unlink()


def test_links_that_the_guest_makes_lead_nowhere_outside(arena: Arena) -> None:
    arena.attack(
        "os.symlink('/etc/passwd', '/rw/absolute')",
        f"os.symlink({str(arena.path / 'secret')!r}, '/rw/host')",
        "os.symlink('../secret', '/rw/relative')",
        "os.mkdir('/rw/d')",
        "os.symlink('../../secret/s', '/rw/d/deep')",
        "os.symlink('loop', '/rw/loop')",
        "os.symlink('..', '/rw/d/up')",
    )
    said = arena.attack(
        "open('/rw/absolute').read()",
        "open('/rw/host/s').read()",
        "open('/rw/relative/s').read()",
        "open('/rw/d/deep').read()",
        "open('/rw/loop').read()",
        "open('/rw/d/up/../secret/s').read()",
        "os.link('/rw/d/deep', '/rw/linked') or open('/rw/linked').read()",
        "os.rename('/rw/d/deep', '/rw/deep') or open('/rw/deep').read()",
    )
    assert set(said) == {"REFUSED"}


def test_a_read_only_mount_cannot_be_changed_in_any_way(arena: Arena) -> None:
    said = arena.attack(
        "open('/ro/f', 'w')",
        "open('/ro/f', 'a')",
        "open('/ro/f', 'r+')",
        "open('/ro/new', 'x')",
        "os.open('/ro/f', os.O_RDONLY | os.O_TRUNC)",
        "os.open('/ro/f', os.O_RDONLY | os.O_APPEND | os.O_TRUNC)",
        "os.open('/ro/new', os.O_RDONLY | os.O_CREAT)",
        "os.truncate('/ro/f', 0)",
        "os.ftruncate(os.open('/ro/f', os.O_RDONLY), 0)",
        "os.write(os.open('/ro/f', os.O_RDONLY), b'x')",
        "os.pwrite(os.open('/ro/f', os.O_RDONLY), b'x', 0)",
        "os.utime('/ro/f', (0, 0))",
        "os.unlink('/ro/f')",
        "os.mkdir('/ro/d')",
        "os.rmdir('/ro/sub')",
        "os.symlink('f', '/ro/link')",
        "os.link('/ro/f', '/ro/link')",
        "os.rename('/ro/f', '/ro/g')",
        "os.open('f', os.O_WRONLY, dir_fd=os.open('/ro', os.O_RDONLY))",
        "os.open('../secret/s', os.O_RDONLY, dir_fd=os.open('/ro', os.O_RDONLY))",
    )
    assert set(said) == {"REFUSED"}


def test_no_link_or_rename_makes_a_read_only_file_writable(arena: Arena) -> None:
    said = arena.attack(
        "os.link('/ro/f', '/rw/linked')",
        "os.rename('/ro/f', '/rw/moved')",
        "os.rename('/ro/sub', '/rw/sub')",
        "os.replace('/ro/f', '/rw/replaced')",
        "os.link('/ro/sub/g', '/rw/g')",
        "os.rename('/rw', '/ro/rw')",
    )
    assert set(said) == {"REFUSED"}
    assert tree(arena.path / "rw") == {}


def test_nothing_moves_from_a_writable_mount_into_a_read_only_one(arena: Arena) -> None:
    (arena.path / "rw" / "mine").write_text("mine")
    said = arena.attack(
        "os.link('/rw/mine', '/ro/linked')",
        "os.rename('/rw/mine', '/ro/moved')",
        "os.replace('/rw/mine', '/ro/f')",
    )
    assert set(said) == {"REFUSED"}


def test_a_file_kept_open_is_no_way_round_a_read_only_mount(bench: Bench, tmp_path: Path) -> None:
    """The same directory, given twice: what is opened by the read-only name stays read-only."""
    (tmp_path / "f").write_text("kept")
    mounts = [Mount(str(tmp_path), "/ro"), Mount(str(tmp_path), "/rw", writable=True)]
    source = TELL + "tell(lambda: os.write(os.open('/ro/f', os.O_RDWR), b'x'))"
    assert bench.say(source, mounts=mounts).startswith("REFUSED")
    assert (tmp_path / "f").read_text() == "kept"


def test_paths_no_system_takes_are_errors_of_the_guest(arena: Arena) -> None:
    said = arena.attack(
        "open('/rw/' + 'a/' * 3000 + 'b')",
        "open('/rw/' + 'a' * 256, 'w')",
        "open('/rw/' + 'a' * 100_000, 'w')",
        "open('/rw/a\\0b', 'w')",
        "open('/rw/\\udc80', 'w')",
        "os.mkdir('/rw/')",
        "os.rmdir('/rw')",
        "os.unlink('/rw')",
    )
    assert set(said) == {"REFUSED"}


def test_a_directory_swapped_for_a_link_while_the_guest_reads_gives_nothing_away(
    arena: Arena,
) -> None:
    """Somebody outside swaps a folder and a link without pause; no read may see the secret."""
    (arena.path / "rw" / "d").mkdir()
    (arena.path / "rw" / "d" / "s").write_text("harmless")
    (arena.path / "rw" / "link").symlink_to(arena.path / "secret")
    over = threading.Event()

    def swap() -> None:
        folder, link, away = (arena.path / "rw" / name for name in ("d", "link", "away"))
        while not over.is_set():
            folder.rename(away)
            link.rename(folder)
            folder.rename(link)
            away.rename(folder)

    swapper = threading.Thread(target=swap)
    swapper.start()
    source = """
seen = set()
for _ in range(3000):
    try: seen.add(open('/rw/d/s').read())
    except OSError: pass
print(sorted(seen))
"""
    try:
        assert "SECRET" not in arena.bench.say(source, mounts=arena.mounts)
    finally:
        over.set()
        swapper.join()


def test_sockets_are_not_opened(arena: Arena) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        place = arena.path / "rw" / "socket"
        os.chdir(place.parent)  # the path of a socket has 100 characters
        try:
            sock.bind("socket")
            assert set(arena.attack("open('/rw/socket').read()")) == {"REFUSED"}
        finally:
            os.chdir("/")
            place.unlink()


# --- decisions -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "guest_path",
    ["", "/", "//", "relative", "/a/../b", "/a/./b", "/a//b", "/..", "/a\0b",
     "/work", "/work/", "/work/in", "/cellblock", "/cellblock/x"],
)  # fmt: skip
def test_a_guest_path_that_is_not_plain_or_is_ours_is_refused(
    tmp_path: Path, guest_path: str
) -> None:
    with pytest.raises(MountRefused):
        preopens([Mount(str(tmp_path), guest_path)])


@pytest.mark.parametrize("guest_path", ["/a", "/a/", "/a/b", "/workshop", "/cellblocks", "/\u00e9"])
def test_a_plain_guest_path_is_taken(tmp_path: Path, guest_path: str) -> None:
    (found,) = preopens([Mount(str(tmp_path), guest_path, writable=True)])
    assert found == Preopen(str(tmp_path), guest_path.rstrip("/"), writable=True)


def test_one_path_is_not_given_twice(tmp_path: Path) -> None:
    with pytest.raises(MountRefused, match="taken"):
        preopens([Mount(str(tmp_path), "/a"), Mount(str(tmp_path), "/a/")])


@pytest.mark.parametrize("host_path", ["relative", "/no/such/place", "/etc/passwd", "/a\0b", ""])
def test_a_host_path_that_is_no_directory_is_refused_in_the_outcome(
    bench: Bench, host_path: str
) -> None:
    host = Recorder()
    ended = bench.run(order("print('began')", mounts=[Mount(host_path, "/m")]), host)
    assert ended.error is not None
    assert (ended.verdict, ended.error.name) == (Verdict.EXCEPTION, "MountRefused")
    assert host.stdout == ""


def test_what_is_ours_is_mounted_where_it_belongs() -> None:
    found = preopens([], work_path="/host/work", spool_path="/host/spool")
    assert found == (
        Preopen("/host/work", "/work", writable=True),
        Preopen("/host/spool", "/cellblock"),
    )
