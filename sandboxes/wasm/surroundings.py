"""The files of one sandbox: its directories, its own folder, and how much was written.

A fresh guest has not looked at its directories yet, so a sandbox from stock gets them at its
first run. From then on they are fixed: a later run of a session may bring files, but no mounts.
"""

from __future__ import annotations

import _thread
from collections.abc import Sequence
from typing import Final

from protocol.messages import Mount, Run
from sandboxes import scratch
from sandboxes.errors import MountRefused
from sandboxes.meters import Meters
from sandboxes.requests import Pieces
from sandboxes.scratch import FilesOverLimit, Scratch, sizes
from sandboxes.wasm.mounts import Preopen, preopens

#: What is told of a folder with too many entries: over every limit.
CROWDED_BYTES: Final = 1 << 40


class Surroundings:
    """What one guest can reach of the file system. Owned by its sandbox."""

    __slots__ = (
        "_before_bytes", "_before_sizes", "_lock", "_meters", "_mounts", "_scratch",
        "_scratch_path", "_spool_path", "_writes",
    )  # fmt: skip

    def __init__(self, meters: Meters, spool_path: str, scratch_path: str = "") -> None:
        """Begin with nothing."""
        self._meters = meters
        self._scratch_path = scratch_path
        self._spool_path = spool_path
        self._mounts: Sequence[Mount] | None = None
        self._scratch: Scratch | None = None
        self._writes = False
        self._before_bytes = 0
        self._before_sizes: dict[str, dict[tuple[int, int], int]] = {}
        self._lock = _thread.allocate_lock()

    @property
    def work_path(self) -> str:
        """Where the guest finds its own folder; "" if it has none."""
        return scratch.GUEST_PATH if self._scratch is not None else ""

    def begin(self, run: Run, pieces: Pieces) -> Sequence[Preopen] | None:
        """Prepare for a run.

        Returns:
            The directories the guest is to get, or `None` if it has them already.

        Raises:
            MountRefused: a directory or a file cannot be given as it was asked for.
        """
        opened = self._open(run) if self._mounts is None else None
        if opened is None and run.mounts and tuple(run.mounts) != self._mounts:
            raise MountRefused("a session keeps the mounts of its first run")
        if run.files and self._scratch is None:
            raise MountRefused("a session whose first run had no files takes none later")
        for file in run.files:
            assert self._scratch is not None
            self._scratch.put(file.name, pieces.data(file.buffer))
        self._note_before()
        return opened

    def _note_before(self) -> None:
        paths = [mount.host_path for mount in self._mounts or () if mount.writable]
        if self._scratch is not None:
            paths.append(self._scratch.path)
        self._before_sizes = {path: found for path in paths if (found := sizes(path)) is not None}
        self._before_bytes = self._meters.written_bytes()
        self._writes = bool(paths)

    def _open(self, run: Run) -> Sequence[Preopen]:
        wants_folder = bool(run.files) or run.keep_files or run.session != 0
        if wants_folder and self._scratch is None:
            self._scratch = Scratch(scratch.scratch_parent(self._scratch_path, self._spool_path))
        opened = preopens(
            run.mounts,
            work_path=self._scratch.path if self._scratch is not None else "",
        )
        self._mounts = tuple(run.mounts)
        return opened

    def written_bytes(self) -> int:
        """Return what the guest has written to files in this run, at least. Any thread."""
        with self._lock:
            if not self._writes:
                return 0
            if self._scratch is not None and self._scratch.is_crowded():
                return CROWDED_BYTES
            return max(0, self._meters.written_bytes() - self._before_bytes)

    def used_bytes(self) -> int:
        """Return, at the end of a run, what was written or by how much files grew: the larger.

        The growth is exact. What was written also counts what was deleted or written over.
        """
        written = self.written_bytes()
        grown = 0
        for path, before in self._before_sizes.items():
            after = sizes(path)
            for file, size in (after or {}).items():
                grown += max(0, size - before.get(file, 0))
        return min(max(written, grown), CROWDED_BYTES)

    def take_files(self, limit_bytes: int) -> dict[str, bytes]:
        """Return the files the guest made or changed in its folder.

        Raises:
            FilesOverLimit: they are more than may go out.
        """
        return {} if self._scratch is None else self._scratch.take(limit_bytes)

    def close(self) -> None:
        """Remove the folder. Idempotent."""
        with self._lock:
            self._writes = False
            kept, self._scratch = self._scratch, None
        if kept is not None:
            kept.close()


__all__ = ["CROWDED_BYTES", "FilesOverLimit", "Surroundings"]
