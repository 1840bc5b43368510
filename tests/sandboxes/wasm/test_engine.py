"""The binding fits wasmtime's own declarations, and the engine's settings hold."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime import _bindings, _ffi

from sandboxes.errors import ImageError
from sandboxes.wasm import binding, conversation, keys
from sandboxes.wasm.engine import ASYNC_STACK_BYTES, WASM_STACK_BYTES, Engine, Settings

EMPTY = bytes(wasmtime.wat2wasm('(module (func (export "_start")))'))
ROWS = (*binding._QUICK, *binding._CALLS)

LAYOUTS = [
    (binding.ByteVec, _bindings.wasm_byte_vec_t),
    (binding.Val, _ffi.wasmtime_component_val_t),
    (binding.ComponentInstance, _ffi.wasmtime_component_instance_t),
    (binding.ComponentFunc, _ffi.wasmtime_component_func_t),
    (binding.CoreInstance, _bindings.wasmtime_instance_t),
    (binding.Extern, _ffi.wasmtime_extern_t),
]


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("ours", "theirs"), LAYOUTS, ids=lambda kind: kind.__name__)
def test_a_struct_has_the_size_and_alignment_of_wasmtimes_own(
    ours: type[ctypes.Structure], theirs: type[ctypes.Structure]
) -> None:
    assert ctypes.sizeof(ours) == ctypes.sizeof(theirs)
    assert ctypes.alignment(ours) == ctypes.alignment(theirs)


def _at(struct: object, field: str) -> tuple[int, int]:
    """Where a field of a ctypes struct lies, and its size."""
    found: Any = getattr(struct, field)
    return found.offset, found.size


def test_the_fields_that_are_read_lie_where_wasmtime_puts_them() -> None:
    vec, ours = _bindings.wasm_byte_vec_t, binding.ByteVec
    assert _at(vec, "size") == _at(ours, "size")
    assert _at(vec, "data") == _at(ours, "data")
    assert _at(_ffi.wasmtime_component_val_t, "of") == _at(binding.Val, "of")
    assert _at(binding.Val, "of")[0] == conversation._VAL_OF
    for name in ("u8", "u32", "string", "result"):
        theirs = _bindings.wasmtime_component_valunion
        assert _at(theirs, name) == _at(binding._ValUnion, name), name
    result = _bindings.wasmtime_component_valresult
    assert _at(result, "is_ok") == _at(binding._ValResult, "is_ok")
    assert _at(_ffi.wasmtime_extern_t, "of") == _at(binding.Extern, "of")


def test_the_callbacks_formats_read_the_values_that_ctypes_wrote() -> None:
    name, payload = b"a name", b"and a payload"
    values = (binding.Val * 2)()
    for value, text in zip(values, (name, payload), strict=True):
        value.of.string.size = len(text)
        value.of.string.data = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p).value
    raw = bytes(values)
    name_size, name_at, size, at = conversation._TEXT_TEXT.unpack_from(raw)
    assert ctypes.string_at(name_at, name_size) == name
    assert ctypes.string_at(at, size) == payload
    values[0].of.u8 = 200
    kind, size, at = conversation._KIND_TEXT.unpack_from(bytes(values))
    assert (kind, ctypes.string_at(at, size)) == (200, payload)
    values[0].of.u32 = 0xFEDCBA98
    assert conversation._COUNT.unpack_from(bytes(values)) == (0xFEDCBA98,)


def test_the_kinds_and_codes_have_the_numbers_of_wasmtime() -> None:
    codes = wasmtime.TrapCode
    for theirs, ours in (
        (_ffi.WASMTIME_COMPONENT_STRING, binding.VAL_STRING),
        (_ffi.WASMTIME_COMPONENT_RESULT, binding.VAL_RESULT),
        (_ffi.WASMTIME_EXTERN_FUNC, binding.EXTERN_FUNC),
        (_ffi.WASMTIME_EXTERN_MEMORY, binding.EXTERN_MEMORY),
        (codes.STACK_OVERFLOW, binding.TRAP_STACK_OVERFLOW),
        (codes.UNREACHABLE, binding.TRAP_UNREACHABLE),
        (codes.INTERRUPT, binding.TRAP_INTERRUPT),
        (codes.OUT_OF_FUEL, binding.TRAP_OUT_OF_FUEL),
    ):
        assert theirs.value == ours, theirs


def _width(kind: object) -> object:
    """What matters of an argument: its size, or that there is none."""
    return None if kind is None else ctypes.sizeof(kind)  # type: ignore[arg-type]  # a ctypes type


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_function_takes_and_gives_what_wasmtimes_own_declaration_says(
    row: tuple[object, ...],
) -> None:
    _, name, result, *arguments = row
    theirs = getattr(_bindings, f"_{name}")
    assert [_width(a) for a in arguments] == [_width(a) for a in theirs.argtypes]
    assert _width(result) == _width(theirs.restype)


def test_a_setting_has_the_type_of_wasmtimes_own_declaration() -> None:
    for name, kind, _ in Settings().values:
        theirs = getattr(_bindings, f"_wasmtime_config_{name}_set", None)
        if theirs is not None:  # wasmtime's package does not declare all of its library
            assert _width(theirs.argtypes[1]) == _width(kind), name


def test_loading_a_backends_code_imports_neither_wasmtime_nor_anything_slow() -> None:
    loaded = _python(
        "import sys, sandboxes.wasm.backend, sandboxes.wasm.binding as b; b.load()\n"
        "slow = {'wasmtime', 'pydantic', 'asyncio', 'logging', 'tempfile'}\n"
        "print(*sorted(slow & set(sys.modules)))"
    )
    assert loaded.split() == []


def _install(place: Path, version: str | None, platform: str, machine: str, name: str) -> None:
    folder = place / "wasmtime" / f"{platform}-{machine}"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"")
    if version is not None:
        (place / f"wasmtime-{version}.dist-info").mkdir()


@pytest.mark.parametrize(
    ("platform", "machine", "folder_machine", "name"),
    [
        ("linux", "x86_64", "x86_64", "_libwasmtime.so"),
        ("linux", "aarch64", "aarch64", "_libwasmtime.so"),
        ("darwin", "arm64", "aarch64", "_libwasmtime.dylib"),
        ("win32", "AMD64", "x86_64", "_wasmtime.dll"),
    ],
)
def test_the_library_is_found_under_each_platforms_name(
    tmp_path: Path, platform: str, machine: str, folder_machine: str, name: str
) -> None:
    _install(tmp_path, "50.0.1", platform, folder_machine, name)
    found = binding.library_path([str(tmp_path)], platform=platform, machine=machine)
    assert Path(found) == tmp_path / "wasmtime" / f"{platform}-{folder_machine}" / name


def test_the_library_found_here_is_the_one_the_package_loads() -> None:
    assert binding.library_path() == str(_ffi.filename)


@pytest.mark.parametrize("version", ["49.0.0", "51.0.0", "5.0.0", "500.1.0", None])
def test_a_release_with_unknown_layouts_is_refused(tmp_path: Path, version: str | None) -> None:
    _install(tmp_path, version, "linux", "x86_64", "_libwasmtime.so")
    with pytest.raises(ImageError, match=r"this needs 50\.x"):
        binding.library_path([str(tmp_path)], platform="linux", machine="x86_64")


def test_two_releases_in_one_place_are_refused(tmp_path: Path) -> None:
    _install(tmp_path, "50.0.1", "linux", "x86_64", "_libwasmtime.so")
    (tmp_path / "wasmtime-51.0.0.dist-info").mkdir()
    with pytest.raises(ImageError, match=r"50\.0\.1 and 51\.0\.0"):
        binding.library_path([str(tmp_path)], platform="linux", machine="x86_64")


@pytest.mark.parametrize(("platform", "machine"), [("linux", "riscv64"), ("plan9", "x86_64")])
def test_a_missing_library_is_an_error_that_names_the_platform(
    tmp_path: Path, platform: str, machine: str
) -> None:
    with pytest.raises(ImageError, match=rf"{machine if platform == 'linux' else platform}"):
        binding.library_path([str(tmp_path)], platform=platform, machine=machine)


def test_a_file_that_is_no_library_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(b"not a library")
    with pytest.raises(ImageError, match="cannot be loaded"):
        binding.load(str(tmp_path / "lib.so"))


@pytest.mark.parametrize("epoch", [False, True])
@pytest.mark.parametrize("fuel", [False, True])
def test_an_engine_with_our_settings_does_not_abort_its_process(fuel: bool, epoch: bool) -> None:
    said = _python(
        "from sandboxes.wasm.binding import load\n"
        "from sandboxes.wasm.engine import Engine, Settings\n"
        f"engine = Engine(load(), Settings(fuel={fuel}, epoch={epoch}))\n"
        "print('made'); engine.close(); engine.close()"
    )
    assert said.split() == ["made"]


def test_the_stack_of_a_guest_fits_where_wasmtime_checks_it() -> None:
    assert WASM_STACK_BYTES < ASYNC_STACK_BYTES


@pytest.mark.parametrize(
    "wat",
    [
        "(module (memory 1) (memory 1))",
        "(module (memory i64 1))",
        "(module (memory 1 1 shared))",
        "(module (func $f (return_call $f)))",
        "(module (type (struct)))",
        "(module (tag))",
    ],
)
def test_a_proposal_that_is_off_is_refused_at_compile_time(wat: str) -> None:
    engine = Engine(binding.load(), Settings())
    with pytest.raises(ImageError, match="not compiled"):
        engine.compile(bytes(wasmtime.wat2wasm(wat)), component=False)
    engine.close()


@pytest.mark.parametrize("code", [b"", b"\0as", b"(module)", b"\0asm\x01\0\0\0 rubbish"])
def test_what_is_not_binary_wasm_is_refused(code: bytes) -> None:
    engine = Engine(binding.load(), Settings())
    with pytest.raises(ImageError, match="not compiled"):
        engine.compile(code, component=False)
    engine.close()


_BOTH = (False, True)


def test_code_is_bound_to_its_settings_by_their_key() -> None:
    variants = [Settings(fuel=fuel, epoch=epoch) for fuel in _BOTH for epoch in _BOTH]
    assert len({settings.key for settings in variants}) == 4
    codes = {keys.code_key("0" * 64, fuel=f, epoch=e) for f in _BOTH for e in _BOTH}
    assert len(codes) == 4
    assert Settings().key == Settings().key
    assert f"wasmtime-{binding.MAJOR}" in Settings().key


def test_a_fault_tells_its_innermost_cause_and_not_what_a_guest_named_a_function() -> None:
    backtrace = "error while executing at wasm backtrace:\n  0: wasm trap: interrupt\n"
    text = f"{backtrace}\nCaused by:\n  wasm trap: out\n"
    assert binding.Fault(text).cause == "wasm trap: out"
