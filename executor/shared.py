"""`SharedBuffer`: one block of bytes that many runs read, written once.

It is a file of the spool, which is memory (tmpfs). Each cell that has a run with it finds it in its
own folder, which it can only read: a native guest maps the very pages, a Wasm guest reads a copy
into its memory.

A file, and not a sealed memfd, for the same pages and the same cost: cells open it by its name, so
no descriptor has to be passed to a cell that lives, and the jail allows no call that could take
one. What a seal would forbid, writing, is forbidden by the folder's mount, by Landlock, and by the
host, which keeps the file open for reading alone.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Self

from executor.errors import Closed, Misuse, Refused
from protocol.values import carry_as_view

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable, Iterable

    from executor.spool import Spool


class SharedBuffer:
    """Bytes that are handed to many runs without a copy for each. Made by `Supervisor.share`.

    ```python
    with supervisor.share(array) as table:
        supervisor.map("sum(table[part::4])", ({"part": n, "table": table} for n in range(4)))
    ```

    In a guest it is a `memoryview` that cannot be written to; `numpy.frombuffer(table)` is an array
    over it. `close` it, or use it with `with`: runs that were begun keep theirs.
    """

    def __init__(self, name: str, fd: int, drop: Callable[[str], None]) -> None:
        """Take over a file of the spool.

        Args:
            name: of the file.
            fd: of the file, open for reading; ours to close.
            drop: called once with the name when nobody hands it to runs any more.
        """
        import mmap

        self.name = name
        try:
            mapping = mmap.mmap(fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        #: Holds the mapping, and nothing else does: it goes with the last view.
        self._view: memoryview | None = memoryview(mapping)
        self._drop = weakref.finalize(self, drop, name)
        _mappings[id(mapping)] = self

    @property
    def view(self) -> memoryview:
        """The bytes themselves; cannot be written to.

        Raises:
            Closed: it was closed.
        """
        if self._view is None:
            raise Closed("shared buffer")
        return self._view

    def __len__(self) -> int:
        return len(self.view)

    def __buffer__(self, _flags: int, /) -> memoryview:
        return self.view

    def close(self) -> None:
        """Hand it to no more runs and free it with the last one that has it. Idempotent."""
        if self._view is not None:
            self._drop()
            # Before the mapping goes: its identity may soon be that of something else.
            _mappings.pop(id(self._view.obj), None)
            self._view = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        size = "closed" if self._view is None else f"{len(self._view):,} bytes"
        return f"<SharedBuffer, {size}>"


carry_as_view(SharedBuffer)
#: By the identity of what maps them here, which the views of them tell.
_mappings: weakref.WeakValueDictionary[int, SharedBuffer] = weakref.WeakValueDictionary()


def carried_bytes(buffers: Iterable[Buffer]) -> int:
    """Return the size of those of a value's buffers that are not shared."""
    views = [memoryview(buffer) for buffer in buffers]
    return sum(view.nbytes for view in views if id(view.obj) not in _mappings)


def share(spool: Spool, data: Buffer) -> SharedBuffer:
    """Write a buffer to a spool.

    Raises:
        Misuse: it is none, is empty, or does not lie in one piece.
        Refused: there is no room for it.
    """
    try:
        view = memoryview(data)
    except TypeError:
        problem = f"must be bytes or have the buffer protocol, not be a {type(data).__name__}"
        raise Misuse("data", problem) from None
    if not view.c_contiguous:
        raise Misuse("data", "must lie in one piece; copy it first")
    if not view.nbytes:
        raise Misuse("data", "must not be empty")
    try:
        return spool.share(view.cast("B"))
    except OSError as error:
        raise Refused("no_room", f"{view.nbytes:,} bytes: {error.strerror}") from None
