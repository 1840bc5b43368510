"""From what a pool is to what each of its cells may take of the machine and see of it."""

from __future__ import annotations

from protocol.messages import DefinePool
from sandboxes.jail.plan import CellWish
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind

#: Beside the guests' memory: the interpreter, wasmtime, the guest thread's stack, frames at hand.
CELL_MEMORY_BYTES = 768 << 20
#: Main, guest, and the threads that wasmtime starts when a guest sleeps.
THREADS_MAX = 16
#: Each sandbox in stock and each session holds one for each directory it sees.
DESCRIPTORS_MAX = 32_768


def wish_for(pool: DefinePool, spool_path: str) -> CellWish:
    """Return what a cell of `pool` is to be given, with its own folder of the spool."""
    return CellWish(
        resources=Resources(
            memory_bytes=CELL_MEMORY_BYTES + pool.memory_bytes,
            threads_max=THREADS_MAX,
            descriptors_max=DESCRIPTORS_MAX,
        ),
        binds=(Bind(spool_path, spool_path),),
    )
