"""Wall: no other process of the same user reads or writes a cell's memory.

An undumpable process cannot be traced, its /proc entries belong to root, and it leaves no core.
"""

from __future__ import annotations

from sandboxes.jail import kernel


def hide() -> None:
    """Make this process undumpable."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
