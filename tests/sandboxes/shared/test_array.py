"""`SharedArray` over memory that two processes map: the same promises as within one process."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes.shared import atomics
from sandboxes.shared.array import CELL_BYTES, SharedArray

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 100_000
PROGRAM = """
import ctypes, mmap, sys
sys.path.insert(0, {root!r})
from sandboxes.shared import atomics
from sandboxes.shared.array import SharedArray
memory = mmap.mmap({fd}, 4096)
array = SharedArray(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 4, atomics.prepare())
array.add(0, 1)
array.notify(0)
while array.load(0) < 2:
    array.wait(0, array.load(0))
for _ in range({rounds}):
    array.add(1, 1)
"""


def test_no_update_of_two_processes_is_lost() -> None:
    fd = os.memfd_create("array")
    os.ftruncate(fd, 4096)
    program = PROGRAM.format(root=str(ROOT), fd=fd, rounds=ROUNDS)
    both = [subprocess.Popen([sys.executable, "-c", program], pass_fds=(fd,)) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]

    with mmap.mmap(fd, 4096) as memory:
        assert int.from_bytes(memory[CELL_BYTES : CELL_BYTES + 8], "little") == 2 * ROUNDS
    os.close(fd)


@pytest.mark.parametrize("find", [atomics._map_code, atomics._from_library])
def test_every_way_to_the_operations_gives_the_same(find: object) -> None:
    if find is atomics._map_code and os.uname().machine != "x86_64":
        pytest.skip("machine code for x86-64 alone")
    cell = ctypes.c_int64(5)
    address = ctypes.addressof(cell)
    try:
        operations: atomics.Atomics = find()  # type: ignore[operator]  # one of two functions
    except atomics.AtomicsUnavailable as missing:
        pytest.skip(str(missing))

    assert operations.add(address, -7) == 5
    assert operations.load(address) == cell.value == -2
    assert operations.compare_exchange(address, 0, 1) == -2
    assert operations.compare_exchange(address, -2, 2**62) == -2
    assert operations.exchange(address, -(2**63)) == 2**62
    assert operations.load(address) == -(2**63)


def test_an_array_says_what_it_is() -> None:
    memory = (ctypes.c_int64 * 4)()
    array = SharedArray(ctypes.addressof(memory), 2, atomics.prepare(), "n")

    assert (len(array), repr(array)) == (2, "<SharedArray 'n' of 2>")
