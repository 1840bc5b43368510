"""The processes that build a guest and compile Wasm. Run by `sandboxes.wasm.image`, not imported.

    build.py componentize WORK OUTPUT        WORK/plan.json says what to pack
    build.py compile INPUT OUTPUT KIND FUEL-EPOCH
                                             KIND is module or component; 01 counts no fuel
    build.py fetch-binaryen TOOLS            into the empty directory TOOLS
    build.py merge INPUT OUTPUT TOOLS        optimises a guest

Rule 1: compilers start threads, keep their memory and abort on what they dislike, so none runs in
        the host. A process of this file does one thing and exits.
Rule 2: an error for people is the last thing on standard error; the exit code is 3 for it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import sys
from typing import Any, Final

ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAILED: Final = 3
_PR_SET_PDEATHSIG: Final = 1
#: Packages are found by this file, under whatever path the guest sees them at build time.
MARKER: Final = ".cellblock-packages"
_ENTRY: Final = """\
from {inside}.sandboxes.wasm.guest import app
WitWorld = app.WitWorld
app.connect()
"""
#: Our packages lie below this one in the guest, so that it may have a `protocol` of its own.
INSIDE: Final = "_cellblock"
_IMPORT: Final = re.compile(r"^(\s*(?:from|import) )(protocol|sandboxes)\b", re.MULTILINE)


def componentize(work: str, output: str) -> None:
    """Lay out what the guest consists of, and build it with its snapshot."""
    from componentize_py import script  # type: ignore[import-untyped]  # it carries no types

    from sandboxes.wasm import keys

    with open(f"{work}/plan.json", encoding="utf-8") as stream:
        plan: dict[str, Any] = json.load(stream)
    app, packages, nothing = f"{work}/app", f"{work}/packages", f"{work}/nothing"
    lay_out(f"{app}/{INSIDE}")
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyo")
    os.makedirs(packages, exist_ok=True)
    zones = keys.installed_under("tzdata")
    if not os.path.exists(f"{packages}/tzdata"):
        shutil.copytree(f"{zones}/tzdata", f"{packages}/tzdata", ignore=ignore)
    with open(f"{packages}/{MARKER}", "w", encoding="utf-8"):
        pass
    with open(f"{app}/cellblock_guest.py", "w", encoding="utf-8") as stream:
        stream.write(_ENTRY.format(inside=INSIDE))
    with open(f"{app}/{INSIDE}/sandboxes/wasm/guest/plan.json", "w", encoding="utf-8") as stream:
        json.dump({"packages_marker": MARKER, "preimport": plan["preimport"]}, stream)
    # The builder adds the site-packages of an environment by itself; this one is empty.
    os.makedirs(f"{nothing}/lib/python3/site-packages", exist_ok=True)
    os.environ["VIRTUAL_ENV"] = nothing
    os.chdir(work)
    wit = f"{app}/{INSIDE}/sandboxes/wasm/guest/wit"
    sys.argv = ["componentize-py", "-q", "-d", wit, "-w", "guest", "componentize"]
    sys.argv += ["-p", app, "-p", packages, "cellblock_guest", "-o", output]
    status = script()
    if status:
        raise SystemExit(status)


def lay_out(directory: str) -> None:
    """Copy our packages to below `directory`, importing each other there."""
    from sandboxes.wasm import keys

    os.makedirs(directory)
    with open(f"{directory}/__init__.py", "w", encoding="utf-8"):
        pass
    for name in keys.PACKED:
        for source in keys.files_below(f"{keys.ROOT}/{name}"):
            target = f"{directory}/{source[len(keys.ROOT) + 1 :]}"
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(source, encoding="utf-8") as stream:
                text = stream.read()
            if source.endswith(".py"):
                text = _IMPORT.sub(rf"\1{INSIDE}.\2", text)
            with open(target, "w", encoding="utf-8") as stream:
                stream.write(text)


def compile_(source: str, output: str, kind: str, *, fuel: bool = False, epoch: bool = True) -> str:
    """Compile a component or a module, in its binary or its text form; return which it is."""
    from sandboxes.wasm.binding import load
    from sandboxes.wasm.engine import WASM_MAGIC, Engine, Settings

    with open(source, "rb") as stream:
        wasm = stream.read()
    if not wasm.startswith(WASM_MAGIC):
        wasm = _from_text(wasm)
        kind = kind_of(wasm)
    engine = Engine(load(), Settings(fuel=fuel, epoch=epoch))
    code = engine.compile(wasm, component=kind == "component")
    with open(output, "wb") as stream:
        stream.write(code)
    engine.close()
    return kind


def merge(source: str, output: str, tools: str) -> None:
    """Make a guest's objects immortal, merge its modules, and optimise them."""
    from sandboxes.wasm.merging import build, immortal, survey

    code = f"{tools}/base.cwasm"
    compile_(source, code, "component")
    with open(source, "rb") as stream:
        guest = stream.read()
    guest, _ = immortal.make_immortal(guest, survey.survey(code))
    merged = build.merge(guest, tools, _from_text)
    with open(output, "wb") as stream:
        stream.write(merged)


def kind_of(wasm: bytes) -> str:
    """Return "module" or "component" by the header; "" for anything else."""
    if wasm[:8] == b"\0asm\x01\0\0\0":
        return "module"
    return "component" if wasm[:4] == b"\0asm" and wasm[6:8] == b"\x01\0" else ""


def _from_text(text: bytes | str) -> bytes:
    import wasmtime

    from sandboxes.errors import ImageError

    try:
        return bytes(wasmtime.wat2wasm(text))
    except (wasmtime.WasmtimeError, UnicodeDecodeError) as error:
        raise ImageError(f"not compiled: {error}") from None


def _die_with_parent() -> None:
    """End when whoever waits for the result has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Do what the command line says."""
    sys.path.insert(0, ROOT)
    from sandboxes.errors import ImageError

    _die_with_parent()
    try:
        match sys.argv[1:]:
            case ["componentize", work, output]:
                componentize(work, output)
            case ["compile", source, output, kind, variant]:
                fuel, epoch = (letter == "1" for letter in variant)
                sys.stdout.write(compile_(source, output, kind, fuel=fuel, epoch=epoch))
            case ["fetch-binaryen", tools]:
                from sandboxes.wasm.merging import binaryen

                binaryen.install(tools)
            case ["merge", source, output, tools]:
                merge(source, output, tools)
            case _:
                return 2
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
