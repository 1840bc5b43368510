"""The main of a cell that has several runs at hand: one thread reads, one for each slot runs.

    main thread    reads frames: new runs, answers, interrupts; keeps every run's deadline
    slot threads   take a run each, call its sandbox, send what it says and how it ended
    stock thread   makes and warms sandboxes: after the first, and whenever one was taken

A sandbox of such a cell runs its guest outside the main interpreter's lock, so these threads wait
for most of the time, and a guest that computes holds up no other.

Rule 1: a run that ended was answered: its slot is given back with its `Done`, in one write.
Rule 2: the sandbox of a session is put back before the answer, as the next run may follow at once.
Rule 3: what is spent says so with the next `Ready`, or at once where none would come.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from protocol.errors import LocalProtocolError
from protocol.messages import (
    EndSession,
    Error,
    HostReply,
    Interrupt,
    Ready,
    Report,
    Run,
    Setup,
    Stdin,
    Verdict,
)
from protocol.reading import decode_frame
from sandboxes.base import Backend, Ended, Order, Sandbox
from sandboxes.cell_run import RunAtHand
from sandboxes.errors import NoRoom, SandboxBroken

if TYPE_CHECKING:
    from protocol.frames import Frame
    from sandboxes.channel import Channel

#: An interrupted run is interrupted again after this: what a guest left to be done at its end is
#: code of the guest as well.
AGAIN_S: Final = 0.02
#: How often a run's files are measured: every guest has a folder to write to.
FILES_CHECK_S: Final = 0.05
#: How often a sandbox that is being ended is looked at.
SPENT_CHECK_S: Final = 0.5
SESSIONS_MAX: Final = 1_024
FAILURE_CHARS_MAX: Final = 4_000
_SESSION_GONE: Final = Ended(
    Verdict.CRASHED, error=Error("SessionLost", "the sandbox kept for the session is gone")
)


class SlotBackend(Backend, Protocol):
    """A backend whose sandboxes run side by side, on threads of the cell's choosing."""

    @property
    def is_spent(self) -> bool:
        """True once the cell must serve nothing more."""
        ...

    @property
    def is_ending(self) -> bool:
        """True while closed sandboxes are being ended, which may make the cell a spent one."""
        ...


