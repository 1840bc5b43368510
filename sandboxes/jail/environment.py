"""Wall: no variable of the host reaches a cell.

The wall proper is that the zygote is exec'd with an empty environment: what a process was exec'd
with stays readable in its stack, whatever is cleared afterwards. This clears what a loader or a
preload hook has set since.
"""

from __future__ import annotations

import os


def clear() -> None:
    """Remove every variable, for Python and for C code alike."""
    os.environ.clear()
