"""Wall: no program a cell could start gives it rights that it has not.

Also what lets an ordinary user install a seccomp filter and a Landlock domain.
"""

from __future__ import annotations

from sandboxes.jail import kernel


def give_up() -> None:
    """Set no-new-privileges for this thread. It cannot be taken back."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
