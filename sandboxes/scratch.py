"""The private folder behind a guest's working directory: files by value, in and out.

It lies on tmpfs where there is one, belongs to one sandbox, and is removed with it. The guest
chooses the names, depths and links in it, so nothing here follows a link or builds a long path.

Rule 1: names that come in are relative, without `..`; those that go out are found by walking.
Rule 2: only regular files go out. A link goes nowhere, whatever it points to.
Rule 3: a walk opens names of one part, and holds a descriptor for each of a few levels. Deeper
        trees are over the limit. The removal copes with every depth.
Rule 4: a native guest may make what nobody can open, and no jail allows to change that. It is not
        measured; it does not go out; and its removal fails.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Final

from protocol.structs import frozen
from sandboxes.errors import MountRefused

#: Where the guest sees it; also its working directory.
GUEST_PATH: Final = "/work"
#: Entries of one folder tree; more end the run, as each takes memory of the kernel.
ENTRIES_MAX: Final = 10_000
DEPTH_MAX: Final = 64
_PATH_CHARS_MAX: Final = 4_096
_NAME_BYTES_MAX: Final = 255
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_HANDLE: Final = _FOLDER | getattr(os, "O_PATH", 0)
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class FilesOverLimit(Exception):
    """What a guest left is more than the limit on files allows."""


@frozen
class _Mark:
    """What tells whether a file was changed: its change time cannot be set by anybody."""

    inode: int
    changed_ns: int
    size_bytes: int


class Scratch:
    """One folder. Owned by the sandbox that mounts it."""

    def __init__(self, parent: str) -> None:
        """Make the folder in `parent`, open to its owner alone.

        Raises:
            MountRefused: no folder can be made there.
        """
        self.path = os.path.join(parent, f"work-{os.getpid()}-{os.urandom(8).hex()}")
        try:
            os.mkdir(self.path, 0o700)
        except OSError as error:
            raise MountRefused(f"no folder for files: {error.strerror}") from None
        self._given: dict[str, _Mark] = {}
        self._open = True

    def put(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Write a file that the guest is to find.

        Raises:
            MountRefused: the name leads elsewhere, or the file cannot be written.
        """
        *folders, last = _parts(name)
        path = self.path
        try:
            for folder in folders:
                path = f"{path}/{folder}"
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, 0o700)
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    raise MountRefused(f"files[{name!r}]: {folder!r} is not a folder")
            fd = os.open(
                f"{path}/{last}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
            )
            with open(fd, "wb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                self._given["/".join((*folders, last))] = _mark(os.fstat(fd))
        except OSError as error:
            raise MountRefused(f"files[{name!r}]: {error.strerror}") from None

    def take(self, limit_bytes: int) -> dict[str, bytes]:
        """Return the files that the guest made or changed, by their names.

        Args:
            limit_bytes: most that may go out beyond what came in.

        Raises:
            FilesOverLimit: they are more, larger or deeper than may go out, or one cannot be read.
        """
        try:
            return self._taken(limit_bytes)
        except OSError:  # see rule 4; or a thread of the guest's goes on in there
            raise FilesOverLimit from None

    def _taken(self, limit_bytes: int) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        left_bytes = limit_bytes + sum(mark.size_bytes for mark in self._given.values())
        seen = 0
        for name, folder, entry in self._walk():
            seen += 1
            if seen > ENTRIES_MAX or len(name) > _PATH_CHARS_MAX:
                raise FilesOverLimit
            if not entry.is_file(follow_symlinks=False):
                continue
            status = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
            if self._given.get(name) == _mark(status):
                continue
            if status.st_size > left_bytes:
                raise FilesOverLimit
            with open(os.open(entry.name, _READ, dir_fd=folder), "rb", buffering=0) as file:
                found[name] = file.read(status.st_size)
            left_bytes -= len(found[name])
        return found

    def is_crowded(self) -> bool:
        """Return whether the tree has more entries, or levels, than it may have. Any thread."""
        return sizes(self.path) is None

    def _walk(self) -> Iterator[tuple[str, int, os.DirEntry[str]]]:
        """Yield every entry: its name from the top, its folder's descriptor, itself."""
        return _walk(os.open(self.path, _FOLDER), "", 1)

    def close(self) -> None:
        """Remove the folder and all in it. Idempotent; harmless if it is gone.

        Raises:
            OSError: something in it cannot be removed; the rest may be there, too.
        """
        if self._open:
            self._open = False
            remove_tree(self.path)


def sizes(path: str) -> dict[tuple[int, int], int] | None:
    """Return the size of each regular file of a tree, by what tells files apart.

    `None` if it has more entries or levels than are looked at. A guest may move what is walked:
    what is gone when its turn comes is left out, and so is a folder that cannot be opened.
    """
    found: dict[tuple[int, int], int] = {}
    try:
        for seen, (_, folder, entry) in enumerate(
            _walk(os.open(path, _FOLDER), "", 1, is_lenient=True), 1
        ):
            if seen > ENTRIES_MAX:
                return None
            if entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
                    found[status.st_dev, status.st_ino] = status.st_size
    except FilesOverLimit:
        return None
    except OSError:
        pass
    return found


def _walk(
    folder: int, above: str, depth: int, *, is_lenient: bool = False
) -> Iterator[tuple[str, int, os.DirEntry[str]]]:
    """Walk one open folder, and close it.

    Raises:
        FilesOverLimit: the tree is too deep.
        OSError: a folder in it cannot be opened, and that is not to be left out.
    """
    try:
        if depth > DEPTH_MAX:
            raise FilesOverLimit
        with os.scandir(folder) as entries:
            for entry in entries:
                name = above + entry.name
                yield name, folder, entry
                if entry.is_dir(follow_symlinks=False):
                    try:
                        below = os.open(entry.name, _FOLDER, dir_fd=folder)
                    except OSError:
                        if is_lenient:
                            continue
                        raise
                    yield from _walk(below, name + "/", depth + 1, is_lenient=is_lenient)
    finally:
        os.close(folder)


def remove_tree(path: str) -> None:
    """Remove a folder however deep it is, in steps of one name; harmless if it is gone.

    Outside a jail, what a guest closed is opened again.

    Raises:
        OSError: something in it cannot be removed; the rest may be there, too.
    """
    try:
        at = _enter(path)
    except FileNotFoundError:
        return
    try:
        names: list[str] = []
        pending = [_clear(at)]
        while pending[-1] or names:
            if pending[-1]:
                names.append(pending[-1].pop())
                at = _step(at, names[-1])
                pending.append(_clear(at))
            else:
                pending.pop()
                at = _step(at, "..")
                os.rmdir(names.pop(), dir_fd=at)
    finally:
        os.close(at)
    os.rmdir(path)


def _step(at: int, name: str) -> int:
    """Open a folder next to the open one, and close that."""
    found = _enter(name, at)
    os.close(at)
    return found


def _enter(name: str, at: int | None = None) -> int:
    """Open a folder of ours whose contents are to go, whatever its mode says."""
    try:
        found = os.open(name, _FOLDER, dir_fd=at)
    except PermissionError:
        handle = os.open(name, _HANDLE, dir_fd=at)
        try:  # by its handle: the name could be that of a link by now
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # which no jail lets pass
        finally:
            os.close(handle)
        return os.open(name, _FOLDER, dir_fd=at)
    if ~os.fstat(found).st_mode & 0o700:
        with contextlib.suppress(PermissionError):
            os.fchmod(found, 0o700)
    return found


def _clear(folder: int) -> list[str]:
    """Remove all but the folders in an open folder; return their names."""
    below: list[str] = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
    return below


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise MountRefused(f"files[{name!r}]: a name is relative and has no '..'")
    if any(len(part.encode("utf-8", "surrogateescape")) > _NAME_BYTES_MAX for part in parts):
        raise MountRefused(f"files[{name[:40]!r}...]: a part of the name is over 255 bytes")
    return parts


def _mark(status: os.stat_result) -> _Mark:
    return _Mark(status.st_ino, status.st_ctime_ns, status.st_size)


def scratch_parent(scratch_path: str, spool_path: str) -> str:
    """Return the folder to make scratch folders in: the cell's own, that of the spool, or a tmpfs.

    Not the spool itself: guests see that.
    """
    if scratch_path:
        return scratch_path
    if spool_path:
        return os.path.dirname(spool_path)
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 - tmpfs; the folder made in it is private
        return "/dev/shm"  # noqa: S108 - as above
    import tempfile

    return tempfile.gettempdir()
