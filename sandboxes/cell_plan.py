"""From what a pool is to what each of its cells may take of the machine and see of it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from protocol.messages import DefinePool, Mount
from sandboxes.jail.plan import CellWish
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind
from sandboxes.jail.steps import SCRATCH
from sandboxes.mounting import problem_of

#: Beside the guests' memory: the interpreter, wasmtime, the threads' stacks, frames at hand.
CELL_MEMORY_BYTES = 768 << 20
#: What a session holds in the long run, beyond the pages that all of them share: 0.8 MB after its
#: first run, and what it keeps. Each may hold more for a while, up to its own limit.
SESSION_BYTES = 2 << 20
#: Main, guest, and the threads that wasmtime starts when a guest sleeps.
THREADS_MAX = 16
#: A cell of several slots has threads of its own for each.
THREADS_PER_SLOT = 8
#: Each sandbox in stock and each session holds one for each directory it sees.
DESCRIPTORS_MAX = 32_768
#: A native guest opens its own, and the kernel keeps up to 200 KB for each socket of a pair, which
#: no limit on memory counts.
NATIVE_DESCRIPTORS_MAX = {"process": 256, "interpreter": 1_024}
#: What an image may preload. A native cell caps its guests' memory beyond that before the first of
#: them, to the byte.
NATIVE_IMAGE_BYTES = 4 << 30
#: A run's own limit on files ends it far below; this stops one whose cell cannot be stopped.
MOUNTED_FILE_BYTES_MAX = 1 << 30
#: The scratch folder is larger than what may be in it: names, blocks half used, files given.
SCRATCH_ROOM_BYTES = 64 << 20
#: A native guest always has a folder to write to: its libraries expect one. Its run's own limit on
#: files ends it below.
NATIVE_FILES_BYTES = 16 << 20


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
    files_bytes = scratch_bytes(pool)
    writes = files_bytes > 0 or any(mount.writable for mount in pool.mounts)
    binds = [Bind(spool_path, spool_path), *_mounts(pool, spool_path)]
    tmpfs_bytes = 0
    if scratch_path:
        binds.append(Bind(scratch_path, scratch_path, writable=True))
    elif files_bytes:
        tmpfs_bytes = files_bytes + SCRATCH_ROOM_BYTES
    return CellWish(
        resources=Resources(
            memory_bytes=CELL_MEMORY_BYTES + image_bytes(pool) + pool.memory_bytes + sessions_bytes,
            threads_max=THREADS_MAX + (THREADS_PER_SLOT * pool.slots if pool.slots > 1 else 0),
            descriptors_max=NATIVE_DESCRIPTORS_MAX.get(pool.kind, DESCRIPTORS_MAX),
            file_bytes_max=max(files_bytes, MOUNTED_FILE_BYTES_MAX) if writes else 0,
        ),
        writable_tmpfs_bytes=tmpfs_bytes,
        binds=tuple(binds),
    )


def image_bytes(pool: DefinePool) -> int:
    """Return what the cells of a pool may hold of their image, beside what every cell may."""
    return NATIVE_IMAGE_BYTES if pool.kind == "process" else 0


def scratch_bytes(pool: DefinePool) -> int:
    """Return what the cells of a pool may write to a folder of their own; 0 for no folder."""
    return pool.files_bytes if pool.kind == "wasm" else max(pool.files_bytes, NATIVE_FILES_BYTES)


def outermost(paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of absolute paths that lie in no other of them, in their order."""
    found: list[str] = []
    for path in sorted({os.path.normpath(path) for path in paths}):
        if not any(f"{path}/".startswith(f"{other}/") for other in found):
            found.append(path)
    return tuple(found)


def _mounts(pool: DefinePool, spool_path: str) -> Sequence[Bind]:
    """Return the mounts of a pool's runs, as its cells are to see them."""
    if pool.kind == "wasm":  # the engine gives them their guests' names
        ordered = sorted(pool.mounts, key=_read_only_first)
        paths = {mount.host_path: mount.writable for mount in ordered}
        return [Bind(path, path, writable) for path, writable in paths.items()]
    if problem_of(pool.mounts, reserved_paths(pool.libraries, spool_path)):
        return ()  # its runs are told, in words, by their cells
    return [Bind(mount.host_path, mount.guest_path, mount.writable) for mount in pool.mounts]


def reserved_paths(libraries: Sequence[str], spool_path: str) -> tuple[str, ...]:
    """Return where nothing may be mounted in a native cell."""
    return (SCRATCH, *outermost(libraries), *([spool_path] if spool_path else []))


def _read_only_first(mount: Mount) -> bool:
    return mount.writable
