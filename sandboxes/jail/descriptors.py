"""Wall: a cell holds the descriptors it was given and no other.

Standard input and the two standard outputs become /dev/null, as libraries write there unasked
and a closed 0 to 2 would be taken by the next file opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

#: Above any descriptor: the kernel's own ceiling (`sysctl fs.nr_open`) is 2**20 by default.
DESCRIPTOR_MAX = 1 << 20


def keep_only(kept: Iterable[int]) -> None:
    """Close every descriptor that is not in `kept`."""
    low = 0
    for descriptor in sorted(set(kept)):
        if low < descriptor:  # CPython takes an empty range for one without end
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, DESCRIPTOR_MAX)


def silence() -> None:
    """Put /dev/null on 0, 1 and 2, whatever was there."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if descriptor != null:
            os.dup2(null, descriptor, inheritable=True)
    if null > 2:
        os.close(null)


def arrange(given: Iterable[int], first: int) -> None:
    """Move the descriptors `given` to `first`, `first` + 1, ... in their order.

    Rule: none of `given` may lie in the range they are moved to, unless it is there already.
    """
    for target, descriptor in enumerate(given, first):
        if descriptor != target:
            os.dup2(descriptor, target, inheritable=False)
            os.close(descriptor)
