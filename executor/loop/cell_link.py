"""The loop's side of one cell: its process, its socket, what it may say now.

    hello -> setup -> ready -> run -> done -> ready -> ...

A cell with several slots has as many runs at hand as it said it is ready for; `ready` gives back
what a `done` took.

Rule 1: a link decides nothing; it tells its owner what the cell said, and carries out a kill.
Rule 2: a frame out of turn is a broken protocol: the owner kills the cell for it.
Rule 3: after `hang_up` nothing of the cell is heard any more; only its death is still to come.
"""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Callable, Sequence
from typing import Protocol

from executor.loop.peer import Peer, PeerClosed
from executor.loop.spawn import Death, Spawned, kill
from executor.loop.spool import remove_cell_folders
from protocol import VERSION_MAX
from protocol.errors import ProtocolError, RemoteProtocolError, printable
from protocol.frames import FRAME_BYTES_MAX, Buffer, Frame
from protocol.messages import (
    CELL_RUN_KINDS,
    CELL_SENDS,
    KINDS,
    CellHello,
    DefinePool,
    Done,
    Ready,
    Report,
    Setup,
)
from protocol.reading import decode_frame, encode_message

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_DONE = KINDS[Done]


class CellOwner(Protocol):
    """What a link tells the loop."""

    def cell_ready(self, cell: CellLink, ready: Ready) -> None:
        """The cell waits for a run."""

    def cell_said(self, cell: CellLink, frame: Frame) -> None:
        """The cell said something of the run it has; a `Done` ends it."""

    def cell_dead(self, cell: CellLink) -> None:
        """The cell's process is dead; all it had said is read."""


