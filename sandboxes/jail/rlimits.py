"""Wall: what one cell may take of the machine's memory, threads, descriptors and files.

RLIMIT_DATA and not RLIMIT_AS caps memory: wasmtime reserves 4 GiB of address space for each
instance, which costs nothing. What RLIMIT_DATA does not count (shared mappings, mappings that grow
down) the seccomp filter refuses.
RLIMIT_NPROC counts all threads of a user *in one user namespace*, so it is exact for a cell that
has a user namespace of its own.
"""

from __future__ import annotations

import sys

from protocol.structs import frozen

if sys.platform != "win32":  # where this file is imported for the names of the walls alone
    import resource

#: Guests run on the main thread: deep recursion in a Wasm guest needs this much.
STACK_BYTES = 64 << 20


@frozen
class Resources:
    """The limits of one cell.

    Args:
        memory_bytes: private writable memory (RLIMIT_DATA), stacks of threads included.
        threads_max: threads and processes together (RLIMIT_NPROC); `None` where they cannot be
            counted for one cell.
        descriptors_max: one past the highest descriptor (RLIMIT_NOFILE).
        file_bytes_max: length of a file it writes (RLIMIT_FSIZE).
        cpu_s_max: seconds of CPU of the whole cell (RLIMIT_CPU); `None` leaves that to deadlines.
    """

    memory_bytes: int
    threads_max: int | None = 16
    descriptors_max: int = 64
    file_bytes_max: int = 0
    cpu_s_max: int | None = None


def as_limits(resources: Resources) -> tuple[tuple[int, int], ...]:
    """Return pairs of a RLIMIT number and its value; the same value is soft and hard limit."""
    pairs = [
        (resource.RLIMIT_DATA, resources.memory_bytes),
        (resource.RLIMIT_NOFILE, resources.descriptors_max),
        (resource.RLIMIT_FSIZE, resources.file_bytes_max),
        (resource.RLIMIT_STACK, STACK_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_RTPRIO, 0),
        (resource.RLIMIT_NICE, 0),
    ]
    if resources.threads_max is not None:
        pairs.append((resource.RLIMIT_NPROC, resources.threads_max))
    if resources.cpu_s_max is not None:
        pairs.append((resource.RLIMIT_CPU, resources.cpu_s_max))
    return tuple(pairs)


def limit(resources: Resources) -> None:
    """Set every limit, soft and hard; a hard limit that is lower already stays."""
    for number, value in as_limits(resources):
        _, hard = resource.getrlimit(number)
        low = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (low, low))
