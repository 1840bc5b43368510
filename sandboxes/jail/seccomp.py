"""Wall: the kernel's system calls, cut down to a list. Assembles and installs filter programs.

Classic BPF over `struct seccomp_data`: the call's number at 0, the machine at 4, six arguments of
64 bits from 16 on, lower half first. Another machine's calls (32-bit, x32) kill.
Source: seccomp(2), linux/filter.h.
"""

from __future__ import annotations

import errno
import struct
from typing import assert_never

from sandboxes.jail import kernel
from sandboxes.jail.calls import numbers
from sandboxes.jail.filters import Filter, Masked, OneOf, OwnProcess, Rule, Test, Without, Zero

KILL, ALLOW, ERRNO = 0x8000_0000, 0x7FFF_0000, 0x0005_0000
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN, AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
#: AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64.
AUDIT = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
#: Numbers from here on are x32 calls on x86-64.
X32_BIT = 0x4000_0000

_INSTRUCTION = struct.Struct("<HBBI")
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_SET_MODE_FILTER, _TSYNC = 1, 1

#: code, offset if true, offset if false, constant
type Instruction = tuple[int, int, int, int]


def assemble(allowed: Filter, machine: str, *, own_pid: int) -> list[Instruction]:
    """Return the program of a filter for one machine.

    Args:
        allowed: what may be called. A call the machine does not have is left out.
        machine: "x86_64" or "aarch64".
        own_pid: what `OwnProcess` means.
    """
    number = numbers(machine)
    program: list[Instruction] = [
        (LOAD, 0, 0, _MACHINE_AT),
        (JUMP_EQUAL, 1, 0, AUDIT[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [(JUMP_AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, KILL)]
    plain = sorted(number[name] for name in allowed.allowed if name in number)
    for value in plain:
        program += [(JUMP_EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
    for rule in allowed.rules:
        if rule.call in number:
            body = _rule(rule, own_pid)
            program += [(JUMP_EQUAL, 0, len(body), number[rule.call]), *body]
    for name, code in allowed.refused:
        if name in number:
            program += [(JUMP_EQUAL, 0, 1, number[name]), (RETURN, 0, 0, ERRNO | code)]
    return [*program, (RETURN, 0, 0, KILL)]


def _rule(rule: Rule, own_pid: int) -> list[Instruction]:
    """Return code that allows or refuses; it never falls through."""
    body: list[Instruction] = []
    for test in rule.tests:
        body += _test(test, own_pid, (RETURN, 0, 0, ERRNO | rule.otherwise))
    return [*body, (RETURN, 0, 0, ALLOW)]


def _test(test: Test, own_pid: int, refuse: Instruction) -> list[Instruction]:
    """Return code that runs on where `test` holds and ends in `refuse` where it does not."""
    low = _ARGUMENTS_AT + 8 * test.argument
    match test:
        case OneOf(_, values):
            # Each comparison that holds jumps over the ones after it and over the refusal.
            return [
                (LOAD, 0, 0, low),
                *((JUMP_EQUAL, len(values) - at, 0, v) for at, v in enumerate(values)),
                refuse,
            ]
        case OwnProcess():
            return [(LOAD, 0, 0, low), (JUMP_EQUAL, 1, 0, own_pid), refuse]
        case Without(_, mask):
            return [(LOAD, 0, 0, low), (JUMP_ANY_BIT, 0, 1, mask), refuse]
        case Masked(_, mask, value):
            return [(LOAD, 0, 0, low), (AND, 0, 0, mask), (JUMP_EQUAL, 1, 0, value), refuse]
        case Zero():
            return [
                (LOAD, 0, 0, low),
                (JUMP_EQUAL, 1, 0, 0),
                refuse,
                (LOAD, 0, 0, low + 4),
                (JUMP_EQUAL, 1, 0, 0),
                refuse,
            ]
        case _:
            assert_never(test)


def encode(program: list[Instruction]) -> bytes:
    """Return the bytes the kernel takes."""
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def install(code: bytes) -> None:
    """Put all threads of this process behind a program. It cannot be taken back.

    Raises:
        OSError: no-new-privileges is not set, or this kernel has no seccomp filters.
    """
    memory = kernel.buffer(code)
    count = len(code) // _INSTRUCTION.size
    program = struct.pack("<HxxxxxxQ", count, kernel.address_of(memory))
    unreachable = kernel.call("seccomp", _SET_MODE_FILTER, _TSYNC, program)
    if unreachable:
        raise OSError(errno.EBUSY, f"seccomp: thread {unreachable} has a filter of its own")
