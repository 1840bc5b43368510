"""`SharedArray`: signed 64-bit integers that several guests of one cell count and wait on.

Each cell of the array is two integers side by side: its value, and a count of notifications that
waiters sleep on. So a notification that comes between a waiter's look at the value and its sleep is
never missed, whatever the value was changed to.

Rule: the array owns no memory. Whoever gives the address keeps it mapped as long as the array, or
      anything that uses the same address, may be used.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable
from typing import Final

from sandboxes.shared.atomics import Atomics, AtomicsUnavailable

CELL_BYTES: Final = 16
_NOTIFIED_OFFSET: Final = 8
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
#: Longest sleep in one call of the kernel: an interrupt of the guest is noticed after it.
PIECE_S: Final = 0.02
_FUTEX: Final = {"x86_64": 202, "aarch64": 98}
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1
_WAKE_ALL: Final = 2**31 - 1


#: struct timespec: seconds, nanoseconds.
_Timespec: Final = ctypes.c_int64 * 2


class SharedArray:
    """Integers in shared memory; every method is atomic and sequentially consistent."""

    __slots__ = ("_address", "_atomics", "_length", "_number", "_syscall", "name")

    def __init__(self, address: int, length: int, atomics: Atomics, name: str = "") -> None:
        """Use `length` cells at `address`, which is aligned to 8 bytes and stays mapped."""
        self.name = name
        self._address = address
        self._length = length
        self._atomics = atomics
        self._number, self._syscall = _find_syscall()

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<SharedArray {self.name!r} of {self._length}>"

    def load(self, index: int) -> int:
        """Return the value of a cell.

        Raises:
            IndexError: there is no such cell; so do all methods.
        """
        return self._atomics.load(self._at(index))

    def store(self, index: int, value: int) -> None:
        """Set a cell.

        Raises:
            OverflowError: the value takes more than 64 bits.
        """
        self._atomics.exchange(self._at(index), _checked(value))

    def exchange(self, index: int, value: int) -> int:
        """Set a cell and return its value from before.

        Raises:
            OverflowError: the value takes more than 64 bits.
        """
        return self._atomics.exchange(self._at(index), _checked(value))

    def add(self, index: int, number: int) -> int:
        """Add to a cell and return its value from before; past 64 bits it wraps round.

        Raises:
            OverflowError: the number takes more than 64 bits.
        """
        return self._atomics.add(self._at(index), _checked(number))

    def compare_exchange(self, index: int, expected: int, value: int) -> int:
        """Set a cell if it is `expected`; return its value from before, `expected` if it was set.

        Raises:
            OverflowError: a value takes more than 64 bits.
        """
        address = self._at(index)
        return self._atomics.compare_exchange(address, _checked(expected), _checked(value))

    def wait(self, index: int, expected: int, timeout_s: float | None = None) -> bool:
        """Wait while a cell is `expected`, until it is notified.

        Args:
            index: of the cell.
            expected: the value to sleep on; another one ends the wait at once.
            timeout_s: seconds to wait at most; None for as long as the run may last.

        Returns:
            False if the time was up, True otherwise. Look at the value again: a wait may end
            though it has not changed.
        """
        address = self._at(index)
        expected = _checked(expected)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        notified = self._atomics.load(address + _NOTIFIED_OFFSET)
        while self._atomics.load(address) == expected:
            left_s = PIECE_S if until is None else min(until - time.monotonic(), PIECE_S)
            if left_s <= 0:
                return False
            self._sleep(address + _NOTIFIED_OFFSET, notified, left_s)
            if self._atomics.load(address + _NOTIFIED_OFFSET) != notified:
                return True
        return True

    def notify(self, index: int) -> None:
        """Wake all that wait on a cell; change it first."""
        address = self._at(index) + _NOTIFIED_OFFSET
        self._atomics.add(address, 1)
        self._syscall(self._number, address, _FUTEX_WAKE, _WAKE_ALL, None)

    def _sleep(self, address: int, seen: int, seconds: float) -> None:
        whole = int(seconds)
        left = _Timespec(whole, int((seconds - whole) * 1e9))
        result = self._syscall(
            self._number, address, _FUTEX_WAIT, seen & 0xFFFF_FFFF, ctypes.byref(left)
        )
        if result < 0 and ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def _at(self, index: int) -> int:
        if not 0 <= index < self._length:
            raise IndexError(f"index {index} is not in an array of {self._length}")
        return self._address + index * CELL_BYTES


def _checked(value: int) -> int:
    # ctypes would cut it to 64 bits without a word.
    if not _INT_MIN <= value <= _INT_MAX:
        raise OverflowError(f"{value} takes more than 64 bits")
    return value


def _find_syscall() -> tuple[int, Callable[..., int]]:
    """Return the number of futex(2) here, and the function that makes system calls.

    Raises:
        AtomicsUnavailable: its number on this machine is not known.
    """
    machine = os.uname().machine
    if machine not in _FUTEX:
        raise AtomicsUnavailable(f"waiting is not known on {machine}: use {', '.join(_FUTEX)}")
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.argtypes = [
        ctypes.c_long,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_uint32,
        ctypes.c_void_p,
    ]
    function.restype = ctypes.c_long
    return _FUTEX[machine], function