class SlotCell:
    """The threads of a cell and what they share."""

    def __init__(self, channel: Channel, setup: Setup, backend: SlotBackend) -> None:
        """Begin without a thread; `serve` starts them."""
        self._channel = channel
        self._setup = setup
        self._backend = backend
        self._orders: SimpleQueue[RunAtHand] = SimpleQueue()
        #: An entry whenever a sandbox was taken from the stock, or closed.
        self._changed: SimpleQueue[None] = SimpleQueue()
        self._stock: deque[Sandbox] = deque()
        #: Guards the runs, the sessions, and the start and the end of a run against interrupts.
        self._turn = _thread.allocate_lock()
        self._runs: dict[int, RunAtHand] = {}
        #: `None` while a run of the session has its sandbox.
        self._sessions: dict[int, Sandbox | None] = {}
        self._said_spent = False

    def serve(self) -> NoReturn:
        """Serve until the supervisor closes the socket."""
        try:
            self._make_one()
            self._channel.send(self._ready())
            self._changed.put(None)
            _thread.start_new_thread(self._guarded, (self._keep_stock,))
            for _ in range(self._setup.slots):
                _thread.start_new_thread(self._guarded, (self._serve_slot,))
        except BaseException as error:  # noqa: BLE001 - the supervisor must be told
            self._fail(error)
        self._guarded(self._serve_frames)

    def _guarded(self, serve: Callable[[], NoReturn]) -> NoReturn:
        try:
            serve()
        except BaseException as error:  # noqa: BLE001 - a thread of a cell must not die alone
            self._fail(error)

    def _fail(self, error: BaseException) -> NoReturn:
        self._channel.send(Report(failure=f"{type(error).__name__}: {error}"[:FAILURE_CHARS_MAX]))
        os._exit(1)

    # --- main thread -----------------------------------------------------------------------------
    def _serve_frames(self) -> NoReturn:
        poller = select.poll()
        poller.register(self._channel.sock, select.POLLIN)
        while True:
            timeout_s = self._tend(time.monotonic())
            if poller.poll(None if timeout_s is None else max(0.0, timeout_s) * 1e3):
                for frame in self._channel.receive():
                    self._take(frame)

    def _tend(self, now: float) -> float | None:
        """Interrupt the runs that are due; return the seconds until the next look."""
        with self._turn:
            runs = list(self._runs.values())
        waits = [self._tend_run(run, now) for run in runs]
        return min(waits, default=None)

    def _tend_run(self, run: RunAtHand, now: float) -> float:
        if run.interrupted is not None:
            with self._turn:
                if self._runs.get(run.run_id) is run:
                    run.interrupt_again()
            return AGAIN_S
        if now >= run.deadline:
            self._interrupt(run, Verdict.TIMEOUT)
            return AGAIN_S
        if run.files_bytes() > run.limits.files_bytes:
            self._interrupt(run, Verdict.FILES)
            return AGAIN_S
        return min(FILES_CHECK_S, run.deadline - now)

    def _take(self, frame: Frame) -> None:
        message, buffers = decode_frame(frame)
        run = self._runs.get(frame.run_id)
        match message:
            case Run():
                if len(self._runs) >= self._setup.slots:
                    raise LocalProtocolError("a run was sent to a cell that has no free slot")
                run = RunAtHand(
                    frame.run_id, Order(message, buffers), self._channel.send, time.monotonic()
                )
                with self._turn:
                    self._runs[frame.run_id] = run
                self._orders.put(run)
            case Interrupt(verdict) if run is not None:
                self._interrupt(run, verdict)
            case HostReply() if run is not None:
                run.take_reply(message, buffers)
            case Stdin() if run is not None:
                run.take_stdin(bytes(buffers[0]) if buffers else b"", end=message.end)
            case EndSession(session):
                with self._turn:
                    sandbox = self._sessions.pop(session, None)
                if sandbox is not None:
                    self._close(sandbox)
            case _:
                pass  # about a run that ended meanwhile

    def _interrupt(self, run: RunAtHand, verdict: Verdict) -> None:
        with self._turn:
            if self._runs.get(run.run_id) is run:
                run.interrupt(verdict)
        run.flush()

    # --- slot threads ----------------------------------------------------------------------------
    def _serve_slot(self) -> NoReturn:
        while True:
            self._run(self._orders.get())

    def _run(self, run: RunAtHand) -> None:
        started_ns = time.perf_counter_ns()
        try:
            sandbox = self._sandbox_for(run.order)
        except SandboxBroken as broken:
            self._put_back(run.order.run.session, None)
            full = isinstance(broken, NoRoom)
            error = Error("MemoryError" if full else "SandboxBroken", str(broken))
            self._end(run, Ended(Verdict.MEMORY if full else Verdict.CRASHED, error=error), 0)
            return
        if sandbox is None:
            # A fresh sandbox in its place would lie to its host.
            self._end(run, _SESSION_GONE, 0)
            return
        with self._turn:
            run.begin(sandbox)
        start_us = (time.perf_counter_ns() - started_ns) // 1_000
        ended = sandbox.run(run.order, run)
        kept = ended.reusable and run.interrupted is None
        if not self._put_back(run.order.run.session, sandbox if kept else None):
            self._close(sandbox)
        self._end(run, ended, start_us)

    def _sandbox_for(self, order: Order) -> Sandbox | None:
        """Return the sandbox for a run; `None` if the one of its session is gone.

        Raises:
            SandboxBroken: none can be made.
        """
        session = order.run.session
        with self._turn:
            if session and not order.run.session_new:
                sandbox = self._sessions.get(session)
                if sandbox is not None:
                    self._sessions[session] = None
                return sandbox
            if session and len(self._sessions) >= SESSIONS_MAX:
                raise SandboxBroken(f"over {SESSIONS_MAX} sessions in one cell")
            if session:
                self._sessions[session] = None
        if self._backend.fits_stock(order.run):
            try:
                sandbox = self._stock.popleft()
            except IndexError:
                pass  # quicker made here than waited for
            else:
                self._changed.put(None)
                return sandbox
        return self._backend.fresh(order)

    def _put_back(self, session: int, sandbox: Sandbox | None) -> bool:
        """Keep the sandbox of a session, or forget it; return whether it is kept."""
        if not session:
            return False
        with self._turn:
            if session not in self._sessions:
                return False  # ended while a run of it was at hand
            if sandbox is None:
                del self._sessions[session]
                return False
            self._sessions[session] = sandbox
            return True

    def _close(self, sandbox: Sandbox) -> None:
        sandbox.close()
        self._changed.put(None)

    def _end(self, run: RunAtHand, ended: Ended, start_us: int) -> None:
        with self._turn:
            del self._runs[run.run_id]
        done, buffers = run.done(ended, start_us=start_us)
        self._channel.send(done, run.run_id, buffers, then=self._ready())

    def _ready(self) -> Ready:
        self._said_spent |= self._backend.is_spent
        return Ready(
            stock=len(self._stock),
            heap_bytes=self._backend.heap_bytes(),
            spent=self._said_spent,
        )

    # --- stock thread ----------------------------------------------------------------------------
    def _keep_stock(self) -> NoReturn:
        while True:
            with contextlib.suppress(Empty):
                self._changed.get(timeout=SPENT_CHECK_S if self._backend.is_ending else None)
            while len(self._stock) < self._setup.stock and not self._backend.is_spent:
                try:
                    self._make_one()
                except SandboxBroken:
                    break  # no memory is left, perhaps: tried again when a sandbox was closed
            if self._backend.is_spent and not self._said_spent:
                self._channel.send(self._ready())

    def _make_one(self) -> None:
        sandbox = self._backend.fresh()
        try:
            sandbox.warm_up()
        except SandboxBroken:
            sandbox.close()
            raise
        self._stock.append(sandbox)
