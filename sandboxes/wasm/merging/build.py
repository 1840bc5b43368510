"""Merges and optimises a guest: a component in, a component out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from sandboxes.wasm.merging import binaryen, waits
from sandboxes.wasm.merging.components import Component
from sandboxes.wasm.merging.emit import Emitter
from sandboxes.wasm.merging.modules import CoreModule, Import
from sandboxes.wasm.merging.plan import Plan, module_name

#: -O3 takes ten times as long, and its code is no faster.
_PASSES: Final = ("-O2",)
#: The least that gives a valid module, as a merge leaves globals that depend on others.
LEAST: Final = ("--simplify-globals", "--remove-unused-module-elements")


def merge(
    guest: bytes,
    work: str,
    assemble: Callable[[str], bytes],
    *,
    passes: Sequence[str] = _PASSES,
) -> bytes:
    """Return the guest with its modules merged and optimised.

    Args:
        guest: a component as componentize-py makes it.
        work: an empty directory with the tools in it; see `binaryen.install`.
        assemble: from the text form of a module to its binary form.
        passes: what `wasm-opt` is to do.

    Raises:
        ImageError: it has another shape than is known here, or a tool fails.
    """
    plan = Plan(Component(guest))
    merged, optimised = f"{work}/merged.wasm", f"{work}/optimised.wasm"
    arguments = []
    for number in plan.merged:
        arguments += [_write(work, module_name(number), _linked(plan, number)), module_name(number)]
    waiting = assemble(waits.text(plan))
    arguments += [_write(work, waits.MODULE, waiting), waits.MODULE]
    binaryen.run(work, "wasm-merge", [*arguments, "-o", merged, *binaryen.FEATURES])
    module = CoreModule(_read(merged))
    needed = plan.needed
    pruned = module.renamed(
        lambda one: (one.module, one.name), lambda name: name if name in needed else None
    )
    given = _write(work, "pruned", pruned)
    binaryen.run(work, "wasm-opt", [given, "-o", optimised, *passes, *binaryen.FEATURES])
    return Emitter(plan, _read(optimised)).emit()


def _linked(plan: Plan, number: int) -> bytes:
    """Return a module whose imports name what they are linked to."""

    def imported(one: Import) -> tuple[str, str]:
        instead = waits.replaces(one)
        return plan.link(number, one) if instead is None else (waits.MODULE, instead)

    own = module_name(number)
    return plan.modules[number].renamed(imported, lambda name: f"{own}::{name}")


def _write(work: str, name: str, data: bytes) -> str:
    path = os.path.join(work, f"{name}.wasm")
    with open(path, "wb") as stream:
        stream.write(data)
    return path


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
