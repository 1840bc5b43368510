"""Wall: a process of ours dies with the one that started it.

The kernel sends the signal when the *thread* that forked us ends, and forgets the wish at a change
of user, so this comes after that.
"""

from __future__ import annotations

import os
import signal

from sandboxes.jail import kernel

#: What getppid says of a parent in another process namespace.
OUTSIDE = 0


def die_with_parent(expected_parent: int) -> None:
    """Ask for SIGKILL at the death of our parent.

    Args:
        expected_parent: its pid. If it is another by now, the parent died before we asked, and so
            do we. A parent outside our process namespace has no pid to compare; there the end of
            the namespace or of our socket ends us too.
    """
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() not in (OUTSIDE, expected_parent):
        os._exit(0)
