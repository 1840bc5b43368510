"""Wall: a cell has a session and a process group of its own.

Otherwise `kill(0)` reaches everybody in the group, whatever process namespace they are in, and
a terminal of the host's could be written to with TIOCSTI.
"""

from __future__ import annotations

import os


def lead() -> None:
    """Become the leader of a new session.

    Raises:
        PermissionError: this process already leads a process group.
    """
    os.setsid()
