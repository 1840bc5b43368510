"""Wall: a cell's file system is an empty, read-only one of its own.

Two roots are made. The zygote's holds nothing (or the native cells' libraries) and is shared by all
cells forked from it. A cell with mounts or a scratch directory gets another for itself, with the
same libraries.

What is mounted travels as a *tree*: a descriptor of a detached copy of a mount, made where the
host's files can be seen and attached where they cannot.
Source: mount(2), pivot_root(2), mount_setattr(2), open_tree(2).
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterator

from protocol.structs import frozen
from sandboxes.jail import kernel
from sandboxes.jail.namespaces import Namespace

_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND = 0x1, 0x2, 0x4, 0x8, 0x20, 0x1000
_REC, _PRIVATE = 0x4000, 0x4_0000
_HARMLESS = _NOSUID | _NODEV | _NOEXEC
_DETACH = 2
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_EMPTY_PATH = 4
#: MOUNT_ATTR_RDONLY, _NOSUID, _NODEV and _NOEXEC have the numbers of the mount flags above.
_IDMAP = 0x10_0000
_ATTRIBUTES = struct.Struct("<QQQQ")

#: A directory in the zygote's root on which a cell builds its own.
NEXT_ROOT = "/next"
#: Where a guest finds its working directory.
WORK = "/work"
#: The root itself holds directories to mount on, nothing else.
_ROOT_BYTES, _ROOT_FILES = 256 << 10, 1_024
#: Files and directories in a scratch directory, for each MiB of it and at least.
_SCRATCH_FILES_PER_MIB, _SCRATCH_FILES_MIN = 256, 1_024


@frozen
class Bind:
    """A directory or file of the host, seen by a cell.

    Args:
        source: absolute path on the host.
        target: absolute path in the cell; the same as `source` in the light jail.
        writable: may be written to; otherwise the mount is read-only, whatever the file modes say.
    """

    source: str
    target: str
    writable: bool = False


def open_tree(source: str | int, *, writable: bool) -> int:
    """Return a tree: a detached copy of the mounts at `source`, without devices and programs.

    Args:
        source: a path, or a descriptor of what is to be mounted.

    Raises:
        OSError: it does not exist or may not be seen, or this process may not mount.
    """
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | kernel.AT_RECURSIVE
    if isinstance(source, int):
        tree = kernel.call("open_tree", source, b"", flags | kernel.AT_EMPTY_PATH)
    else:
        tree = kernel.call("open_tree", kernel.AT_FDCWD, os.fsencode(source), flags)
    try:
        _set_attributes(tree, _HARMLESS | (0 if writable else _RDONLY))
    except OSError:
        os.close(tree)
        raise
    return tree


def enter_empty(place: str, trees: tuple[tuple[int, str], ...] = ()) -> None:
    """Make an empty root at the directory `place` and move into it; the old one is gone.

    Args:
        place: an existing directory, hidden from then on.
        trees: trees and where to attach them; their descriptors are closed.
    """
    with _new_root(place):
        for tree, target in trees:
            _attach(tree, _beneath(target))
        os.makedirs(_beneath(NEXT_ROOT), mode=0o700, exist_ok=True)


def enter_own(trees: tuple[tuple[int, str], ...], scratch: str, scratch_bytes: int) -> None:
    """Give this process alone a root with `trees` and a writable scratch directory.

    Args:
        trees: as for `enter_empty`.
        scratch: where the scratch directory lies.
        scratch_bytes: its size; 0 for none.
    """
    os.unshare(Namespace.MOUNTS)
    with _new_root(NEXT_ROOT):
        for tree, target in trees:
            _attach(tree, _beneath(target))
        if scratch_bytes:
            where = _beneath(scratch)
            os.makedirs(where, exist_ok=True)
            files = max(_SCRATCH_FILES_MIN, (scratch_bytes >> 20) * _SCRATCH_FILES_PER_MIB)
            # A tmpfs counts whole pages, and its own directory takes one.
            options = f"size={scratch_bytes},nr_inodes={files},mode=700"
            _mount("scratch", where, "tmpfs", _HARMLESS, options)
            if not os.path.lexists(_beneath(WORK)):  # libraries of the host may lie below that name
                # Leads to what a guest's cell makes there: its working directory.
                os.symlink(f"{scratch}{WORK}", _beneath(WORK))


@contextlib.contextmanager
def _new_root(place: str) -> Iterator[None]:
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount(
        "root", place, "tmpfs", _HARMLESS, f"size={_ROOT_BYTES},nr_inodes={_ROOT_FILES},mode=755"
    )
    os.chdir(place)
    yield
    kernel.call("pivot_root", b".", b".")
    kernel.call("umount2", b".", _DETACH)  # the old root lay on top of the new one
    os.chdir("/")
    _mount(None, "/", None, _REMOUNT | _BIND | _RDONLY | _HARMLESS)


def _beneath(target: str) -> str:
    """Return the path, relative to the new root, of the absolute path `target`."""
    return "." + os.path.normpath("/" + target)


def _attach(tree: int, where: str) -> None:
    if _is_directory(tree):
        os.makedirs(where, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(where), exist_ok=True)
        os.close(os.open(where, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    empty_path = _MOVE_MOUNT_EMPTY_PATH
    kernel.call("move_mount", tree, b"", kernel.AT_FDCWD, os.fsencode(where), empty_path)
    os.close(tree)


def _is_directory(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def map_owners(tree: int, mapping: int) -> None:
    """Show the files of a tree with other owners.

    Args:
        tree: not attached anywhere yet.
        mapping: descriptor of a user namespace: its inner users are those on the disk, its outer
            users those that the kernel takes them for.

    Raises:
        OSError: the file system cannot do that, or this process may not (EINVAL, EPERM).
    """
    _set_attributes(tree, _IDMAP, mapping)


def _set_attributes(tree: int, attributes: int, mapping: int = 0) -> None:
    wanted = _ATTRIBUTES.pack(attributes, 0, 0, mapping)
    flags = kernel.AT_EMPTY_PATH | kernel.AT_RECURSIVE
    kernel.call("mount_setattr", tree, b"", flags, wanted, len(wanted))


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    texts = (None if t is None else os.fsencode(t) for t in (source, target, kind))
    kernel.call("mount", *texts, flags, None if options is None else options.encode())


def open_trees(
    binds: tuple[Bind, ...], host_mounts: int, own_mounts: int
) -> tuple[tuple[int, str], ...]:
    """Return trees of `binds`, looked up where the host's files can still be seen.

    Args:
        binds: what to mount.
        host_mounts: descriptor of the mount namespace that still has the host's files.
        own_mounts: descriptor of the one to come back to.

    Raises:
        OSError: a path does not exist, or this user may not see it.
    """
    os.setns(host_mounts, Namespace.MOUNTS)
    try:
        return tuple((open_tree(b.source, writable=b.writable), b.target) for b in binds)
    finally:
        os.setns(own_mounts, Namespace.MOUNTS)
