"""Wall: no capability, and none to be had again.

A process that makes a user namespace has every capability in it: over its mounts, its network and
its host name. They are used to build the jail and end here.
"""

from __future__ import annotations

import contextlib
import errno
import struct

from sandboxes.jail import kernel

#: Source: linux/capability.h, _LINUX_CAPABILITY_VERSION_3.
_VERSION = 0x20080522
_HEADER = struct.Struct("<II")
#: effective, permitted and inheritable for capabilities 0 to 31, then for 32 to 63.
_SETS = struct.Struct("<6I")
_NUMBERS_MAX = 64


def drop_all() -> None:
    """Empty the bounding, ambient, effective, permitted and inheritable sets."""
    for number in range(_NUMBERS_MAX):
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, number)
        except OSError as error:
            # EINVAL: past the last one this kernel has. EPERM: nothing to drop with, so nothing
            # to gain from the bounding set either once no-new-privileges is on.
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise
            break
    with contextlib.suppress(OSError):  # a kernel without ambient capabilities has none to clear
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    kernel.call("capset", _HEADER.pack(_VERSION, 0), _SETS.pack(0, 0, 0, 0, 0, 0))


def keep_only(kept: int) -> None:
    """Give up every capability but those of the bit set `kept`, which cannot be inherited."""
    low, high = kept & 0xFFFF_FFFF, kept >> 32
    kernel.call("capset", _HEADER.pack(_VERSION, 0), _SETS.pack(low, low, 0, high, high, 0))


def effective() -> int:
    """Return the effective capabilities of this thread as a bit set."""
    sets = kernel.buffer(bytes(_SETS.size))
    kernel.call("capget", kernel.buffer(_HEADER.pack(_VERSION, 0)), sets)
    low, _, _, high, _, _ = _SETS.unpack(sets.raw)
    return int(low) | int(high) << 32
