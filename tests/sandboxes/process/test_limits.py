"""Limits on native guests: each at it and past it, and against a guest that calls the kernel."""

from __future__ import annotations

from typing import Any

import pytest

from executor import Supervisor, Verdict

MIB = 1 << 20
#: Tries to have its own limit raised, by every call there is for that.
RAISE = """
import ctypes, resource
libc = ctypes.CDLL(None, use_errno=True)
pair = (ctypes.c_ulong * 2)(1 << 40, 1 << 40)
done = [libc.syscall(ctypes.c_long(160), {number}, pair)]
done.append(libc.syscall(ctypes.c_long(302), 0, {number}, pair, None))
"""


def test_memory_within_the_limit_is_had_and_memory_beyond_it_is_not(single: Supervisor) -> None:
    limits = {"memory_bytes": 64 * MIB}

    below = single.run(f"len(bytearray({56 * MIB}))", limits=limits)
    above = single.run(f"len(bytearray({65 * MIB}))", limits=limits)

    assert below.value == 56 * MIB
    assert above.verdict is Verdict.MEMORY
    assert above.error is not None
    assert above.error.name == "MemoryError"


def test_what_an_image_holds_counts_against_no_run(single: Supervisor) -> None:
    limits = {"memory_bytes": 16 * MIB}

    assert single.run(f"len(bytearray({10 * MIB}))", limits=limits).value == 10 * MIB


def test_a_slow_leak_ends_as_one_large_allocation_does(single: Supervisor) -> None:
    code = "kept = []\nwhile True: kept.append(bytearray(100_000))"

    assert single.run(code, limits={"memory_bytes": 64 * MIB}).verdict is Verdict.MEMORY


def test_a_guest_cannot_raise_the_limit_of_its_run(single: Supervisor) -> None:
    outcome = single.run(
        f"{RAISE.format(number=2)}\ndone.append(len(bytearray({100 * MIB})))",
        limits={"memory_bytes": 32 * MIB},
    )

    assert outcome.verdict is Verdict.MEMORY


def test_a_guest_of_a_session_never_gets_beyond_the_limit_of_its_supervisor(
    single: Supervisor,
) -> None:
    with single.session() as session:
        assert session.run("1", limits={"memory_bytes": 32 * MIB}).value == 1
        outcome = session.run(f"{RAISE.format(number=2)}\nlen(bytearray({200 * MIB}))")

    assert outcome.verdict is Verdict.MEMORY


def test_each_run_of_a_session_has_its_own_limit_on_memory(single: Supervisor) -> None:
    code = f"len(bytearray({60 * MIB}))"
    with single.session() as session:
        verdicts = [
            session.run(code, limits={"memory_bytes": most_mib * MIB}).verdict
            for most_mib in (100, 32, 100)
        ]

    assert verdicts == [Verdict.OK, Verdict.MEMORY, Verdict.OK]


def test_shared_memory_is_no_way_round_the_limit(single: Supervisor) -> None:
    code = """
import mmap
try:
    mmap.mmap(-1, 1 << 30, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
except PermissionError:
    print("refused")
"""
    assert single.run(code).stdout == "refused\n"


def test_threads_are_capped(single: Supervisor) -> None:
    code = """
import threading
held, started = threading.Event(), 0
try:
    while started < 1000:
        threading.Thread(target=held.wait, daemon=True).start()
        started += 1
except RuntimeError:
    held.set()
started
"""
    started = single.run(code, limits={"memory_bytes": "512MB"}).value

    assert isinstance(started, int)
    assert 4 <= started <= 16


def test_processor_time_ends_a_cell_that_nobody_else_ends(single: Supervisor) -> None:
    code = """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
soft == hard, 2 <= hard <= 20 * 64 + 4
"""
    assert single.run(code).value == (True, True)


def test_a_file_beyond_the_limit_is_its_own_verdict(single: Supervisor) -> None:
    write = "open('x', 'wb').write(bytes({size}))"

    within = single.run(write.format(size=MIB), limits={"files_bytes": MIB})
    beyond = single.run(write.format(size=MIB + 1), limits={"files_bytes": MIB})

    assert within.ok
    assert beyond.verdict is Verdict.FILES


def test_a_guest_that_writes_without_end_is_stopped_by_the_size_of_its_folder(
    single: Supervisor,
) -> None:
    code = """
import itertools
kept = open("x", "wb", buffering=0)
written = 0
try:
    for _ in itertools.count():
        written += kept.write(bytes(1 << 20))
except BaseException as error:
    print(type(error).__name__)
"""
    assert single.run(code).verdict in (Verdict.FILES, Verdict.OK)


@pytest.mark.parametrize("kind", ["stdout", "stderr"])
def test_what_is_printed_beyond_the_limit_is_cut(single: Supervisor, kind: str) -> None:
    code = f"import sys\nprint('x' * 3000, file=sys.{kind})"
    outcome = single.run(code, limits={f"{kind}_bytes": 1000})

    assert getattr(outcome, kind) == "x" * 1000
    assert getattr(outcome.truncated, kind)


def test_what_the_kernel_keeps_for_a_guests_sockets_is_bounded(single: Supervisor) -> None:
    code = """
import socket
kept, held_bytes = [], 0
try:
    while len(kept) < 10_000:
        kept.append(socket.socketpair())
        for end in kept[-1]:
            end.setblocking(False)
            try:
                while True:
                    held_bytes += end.send(bytes(100_000))
            except BlockingIOError:
                pass
except OSError as error:
    print(error.strerror)
len(kept), held_bytes
"""
    found: Any = single.run(code, limits={"memory_bytes": "512MB"}).value
    pairs, held_bytes = found

    assert 50 <= pairs <= 128
    assert held_bytes < 128 * MIB
