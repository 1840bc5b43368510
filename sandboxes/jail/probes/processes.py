"""Probes that start processes and programs. All of them are few and end by themselves."""

from __future__ import annotations

import _thread
import os
import struct
import time

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import EXIT_STATUS, Judge, Target, Weight, Wishes, probe
from sandboxes.jail.steps import Wall

_PROGRAM = (Wall.ROOT, Wall.LANDLOCK, Wall.SECCOMP)
_FORKS, _THREADS = 12, 24
_LIVE_S = 30
_SIGCHLD = 17
_CLONE_NEWUSER = 0x1000_0000

#: A whole program in one page: exit(EXIT_STATUS), for x86-64. Header, program header, code.
_ELF_AT = 0x40_0000
_CODE = bytes((0xBF, EXIT_STATUS, 0, 0, 0, 0xB8, 231, 0, 0, 0, 0x0F, 0x05))


def _elf() -> bytes:
    size = 64 + 56 + len(_CODE)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _ELF_AT + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _ELF_AT, _ELF_AT, size, size, 4096) + _CODE


@probe(Judge.ANSWER, Wall.SECCOMP)
def fork(target: Target) -> object:
    """Make another process."""
    del target
    pid = os.fork()
    if pid == 0:
        os._exit(EXIT_STATUS)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == EXIT_STATUS


@probe(Judge.ANSWER, Wall.SECCOMP, Wall.RLIMITS, wishes=Wishes(threads_max=4))
def fork_bomb(target: Target) -> object:
    """Make many processes at once."""
    del target
    pids = []
    try:
        for _ in range(_FORKS):
            pid = os.fork()
            if pid == 0:
                time.sleep(_LIVE_S)
                os._exit(0)
            pids.append(pid)
    except OSError:
        pass
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return len(pids) == _FORKS


@probe(
    Judge.WEIGHT,
    Wall.RLIMITS,
    wishes=Wishes(threads_max=4),
    weight=Weight("Threads", _THREADS),
    gap_in_light=True,
)
def thread_bomb(target: Target) -> object:
    """Start many threads at once."""
    del target
    _thread.stack_size(256 << 10)  # small, so that the count stops them and not their memory
    for _ in range(_THREADS):
        _thread.start_new_thread(time.sleep, (_LIVE_S,))
    return True


@probe(Judge.EXIT, *_PROGRAM)
def execute(target: Target) -> object:
    """Become a program of the host."""
    return os.execv(target.program, [target.program, "-c", f"exit {EXIT_STATUS}"])


@probe(Judge.ANSWER, *_PROGRAM)
def spawn(target: Target) -> object:
    """Start a program of the host and wait for it."""
    pid = os.posix_spawn(target.program, [target.program, "-c", f"exit {EXIT_STATUS}"], {})
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == EXIT_STATUS


@probe(Judge.EXIT, Wall.SECCOMP, optional=True)
def execute_from_memory(target: Target) -> object:
    """Write a program into memory and become it, without any file system."""
    del target
    descriptor = os.memfd_create("program", 0)
    os.write(descriptor, _elf())
    os.set_inheritable(descriptor, True)
    return kernel.call("execveat", descriptor, b"", 0, 0, kernel.AT_EMPTY_PATH)


@probe(
    Judge.CANARY,
    Wall.NO_NEW_PRIVILEGES,
    strength="light",
    also_down=(Wall.SECCOMP, Wall.LANDLOCK),
    root_only=True,
)
def execute_setuid(target: Target) -> object:
    """Become root by a program that is set to run as root, and copy a file of root's."""
    copy = os.path.join(target.directory, "copied")
    return os.execv(target.setuid_program, ["cp", target.root_file, copy])


@probe(Judge.ANSWER, Wall.OWN_USERS, Wall.SECCOMP)
def clone_into_user_namespace(target: Target) -> object:
    """Make a process in a user namespace, with all capabilities in it."""
    del target
    pid = kernel.call("clone", _CLONE_NEWUSER | _SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[0] == pid
