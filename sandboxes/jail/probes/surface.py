"""Probes on parts of the kernel that no cell needs and that have had many bugs.

Only the filter stops them. A kernel may refuse some on its own account.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

_FILTER = Wall.SECCOMP
_ANSWER = 42
#: A function that returns 42, and one that makes a 32-bit call (getpid is 20 there).
_RETURN_42 = {
    "x86_64": bytes((0xB8, _ANSWER, 0, 0, 0, 0xC3)),
    "aarch64": (0x52800540).to_bytes(4, "little") + (0xD65F03C0).to_bytes(4, "little"),
}
_CALL_32_BIT = bytes((0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3))


def _run(code: bytes, *, later: bool) -> int:
    """Run machine code from a mapping that is executable at once, or made so afterwards."""
    protection = mmap.PROT_READ | mmap.PROT_WRITE | (0 if later else mmap.PROT_EXEC)
    memory = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, protection)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if later:
        kernel.call("mprotect", address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())


@probe(Judge.ANSWER, _FILTER)
def machine_code(target: Target) -> object:
    """Run machine code from a fresh executable mapping."""
    del target
    return _run(_RETURN_42[kernel.MACHINE], later=False) == _ANSWER


@probe(Judge.ANSWER, _FILTER)
def machine_code_later(target: Target) -> object:
    """Write machine code and make it executable afterwards."""
    del target
    return _run(_RETURN_42[kernel.MACHINE], later=True) == _ANSWER


@probe(Judge.ANSWER, _FILTER, optional=True)
def call_32_bit(target: Target) -> object:
    """Make a call by the 32-bit interface, whose numbers mean other calls."""
    del target
    if kernel.MACHINE != "x86_64":
        raise OSError(38, "no 32-bit interface")
    return _run(_CALL_32_BIT, later=False) > 0


@probe(Judge.ANSWER, _FILTER, also_down=(Wall.RLIMITS,), optional=True)
def io_uring(target: Target) -> object:
    """Open a ring whose calls the filter would not see."""
    del target
    return kernel.call("io_uring_setup", 1, kernel.buffer(bytes(120))) > 0


@probe(Judge.ANSWER, _FILTER, optional=True)
def userfaultfd(target: Target) -> object:
    """Take over page faults, the usual way to win races in the kernel."""
    del target
    return kernel.call("userfaultfd", 1) > 0


@probe(Judge.ANSWER, _FILTER, optional=True)
def keyring(target: Target) -> object:
    """Store a key in the kernel, where it outlives the cell."""
    del target
    return kernel.call("add_key", b"user", b"probe", b"x", 1, -3) > 0


@probe(Judge.ANSWER, _FILTER, optional=True)
def performance_counters(target: Target) -> object:
    """Open a performance counter, a fine clock on what others do."""
    del target
    attributes = bytearray(128)
    attributes[0], attributes[4], attributes[40] = 1, 128, 0b1110_0001
    return kernel.call("perf_event_open", kernel.buffer(bytes(attributes)), 0, -1, -1, 0) > 0


@probe(Judge.ANSWER, _FILTER)
def personality(target: Target) -> object:
    """Switch off address randomisation for programs started later."""
    del target
    return kernel.call("personality", 0x004_0000) >= 0


@probe(Judge.ANSWER, _FILTER, Wall.OWN_USERS)
def user_namespace(target: Target) -> object:
    """Make a user namespace, with all capabilities in it."""
    del target
    os.unshare(0x1000_0000)
    return True


@probe(Judge.ANSWER, _FILTER)
def second_filter(target: Target) -> object:
    """Install a filter of our own, which could fake answers to our host's code."""
    del target
    allow_all = (0x06).to_bytes(2, "little") + bytes(2) + (0x7FFF_0000).to_bytes(4, "little")
    from sandboxes.jail import seccomp

    seccomp.install(allow_all)
    return True


@probe(Judge.ANSWER, _FILTER)
def trace_me(target: Target) -> object:
    """Offer ourselves to a tracer."""
    del target
    return kernel.call("ptrace", 0, 0, 0, 0) == 0


@probe(Judge.ANSWER, _FILTER)
def become_dumpable(target: Target) -> object:
    """Open our memory to other processes of the same user."""
    del target
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    return kernel.prctl(kernel.PR_GET_DUMPABLE) == 1


@probe(Judge.ANSWER, _FILTER)
def watch_files(target: Target) -> object:
    """Open a watch on file events."""
    del target
    return kernel.call("inotify_init1", 0) > 0


@probe(Judge.ANSWER, _FILTER)
def signal_descriptor(target: Target) -> object:
    """Turn signals into a descriptor."""
    del target
    return kernel.call("signalfd4", -1, (1 << (signal.SIGUSR1 - 1)).to_bytes(8, "little"), 8, 0) > 0


@probe(Judge.ANSWER, _FILTER)
def timer_descriptor(target: Target) -> object:
    """Make a timer of the kernel's."""
    del target
    return kernel.call("timerfd_create", 1, 0) > 0


@probe(Judge.ANSWER, _FILTER)
def pin_ourselves(target: Target) -> object:
    """Choose our processor, to share its caches with a chosen other."""
    del target
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return True


@probe(Judge.ANSWER, _FILTER)
def pipe(target: Target) -> object:
    """Hold memory of the kernel's in a pipe."""
    del target
    return bool(os.pipe())


@probe(Judge.ANSWER, _FILTER)
def batch_scheduling(target: Target) -> object:
    """Change our scheduling policy."""
    del target
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    return True
