"""Probes on what a cell may take. Each takes somewhat more than its limit, and no more."""

from __future__ import annotations

import ctypes
import os

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, Weight, Wishes, probe
from sandboxes.jail.steps import SCRATCH, Wall

_MIB = 1 << 20
_CAP_BYTES, _TAKEN_BYTES = 64 * _MIB, 96 * _MIB
_SMALL = Wishes(memory_bytes=_CAP_BYTES)
_HEAVY_KIB = 80 << 10
_RESIDENT = Weight("VmRSS", _HEAVY_KIB)
_SHARED, _PRIVATE, _ANONYMOUS, _GROWSDOWN = 0x01, 0x02, 0x20, 0x0100
_PROT_READ_WRITE = 0x3
_IPC_PRIVATE, _IPC_CREATE = 0, 0o1600

#: What a probe took, held until its process ends.
_held: list[object] = []


def _fill(address: int) -> None:
    ctypes.memset(address, 1, _TAKEN_BYTES)


def _mapped(flags: int) -> int:
    address = kernel.call("mmap", 0, _TAKEN_BYTES, _PROT_READ_WRITE, flags, -1, 0)
    _fill(address)
    return address


@probe(Judge.WEIGHT, Wall.RLIMITS, wishes=_SMALL, weight=_RESIDENT)
def allocate(target: Target) -> object:
    """Take more memory than allowed, through Python."""
    del target
    _held.append(bytearray(b"\1") * _TAKEN_BYTES)
    return True


@probe(Judge.WEIGHT, Wall.RLIMITS, wishes=_SMALL, weight=_RESIDENT)
def map_private(target: Target) -> object:
    """Take more memory than allowed, by a private mapping."""
    del target
    return _mapped(_PRIVATE | _ANONYMOUS)


@probe(Judge.WEIGHT, Wall.RLIMITS, wishes=_SMALL, weight=_RESIDENT)
def grow_break(target: Target) -> object:
    """Take more memory than allowed, by moving the program break."""
    del target
    libc = kernel.library()
    libc.sbrk.restype = ctypes.c_void_p
    address = libc.sbrk(ctypes.c_ssize_t(_TAKEN_BYTES))
    if address in (None, 2**64 - 1):
        raise MemoryError
    _fill(address)
    return True


@probe(Judge.WEIGHT, Wall.SECCOMP, wishes=_SMALL, weight=_RESIDENT)
def map_shared(target: Target) -> object:
    """Take memory by a shared mapping, which the limit on private memory does not count."""
    del target
    return _mapped(_SHARED | _ANONYMOUS)


@probe(Judge.WEIGHT, Wall.SECCOMP, wishes=_SMALL, weight=_RESIDENT)
def map_growing_down(target: Target) -> object:
    """Take memory by a mapping that grows down, which counts as stack and not as data."""
    del target
    return _mapped(_PRIVATE | _ANONYMOUS | _GROWSDOWN)


@probe(
    Judge.ANSWER,
    Wall.SECCOMP,
    wishes=Wishes(memory_bytes=_CAP_BYTES, file_bytes_max=2 * _TAKEN_BYTES),
)
def memory_file(target: Target) -> object:
    """Take memory as a file without a name."""
    del target
    descriptor = os.memfd_create("taken", 0)
    for _ in range(_TAKEN_BYTES // _MIB):
        os.write(descriptor, b"\1" * _MIB)
    return os.fstat(descriptor).st_size == _TAKEN_BYTES


@probe(Judge.WEIGHT, Wall.SECCOMP, wishes=_SMALL, weight=_RESIDENT)
def shared_segment(target: Target) -> object:
    """Take memory as a System V segment, which outlives its maker."""
    del target
    libc = kernel.library()
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(_IPC_PRIVATE, _TAKEN_BYTES, _IPC_CREATE)
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    address = libc.shmat(segment, None, 0)
    libc.shmctl(segment, 0, None)  # removed as soon as this process ends
    _fill(address)
    return True


@probe(
    Judge.WEIGHT,
    Wall.RLIMITS,
    Wall.SECCOMP,
    weight=Weight("VmLck", 1_024),
    optional=True,
)
def lock(target: Target) -> object:
    """Lock memory, so that the machine cannot swap it."""
    del target
    taken = kernel.buffer(bytes(2 * _MIB))
    _held.append(taken)
    kernel.call("mlock", kernel.address_of(taken), len(taken))
    return True


@probe(
    Judge.WEIGHT,
    Wall.RLIMITS,
    wishes=Wishes(descriptors_max=32),
    weight=Weight("FDSize", 128),
)
def open_many(target: Target) -> object:
    """Hold many descriptors."""
    del target
    _held.extend(os.dup(3) for _ in range(120))
    return True


@probe(
    Judge.ANSWER,
    Wall.RLIMITS,
    wishes=Wishes(file_bytes_max=_MIB, writable_tmpfs_bytes=8 * _MIB),
)
def write_long_file(target: Target) -> object:
    """Write a longer file than allowed into the scratch directory."""
    del target
    with open(f"{SCRATCH}/long", "wb") as file:
        file.write(b"\1" * (2 * _MIB))
    return True


@probe(Judge.ANSWER, Wall.RLIMITS, Wall.LANDLOCK, Wall.SECCOMP, optional=True)
def message_queue(target: Target) -> object:
    """Keep messages in a POSIX queue of the kernel's."""
    del target
    queue = kernel.call("mq_open", b"probe", os.O_RDWR | os.O_CREAT, 0o600, 0)
    kernel.library().mq_unlink(b"/probe")
    return queue > 0
