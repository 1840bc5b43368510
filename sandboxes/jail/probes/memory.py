"""Probes on the memory of others. The victim is another cell of the same user."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

#: Another user namespace and an undumpable victim each end a tracer's rights; so does Landlock.
_TRACE = (Wall.SECCOMP, Wall.LANDLOCK, Wall.PROCESSES, Wall.DUMPABLE, Wall.OWN_USERS)
_PROC = (Wall.ROOT, Wall.SECCOMP, Wall.LANDLOCK, Wall.DUMPABLE, Wall.OWN_USERS)
_PTRACE_PEEKDATA, _PTRACE_ATTACH, _PTRACE_DETACH = 2, 16, 17
_WORD_BYTES = 8


@probe(Judge.SECRET, *_TRACE)
def process_vm_read(target: Target) -> object:
    """Copy memory out of another cell."""
    taken = kernel.buffer(bytes(target.secret_chars))
    ours = struct.pack("<QQ", kernel.address_of(taken), len(taken))
    theirs = struct.pack("<QQ", target.victim_address, len(taken))
    kernel.call("process_vm_readv", target.victim_pid, ours, 1, theirs, 1, 0)
    return taken.raw.decode("ascii", "replace")


@probe(Judge.VICTIM, *_TRACE)
def process_vm_write(target: Target) -> object:
    """Copy memory into another cell."""
    given = kernel.buffer(b"overwritten")
    ours = struct.pack("<QQ", kernel.address_of(given), len(given))
    theirs = struct.pack("<QQ", target.victim_address, len(given))
    return kernel.call("process_vm_writev", target.victim_pid, ours, 1, theirs, 1, 0)


@probe(Judge.SECRET, *_TRACE)
def ptrace(target: Target) -> object:
    """Trace another cell and read its memory word by word."""
    pid = target.victim_pid
    kernel.call("ptrace", _PTRACE_ATTACH, pid, 0, 0)
    os.waitpid(pid, 0x40000000)  # __WALL: it is no child of ours
    word = kernel.buffer(bytes(_WORD_BYTES))
    taken = b""
    for at in range(0, target.secret_chars, _WORD_BYTES):
        address = kernel.address_of(word)
        kernel.call("ptrace", _PTRACE_PEEKDATA, pid, target.victim_address + at, address)
        taken += word.raw
    kernel.call("ptrace", _PTRACE_DETACH, pid, 0, 0)
    return taken.decode("ascii", "replace")


@probe(Judge.SECRET, *_PROC)
def proc_mem(target: Target) -> object:
    """Read the memory file of another cell."""
    with open(f"/proc/{target.victim_host_pid}/mem", "rb", buffering=0) as memory:
        memory.seek(target.victim_address)
        return memory.read(target.secret_chars).decode("ascii", "replace")


@probe(Judge.SECRET, *_TRACE)
def steal_descriptor(target: Target) -> object:
    """Take a descriptor out of another cell and read from it."""
    pidfd = os.pidfd_open(target.victim_pid)
    stolen = kernel.call("pidfd_getfd", pidfd, target.victim_descriptor, 0)
    with socket.socket(fileno=stolen) as sock:
        return sock.recv(target.secret_chars, socket.MSG_PEEK).decode()


@probe(Judge.SECRET, Wall.IPC, Wall.SECCOMP)
def shared_memory(target: Target) -> object:
    """Attach a System V shared memory segment of the host."""
    libc = kernel.library()
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(target.shared_memory_key, 0, 0)
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    address = libc.shmat(segment, None, 0o10000)
    return ctypes.string_at(address, target.secret_chars).decode("ascii", "replace")


@probe(Judge.OUTLIVED, Wall.SECCOMP, strength="light")
def forget_parent_death(target: Target) -> object:
    """Take back the wish to die with the zygote."""
    del target
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)
    return True


@probe(Judge.OUTLIVED, Wall.PARENT_DEATH, strength="light")
def outlive(target: Target) -> object:
    """Live on when the zygote is gone."""
    del target
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return True
