"""The supervisor loop: one selector over the host's pipe, the cells' sockets and their processes.

    host frame  -> event -> `PoolCore` -> actions -> frames, processes, timers
    cell frame  -> passed on to the host, unread; its kind alone tells the core what happened

Rule 1: nothing here decides; what to start, stop, refuse or kill is an action of the core.
Rule 2: nothing here blocks but the one `select`, and its timeout is the core's `wake_at`.
Rule 3: a cell that says what it must not say at that moment is killed; it costs its own run.
Rule 4: when the host's pipe ends, every cell is killed and the loop is over.
Rule 5: a cell gets a run only after the host's socket took the word that it was placed: a run of
        which the host has no such word when the loop dies has not begun, and may go to another.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import assert_never

from executor.loop.cell_link import READ, WRITE, CellLink
from executor.loop.lateness import Lateness
from executor.loop.peer import Peer, PeerClosed
from executor.loop.spawn import Death, Spawned, Spawner, Starting
from executor.loop.spool import FOLDER_MODE, cell_folder, remove_cell_folders
from executor.loop.watch import HEADROOM_BYTES, PERIOD_S, Beat, look
from executor.pool import (
    Action,
    BreakerOpened,
    CellGone,
    CellReady,
    Closed,
    DrainAsked,
    DropSession,
    Event,
    InterruptRun,
    KillCell,
    LoseRun,
    PoolCore,
    PoolDefined,
    PoolDropped,
    RefuseRun,
    RunCancelled,
    RunEnded,
    RunSubmitted,
    SessionEnded,
    SpawnCell,
    StartRun,
)
from protocol.errors import printable
from protocol.frames import FRAME_BYTES_MAX, Buffer, Frame, encode_parts
from protocol.messages import (
    HOST_SENDS,
    KINDS,
    AskStatistics,
    Cancel,
    DefinePool,
    Distrust,
    Done,
    Drain,
    DropPool,
    EndSession,
    HostReply,
    Interrupt,
    Lost,
    Message,
    Placed,
    PoolFailed,
    Ready,
    Refused,
    Run,
    Statistics,
    Stdin,
    Submit,
    Verdict,
)
from protocol.reading import decode_frame, encode_message
from sandboxes.cell_plan import image_bytes

#: Reading from cells stops while this much waits for the host, and goes on at half of it.
HOST_BACKLOG_BYTES_MAX = 64 << 20
#: A dead cell's spawner has this long to say how it ended.
LAST_WORD_WAIT_S = 0.05
#: While a run is at hand the loop looks at the clock this often, to know how late it is.
BEAT_S = 0.05
_RUN, _DONE = KINDS[Run], KINDS[Done]


class SupervisorLoop:
    """Owns the cells of one supervisor. Not thread-safe: one thread calls `run`."""

    def __init__(
        self,
        host: socket.socket,
        core: PoolCore,
        spawner: Spawner,
        *,
        spool_path: str,
        headroom_bytes: int = HEADROOM_BYTES,
    ) -> None:
        self._host = Peer(host, kinds=HOST_SENDS, limit_bytes=FRAME_BYTES_MAX)
        self._core = core
        self._spawner = spawner
        self._spool_path = spool_path
        self._selector = selectors.DefaultSelector()
        self._pools: dict[int, DefinePool] = {}
        self._submitted: dict[int, tuple[Submit, list[memoryview]]] = {}
        self._cells: dict[int, CellLink] = {}
        self._starting: dict[int, Starting] = {}
        #: Dead cells whose spawner has not said how they ended, and until when to wait for it.
        self._unburied: dict[int, float] = {}
        self._cell_of_run: dict[int, CellLink] = {}
        #: Runs that have a cell and wait for the host to be told: up to which byte, cell, run.
        self._placed: deque[tuple[int, int, int]] = deque()
        self._headroom_bytes = headroom_bytes
        self._lateness = Lateness()
        self._beat, self._look_beat = Beat(BEAT_S), Beat(PERIOD_S)
        self._is_closed = False
        self._reads_cells = True
        self._host_mask = READ
        self._clock = time.monotonic

    # --- the loop --------------------------------------------------------------------------------
    def run(self) -> None:
        """Serve until the host closes its end or a drain is over; leaves no process behind."""
        self._selector.register(self._host.sock, READ, self._on_host)
        self._spawner.attach(self._selector, self)
        try:
            while not self._is_closed:
                self._turn()
        except PeerClosed:
            pass  # the host is gone, and with it everybody who waits for an answer
        finally:
            self._end()

    def _turn(self) -> None:
        due = self._wake_at()
        now = self._clock()
        is_busy = bool(self._cell_of_run)
        beat_at = self._beat.plan(now, is_wanted=is_busy)
        look_at = self._look_beat.plan(now, is_wanted=is_busy)
        wake_at = min((at for at in (due, beat_at, look_at) if at is not None), default=None)
        ready = self._selector.select(None if wake_at is None else max(0.0, wake_at - now))
        now = self._clock()
        # Late is late, also where a frame was what ended the wait.
        for planned_at in (due, self._beat.take(now)):
            if planned_at is not None and now >= planned_at:
                self._lateness.note(now - planned_at)
        # What a cell still said is read before its death is noted: sockets come before processes.
        ready.sort(key=lambda entry: isinstance(entry[0].fileobj, int))
        for key, mask in ready:
            handler: Callable[[int], None] = key.data
            handler(mask)
        if due is not None and now >= due:
            self._advance(self._clock())
        if self._look_beat.take(now) is not None:
            for seen in look([(cell.number, cell.spawned.pid) for cell in self._cells.values()]):
                self._feed(seen)

    def _wake_at(self) -> float | None:
        due = [self._core.wake_at(), self._spawner.wake_at(), *self._unburied.values()]
        return min((at for at in due if at is not None), default=None)

    def _advance(self, now: float) -> None:
        self._carry_out(self._core.advance(now))
        self._spawner.advance(now)
        for number in [n for n, until in self._unburied.items() if until <= now]:
            self._bury(self._cells[number], None)

    def _end(self) -> None:
        for cell in self._cells.values():
            cell.hang_up()  # all of them before the first is waited for
        for cell in self._cells.values():
            cell.bury(self._spawner.death_of(cell.number, cell.spawned))
        self._selector.close()
        self._host.close()
        self._spawner.close()

    def _feed(self, event: Event) -> None:
        self._carry_out(self._core.handle(event, self._clock()))

    # --- host ------------------------------------------------------------------------------------
    def _on_host(self, mask: int) -> None:
        if mask & WRITE:
            self._host.flush()
            self._give_placed()
        if mask & READ:
            for frame in self._host.receive():
                self._take_from_host(frame)
        self._watch_host()

    def _take_from_host(self, frame: Frame) -> None:
        if frame.kind in _PASSED_TO_CELL:
            cell = self._cell_of_run.get(frame.run_id)
            if cell is not None:
                cell.forward(frame)
            return
        message, buffers = decode_frame(frame)
        match message:
            case Submit():
                self._submitted[frame.run_id] = (message, buffers)
                self._feed(
                    RunSubmitted(
                        run_id=frame.run_id,
                        pool=message.pool,
                        tenant=message.tenant,
                        priority=message.priority,
                        wall_s=message.wall_ms / 1_000,
                        queue_s=message.queue_ms / 1_000,
                        session=message.session,
                    )
                )
            case Cancel():
                self._feed(RunCancelled(frame.run_id))
            case EndSession(session):
                self._feed(SessionEnded(session))
            case DefinePool():
                self._pools[message.pool] = message
                self._feed(
                    PoolDefined(
                        message.pool,
                        message.cells_max,
                        message.spares,
                        message.queue_max,
                        rss_bytes_max=message.memory_bytes
                        + image_bytes(message)
                        + self._headroom_bytes,
                        on_demand=message.on_demand,
                        single_use=message.single_use,
                        slots=message.slots,
                    )
                )
            case DropPool(number):
                self._pools.pop(number, None)
                self._feed(PoolDropped(number))
            case Distrust(number, reason, tenant):
                self._distrust(number, f"broke the protocol: {printable(reason)}", tenant)
            case AskStatistics():
                self._tell_host(Statistics(), frame.run_id, (self._statistics(),))
            case Drain(within_ms):
                self._feed(DrainAsked(within_ms / 1_000))
            case _:
                raise AssertionError(f"the host does not send {message!r}")

    def _distrust(self, number: int, cause: str, tenant: str) -> None:
        """Kill a cell for a lie; it is gone for the core at once, lest it be given another run."""
        if (cell := self._cells.get(number)) is not None:
            cell.kill(cause, by_us=False)
            self._feed(CellGone(number, cause, by_us=False, blamed=tenant))

    def _tell_host(self, message: Message, run_id: int = 0, buffers: Sequence[Buffer] = ()) -> None:
        self._host.send(encode_message(message, run_id, buffers))
        self._watch_host()

    def _watch_host(self) -> None:
        waiting_bytes = self._host.waiting_bytes
        mask = READ | WRITE if waiting_bytes else READ
        if mask != self._host_mask:
            self._host_mask = mask
            self._selector.modify(self._host.sock, mask, self._on_host)
        if self._reads_cells and waiting_bytes > HOST_BACKLOG_BYTES_MAX:
            self._read_cells(reads=False)
        elif not self._reads_cells and waiting_bytes <= HOST_BACKLOG_BYTES_MAX // 2:
            self._read_cells(reads=True)

    def _read_cells(self, *, reads: bool) -> None:
        self._reads_cells = reads
        for cell in self._cells.values():
            cell.watch(reads=reads)

    # --- cells -----------------------------------------------------------------------------------
    def _spawn(self, number: int, pool: int) -> None:
        spool_path = cell_folder(self._spool_path, number)
        self._starting[number] = Starting(self._pools[pool], spool_path)
        try:
            os.mkdir(spool_path, FOLDER_MODE)
        except OSError as error:
            self.cell_not_spawned(number, Death(f"no spool folder: {error.strerror}"))
            return
        self._spawner.spawn(number, self._pools[pool], spool_path)

    def cell_spawned(self, number: int, spawned: Spawned) -> None:
        """Begin to talk to a new cell."""
        starting = self._starting.pop(number)
        cell = self._cells[number] = CellLink(
            number, starting.pool, spawned, starting.spool_path, self._selector, self
        )
        if starting.killed_for:
            cell.kill(starting.killed_for, by_us=True)

    def cell_not_spawned(self, number: int, death: Death) -> None:
        """Tell the core that a cell came to nothing."""
        starting = self._starting.pop(number)
        remove_cell_folders(starting.spool_path)
        by_us = bool(starting.killed_for) or death.blameless
        self._feed(CellGone(number, starting.killed_for or death.cause, by_us=by_us))

    def cell_dead(self, cell: CellLink) -> None:
        """Bury a dead cell once its spawner can say how it ended, or soon without that."""
        death = self._spawner.death_of(cell.number, cell.spawned)
        if death is None:
            self._unburied[cell.number] = self._clock() + LAST_WORD_WAIT_S
        else:
            self._bury(cell, death)

    def death_known(self, number: int) -> None:
        """Bury a cell that waited for its cause of death."""
        cell = self._cells.get(number)
        if cell is not None and cell.is_dead:
            self._bury(cell, self._spawner.death_of(number, cell.spawned))

    def _bury(self, cell: CellLink, death: Death | None) -> None:
        self._unburied.pop(cell.number, None)
        del self._cells[cell.number]
        cause, by_us = cell.bury(death)
        self._feed(CellGone(cell.number, cause, by_us=by_us))

    def cell_ready(self, cell: CellLink, ready: Ready) -> None:
        """Tell the core that a cell waits for a run."""
        self._feed(CellReady(cell.number, ready.stock, ready.heap_bytes, ready.spent))

    def cell_said(self, cell: CellLink, frame: Frame) -> None:
        """Pass on what a cell says of a run that the host still waits for."""
        if self._cell_of_run.get(frame.run_id) is not cell:
            if frame.kind == _DONE:
                self._feed(RunEnded(cell.number, frame.run_id))
            return
        self._host.forward(frame)
        self._watch_host()
        if frame.kind == _DONE:
            del self._cell_of_run[frame.run_id]
            self._feed(RunEnded(cell.number, frame.run_id))

    # --- actions ---------------------------------------------------------------------------------
    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case StartRun(number, run_id, queued_s):
                    self._start(number, run_id, queued_s)
                case SpawnCell(number, pool):
                    self._spawn(number, pool)
                case InterruptRun(number, run_id, verdict):
                    self._interrupt(number, run_id, verdict)
                case KillCell(number, cause):
                    if (cell := self._cells.get(number)) is not None:
                        cell.kill(cause, by_us=True)
                    elif (starting := self._starting.get(number)) is not None:
                        starting.killed_for = cause
                case LoseRun(run_id, verdict, cause, ran_s):
                    self._cell_of_run.pop(run_id, None)
                    self._submitted.pop(run_id, None)
                    self._tell_host(Lost(verdict, cause, round(ran_s * 1e6)), run_id)
                case RefuseRun(run_id, reason, detail):
                    self._submitted.pop(run_id, None)
                    self._tell_host(Refused(reason, detail), run_id)
                case DropSession(number, session):
                    if (cell := self._cells.get(number)) is not None:
                        cell.send(encode_message(EndSession(session)))
                case BreakerOpened(pool, cause):
                    self._tell_host(PoolFailed(pool, cause))
                case Closed():
                    self._is_closed = True
                case _:
                    assert_never(action)

    def _start(self, number: int, run_id: int, queued_s: float) -> None:
        self._tell_host(Placed(number, round(queued_s * 1e6)), run_id)
        self._placed.append((self._host.queued_bytes, number, run_id))
        self._give_placed()

    def _give_placed(self) -> None:
        while self._placed and self._placed[0][0] <= self._host.sent_bytes:
            _, number, run_id = self._placed.popleft()
            if run_id in self._submitted:  # else it was lost meanwhile
                self._give(self._cells[number], run_id)

    def _give(self, cell: CellLink, run_id: int) -> None:
        submit, buffers = self._submitted.pop(run_id)
        self._cell_of_run[run_id] = cell
        parts = encode_parts(_RUN, run_id, bytes(buffers[0]), buffers[1:])
        cell.give(run_id, parts, self._spool_path, submit.spooled)

    def _interrupt(self, number: int, run_id: int, verdict: Verdict) -> None:
        cell = self._cells.get(number)
        if cell is not None and cell.has(run_id):
            cell.send(encode_message(Interrupt(verdict), run_id))

    def _statistics(self) -> bytes:
        snapshot = dict(self._core.statistics(self._clock()))
        snapshot["loop_lateness"] = self._lateness.snapshot()
        return json.dumps(snapshot).encode()


_PASSED_TO_CELL = frozenset({KINDS[HostReply], KINDS[Stdin]})
