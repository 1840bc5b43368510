"""A merge keeps what a component is to others, and what a guest's snapshot holds."""

from __future__ import annotations

import struct

import pytest
import wasmtime

from sandboxes.errors import ImageError
from sandboxes.wasm.merging import binary, binaryen, immortal, waits
from sandboxes.wasm.merging.binary import Reader
from sandboxes.wasm.merging.components import Component
from sandboxes.wasm.merging.modules import CoreModule
from sandboxes.wasm.merging.plan import Plan

MODULE = bytes(
    wasmtime.wat2wasm("""(module
      (import "env" "memory" (memory 1 2))
      (import "env" "table" (table 3 funcref))
      (import "env" "base" (global i32))
      (import "env" "call" (func $call (param i32)))
      (func (export "run") (call $call (i32.const 7)))
      (func (export "spare"))
      (global (export "mark") i32 (i32.const 5)))""")
)


# --- bytes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31 - 1, 2**32 - 1])
def test_a_number_is_read_as_it_was_written(value: int) -> None:
    reader = Reader(binary.number(value) + b"\xff")

    assert reader.number() == value
    assert reader.at == len(binary.number(value))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x05abc"])
def test_what_ends_in_the_middle_is_an_error(data: bytes) -> None:
    with pytest.raises(ImageError, match="ends in the middle"):
        Reader(data).name()


# --- modules -------------------------------------------------------------------------------------
def test_a_module_with_the_same_names_is_the_same_module() -> None:
    module = CoreModule(MODULE)

    assert module.renamed(lambda one: (one.module, one.name), lambda name: name) == MODULE


def test_a_module_gets_other_names_and_loses_the_exports_that_get_none() -> None:
    renamed = CoreModule(MODULE).renamed(
        lambda one: ("host", f"x{one.name}"), lambda name: None if name == "spare" else f"m::{name}"
    )

    made = wasmtime.Module(wasmtime.Engine(), renamed)
    assert [(one.module, one.name) for one in made.imports] == [
        ("host", "xmemory"), ("host", "xtable"), ("host", "xbase"), ("host", "xcall"),
    ]  # fmt: skip
    assert [one.name for one in made.exports] == ["m::run", "m::mark"]


# --- components ----------------------------------------------------------------------------------
def component(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(component {text})"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "nothing to merge"),
        ("(core module $m) (core instance (instantiate $m))", "nothing to merge"),
        (
            "(core module $m)" + "(core instance (instantiate $m))" * 3,
            "no module that fills its table",
        ),
    ],
)
def test_a_component_of_another_shape_is_refused(text: str, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        Plan(Component(component(text)))


def test_the_origin_of_what_a_module_imports_is_found_through_bundles_and_aliases() -> None:
    found = Component(
        component("""
        (core module $a (func (export "f")) (memory (export "m") 1))
        (core module $b (import "x" "g" (func)) (import "x" "m" (memory 1)))
        (core instance $i (instantiate $a))
        (alias core export $i "f" (core func $f))
        (core instance $bundle (export "g" (func $f)) (export "m" (memory $i "m")))
        (core instance (instantiate $b (with "x" (instance $bundle))))""")
    )

    function, memory = (found.origin_of_export(1, name) for name in ("g", "m"))
    assert (function.instance, function.name) == (0, "f")
    assert (memory.instance, memory.name) == (0, "m")


def test_the_module_that_waits_has_to_be_there() -> None:
    assert waits.replaces(CoreModule(MODULE).imports[0]) is None


# --- the snapshot --------------------------------------------------------------------------------
COUNT, TYPE = 3, 4_000_000


def guest(*words: int, at: int = 1_000_000) -> bytes:
    """Return a component whose memory holds these words."""
    data = "".join(f"\\{byte:02x}" for byte in struct.pack(f"<{len(words)}I", *words))
    return component(
        f'(core module (memory 20) (data (i32.const 8) "x") (data (i32.const {at}) "{data}"))'
    )


def counts(guest: bytes, like: bytes) -> tuple[int, ...]:
    """Return the words of a guest's snapshot; it must be as long as before."""
    assert len(guest) == len(like)
    [segment] = [one for one in immortal._segments(guest) if one.address == 1_000_000]
    return struct.unpack_from(f"<{segment.size // 4}I", guest, segment.at)


def test_an_object_of_the_snapshot_is_made_immortal_and_nothing_else_is_changed() -> None:
    before = guest(COUNT, TYPE, 77, COUNT, TYPE)

    after, made = immortal.make_immortal(before, [immortal.Found(1_000_000, TYPE)])

    assert made == 1
    assert counts(after, before) == (immortal.IMMORTAL, TYPE, 77, COUNT, TYPE)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((COUNT, TYPE), immortal.Found(1_000_000, TYPE + 16)),  # another object by now
        ((0, TYPE), immortal.Found(1_000_000, TYPE)),  # a free block, the last of its list
        ((1_200_000, TYPE), immortal.Found(1_000_000, TYPE)),  # a free block with an address
        ((immortal.COUNT_MAX + 1, TYPE), immortal.Found(1_000_000, TYPE)),
        ((immortal.IMMORTAL_MIN, TYPE), immortal.Found(1_000_000, TYPE)),
        ((COUNT, TYPE), immortal.Found(1_000_004, TYPE)),  # half of it behind the snapshot
        ((COUNT, TYPE), immortal.Found(2_000_000, TYPE)),
        ((COUNT, TYPE), immortal.Found(0, TYPE)),
    ],
)
def test_what_is_no_object_of_the_snapshot_is_left_alone(
    words: tuple[int, ...], found: immortal.Found
) -> None:
    before = guest(*words)

    assert immortal.make_immortal(before, [found]) == (before, 0)


def test_a_count_at_its_limit_is_one() -> None:
    _, made = immortal.make_immortal(
        guest(immortal.COUNT_MAX, TYPE), [immortal.Found(1_000_000, TYPE)]
    )

    assert made == 1


def test_a_guest_without_a_snapshot_is_refused() -> None:
    with pytest.raises(ImageError, match="no snapshot"):
        immortal.make_immortal(component("(core module)"), [])


# --- the tools -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("present", "named"), [([], "node"), (["node"], "npm")])
def test_a_tool_that_is_not_installed_is_named_with_the_fix(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, present: list[str], named: str
) -> None:
    for name in present:
        with open(f"{tmp_path}/{name}", "w", opener=executable) as file:
            file.write("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ImageError, match=rf"{named} is not installed; install Node\.js"):
        binaryen.install(str(tmp_path))


@pytest.mark.parametrize("version", ["v16.20.0", "nonsense"])
def test_a_node_that_is_too_old_is_refused(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    for name in ("node", "npm"):
        with open(f"{tmp_path}/{name}", "w", opener=executable) as file:
            file.write(f"#!/bin/sh\necho {version}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(ImageError, match=f"Node {version} is older than 18"):
        binaryen.install(str(tmp_path))


def test_a_tool_that_fails_says_why(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("node", "echo v20.1.0"), ("npm", "echo no registry >&2; exit 7")):
        with open(f"{tmp_path}/{name}", "w", opener=executable) as file:
            file.write(f"#!/bin/sh\n{text}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with pytest.raises(ImageError, match=r"npm ci of binaryen .* failed with code 7: no registry"):
        binaryen.install(str(tmp_path))


def executable(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o755)
