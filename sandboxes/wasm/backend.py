"""The Wasm backend of a cell: its engine, its image, and the sandboxes made from them."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Final

from protocol.messages import Run, Setup
from sandboxes.base import Order, Sandbox
from sandboxes.errors import ImageError
from sandboxes.wasm import binding, program
from sandboxes.wasm.component import Component
from sandboxes.wasm.engine import Engine, Settings
from sandboxes.wasm.meters import Meters
from sandboxes.wasm.program import Program, ProgramSandbox
from sandboxes.wasm.python import PythonSandbox

#: Compiled programs that a cell keeps loaded; the one unused longest goes first.
_PROGRAMS_MAX: Final = 4
_RUN: Final = "run"


class WasmBackend:
    """A loaded image; see `sandboxes.base.Backend`."""

    def __init__(self, setup: Setup) -> None:
        """Load wasmtime, make the engine and load the image.

        Raises:
            ImageError: wasmtime or the image cannot be loaded; the text names the fix.
        """
        self._setup = setup
        self._meters = Meters()
        self._engine = Engine(binding.load(), Settings(fuel=setup.fuel))
        self._programs: OrderedDict[tuple[str, int, int], Program] = OrderedDict()
        self._image = Component(self._engine, setup.image_path, with_host=True)
        export = self._image.export(_RUN)
        if export is None:
            raise ImageError(f"{setup.image_path} exports no function {_RUN!r}")
        self._export = export
        self._floor_bytes = self._image.memory_floor_bytes()

    def fresh(self, order: Order | None = None) -> Sandbox:
        """Return a warmed, never used sandbox; one for programs if `order` is for a program.

        Raises:
            SandboxBroken: the image does not run.
        """
        if order is not None and order.run.program == "module":
            return ProgramSandbox(
                self._engine,
                self._program,
                meters=self._meters,
                spool_path=self._setup.spool_path,
            )
        return PythonSandbox(
            self._image,
            self._export,
            meters=self._meters,
            memory_bytes=self._setup.memory_bytes,
            floor_bytes=self._floor_bytes,
            spool_path=self._setup.spool_path,
        )

    def fits_stock(self, run: Run) -> bool:
        """Return True for every run of Python code: limits and directories are set at its run."""
        return run.program == "python"

    def heap_bytes(self) -> int:
        """Return the private memory this process holds."""
        return self._meters.resident_bytes()

    def _program(self, path: str) -> Program:
        try:
            status = os.stat(path)
        except OSError as error:
            raise ImageError(f"the program is not loaded: {error.strerror}") from None
        key = (path, status.st_ino, status.st_mtime_ns)
        if key not in self._programs:
            self._programs[key] = program.load(self._engine, path)
            while len(self._programs) > _PROGRAMS_MAX:
                self._programs.popitem(last=False)[1].close()
        self._programs.move_to_end(key)
        return self._programs[key]

    def close(self) -> None:
        """Free all of it, after every sandbox. A cell need not: its process ends."""
        while self._programs:
            self._programs.popitem()[1].close()
        self._image.close()
        self._engine.close()
        self._meters.close()


def load(setup: Setup) -> WasmBackend:
    """Load the backend of a cell.

    Raises:
        ImageError: wasmtime or the image cannot be loaded.
    """
    return WasmBackend(setup)
