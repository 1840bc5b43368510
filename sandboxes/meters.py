"""What the kernel counts for this process: memory held, bytes written to files.

Rule 1: the files of /proc are opened once, when a cell is set up, and read by `pread`: a jailed
        cell cannot open them any more. Where they are absent every reading is 0.
Rule 2: a reading costs two or three microseconds, so it can be taken around every run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Final

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

_WAKE_BYTES: Final = 8


class Meters:
    """The open files of one process. Owned by a backend."""

    __slots__ = ("_io", "_statm", "_thread_io")

    def __init__(self, opened: Sequence[int] = ()) -> None:
        """Take the descriptors that `open_files` gave, or open what this machine has."""
        self._statm: int | None
        self._io: int | None
        self._thread_io: int | None = None
        if opened:
            self._statm, self._io, self._thread_io = opened
        else:
            self._statm, self._io = _open("/proc/self/statm"), _open("/proc/self/io")

    def attend_thread(self) -> None:
        """Note the calling thread as the one that runs guests."""
        if self._thread_io is None:
            self._thread_io = _open("/proc/thread-self/io")

    def resident_bytes(self) -> int:
        """Return the private memory this process holds just now."""
        fields = _read(self._statm).split()
        return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES if len(fields) > 2 else 0

    def data_bytes(self) -> int:
        """Return what RLIMIT_DATA counts of this process, its stack beside it."""
        fields = _read(self._statm).split()
        return int(fields[5]) * _PAGE_BYTES if len(fields) > 5 else 0

    def all_written_bytes(self) -> int:
        """Return a running count of bytes that any thread of this process wrote."""
        for line in _read(self._io).splitlines():
            name, _, number = line.partition(b": ")
            if name == b"wchar":
                return int(number)
        return 0

    def written_bytes(self) -> int:
        """Return a running count of bytes that guests of this process wrote: at least these.

        wasmtime writes files on threads of its own, which wake each other by writes of 8 bytes
        now and then; so 8 bytes of each write are left out. The frames of a cell are sent, not
        written.
        """
        ours = _written(_read(self._thread_io)) if self._thread_io is not None else 0
        return _written(_read(self._io)) - ours

    def close(self) -> None:
        """Close the files. Idempotent."""
        for name in ("_statm", "_io", "_thread_io"):
            fd = getattr(self, name)
            setattr(self, name, None)
            if fd is not None:
                os.close(fd)


def open_files(proc_fd: int) -> tuple[int, int, int]:
    """Open a process's own meters ahead of its jail, for the thread that calls this.

    Args:
        proc_fd: descriptor of a /proc that shows this process.

    Raises:
        OSError: one of them is not there.
    """
    statm, io, thread_io = (
        os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc_fd)
        for name in ("self/statm", "self/io", "thread-self/io")
    )
    return statm, io, thread_io


def _open(path: str) -> int | None:
    with contextlib.suppress(OSError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _read(fd: int | None) -> bytes:
    if fd is not None:
        with contextlib.suppress(OSError):
            return os.pread(fd, 512, 0)
    return b""


def _written(text: bytes) -> int:
    numbers = {}
    for line in text.splitlines():
        name, _, number = line.partition(b": ")
        numbers[name] = number
    if b"wchar" not in numbers or b"syscw" not in numbers:
        return 0
    return int(numbers[b"wchar"]) - _WAKE_BYTES * int(numbers[b"syscw"])
