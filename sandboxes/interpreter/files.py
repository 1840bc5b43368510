"""The files of one guest among several of a process: its own folder, the mounts of its cell.

The kernel keeps one working directory for a process, so a guest's is kept by its interpreter
(`sandboxes.interpreter.working`), and what it writes is told from what others write by looking.
"""

from __future__ import annotations

from sandboxes.process.files import Files


class SlotFiles(Files):
    """What one guest can reach beside its libraries. Owned by its sandbox."""

    __slots__ = ()

    def _point_to(self, path: str) -> None:
        """Do nothing: no path stands for the folders of several guests."""

    def written_bytes(self) -> int:
        """Return by how much files have grown in this run. Any thread."""
        return self.used_bytes()

    def _leave(self) -> None:
        """Do nothing: it is no process's working directory."""
