"""Large buffers on their way to a cell, as files in the supervisor's spool folder.

A buffer over `SPOOL_BYTES_MIN` is written to a file on tmpfs instead of the pipe; the run names the
file, and its cell reads it. Most of the cost of a new file is that of allocating its pages (10 of
12 ms for 10 MB), so files are kept and written over.

Rule 1: a file is written over only after the run that it belonged to has ended.
Rule 2: it then serves the same tenant alone: a cell that was taken over may have kept it open.
Rule 3: a file whose guest lives on, as in a session, is never written over.
Rule 4: a file is exactly as long as its buffer.
Rule 5: a file that is shared is written once, and removed when it was given up and no run has it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from executor.loop.spool import FILE_MODE
from protocol.frames import Buffer
from protocol.structs import mutable

if TYPE_CHECKING:
    from executor.shared import SharedBuffer

SPOOL_BYTES_MIN = 256 << 10
#: As many as `Run.spooled` may name.
SPOOLED_MAX = 64
#: Kept for later runs: enough for the large inputs of a few runs at once.
FREE_FILES_MAX = 16
FREE_BYTES_MAX = 64 << 20


@mutable
class _File:
    name: str
    fd: int
    length_bytes: int


@mutable
class _Shared:
    """A file that is shared: the object that maps it on this side, and how many runs have it."""

    mapping_id: int
    length_bytes: int
    runs: int = 0
    is_given_up: bool = False


class Spool:
    """The files of one supervisor. Thread-safe. The folder belongs to the connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._count = 0
        #: By tenant, in the order in which they became free, oldest first.
        self._free: list[tuple[str, _File]] = []
        self._free_bytes = 0
        self._in_use: dict[str, _File] = {}
        self._shared: dict[str, _Shared] = {}
        self._is_closed = False

    def write(self, data: Buffer, *, tenant: str) -> str:
        """Write one buffer to a file and return its name.

        Raises:
            OSError: the folder is full or gone.
        """
        view = memoryview(data).cast("B")
        with self._lock:
            file = self._take_free(tenant, view.nbytes)
            if file is None:
                file = self._make()
            self._in_use[file.name] = file
        try:
            at = 0
            while at < view.nbytes:
                at += os.pwrite(file.fd, view[at:], at)
            if file.length_bytes > view.nbytes:
                os.ftruncate(file.fd, view.nbytes)
            file.length_bytes = view.nbytes
        except OSError:
            self.take_back([file.name], tenant=tenant, reusable=False)
            raise
        return file.name

    def share(self, data: Buffer) -> SharedBuffer:
        """Write a buffer that many runs are to read.

        Raises:
            OSError: the folder is full or gone.
        """
        from executor.shared import SharedBuffer

        view = memoryview(data).cast("B")
        with self._lock:
            file = self._make()
        path = os.path.join(self._path, file.name)
        try:
            at = 0
            while at < view.nbytes:
                at += os.write(file.fd, view[at:])
            shared = SharedBuffer(
                file.name, os.open(path, os.O_RDONLY | os.O_CLOEXEC), self._unshare
            )
        except OSError:
            self._remove(file)
            raise
        os.close(file.fd)  # nobody here writes to it again
        with self._lock:
            self._shared[file.name] = _Shared(id(shared.view.obj), view.nbytes)
        return shared

    def wants(self, data: Buffer) -> bool:
        """Return whether a buffer is to go by file: it is large, or there is a file of it."""
        return nbytes(data) > SPOOL_BYTES_MIN or self._shared_name(data) is not None

    def take_shared(self, data: Buffer) -> str | None:
        """Return the file of a shared buffer for one more run; None if it is not shared."""
        if not self._shared:
            return None
        with self._lock:
            name = self._shared_name(data)
            if name is not None:
                self._shared[name].runs += 1
            return name

    def _shared_name(self, data: Buffer) -> str | None:
        if not self._shared or not isinstance(data, memoryview):
            return None
        for name, shared in list(self._shared.items()):
            if shared.is_given_up or shared.mapping_id != id(data.obj):
                continue
            if data.nbytes == shared.length_bytes:  # not a part of it
                return name
        return None

    def _unshare(self, name: str) -> None:
        with self._lock:
            if (shared := self._shared.get(name)) is not None:
                shared.is_given_up = True
                self._drop_shared(name, shared)

    def _drop_shared(self, name: str, shared: _Shared) -> None:
        if shared.is_given_up and not shared.runs:
            del self._shared[name]
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._path, name))

    def take_back(self, names: Sequence[str], *, tenant: str, reusable: bool) -> None:
        """Take back the files of a run that has ended.

        Args:
            names: as `write` returned them.
            tenant: whose run it was.
            reusable: False if its guest may still read them.
        """
        with self._lock:
            for name in names:
                if (shared := self._shared.get(name)) is not None:
                    shared.runs -= 1
                    self._drop_shared(name, shared)
                    continue
                file = self._in_use.pop(name, None)
                if file is None:
                    continue
                if reusable and not self._is_closed:
                    self._free.append((tenant, file))
                    self._free_bytes += file.length_bytes
                else:
                    self._remove(file)
            while len(self._free) > FREE_FILES_MAX or self._free_bytes > FREE_BYTES_MAX:
                _, oldest = self._free.pop(0)
                self._free_bytes -= oldest.length_bytes
                self._remove(oldest)

    def close(self) -> None:
        """Remove every file. Idempotent."""
        with self._lock:
            self._is_closed = True
            for file in [*self._in_use.values(), *(file for _, file in self._free)]:
                self._remove(file)
            for name in self._shared:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._path, name))
            self._shared.clear()
            self._in_use.clear()
            self._free.clear()
            self._free_bytes = 0

    @property
    def free_files(self) -> int:
        """How many files wait to be written over."""
        return len(self._free)

    def _take_free(self, tenant: str, wanted_bytes: int) -> _File | None:
        """Return the tenant's file whose length is nearest: it has most of the pages needed."""
        mine = [at for at, (owner, _) in enumerate(self._free) if owner == tenant]
        if not mine:
            return None
        at = min(mine, key=lambda at: abs(self._free[at][1].length_bytes - wanted_bytes))
        _, file = self._free.pop(at)
        self._free_bytes -= file.length_bytes
        return file

    def _make(self) -> _File:
        self._count += 1
        name = f"buffer-{self._count}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return _File(name, os.open(os.path.join(self._path, name), flags, FILE_MODE), 0)

    def _remove(self, file: _File) -> None:
        with contextlib.suppress(OSError):  # the folder may be gone before us
            os.unlink(os.path.join(self._path, file.name))
        os.close(file.fd)


