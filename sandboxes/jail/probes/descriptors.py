"""Probes on what a cell holds from its birth: descriptors, variables, its own socket."""

from __future__ import annotations

import array
import ctypes
import os
import socket

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Judge, Target, probe
from sandboxes.jail.steps import Wall

_CELL_FD = 3
_SCAN_BYTES_MAX = 64 << 10


@probe(Judge.SECRET, Wall.DESCRIPTORS)
def read_leaked(target: Target) -> object:
    """Read a file that the host left open for its children."""
    os.lseek(target.leaked_descriptor, 0, os.SEEK_SET)
    return os.read(target.leaked_descriptor, 4_096).decode()


@probe(Judge.SECRET, Wall.DESCRIPTORS)
def read_any(target: Target) -> object:
    """Read whatever descriptor there is beside our own socket."""
    found = ""
    for descriptor in range(4, 256):
        try:
            if not os.lseek(descriptor, 0, os.SEEK_END):
                continue  # no file: the cell's own alarm would hold it up
            os.lseek(descriptor, 0, os.SEEK_SET)
            found += os.read(descriptor, target.secret_chars).decode("ascii", "replace")
        except OSError:
            continue
    return found


@probe(Judge.SECRET, Wall.ENVIRONMENT)
def read_environment(target: Target) -> object:
    """Read a variable of the host from the environment."""
    del target
    return repr(dict(os.environ))


@probe(Judge.SECRET, Wall.ENVIRONMENT)
def read_initial_stack(target: Target) -> object:
    """Read a variable of the host from the stack that the zygote was exec'd with."""
    del target
    start = ctypes.c_char_p.in_dll(kernel.library(), "program_invocation_name")
    address = ctypes.cast(start, ctypes.c_void_p).value or 0
    found = b""
    # The program's name is the first argument; the variables lie behind the arguments.
    while len(found) < _SCAN_BYTES_MAX and not found.endswith(b"\0\0"):
        found += ctypes.string_at(address + len(found), 1)
    return found.decode("ascii", "replace")


@probe(Judge.GIVEN, Wall.SECCOMP)
def give(target: Target) -> object:
    """Send a descriptor to the supervisor, which would then hold a file of the cell's choice."""
    del target
    with socket.socket(fileno=os.dup(_CELL_FD)) as sock:
        return socket.send_fds(sock, [b"\n"], [_CELL_FD]) > 0


@probe(Judge.ANSWER, Wall.SECCOMP)
def take(target: Target) -> object:
    """Receive descriptors that somebody sends."""
    del target
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [_CELL_FD]))
        theirs.sendmsg([b"x"], [rights])
        return bool(socket.recv_fds(ours, 1, 1)[1])
