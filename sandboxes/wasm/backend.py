"""The Wasm backend of a cell: its engine, its image, and the sandboxes made from them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from protocol.messages import Run, Setup
from sandboxes.base import Order, Sandbox
from sandboxes.errors import ImageError
from sandboxes.meters import Meters
from sandboxes.wasm import binding, program
from sandboxes.wasm.component import Component
from sandboxes.wasm.engine import Engine, Settings
from sandboxes.wasm.program import Program, ProgramSandbox
from sandboxes.wasm.python import PythonSandbox

#: Compiled programs that a cell keeps loaded; the one unused longest goes first.
_PROGRAMS_MAX: Final = 4
_RUN: Final = "run"


class Loaded:
    """An engine with an image, and with the programs that cells without files are to run.

    Loaded once in a zygote, it serves all cells forked from it: nothing in it has a thread.
    """

    __slots__ = ("engine", "export", "floor_bytes", "image", "image_path", "programs")

    def __init__(
        self, image_path: str, settings: Settings, *, programs: Sequence[str] = ()
    ) -> None:
        """Load wasmtime, make the engine and load the image.

        Raises:
            ImageError: wasmtime, the image or a program cannot be loaded; the text names the fix.
        """
        self.image_path = image_path
        self.engine = Engine(binding.load(), settings)
        self.image = Component(self.engine, image_path, with_host=True)
        export = self.image.export(_RUN)
        if export is None:
            raise ImageError(f"{image_path} exports no function {_RUN!r}")
        self.export = export
        self.floor_bytes = self.image.memory_floor_bytes()
        self.programs = {path: program.load(self.engine, path) for path in programs}

    def close(self) -> None:
        """Free all of it, after every sandbox. A cell need not: its process ends."""
        for loaded in self.programs.values():
            loaded.close()
        self.image.close()
        self.engine.close()


class WasmBackend:
    """What one cell makes its sandboxes from; see `sandboxes.base.Backend`."""

    warms_up_first = True

    def __init__(self, setup: Setup, loaded: Loaded, meters: Meters) -> None:
        self._setup = setup
        self._meters = meters
        self._loaded = loaded
        self._programs: OrderedDict[tuple[str, int, int], Program] = OrderedDict()

    def fresh(self, order: Order | None = None) -> Sandbox:
        """Return a never used sandbox, not warmed up; one for programs if `order` is for one.

        Raises:
            SandboxBroken: the image does not run.
        """
        if order is not None and order.run.program == "module":
            return ProgramSandbox(
                self._loaded.engine,
                self._program,
                meters=self._meters,
                spool_path=self._setup.spool_path,
                scratch_path=self._setup.scratch_path,
            )
        return PythonSandbox(
            self._loaded.image,
            self._loaded.export,
            meters=self._meters,
            memory_bytes=self._setup.memory_bytes,
            floor_bytes=self._loaded.floor_bytes,
            spool_path=self._setup.spool_path,
            scratch_path=self._setup.scratch_path,
        )

    def fits_stock(self, run: Run) -> bool:
        """Return True for every run of Python code: limits and directories are set at its run."""
        return run.program == "python"

    def heap_bytes(self) -> int:
        """Return the private memory this process holds."""
        return self._meters.resident_bytes()

    @property
    def is_spent(self) -> bool:
        """False: nothing of a guest's outlives its sandbox."""
        return False

    def _program(self, path: str) -> Program:
        if path in self._loaded.programs:
            return self._loaded.programs[path]
        try:
            status = os.stat(path)
        except OSError as error:
            raise ImageError(f"the program is not loaded: {error.strerror}") from None
        key = (path, status.st_ino, status.st_mtime_ns)
        if key not in self._programs:
            self._programs[key] = program.load(self._loaded.engine, path)
            while len(self._programs) > _PROGRAMS_MAX:
                self._programs.popitem(last=False)[1].close()
        self._programs.move_to_end(key)
        return self._programs[key]

    def close(self) -> None:
        """Free all of it, after every sandbox. A cell need not: its process ends."""
        while self._programs:
            self._programs.popitem()[1].close()
        self._loaded.close()
        self._meters.close()


_preloaded: list[Loaded] = []


def preload(image_path: str, settings: Settings, *, programs: Sequence[str] = ()) -> None:
    """Load an image for the cells that will be forked from this process.

    Raises:
        ImageError: wasmtime, the image or a program cannot be loaded.
    """
    _preloaded[:] = [Loaded(image_path, settings, programs=programs)]


def load(setup: Setup, meters: Meters | None = None) -> WasmBackend:
    """Return the backend of a cell, from what was preloaded if that is the image asked for.

    Raises:
        ImageError: wasmtime or the image cannot be loaded.
    """
    settings = Settings(fuel=setup.fuel, epoch=setup.interrupt == "epoch")
    for loaded in _preloaded:
        if loaded.image_path == setup.image_path and loaded.engine.settings == settings:
            break
    else:
        loaded = Loaded(setup.image_path, settings)
    return WasmBackend(setup, loaded, meters or Meters())
