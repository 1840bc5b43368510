"""Walls: what a cell can name. Its own users, mounts, network, processes, IPC, host name, cgroups.

An ordinary user may make all of them because the user namespace comes first and owns the rest.
"""

from __future__ import annotations

import enum
import os

from sandboxes.jail import kernel

#: The one user a namespace of ours knows; it is mapped to whoever made the namespace.
INNER_ID = 65_534


class Namespace(enum.IntFlag):
    """Namespaces by their CLONE_ flag."""

    MOUNTS = 0x0002_0000
    CGROUPS = 0x0200_0000
    HOSTNAME = 0x0400_0000
    IPC = 0x0800_0000
    USERS = 0x1000_0000
    PROCESSES = 0x2000_0000
    NETWORK = 0x4000_0000


def enter_new(namespaces: Namespace) -> None:
    """Move this thread into new namespaces; PROCESSES takes effect for what it forks next.

    Where a user namespace is among them, the present user becomes `INNER_ID` in it.

    Raises:
        OSError: the kernel or its settings refuse, or this process has a second thread.
    """
    uid, gid = os.getuid(), os.getgid()
    os.unshare(namespaces)
    if Namespace.USERS in namespaces:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{INNER_ID} {uid} 1")
        _write("/proc/self/gid_map", f"{INNER_ID} {gid} 1")


def leave_user_namespace() -> None:
    """Enter a user namespace without users, owning nothing of the namespaces entered so far.

    The kernel counts the threads of a user by namespace, so this also gives RLIMIT_NPROC a count
    of this process's own.
    """
    os.unshare(Namespace.USERS)


def name_host(name: str) -> None:
    """Set the host name of the present namespace."""
    encoded = os.fsencode(name)
    kernel.call("sethostname", encoded, len(encoded))


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
