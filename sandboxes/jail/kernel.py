"""System calls that the standard library does not offer, through ctypes. No decisions.

Rule: a failed call raises OSError with the kernel's errno, like the functions of `os`.
"""

from __future__ import annotations

import ctypes
import os

from sandboxes.jail.calls import COLUMNS, numbers

# Elsewhere this file can be imported, for the names of the walls, and fails when it is used.
_libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None

MACHINE = os.uname().machine if hasattr(os, "uname") else ""
NUMBER: dict[str, int] = numbers(MACHINE) if MACHINE in COLUMNS else {}

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 38, 39
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
PR_SET_NAME = 15

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

type Argument = int | bytes | ctypes.Array[ctypes.c_char] | None


def call(name: str, *arguments: Argument) -> int:
    """Make the system call `name`; bytes and buffers are passed by address.

    Args:
        name: as in `calls.NUMBERS`.
        arguments: bytes end in a zero byte and must not be written to; a buffer may be.

    Raises:
        OSError: the call failed, or this machine has no such call (ENOSYS).
    """
    number = NUMBER.get(name)
    if number is None:
        raise OSError(38, f"{name}: no such system call on {MACHINE or 'this platform'}")
    words = [_word(argument) for argument in arguments]
    syscall = library().syscall
    syscall.restype = ctypes.c_long
    result = int(syscall(ctypes.c_long(number), *words))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def buffer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    """Return memory with a copy of `data` that a call may write to."""
    return ctypes.create_string_buffer(data, len(data))


def library() -> ctypes.CDLL:
    """Return the C library, with errno kept for `ctypes.get_errno`."""
    assert _libc is not None
    return _libc


def address_of(memory: ctypes.Array[ctypes.c_char]) -> int:
    """Return where `memory` lies; the caller keeps it alive."""
    return ctypes.addressof(memory)


def prctl(option: int, *arguments: int) -> int:
    """Call prctl(2) with the arguments that are given and zeros for the rest."""
    return call("prctl", option, *arguments, *(0,) * (4 - len(arguments)))


def thread_count() -> int:
    """Return how many threads this process has.

    Raises:
        OSError: /proc is not mounted here.
    """
    return len(os.listdir("/proc/self/task"))


def _word(argument: Argument) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    if argument is None or isinstance(argument, bytes):
        return ctypes.c_char_p(argument)
    return ctypes.c_void_p(address_of(argument))