class CellLink:
    """One living cell."""

    def __init__(
        self,
        number: int,
        pool: DefinePool,
        spawned: Spawned,
        spool_path: str,
        selector: selectors.BaseSelector,
        owner: CellOwner,
    ) -> None:
        self.number = number
        self.pool = pool
        #: The runs it was given and has not answered, each with the spooled files that are linked
        #: for it. The host may have given one up.
        self._runs: dict[int, tuple[str, ...]] = {}
        self.spawned = spawned
        self._spool_path = spool_path
        self._selector = selector
        self._owner = owner
        self._peer = Peer(spawned.sock, kinds=CELL_SENDS, limit_bytes=FRAME_BYTES_MAX)
        self._events = 0
        self._said_hello = False
        self._hung_up = False
        self._failure = ""
        self._killed_for = ""
        self._killed_by_us = False
        self._is_dead = False
        self._reads = True
        selector.register(spawned.pidfd, READ, self._on_dead)
        self.watch(reads=True)

    # --- towards the cell ------------------------------------------------------------------------
    def send(self, parts: Sequence[Buffer]) -> None:
        """Send one frame; a cell that is gone takes none, and its death is noted in its time."""
        self._send(lambda: self._peer.send(parts))

    def forward(self, frame: Frame) -> None:
        """Send one frame as it came."""
        self._send(lambda: self._peer.forward(frame))

    def give(self, run_id: int, parts: Sequence[Buffer], spool: str, names: Sequence[str]) -> None:
        """Hand the cell a run, with the spooled buffers that belong to it."""
        for name in dict.fromkeys(names):
            if not self._is_linked(name):  # several runs may be given one buffer
                os.link(os.path.join(spool, name), os.path.join(self._spool_path, name))
        self._runs[run_id] = tuple(names)
        self.send(parts)

    def has(self, run_id: int) -> bool:
        """Return whether the cell was given the run and has not answered it."""
        return run_id in self._runs

    def kill(self, cause: str, *, by_us: bool) -> None:
        """Kill the cell. The first cause stands."""
        if not self._killed_for:
            self._killed_for, self._killed_by_us = cause, by_us
        self.hang_up()

    def hang_up(self) -> None:
        """Hear and say no more; a cell without its socket has no way back, so it is killed."""
        self._hung_up = True
        kill(self.spawned)
        self._set_events(0)
        self._peer.close()

    @property
    def is_dead(self) -> bool:
        """True once the process is known to be dead."""
        return self._is_dead

    def watch(self, *, reads: bool) -> None:
        """Ask the selector for what there is to do: reading if `reads`, writing if bytes wait."""
        if not self._hung_up:
            self._reads = reads
            self._set_events((READ if reads else 0) | (WRITE if self._peer.waiting_bytes else 0))

    def bury(self, death: Death | None) -> tuple[str, bool]:
        """Forget a dead cell; return why it died, and whether that was our doing."""
        self.hang_up()
        self._note_dead()
        os.close(self.spawned.pidfd)
        while self._runs:
            self._drop_spooled(self._runs.popitem()[1])
        remove_cell_folders(self._spool_path)
        if self._killed_for:
            return self._killed_for, self._killed_by_us
        if death is None:
            return self._failure or "ended", False
        return self._failure or death.cause, death.blameless

    # --- from the cell ---------------------------------------------------------------------------
    def _send(self, send: Callable[[], None]) -> None:
        if self._hung_up:
            return
        try:
            send()
        except PeerClosed:
            self.hang_up()
        else:
            self.watch(reads=self._reads)

    def _on_socket(self, mask: int) -> None:
        try:
            if mask & WRITE:
                self._peer.flush()
            if mask & READ:
                for frame in self._peer.receive():
                    self._take(frame)
        except PeerClosed:
            self.hang_up()
        except ProtocolError as error:
            self.kill(f"broke the protocol: {printable(str(error))}", by_us=False)
        else:
            self.watch(reads=self._reads)

    def _take(self, frame: Frame) -> None:
        if self._hung_up:
            return
        if frame.kind in CELL_RUN_KINDS:
            if frame.run_id not in self._runs:
                raise RemoteProtocolError("a frame about a run that the cell does not have")
            if frame.kind == _DONE:
                self._drop_spooled(self._runs.pop(frame.run_id))
            self._owner.cell_said(self, frame)
            return
        message, _ = decode_frame(frame)
        match message:
            case CellHello() if not self._said_hello:
                if not message.version_min <= VERSION_MAX <= message.version_max:
                    raise RemoteProtocolError(f"no common version: {message!r}")
                self._said_hello = True
                self.send(encode_message(self._setup()))
            # One that says it is spent may say so at any time, also while all its slots are taken.
            case Ready(spent=spent) if self._said_hello and (
                spent or len(self._runs) < self.pool.slots
            ):
                self._owner.cell_ready(self, message)
            case Report(failure):
                self._failure = printable(failure)
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} is out of turn")

    def _setup(self) -> Setup:
        return Setup(
            version=VERSION_MAX,
            kind=self.pool.kind,
            image_path=self.pool.image_path,
            stock=self.pool.stock,
            memory_bytes=self.pool.memory_bytes,
            spool_path=self._spool_path,
            scratch_path=self.spawned.scratch_path,
            fuel=self.pool.fuel,
            libraries=self.pool.libraries,
            preload=self.pool.preload,
            single_use=self.pool.single_use,
            slots=self.pool.slots,
            interrupt=self.pool.interrupt,
        )

    def _on_dead(self, _mask: int) -> None:
        if not self._hung_up:
            self._read_last_words()
        self.hang_up()
        self._note_dead()
        self._owner.cell_dead(self)

    def _note_dead(self) -> None:
        if not self._is_dead:
            self._is_dead = True
            self._selector.unregister(self.spawned.pidfd)

    def _read_last_words(self) -> None:
        """Take what the dead cell had sent: a `Done` among it counts."""
        with contextlib.suppress(PeerClosed, ProtocolError):
            while True:
                before = self._peer.received_bytes
                for frame in self._peer.receive():
                    self._take(frame)
                if self._peer.received_bytes == before:
                    return

    def _set_events(self, events: int) -> None:
        if events == self._events:
            return
        sock = self._peer.sock
        if not self._events:
            self._selector.register(sock, events, self._on_socket)
        elif not events:
            self._selector.unregister(sock)
        else:
            self._selector.modify(sock, events, self._on_socket)
        self._events = events

    def _drop_spooled(self, names: Sequence[str]) -> None:
        for name in names:
            if not self._is_linked(name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._spool_path, name))

    def _is_linked(self, name: str) -> bool:
        return any(name in names for names in self._runs.values())
