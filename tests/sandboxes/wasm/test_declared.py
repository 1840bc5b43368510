"""Another release of wasmtime is used only where its own declarations are those of the binding."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import wasmtime

from sandboxes.errors import ImageError
from sandboxes.wasm import binding, declared

HERE = os.path.dirname(os.path.dirname(os.path.abspath(wasmtime.__file__)))


def test_the_release_that_is_known_is_declared_as_it_is_known() -> None:
    assert declared.difference(HERE) is None


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("_QUICK", ("set_fuel", "wasmtime_context_set_fuel", None, binding._ptr, binding._ptr)),
        ("_CALLS", ("func_call", "wasmtime_component_func_call", None, binding._ptr)),
        ("_CALLS", ("fly", "wasmtime_fly", None)),
    ],
)
def test_a_function_that_is_declared_otherwise_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, table: str, row: tuple[object, ...]
) -> None:
    monkeypatch.setattr(binding, table, (*getattr(binding, table), row))

    assert declared.difference(HERE) == f"{row[1]} is declared otherwise"


def test_a_struct_of_another_size_or_shape_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as planted:
        planted.setattr(declared, "_LAYOUTS", ((binding.Val, "wasm_byte_vec_t"),))
        assert declared.difference(HERE) == "wasm_byte_vec_t has another size"
    with monkeypatch.context() as planted:
        planted.setattr(declared, "_FIELDS", ((binding.ByteVec, "wasm_byte_vec_t", "nothing"),))
        assert declared.difference(HERE) is None  # neither has it
        planted.setattr(
            declared, "_FIELDS", ((binding.Val, "wasmtime_component_valunion", "string"),)
        )
        assert declared.difference(HERE) == "string lies elsewhere in wasmtime_component_valunion"


@pytest.mark.parametrize("table", ["_NUMBERS", "_TRAPS"])
def test_a_number_that_means_another_thing_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    (number, name), *others = getattr(declared, table)
    monkeypatch.setattr(declared, table, ((number + 1, name), *others))

    assert declared.difference(HERE) in (
        f"{name} is another number",
        f"the trap {name} is another number",
    )


def test_a_release_whose_package_is_not_the_one_imported_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "wasmtime" / "linux-x86_64"
    folder.mkdir(parents=True)
    (folder / "_libwasmtime.so").write_bytes(b"")
    (tmp_path / "wasmtime-49.0.0.dist-info").mkdir()

    with pytest.raises(ImageError, match=r"wasmtime 49\.0\.0 is installed.*lies in"):
        binding.library_path([str(tmp_path)], platform="linux", machine="x86_64")


def test_a_release_that_is_declared_the_same_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "MAJOR", 999)  # as an older cellblock beside a newer wasmtime

    assert binding.library_path([HERE]).startswith(HERE)
