"""Another release of wasmtime than the one the binding was written for: does it fit all the same?

The binding calls wasmtime's C library with layouts of its own, as the package's objects cost 55 to
90 us for each call of a guest and four times as much for each host function. The package of every
release carries declarations made from the headers of that release. Where all that the binding uses
is declared there as it is here, the binding can be used with that release too; else the release is
refused, with the first difference. To run guests through the package's objects instead would be a
second sandbox, with limits, streams and interrupts of its own to get right.

Rule: this imports the package, which takes 50 ms, so only another release comes here.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Iterator
from typing import Any

from sandboxes.wasm import binding, engine

#: Our struct, and the name of the declared one.
_LAYOUTS: tuple[tuple[Any, str], ...] = (
    (binding.ByteVec, "wasm_byte_vec_t"),
    (binding.Val, "wasmtime_component_val_t"),
    (binding.ComponentInstance, "wasmtime_component_instance_t"),
    (binding.ComponentFunc, "wasmtime_component_func_t"),
    (binding.CoreInstance, "wasmtime_instance_t"),
    (binding.Extern, "wasmtime_extern_t"),
)
#: Fields that are read or written in place: our struct, the declared one, the field.
_FIELDS: tuple[tuple[Any, str, str], ...] = (
    (binding.ByteVec, "wasm_byte_vec_t", "size"),
    (binding.ByteVec, "wasm_byte_vec_t", "data"),
    (binding.Val, "wasmtime_component_val_t", "of"),
    (binding._ValUnion, "wasmtime_component_valunion", "u8"),
    (binding._ValUnion, "wasmtime_component_valunion", "u32"),
    (binding._ValUnion, "wasmtime_component_valunion", "string"),
    (binding._ValUnion, "wasmtime_component_valunion", "result"),
    (binding._ValResult, "wasmtime_component_valresult", "is_ok"),
    (binding._ValResult, "wasmtime_component_valresult", "val"),
    (binding.Extern, "wasmtime_extern_t", "of"),
)
_NUMBERS: tuple[tuple[int, str], ...] = (
    (binding.VAL_STRING, "WASMTIME_COMPONENT_STRING"),
    (binding.VAL_RESULT, "WASMTIME_COMPONENT_RESULT"),
    (binding.EXTERN_FUNC, "WASMTIME_EXTERN_FUNC"),
    (binding.EXTERN_MEMORY, "WASMTIME_EXTERN_MEMORY"),
)
_TRAPS: tuple[tuple[int, str], ...] = (
    (binding.TRAP_STACK_OVERFLOW, "STACK_OVERFLOW"),
    (binding.TRAP_UNREACHABLE, "UNREACHABLE"),
    (binding.TRAP_INTERRUPT, "INTERRUPT"),
    (binding.TRAP_OUT_OF_FUEL, "OUT_OF_FUEL"),
)


def difference(place: str) -> str | None:
    """Return how the release of wasmtime in `place` differs from what is known here, if it does."""
    try:
        declared = importlib.import_module("wasmtime._bindings")
        more = importlib.import_module("wasmtime._ffi")
        traps = importlib.import_module("wasmtime").TrapCode
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return f"its package cannot be imported: {error}"
    found = os.path.dirname(os.path.dirname(os.path.abspath(str(declared.__file__))))
    if not os.path.samefile(found, place):
        return f"the package that is imported lies in {found}"
    return next(_differences(declared, more, traps), None)


def _differences(declared: Any, more: Any, traps: Any) -> Iterator[str]:
    def named(name: str) -> Any:
        return getattr(more, name, getattr(declared, name, None))

    for ours, name in _LAYOUTS:
        theirs = named(name)
        if theirs is None or ctypes.sizeof(theirs) != ctypes.sizeof(ours):
            yield f"{name} has another size"
    for ours, name, field in _FIELDS:
        if _place(named(name), field) != _place(ours, field):
            yield f"{field} lies elsewhere in {name}"
    for number, name in _NUMBERS:
        if getattr(named(name), "value", None) != number:
            yield f"{name} is another number"
    for number, name in _TRAPS:
        if getattr(getattr(traps, name, None), "value", None) != number:
            yield f"the trap {name} is another number"
    for _, name, result, *arguments in (*binding._QUICK, *binding._CALLS):
        theirs = getattr(declared, f"_{name}", None)
        if theirs is None or _widths([result, *arguments]) != _widths(
            [theirs.restype, *theirs.argtypes]
        ):
            yield f"{name} is declared otherwise"
    for name, kind, _ in engine.Settings().values:
        theirs = getattr(declared, f"_wasmtime_config_{name}_set", None)
        # The packages do not declare all of their library; what it lacks, the engine finds out.
        if theirs is not None and _widths([theirs.argtypes[1]]) != _widths([kind]):
            yield f"the setting {name} is declared otherwise"


def _place(struct: Any, field: str) -> tuple[int, int] | None:
    found = getattr(struct, field, None)
    return None if found is None else (found.offset, found.size)


def _widths(kinds: list[Any]) -> list[int | None]:
    """Return what matters of arguments and results: their sizes."""
    return [None if kind is None else ctypes.sizeof(kind) for kind in kinds]
