"""Wall: a cell has a process group of its own.

Otherwise `kill(0)` reaches everybody in the group, whatever process namespace they are in.
The session stays the zygote's, which has no terminal: the kernel shares out processor time by
session, so that a session for each cell would give each as much of it as the whole supervisor has.
"""

from __future__ import annotations

import os


def lead() -> None:
    """Become the leader of a new process group.

    Raises:
        PermissionError: this process leads a session.
    """
    os.setpgid(0, 0)
