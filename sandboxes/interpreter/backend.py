"""What one cell makes its interpreters from, and where it lets go of them.

Rule 1: interpreters are destroyed one after another on a thread of their own: what a guest left to
        be run at the end may take for ever, and keeps no run waiting.
Rule 2: CPython 3.13 leaks memory with each interpreter. The cell reports what it holds, and is
        replaced when that has grown too far.
Rule 3: after a thread was left behind, or files that cannot be removed, or an interpreter did not
        end, the cell is spent.
"""

from __future__ import annotations

import _thread
import functools
import mmap
import resource
import struct
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Final

from protocol.messages import Run, Setup
from protocol.reading import compile_messages
from sandboxes.base import Order
from sandboxes.cell_plan import reserved_paths
from sandboxes.errors import NoRoom, SandboxBroken
from sandboxes.interpreter import carried
from sandboxes.interpreter.blocks import Blocks
from sandboxes.interpreter.files import SlotFiles
from sandboxes.interpreter.lanes import Lanes, start_thread
from sandboxes.interpreter.sandbox import InterpreterSandbox
from sandboxes.jail import kernel
from sandboxes.meters import Meters
from sandboxes.shared import atomics

#: An interpreter that has not ended after this is given up. Ending one takes 2 to 10 ms.
END_S: Final = 1.0
#: Beside the guests' memory: interpreters in stock, and what is leaked before the cell is replaced.
ROOM_BYTES: Final = 160 << 20
#: For each slot: an interpreter, and threads with their stacks.
SLOT_ROOM_BYTES: Final = 80 << 20
#: One with its modules takes 5 MB; CPython asks for more by the megabyte.
INTERPRETER_BYTES: Final = 24 << 20
#: Address of the machine code of `atomics` where there is none.
NO_ATOMICS: Final = -1


class InterpreterBackend:
    """See `sandboxes.base.Backend`. `fresh` and the sandboxes may be used on any thread."""

    warms_up_first = True

    def __init__(self, setup: Setup, meters: Meters) -> None:
        """Begin with no interpreter; `meters` are this process's."""
        self.spool_path = setup.spool_path
        self.libraries = list(setup.libraries)
        self.modules = list(setup.preload)
        self.code_address = _prepare_atomics()
        self.carried = _carry()
        # One for each run at hand, one for what is warmed up: none is started when memory is short.
        self.lanes = Lanes(setup.slots + 1)
        self.blocks = Blocks()
        self._meters = meters
        self._scratch_path = setup.scratch_path
        self._reserved = reserved_paths(setup.libraries, setup.spool_path)
        room_bytes = ROOM_BYTES + SLOT_ROOM_BYTES * setup.slots
        _cap_memory(meters.data_bytes() + room_bytes + setup.memory_bytes)
        self._graves: SimpleQueue[InterpreterSandbox | None] = SimpleQueue()
        #: Since when the one at hand is being destroyed; 0.0 if none is.
        self._ending_since = 0.0
        self._burying = _thread.allocate_lock()
        self._buried, self._ended = 0, 0
        #: What cannot be destroyed is kept: see `InterpreterSandbox`.
        self._undead: list[InterpreterSandbox] = []
        self._left_files = False
        start_thread(self._bury_all)

    def fresh(self, order: Order | None = None) -> InterpreterSandbox:
        """Return a never used sandbox, not warmed up.

        Raises:
            NoRoom: the cell has no memory for it.
            SandboxBroken: CPython cannot create one, or it is asked for something else.
        """
        if order is not None and order.run.program != "python":
            raise SandboxBroken("interpreters run Python code alone")
        _check_room()
        return InterpreterSandbox(self)

    def files(self) -> SlotFiles:
        """Return the files of one more sandbox, without any yet."""
        return SlotFiles(self._meters, self.spool_path, self._scratch_path, self._reserved)

    def fits_stock(self, run: Run) -> bool:
        """Return True for every run of Python code."""
        return run.program == "python"

    def heap_bytes(self) -> int:
        """Return the private memory this process holds."""
        return self.held_bytes()

    def held_bytes(self) -> int:
        """Return the private memory of all interpreters together: it cannot be told apart."""
        return self._meters.resident_bytes()

    @property
    def is_spent(self) -> bool:
        """True once the cell must serve nothing more; see rule 3."""
        since = self._ending_since
        is_stuck = bool(since) and time.monotonic() - since > END_S
        return is_stuck or self._left_files or bool(self._undead)

    @property
    def is_ending(self) -> bool:
        """True while closed sandboxes are still to be destroyed."""
        return self._ended < self._buried

    def note_left_files(self) -> None:
        """Note that files of a guest could not be removed."""
        self._left_files = True

    def bury(self, sandbox: InterpreterSandbox) -> None:
        """Destroy a closed sandbox, after those before it."""
        with self._burying:
            self._buried += 1
        self._graves.put(sandbox)

    def close(self) -> None:
        """End the threads. A cell need not: its process ends."""
        self._graves.put(None)
        self.lanes.close()

    def _bury_all(self) -> None:
        while (sandbox := self._graves.get()) is not None:
            self._ending_since = time.monotonic()
            try:
                if not sandbox.destroy():
                    self._undead.append(sandbox)
            except SandboxBroken:
                self._undead.append(sandbox)
            finally:
                self._ending_since = 0.0
                self._ended += 1
            del sandbox


def _check_room() -> None:
    """See that there is memory for an interpreter: CPython may abort where there is none.

    Raises:
        NoRoom: there is not.
    """
    try:
        mmap.mmap(-1, INTERPRETER_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise NoRoom("the cell has no memory left for another interpreter") from None


def _cap_memory(bytes_max: int) -> None:
    """Have the kernel refuse this process more private memory; a limit below stays."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > bytes_max:
        # By its own name, as the C library would make the call that changes any process's limits.
        kernel.call("setrlimit", resource.RLIMIT_DATA, struct.pack("QQ", bytes_max, bytes_max))


@functools.cache
def _carry() -> bytes:
    return carried.collect()


def _prepare_atomics() -> int:
    try:
        return atomics.prepare().code_address
    except atomics.AtomicsUnavailable:
        return NO_ATOMICS


def preload(libraries: Sequence[str], modules: Sequence[str]) -> None:
    """Load in a zygote what no interpreter can load once the jail is closed: all machine code.

    Raises:
        ImageError: a module cannot be loaded.
    """
    import sys

    from sandboxes import cell_slots, meters
    from sandboxes.process import preloading

    del cell_slots, meters  # the cell's own, which has no files either
    _prepare_atomics()
    _carry()
    compile_messages()
    sys.path.extend(path for path in libraries if path not in sys.path)
    preloading.load_extensions()  # `datetime` among them: see `sandboxes.interpreter.interpreters`
    for name in modules:
        preloading.import_for_guests(name)


def load(setup: Setup, meters: Meters) -> InterpreterBackend:
    """Return the backend of a cell."""
    return InterpreterBackend(setup, meters)
