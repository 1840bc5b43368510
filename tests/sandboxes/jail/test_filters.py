"""What the filter program does with a call, worked out by an interpreter of its instructions.

The kernel's own verdict is tested by the probes; this covers the machine we are not on, the other
interfaces of ours, and every argument rule at its edge.
"""

from __future__ import annotations

import errno
import struct

import pytest

from sandboxes.jail.calls import NUMBERS, numbers
from sandboxes.jail.filters import PTHREAD_FLAGS, Files, Kind, filter_for
from sandboxes.jail.seccomp import (
    ALLOW,
    AND,
    AUDIT,
    ERRNO,
    JUMP_ANY_BIT,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    KILL,
    LOAD,
    RETURN,
    X32_BIT,
    Instruction,
    assemble,
    encode,
)

OWN_PID = 4_321
MACHINES = ("x86_64", "aarch64")
EPERM = ERRNO | errno.EPERM
FILES: tuple[Files, ...] = ("none", "read", "write", "own")
KINDS: tuple[Kind, ...] = ("wasm", "native")


def verdict(program: list[Instruction], data: bytes) -> int:
    """Run a filter program on one `struct seccomp_data`."""
    accumulator = at = 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        if code == LOAD:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif code == AND:
            accumulator &= constant
        elif code == RETURN:
            return constant
        else:
            true = {
                JUMP_EQUAL: accumulator == constant,
                JUMP_AT_LEAST: accumulator >= constant,
                JUMP_ANY_BIT: bool(accumulator & constant),
            }[code]
            at += if_true if true else if_false


def call(
    name: str | int,
    *arguments: int,
    machine: str = "x86_64",
    kind: Kind = "wasm",
    files: Files = "none",
    audit: int | None = None,
) -> int:
    """Return what a cell's filter does with one call."""
    program = assemble(filter_for(kind, files), machine, own_pid=OWN_PID)
    number = numbers(machine)[name] if isinstance(name, str) else name
    words = [*arguments, *(0,) * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, AUDIT[machine] if audit is None else audit, 0, *words)
    return verdict(program, data)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("files", FILES)
def test_every_call_that_no_list_names_kills(machine: str, kind: Kind, files: Files) -> None:
    made = filter_for(kind, files)
    named = made.allowed | {r.call for r in made.rules} | {name for name, _ in made.refused}
    known = numbers(machine)
    program = assemble(made, machine, own_pid=OWN_PID)

    for number in range(600):
        name = next((n for n, value in known.items() if value == number), "")
        data = struct.pack("<IIQ6Q", number, AUDIT[machine], 0, *(0,) * 6)
        assert (verdict(program, data) == KILL) == (name not in named), (number, name)


@pytest.mark.parametrize("machine", MACHINES)
def test_each_listed_call_gets_its_own_verdict(machine: str) -> None:
    made = filter_for("native", "none")
    known = numbers(machine)

    for name in made.allowed & known.keys():
        assert call(name, machine=machine, kind="native") == ALLOW, name
    for name, code in made.refused:
        if name in known:
            assert call(name, machine=machine, kind="native") == ERRNO | code, name


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_machine_kill(machine: str) -> None:
    i386 = 0x4000_0003
    other = AUDIT["aarch64" if machine == "x86_64" else "x86_64"]

    for audit in (i386, other, 0):
        assert call("read", machine=machine, audit=audit) == KILL


def test_calls_by_the_x32_interface_kill() -> None:
    assert call(X32_BIT | numbers("x86_64")["read"]) == KILL
    assert call(X32_BIT - 1) == KILL


HIGH = 1 << 32
RULES = [
    pytest.param("mmap", (0, 1, 3, 0x22), ALLOW, id="private memory"),
    pytest.param("mmap", (0, 1, 7, 0x22), EPERM, id="executable memory"),
    pytest.param("mmap", (0, 1, 3, 0x21), EPERM, id="shared memory"),
    pytest.param("mmap", (0, 1, 3, 0x03), EPERM, id="validated shared memory"),
    pytest.param("mmap", (0, 1, 3, 0x122), EPERM, id="memory that grows down"),
    pytest.param("mmap", (0, 1, 3, 0x40022), EPERM, id="huge pages"),
    pytest.param("mprotect", (0, 1, 3), ALLOW, id="writable"),
    pytest.param("mprotect", (0, 1, 5), EPERM, id="made executable"),
    pytest.param("clone", (PTHREAD_FLAGS,), ALLOW, id="a thread"),
    pytest.param("clone", (PTHREAD_FLAGS | 0x1000_0000,), EPERM, id="a thread in a namespace"),
    pytest.param("clone", (17,), EPERM, id="a process"),
    pytest.param("tgkill", (OWN_PID, 1, 6), ALLOW, id="raise"),
    pytest.param("tgkill", (OWN_PID + 1, 1, 6), EPERM, id="signal to another"),
    pytest.param("fcntl", (0, 1030), ALLOW, id="duplicate"),
    pytest.param("fcntl", (0, 8), EPERM, id="own signals of a descriptor"),
    pytest.param("fcntl", (0, 1033), EPERM, id="add seals"),
    pytest.param("ioctl", (0, 0x5421), ALLOW, id="non-blocking"),
    pytest.param("ioctl", (0, 0x5401), ERRNO | errno.ENOTTY, id="terminal?"),
    pytest.param("ioctl", (0, 0x5412), ERRNO | errno.ENOTTY, id="type into a terminal"),
    pytest.param("socketpair", (1, 1 | 0o2000000), ALLOW, id="stream pair"),
    pytest.param("socketpair", (1, 2), EPERM, id="datagram pair"),
    pytest.param("socketpair", (1, 5), EPERM, id="packet pair"),
    pytest.param("socketpair", (2, 1), EPERM, id="other family"),
    pytest.param("sendto", (3, 1, 1, 0, 0, 0), ALLOW, id="send"),
    pytest.param("sendto", (3, 1, 1, 0, 1, 110), EPERM, id="send to an address"),
    pytest.param("sendto", (3, 1, 1, 0, HIGH, 110), EPERM, id="send to a high address"),
    pytest.param("prctl", (15,), ALLOW, id="name a thread"),
    pytest.param("prctl", (1,), EPERM, id="parent-death signal"),
    pytest.param("prctl", (4,), EPERM, id="dumpable"),
    pytest.param("prlimit64", (0, 7, 0), ALLOW, id="read a limit"),
    pytest.param("prlimit64", (0, 7, 1), EPERM, id="set a limit"),
    pytest.param("prlimit64", (0, 7, HIGH), EPERM, id="set a limit from high memory"),
    pytest.param("prlimit64", (1, 7, 0), EPERM, id="read a limit of another"),
    pytest.param("setpriority", (0, 0, 19), ALLOW, id="own niceness"),
    pytest.param("setpriority", (0, 1, 19), EPERM, id="niceness of another"),
    pytest.param("setpriority", (1, 0, 19), EPERM, id="niceness of a group"),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "wanted"), RULES)
