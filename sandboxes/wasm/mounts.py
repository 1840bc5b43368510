"""Which directories a guest sees, and under which paths. Decides; opens nothing.

    /work        the guest's own folder, where files by value lie (`sandboxes.scratch`)
    /cellblock   large inputs of the run, read-only
    elsewhere    the mounts of the run

Rule 1: a guest path is absolute and plain: no `..`, no `.`, no empty part.
Rule 2: nothing may be mounted over, or inside, a path of ours, and no path twice.
Rule 3: wasmtime keeps a guest inside: it resolves each path step by step below the directory's
        descriptor. The tests attack that, because every guarantee on files rests on it.
Rule 4: a guest can make no pipes or devices. One that the host left in a mount may block a guest
        that opens it, beyond the reach of an interrupt: the kill of its cell ends it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from protocol.messages import Mount
from protocol.structs import frozen
from sandboxes import scratch
from sandboxes.errors import MountRefused

#: Where a guest finds the large inputs of its run.
SPOOL_PATH: Final = "/cellblock"


@frozen
class Preopen:
    """A directory of this machine that a guest may use from its first line on."""

    host_path: str
    guest_path: str
    writable: bool = False


def preopens(
    mounts: Sequence[Mount], *, work_path: str = "", spool_path: str = ""
) -> tuple[Preopen, ...]:
    """Return the directories of one run.

    Args:
        mounts: those the run asks for.
        work_path: the folder behind `/work`; "" for none.
        spool_path: the folder behind `/cellblock`; "" for none.

    Raises:
        MountRefused: a path is not plain, is taken, or is no directory; the text names it.
    """
    found: dict[str, Preopen] = {}
    if work_path:
        found[scratch.GUEST_PATH] = Preopen(work_path, scratch.GUEST_PATH, writable=True)
    if spool_path:
        found[SPOOL_PATH] = Preopen(spool_path, SPOOL_PATH)
    ours = (scratch.GUEST_PATH, SPOOL_PATH)
    for mount in mounts:
        guest_path = _plain(mount.guest_path)
        if guest_path in found:
            raise MountRefused(f"mount {guest_path!r}: the path is taken")
        if any(f"{guest_path}/".startswith(f"{path}/") for path in ours):
            raise MountRefused(f"mount {guest_path!r}: {' and '.join(ours)} are reserved")
        _check_host(mount.host_path)
        found[guest_path] = Preopen(mount.host_path, guest_path, mount.writable)
    return tuple(found.values())


def _plain(path: str) -> str:
    parts = path.rstrip("/").split("/")
    if parts[0] or len(parts) < 2 or any(p in ("", ".", "..") for p in parts[1:]) or "\0" in path:
        raise MountRefused(f"mount {path!r}: a guest path is absolute, below '/', without '..'")
    return "/".join(parts)


def _check_host(path: str) -> None:
    if not os.path.isabs(path) or "\0" in path:
        raise MountRefused(f"mount of {path!r}: a host path is absolute")
    if not os.path.isdir(path):
        raise MountRefused(f"mount of {path!r}: there is no such directory")
