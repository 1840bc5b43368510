"""Atomic operations on 64-bit integers in memory, from Python, without an extension module.

CPython has no atomic operation to offer on memory of one's own, and a lock built from several calls
is left locked by a guest that is interrupted between two of them. So each operation here is one
call of ctypes into one instruction: on x86-64 a few bytes of machine code in a page of their own,
elsewhere the functions of libatomic.

Rule 1: `prepare` runs before the jail, which allows no new machine code. The page is then only read
        and executed; forked processes and all interpreters of a process share it by its address.
Rule 2: every operation is sequentially consistent. The caller vouches for the address: it is
        aligned to 8 bytes, mapped, and stays so.
Source: Intel SDM volume 2, LOCK, CMPXCHG, XADD, XCHG; the System V ABI for x86-64, 3.2.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import mmap

_LIBRARY: Final = "libatomic.so.1"
#: __ATOMIC_SEQ_CST of the C compilers.
_SEQ_CST: Final = 5
_PROT_READ_EXEC: Final = 0x1 | 0x4
_SLOT_BYTES: Final = 32
#: Each: endbr64, the operation on [rdi], ret. Arguments are in rdi, rsi, rdx; the result in rax.
_X86_64: Final = {
    "add": "f30f1efa 4889f0 f0480fc107 c3",  # mov rax, rsi; lock xadd [rdi], rax
    "compare_exchange": "f30f1efa 4889f0 f0480fb117 c3",  # mov rax, rsi; lock cmpxchg [rdi], rdx
    "exchange": "f30f1efa 4889f0 488707 c3",  # mov rax, rsi; xchg [rdi], rax
    "load": "f30f1efa 488b07 c3",  # mov rax, [rdi]
}

_i64, _address = ctypes.c_int64, ctypes.c_void_p
# Such a call takes well under a microsecond, so it keeps the interpreter's lock.
_TWO: Final = ctypes.PYFUNCTYPE(_i64, _address, _i64)
_THREE: Final = ctypes.PYFUNCTYPE(_i64, _address, _i64, _i64)
_ONE: Final = ctypes.PYFUNCTYPE(_i64, _address)


class AtomicsUnavailable(RuntimeError):
    """This machine offers no atomic operations to Python; the text names the fix."""


class Atomics:
    """The operations. All take an address first and return the value from before.

    `code_address` is that of the page of machine code, 0 where there is none; `attach` takes it.
    """

    __slots__ = ("add", "code_address", "compare_exchange", "exchange", "load")

    def __init__(
        self,
        add: Callable[[int, int], int],
        compare_exchange: Callable[[int, int, int], int],
        exchange: Callable[[int, int], int],
        load: Callable[[int], int],
        code_address: int = 0,
    ) -> None:
        """Hold the functions."""
        self.add = add
        self.compare_exchange = compare_exchange
        self.exchange = exchange
        self.load = load
        self.code_address = code_address


_prepared: list[Atomics] = []
#: Keeps the page mapped: nothing may unmap it while a process lives.
_pages: list[mmap.mmap] = []


def prepare() -> Atomics:
    """Return the operations, made ready once in a process; before its jail.

    Raises:
        AtomicsUnavailable: there are none on this machine, or no page of machine code is allowed.
    """
    if not _prepared:
        _prepared.append(_map_code() if os.uname().machine == "x86_64" else _from_library())
    return _prepared[0]


def attach(code_address: int) -> Atomics:
    """Return the operations in another interpreter of a process that prepared them.

    Args:
        code_address: of the `Atomics` that `prepare` gave.

    Raises:
        AtomicsUnavailable: libatomic is needed and cannot be loaded.
    """
    if not _prepared:
        _prepared.append(_at(code_address) if code_address else _from_library())
    return _prepared[0]


def _map_code() -> Atomics:
    import mmap  # not in every interpreter that attaches

    page = mmap.mmap(
        -1,
        mmap.PAGESIZE,
        flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
        prot=mmap.PROT_READ | mmap.PROT_WRITE,
    )
    for index, code in enumerate(_X86_64.values()):
        instructions = bytes.fromhex(code)
        page[index * _SLOT_BYTES : index * _SLOT_BYTES + len(instructions)] = instructions
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if protect(address, mmap.PAGESIZE, _PROT_READ_EXEC):
        reason = os.strerror(ctypes.get_errno())
        raise AtomicsUnavailable(
            f"no memory can be made executable ({reason}): allow it to this program, or do without "
            "shared arrays"
        )
    _pages.append(page)
    return _at(address)


def _at(address: int) -> Atomics:
    add, compare_exchange, exchange, load = (
        address + index * _SLOT_BYTES for index in range(len(_X86_64))
    )
    return Atomics(_TWO(add), _THREE(compare_exchange), _TWO(exchange), _ONE(load), address)


def _from_library() -> Atomics:
    try:
        library = ctypes.PyDLL(_LIBRARY)
    except OSError as error:
        raise AtomicsUnavailable(
            f"{_LIBRARY} cannot be loaded ({error}): install libatomic"
        ) from None
    prototypes = {
        "__atomic_fetch_add_8": ([_address, _i64, ctypes.c_int], _i64),
        "__atomic_exchange_8": ([_address, _i64, ctypes.c_int], _i64),
        "__atomic_load_8": ([_address, ctypes.c_int], _i64),
        "__atomic_compare_exchange_8": (
            [_address, ctypes.c_void_p, _i64, ctypes.c_int, ctypes.c_int],
            ctypes.c_bool,
        ),
    }
    functions = {}
    for name, (arguments, result) in prototypes.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
        functions[name] = function

    def compare_exchange(address: int, expected: int, value: int) -> int:
        before = _i64(expected)
        functions["__atomic_compare_exchange_8"](
            address, ctypes.byref(before), value, _SEQ_CST, _SEQ_CST
        )
        return before.value

    def add(address: int, number: int) -> int:
        before: int = functions["__atomic_fetch_add_8"](address, number, _SEQ_CST)
        return before

    def exchange(address: int, value: int) -> int:
        before: int = functions["__atomic_exchange_8"](address, value, _SEQ_CST)
        return before

    def load(address: int) -> int:
        value: int = functions["__atomic_load_8"](address, _SEQ_CST)
        return value

    return Atomics(add, compare_exchange, exchange, load)
