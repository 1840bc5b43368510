"""What the kinds of sandbox have in common for a cell and its zygote: how each is loaded.

Rule: nothing of another kind is imported than the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from protocol.fields import Kind
from protocol.messages import Setup
from sandboxes.base import Backend


def load(setup: Setup, meter_fds: Sequence[int]) -> Backend:
    """Load the backend for `setup.kind`; imports nothing of the other kinds."""
    match setup.kind:
        case "wasm":
            from sandboxes.meters import Meters
            from sandboxes.wasm import backend

            return backend.load(setup, Meters(meter_fds))
        case "interpreter":
            from sandboxes.interpreter import backend as interpreters
            from sandboxes.meters import Meters

            return interpreters.load(setup, Meters(meter_fds))
        case "process":
            from sandboxes.meters import Meters
            from sandboxes.process import backend as processes

            return processes.load(setup, Meters(meter_fds))
        case _:
            assert_never(setup.kind)


def preload(kind: Kind, *arguments: str) -> None:
    """Load in a zygote what its cells need; they have no files to load it from.

    Args:
        kind: of its guests.
        arguments: for "wasm" the image, "fuel" or "", how guests are interrupted, programs; for the others how many
            libraries there are, these, and the modules to import.
    """
    if kind == "wasm":
        from sandboxes.wasm import backend
        from sandboxes.wasm.engine import Settings

        image_path, fuel, interrupt, *programs = arguments
        settings = Settings(fuel=bool(fuel), epoch=interrupt == "epoch")
        backend.preload(image_path, settings, programs=programs)
        return
    at = int(arguments[0]) + 1
    libraries, modules = arguments[1:at], arguments[at:]
    if kind == "process":
        from sandboxes.process import backend as processes

        processes.preload(libraries, modules)
    else:
        from sandboxes import cell_slots
        from sandboxes.interpreter import backend as interpreters

        del cell_slots
        interpreters.preload(libraries, modules)


def open_meters(proc_fd: int) -> Sequence[int]:
    """Open in a forked cell, ahead of its jail, what `main` is to be given."""
    from sandboxes.meters import open_files

    return open_files(proc_fd)


def load_ahead(kind: str) -> None:
    """Import what a cell needs while the supervisor prepares its `Setup`: 7 ms side by side."""
    if kind == "wasm":
        from sandboxes.wasm import backend, binding

        del backend
        binding.load()
