"""The tables of system calls are those of the kernel's own headers."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sandboxes.jail.calls import COLUMNS, NUMBERS, numbers
from sandboxes.jail.filters import Files, Kind, filter_for

INCLUDE = Path("/usr/include")
X86_64 = INCLUDE / "x86_64-linux-gnu/asm/unistd_64.h"
GENERIC = INCLUDE / "asm-generic/unistd.h"
#: What an aarch64 kernel defines before it reads the generic table.
ARM_WANTS = ("RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3")


def header_numbers(text: str) -> dict[str, str]:
    return dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\S+)", text))


@pytest.mark.skipif(not X86_64.exists(), reason="no x86-64 kernel headers installed")
def test_every_x86_64_number_is_the_kernels() -> None:
    header = header_numbers(X86_64.read_text())

    for name, (number, _) in NUMBERS.items():
        if name in header or number is None:
            assert header.get(name) == (None if number is None else str(number)), name


@pytest.mark.skipif(
    not GENERIC.exists() or shutil.which("cc") is None,
    reason="no kernel headers or no compiler to read them with",
)
def test_every_aarch64_number_is_the_kernels() -> None:
    wanted = [f"-D__ARCH_WANT_{name}" for name in ARM_WANTS]
    command = ["cc", "-E", "-dM", *wanted, "-include", str(GENERIC), "-x", "c", "/dev/null"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    header = header_numbers(text)
    # Where the two word sizes differ, the plain name stands for a second definition.
    generic = {
        name: header.get(value.removeprefix("__NR3264_"), value) for name, value in header.items()
    }

    for name, (_, number) in NUMBERS.items():
        if number is not None and generic.get(name, "").isdigit():
            assert generic[name] == str(number), name
    assert sum(name in generic for name in NUMBERS) > len(NUMBERS) * 3 / 4


def test_no_number_is_given_to_two_calls() -> None:
    for machine in COLUMNS:
        assert len(set(numbers(machine).values())) == len(numbers(machine))


@pytest.mark.parametrize("kind", ["wasm", "native"])
@pytest.mark.parametrize("files", ["none", "read", "write", "own"])
def test_a_filter_names_only_calls_that_are_in_the_tables(kind: Kind, files: Files) -> None:
    made = filter_for(kind, files)
    refused = [name for name, _ in made.refused]
    named = [*made.allowed, *(rule.call for rule in made.rules), *refused]

    assert set(named) <= set(NUMBERS)
    assert len(named) == len(set(named)), "a call is named in one place alone"


def test_this_machine_is_known_or_has_no_kernel_walls() -> None:
    assert platform.system() != "Linux" or platform.machine() in COLUMNS
