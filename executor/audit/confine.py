"""What a disposable process does to itself before it runs an attack without its sandbox.

The attack must reach what it is aimed at, which is ours, and nothing else: so the process is no
root, gains no privileges, ends with us, and has an outer cap on everything it could take.

Rule: imports here are few and cheap; each positive control pays for them.
"""

from __future__ import annotations

import os
import resource
from typing import Final

from sandboxes.jail import capabilities, identity, kernel, no_new_privileges, parent_death

OUTER_MEMORY_BYTES: Final = 1 << 30
OUTER_CPU_S: Final = 10
OUTER_FILE_BYTES: Final = 128 << 20
#: Of the user that all cells of root's are, on the whole machine.
OUTER_PROCESSES: Final = 4_096
OUTER_DESCRIPTORS: Final = 512
#: Source: linux/prctl.h, linux/capability.h (CAP_DAC_READ_SEARCH).
_PR_SET_KEEPCAPS: Final = 8
_MAY_READ: Final = 1 << 2
#: The host and the heartbeats come first.
NICE: Final = 10


def confine(parent: int) -> None:
    """Give up what no attack needs in order to bite.

    Args:
        parent: pid of the process that started us.

    Raises:
        OSError: the kernel refuses one of the steps.
    """
    for number, cap in (
        (resource.RLIMIT_AS, OUTER_MEMORY_BYTES),
        (resource.RLIMIT_CPU, OUTER_CPU_S),
        (resource.RLIMIT_FSIZE, OUTER_FILE_BYTES),
        (resource.RLIMIT_NOFILE, OUTER_DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(number, (cap, cap))
    os.nice(NICE)
    if os.getuid() == 0:
        kernel.prctl(_PR_SET_KEEPCAPS, 1)
        identity.become(identity.PLAIN_UID)
        # The library may lie where root alone can read it; to write there takes another one.
        capabilities.keep_only(_MAY_READ)
        resource.setrlimit(resource.RLIMIT_NPROC, (OUTER_PROCESSES, OUTER_PROCESSES))
    parent_death.die_with_parent(parent)
    no_new_privileges.give_up()