def arrange(
    named: Sequence[Buffer], rest: Sequence[Buffer], spool: Spool, *, tenant: str
) -> tuple[list[Buffer], list[str], list[int]]:
    """Decide which buffers go in the frame and which by file.

    Args:
        named: buffers that a field of the message names by index.
        rest: out-of-band buffers of values, which no field names: their order counts.
        spool: where the large ones go.
        tenant: whose run it is.

    Returns:
        The buffers of the frame, the files, numbered on behind them, and the index of each of
        `named`.

    Raises:
        OSError: the spool folder is full or gone.
    """
    room = SPOOLED_MAX
    by_file = [at for at, data in enumerate(named) if nbytes(data) > SPOOL_BYTES_MIN][:room]
    room -= len(by_file)
    # The rest keeps its order only if a tail of it goes by file.
    first = next((at for at, data in enumerate(rest) if spool.wants(data)), len(rest))
    first = max(first, len(rest) - room)
    if not by_file and first == len(rest):
        return [*named, *rest], [], list(range(len(named)))
    inline: list[Buffer] = []
    names: list[str] = []
    indices = [0] * len(named)
    try:
        for at, data in enumerate(named):
            if at in by_file:
                names.append(spool.write(data, tenant=tenant))
            else:
                indices[at] = len(inline)
                inline.append(data)
        inline += rest[:first]
        for number, at in enumerate(by_file):
            indices[at] = len(inline) + number
        names.extend(
            spool.take_shared(data) or spool.write(data, tenant=tenant) for data in rest[first:]
        )
    except OSError:
        spool.take_back(names, tenant=tenant, reusable=True)
        raise
    return inline, names, indices


def nbytes(data: Buffer) -> int:
    """Return the length of a buffer in bytes."""
    return data.nbytes if isinstance(data, memoryview) else len(data)
