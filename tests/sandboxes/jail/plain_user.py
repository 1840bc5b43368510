"""Runs a command as an ordinary user, in a mount namespace where that user finds our Python.

Usage, as root: `python plain_user.py UID COMMAND...`. Where the interpreter lies in a directory
that is root's alone, that directory is covered by an empty one in which only the interpreter shows.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sandboxes.jail import kernel
from sandboxes.jail.namespaces import Namespace

_PRIVATE, _MOVE_EMPTY_PATH = 0x4000 | 0x4_0000, 4
_TREE = 1 | os.O_CLOEXEC | kernel.AT_RECURSIVE


def first_private_directory(path: Path) -> Path | None:
    """Return the outermost directory above `path` that others may not enter."""
    above = [p for p in reversed(path.parents) if not p.stat().st_mode & 0o001]
    return above[0] if above else None


def show(path: Path) -> None:
    """Make `path` reachable for everybody, in this mount namespace alone."""
    private = first_private_directory(path)
    if private is None:
        return
    tree = kernel.call("open_tree", kernel.AT_FDCWD, os.fsencode(path), _TREE)
    kernel.call("mount", b"cover", os.fsencode(private), b"tmpfs", 0, b"mode=755")
    path.mkdir(parents=True)
    kernel.call("move_mount", tree, b"", kernel.AT_FDCWD, os.fsencode(path), _MOVE_EMPTY_PATH)
    os.close(tree)


def main() -> None:
    uid, *command = sys.argv[1:]
    os.unshare(Namespace.MOUNTS)
    kernel.call("mount", None, b"/", None, _PRIVATE, None)
    show(Path(sys.base_prefix).resolve())
    os.setgroups([])
    os.setresgid(*[int(uid)] * 3)
    os.setresuid(*[int(uid)] * 3)
    os.environ["HOME"] = "/nonexistent"
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
