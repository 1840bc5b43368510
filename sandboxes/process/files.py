"""The files of one native guest: its working directory, its mounts, and how much was written.

The guest's directory is its working directory from the first line on, so that relative paths, and
what `tempfile` falls back to, lead there. In a jail of its own root it also is `/work`, as for
Wasm guests. Mounts were made when the cell was: what is left to do is to see that they can be.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from protocol.messages import Mount, Run
from sandboxes.errors import MountRefused
from sandboxes.meters import Meters
from sandboxes.mounting import problem_of
from sandboxes.requests import Pieces
from sandboxes.scratch import FilesOverLimit, Scratch, scratch_parent, sizes

#: What is told of a folder with too many entries: over every limit.
CROWDED_BYTES: Final = 1 << 40
#: In a cell's scratch directory: leads to the working directory of the run at hand.
LINK: Final = "work"


class Files:
    """What one guest can reach of the file system beside its libraries. Owned by its sandbox."""

    __slots__ = (
        "_before_bytes", "_before_sizes", "_meters", "_mounts", "_parent", "_reserved", "_scratch"
    )  # fmt: skip

    def __init__(
        self, meters: Meters, spool_path: str, scratch_path: str, reserved: tuple[str, ...] = ()
    ) -> None:
        """Begin with nothing.

        Args:
            meters: this process's.
            spool_path: the folder of large inputs, or "".
            scratch_path: the cell's own folder for files, or "".
            reserved: paths that no mount may touch.
        """
        self._reserved = reserved
        self._meters = meters
        self._parent = scratch_parent(scratch_path, spool_path)
        self._mounts: tuple[Mount, ...] | None = None
        self._scratch: Scratch | None = None
        self._before_bytes = 0
        self._before_sizes: dict[str, dict[tuple[int, int], int]] = {}

    def begin(self, run: Run, pieces: Pieces) -> str:
        """Prepare for a run; return its working directory.

        Raises:
            MountRefused: a directory or a file cannot be given as it was asked for.
        """
        mounts = tuple(run.mounts)
        if self._mounts is None:
            if problem := problem_of(mounts, self._reserved):
                raise MountRefused(problem)
            self._mounts = mounts
        elif mounts and mounts != self._mounts:
            raise MountRefused("a session keeps the mounts of its first run")
        if self._scratch is None:
            self._scratch = Scratch(self._parent)
        self._point_to(self._scratch.path)
        for file in run.files:
            self._scratch.put(file.name, pieces.data(file.buffer))
        writable = [mount.guest_path for mount in self._mounts if mount.writable]
        self._before_sizes = {
            path: found
            for path in (*writable, self._scratch.path)
            if (found := sizes(path)) is not None
        }
        self._before_bytes = self._meters.all_written_bytes()
        return self._scratch.path

    def forget_mounts(self) -> None:
        """Let the next run name its mounts: the one before was a rehearsal."""
        self._mounts = None

    def _point_to(self, path: str) -> None:
        with contextlib.suppress(OSError):  # a tenant's guest may have put something in its place
            link = f"{self._parent}/{LINK}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(link)
            os.symlink(os.path.basename(path), link)

    def written_bytes(self) -> int:
        """Return what this process has written in this run, pipes included. Any thread."""
        if self._scratch is None:
            return 0
        if self._scratch.is_crowded():
            return CROWDED_BYTES
        return max(0, self._meters.all_written_bytes() - self._before_bytes)

    def used_bytes(self) -> int:
        """Return, at the end of a run, by how much files grew."""
        grown = 0
        for path, before in self._before_sizes.items():
            after = sizes(path)
            if after is None:
                return CROWDED_BYTES
            for file, size in after.items():
                grown += max(0, size - before.get(file, 0))
        return min(grown, CROWDED_BYTES)

    def take_files(self, limit_bytes: int) -> dict[str, bytes]:
        """Return the files the guest made or changed in its directory.

        Raises:
            FilesOverLimit: they are more than may go out.
        """
        return {} if self._scratch is None else self._scratch.take(limit_bytes)

    def close(self) -> bool:
        """Remove the directory; return False if something of it is left. Idempotent."""
        kept, self._scratch = self._scratch, None
        if kept is None:
            return True
        self._leave()
        try:
            kept.close()
        except OSError:  # the guest made what nobody can open
            return False
        return True

    def _leave(self) -> None:
        os.chdir("/")  # so that it is nobody's working directory


__all__ = ["CROWDED_BYTES", "Files", "FilesOverLimit"]
