"""The shape of the code: who may import whom, what may be imported where, how long files are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("protocol", "sandboxes", "executor")  # a layer imports only those to its left
LINES_MAX = 400
#: Third-party packages, and the only files or folders that may import each.
HOMES = {
    "pydantic": ("protocol/checking.py", "protocol/schema.py", "executor/typed.py"),
    "tqdm": ("sandboxes/wasm/",),
    "shtab": ("executor/cli/",),
    "interpreters_backport": ("executor/isolate.py",),
    "componentize_py": ("sandboxes/wasm/",),
    "wasmtime": ("sandboxes/wasm/",),
    "pytest": ("executor/audit/plugin.py",),
    "nats": ("executor/link/", "executor/remote/"),
}
#: What runs where pydantic cannot load, or where every millisecond of import counts.
LIGHT = (
    "executor/loop/",
    "executor/pool/",
    "sandboxes/",
    "protocol/reading.py",
    "protocol/values/",
)
#: What runs inside sandboxes, with everything loaded before a run comes.
GUEST = ("sandboxes/guest/", "sandboxes/wasm/guest/", "sandboxes/interpreter/carried.py")
HEAVY = {"asyncio", "pydantic", "wasmtime", "logging", "inspect", "multiprocessing"}

#: Compiles methods from the names of fields in our own source, as `dataclasses` does.
MAKES_METHODS = "protocol/structs.py"


def sources() -> list[Path]:
    return sorted(p for layer in LAYERS for p in (ROOT / layer).rglob("*.py"))


def names(source: Path) -> str:
    return source.relative_to(ROOT).as_posix()


def imports(source: Path, *, of_module: bool = False) -> set[str]:
    """Return the top-level names of all imports, or of those that run when the file is imported."""
    tree = ast.parse(source.read_text())
    nodes = tree.body if of_module else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("source", sources(), ids=names)
def test_imports_point_one_way(source: Path) -> None:
    layer = source.relative_to(ROOT).parts[0]
    allowed = set(LAYERS[: LAYERS.index(layer) + 1])

    assert imports(source) & set(LAYERS) <= allowed


@pytest.mark.parametrize("source", sources(), ids=names)
def test_each_third_party_package_has_one_home(source: Path) -> None:
    for package, homes in HOMES.items():
        if package in imports(source):
            assert names(source).startswith(homes), f"{package} is imported outside {homes}"


@pytest.mark.parametrize("source", [s for s in sources() if names(s).startswith(LIGHT)], ids=names)
def test_nothing_heavy_is_imported_where_start_up_counts(source: Path) -> None:
    if names(source).startswith(GUEST):
        return  # imported when an image is built or a zygote starts, not when a run does

    assert not imports(source, of_module=True) & HEAVY


@pytest.mark.parametrize("source", sources(), ids=names)
def test_a_file_is_short_and_says_what_it_is_for(source: Path) -> None:
    text = source.read_text()

    assert text.count("\n") <= LINES_MAX
    assert ast.get_docstring(ast.parse(text)), "a module starts with its purpose"


@pytest.mark.parametrize("source", sources(), ids=names)
def test_nothing_that_came_from_outside_is_unpickled_or_evaluated(source: Path) -> None:
    if names(source).startswith(GUEST):
        return  # running code is what the guest is for

    tree = ast.parse(source.read_text())
    assert not imports(source) & {"pickle", "marshal", "shelve", "dill"}
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & ({"eval", "exec"} - ({"exec"} if names(source) == MAKES_METHODS else set()))
