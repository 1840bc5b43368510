"""The process backend of a cell: what all guests of one process share, and when it is used up.

Rule: guests that come after a thread was left behind, or files that cannot be removed, would share
      the process with them. So the cell is spent then, and says so.
"""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Sequence
from time import monotonic, sleep

from protocol.messages import Run, Setup
from protocol.reading import compile_messages
from sandboxes.base import Order
from sandboxes.cell_plan import reserved_paths
from sandboxes.errors import SandboxBroken
from sandboxes.meters import Meters
from sandboxes.process import preloading, refusals
from sandboxes.process.files import Files
from sandboxes.process.limits import ProcessLimits
from sandboxes.process.python import ProcessSandbox
from sandboxes.process.stopping import Stopper

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Ours by name; a guest may have others of these names.
_OURS = ("protocol", "sandboxes", "executor")
#: Of a cell's own: its frames thread, as `_thread` counts.
_THREADS = 1
#: Threads of a pool that is no longer used end by themselves, but not at once.
_ENDING_S, _ENDING_STEP_S = 0.25, 0.001
#: Names of our modules, once they are noted.
_loaded: list[str] = []


class ProcessBackend:
    """See `sandboxes.base.Backend`. Its sandboxes follow one another in this process."""

    #: A run that waits for the cell would wait longer for a rehearsal than it gains by one.
    warms_up_first = False

    def __init__(self, setup: Setup, meters: Meters) -> None:
        """Make this process ready for guests. On its main thread."""
        self._setup = setup
        self._meters = meters
        self._stopper = Stopper()
        self._limits: ProcessLimits | None = None
        self._reserved = reserved_paths(setup.libraries, setup.spool_path)
        self._left_threads = False
        self._left_files = False

    def fresh(self, order: Order | None = None) -> ProcessSandbox:
        """Return a sandbox for the next guest of this process.

        Raises:
            SandboxBroken: it is asked for something else than Python.
        """
        if order is not None and order.run.program != "python":
            raise SandboxBroken("a native cell runs Python code alone")
        setup = self._setup
        if self._limits is None:
            # Here and not before: the cell has its other thread by now, and that thread's stack.
            cores = os.cpu_count() or 1
            self._limits = ProcessLimits(self._meters, setup.memory_bytes, cores=cores)
        files = Files(self._meters, setup.spool_path, setup.scratch_path, self._reserved)
        return ProcessSandbox(
            self._stopper,
            self._limits,
            files,
            memory_bytes=setup.memory_bytes,
            single_use=setup.single_use,
            spool_path=setup.spool_path,
            note_threads=self._note_threads,
            note_left_files=self._note_left_files,
        )

    def fits_stock(self, run: Run) -> bool:
        """Return True for every run of Python code."""
        return run.program == "python"

    def heap_bytes(self) -> int:
        """Return the memory that guests of this process hold."""
        return 0 if self._limits is None else self._limits.held_bytes()

    @property
    def is_spent(self) -> bool:
        """True once the cell must serve nothing more."""
        return self._left_threads or self._left_files

    def _note_left_files(self) -> None:
        self._left_files = True

    def _note_threads(self) -> bool:
        until = monotonic() + _ENDING_S
        while _thread._count() > _THREADS:
            if monotonic() > until:
                self._left_threads = True
                break
            sleep(_ENDING_STEP_S)
        return self._left_threads


def preload(libraries: Sequence[str], modules: Sequence[str]) -> None:
    """Load in a zygote what its cells' guests are to find.

    Raises:
        ImageError: a module cannot be loaded.
    """
    sys.path.extend(path for path in libraries if path not in sys.path)
    preloading.preload(modules)
    _find_ours()


def load(setup: Setup, meters: Meters) -> ProcessBackend:
    """Return the backend of a cell; preloads now what no zygote has.

    Raises:
        ImageError: a module cannot be loaded.
    """
    if "host" not in sys.modules:
        preload(setup.libraries, setup.preload)
    refusals.install()  # in the cell: its zygote starts processes
    _hide_ours(setup.libraries)
    _seed_anew()
    return ProcessBackend(setup, meters)


def _find_ours() -> None:
    """Note which modules are ours; in a zygote, as looking at all their names takes a cell 1 ms."""
    compile_messages()
    _loaded[:] = [name for name in sys.modules if name.partition(".")[0] in _OURS]


def _hide_ours(libraries: Sequence[str]) -> None:
    """Let guests find modules of their own where ours have the same names."""
    for name in _loaded:
        sys.modules.pop(name, None)
    ours = set() if _ROOT in libraries else {_ROOT}
    sys.path[:] = [path for path in dict.fromkeys(sys.path) if path not in ours]


def _seed_anew() -> None:
    """Give each cell randomness of its own, as `random` does by itself: forks begin as copies."""
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
