"""Wall: a cell of a root supervisor is not root.

Dropped before the user namespace is made: otherwise a cell stays user 0 to the kernel outside,
which never enforces RLIMIT_NPROC on user 0 and lets it own every file that a wall misses.
"""

from __future__ import annotations

import os

from sandboxes.jail import kernel

#: A user and group that no account has: Debian keeps 65000 to 65533 unassigned, others too.
PLAIN_UID = 65_111


def become(uid: int) -> None:
    """Take `uid` as the only user and group, with no way back.

    Raises:
        OSError: the number is not mapped in this user namespace, or this is not root.
    """
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # The change made this process undumpable, so that root owns its /proc/self and the maps of
    # its own user namespace could not be written. A cell is made undumpable again later.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