def test_an_argument_rule_allows_this_and_refuses_that(
    machine: str, name: str, arguments: tuple[int, ...], wanted: int
) -> None:
    assert call(name, *arguments, machine=machine) == wanted


def test_every_rule_has_a_case_on_both_sides() -> None:
    cases = {(p.values[0], p.values[2] == ALLOW) for p in RULES}

    for rule in filter_for("wasm", "none").rules:
        if rule.call != "getpriority":
            assert {(rule.call, True), (rule.call, False)} <= cases, rule.call


@pytest.mark.parametrize("machine", MACHINES)
def test_a_native_cell_narrows_its_own_memory_and_processor_time_and_no_other_limit(
    machine: str,
) -> None:
    found = {n: call("setrlimit", n, machine=machine, kind="native") for n in range(16)}

    assert [n for n, done in found.items() if done == ALLOW] == [0, 2]
    assert {done for n, done in found.items() if n not in (0, 2)} == {EPERM}
    assert call("setrlimit", 0, machine=machine) == KILL


def test_a_native_guest_moves_about_its_own_files_and_descriptors() -> None:
    for name in ("dup", "dup3", "preadv"):
        assert call(name, kind="native") == ALLOW
        assert call(name) == KILL
    for files in ("read", "write"):
        assert call("chdir", kind="native", files=files) == ALLOW
    assert call("chdir", kind="native") == KILL


def test_a_native_guest_locks_its_files_as_databases_do() -> None:
    for command in (5, 6, 7):
        assert call("fcntl", 3, command, kind="native", files="own") == ALLOW
        assert call("fcntl", 3, command, files="own") == EPERM
    for command in (8, 1024, 1031, 1033):  # owner of signals, leases, pipe sizes, seals
        assert call("fcntl", 3, command, kind="native", files="own") == EPERM


def test_a_native_guest_is_told_that_files_have_no_attributes_rather_than_killed() -> None:
    for name in ("listxattr", "getxattr", "setxattr"):
        assert call(name, kind="native", files="write") == ERRNO | errno.ENOTSUP


def test_a_cell_without_files_has_every_path_refused_softly() -> None:
    for name in ("openat", "newfstatat", "readlink", "getdents64"):
        assert call(name) == ERRNO | errno.EACCES


def test_a_cell_that_reads_files_has_no_call_that_changes_one() -> None:
    for name in ("mkdirat", "unlinkat", "renameat2", "ftruncate", "pwrite64", "linkat"):
        assert call(name, files="read") == KILL
        assert call(name, files="write") == ALLOW


def test_the_times_of_files_change_only_where_all_files_in_sight_are_the_cells_own() -> None:
    for name in ("utimensat", "utime", "utimes"):
        assert call(name, files="own") == ALLOW
        assert call(name, files="write") == EPERM
        assert call(name, files="read") == KILL
        assert call(name, kind="native", files="read") == EPERM


def test_no_cell_has_a_call_that_changes_owners_or_modes() -> None:
    for name in ("fchmodat", "fchownat", "mknodat", "setxattr"):
        assert call(name, files="write") == KILL


def test_a_program_fits_the_kernels_limit_and_its_encoding() -> None:
    for machine in MACHINES:
        program = assemble(filter_for("native", "own"), machine, own_pid=1)
        assert len(program) <= 4_096
        assert len(encode(program)) == 8 * len(program)


def test_calls_that_make_processes_or_sockets_are_in_no_list() -> None:
    dangerous = {"fork", "vfork", "execve", "execveat", "socket", "connect", "bind", "kill"}
    dangerous |= {"unshare", "setns", "mount", "bpf", "io_uring_setup", "memfd_create", "sendmsg"}
    dangerous |= {"ptrace", "process_vm_readv", "pidfd_getfd", "userfaultfd", "keyctl", "chmod"}

    for kind in KINDS:
        for files in FILES:
            assert not dangerous & filter_for(kind, files).allowed
    assert dangerous <= set(NUMBERS)
