"""From what a pool is to what each of its cells may take of the machine and see of it."""

from __future__ import annotations

from protocol.messages import DefinePool, Mount
from sandboxes.jail.plan import CellWish
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind

#: Beside the guests' memory: the interpreter, wasmtime, the threads' stacks, frames at hand.
CELL_MEMORY_BYTES = 768 << 20
#: What a session holds in the long run, beyond the pages that all of them share: 0.8 MB after its
#: first run, and what it keeps. Each may hold more for a while, up to its own limit.
SESSION_BYTES = 2 << 20
#: Main, guest, and the threads that wasmtime starts when a guest sleeps.
THREADS_MAX = 16
#: Each sandbox in stock and each session holds one for each directory it sees.
DESCRIPTORS_MAX = 32_768
#: A run's own limit on files ends it far below; this stops one whose cell cannot be stopped.
MOUNTED_FILE_BYTES_MAX = 1 << 30
#: The scratch folder is larger than what may be in it: names, blocks half used, files given.
SCRATCH_ROOM_BYTES = 64 << 20


def wish_for(
    pool: DefinePool, spool_path: str, scratch_path: str = "", *, sessions_bytes: int = 0
) -> CellWish:
    """Return what a cell of `pool` is to be given.

    Args:
        pool: what its runs need.
        spool_path: its own folder of the spool.
        scratch_path: a folder of the host for its files, where it cannot have a tmpfs of its own.
        sessions_bytes: of the sandboxes that it may keep: the kernel counts all of the memory that
            each maps from the image, though a session writes to a few percent of it.
    """
    writes = pool.files_bytes > 0 or any(mount.writable for mount in pool.mounts)
    paths = {mount.host_path: mount.writable for mount in sorted(pool.mounts, key=_read_only_first)}
    tmpfs_bytes = 0
    if scratch_path:
        paths[scratch_path] = True
    elif pool.files_bytes:
        tmpfs_bytes = pool.files_bytes + SCRATCH_ROOM_BYTES
    return CellWish(
        resources=Resources(
            memory_bytes=CELL_MEMORY_BYTES + pool.memory_bytes + sessions_bytes,
            threads_max=THREADS_MAX,
            descriptors_max=DESCRIPTORS_MAX,
            file_bytes_max=max(pool.files_bytes, MOUNTED_FILE_BYTES_MAX) if writes else 0,
        ),
        writable_tmpfs_bytes=tmpfs_bytes,
        binds=(
            Bind(spool_path, spool_path),
            *(Bind(path, path, writable) for path, writable in paths.items()),
        ),
    )


def _read_only_first(mount: Mount) -> bool:
    return mount.writable
