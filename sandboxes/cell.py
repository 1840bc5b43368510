"""The main of a cell: one process that runs guests for a supervisor it shares one socket with.

    main thread    reads frames and keeps a stock of sandboxes while no run is at hand; runs guests
                   and sends what they say
    frames thread  reads frames while a run is at hand: deadline, answers, interrupts. It begins
                   when a run is `WATCHED_AFTER_S` old or waits for an answer: most are over sooner

So a run begins on the thread that read it: handing it over would take longer than many runs.

Guests run on the main thread because it exists before the jail: what the kernel counts for it can
be opened while there still is a /proc.

Started as a script (`python -I -S -E cell.py LIBRARY [KIND]`), or entered after a fork by a zygote.
The cell enforces every limit of a run as a courtesy to the guest, which learns its verdict; the
supervisor kills the cell a little later if that did not work. What comes from the supervisor is
believed; the supervisor believes nothing from here.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # run as a script, isolated: nothing of ours is on the path yet
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.extend(sys.argv[1:2])

import _thread
import select
import socket
import time
from collections import deque
from typing import NoReturn, cast

from protocol import VERSION_MAX, VERSION_MIN
from protocol.errors import LocalProtocolError
from protocol.frames import Frame
from protocol.messages import (
    CellHello,
    EndSession,
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
from sandboxes import cell_kinds
from sandboxes.alarm import Alarm, open_alarm
from sandboxes.base import Backend, Ended, Order, Sandbox
from sandboxes.cell_run import SESSION_GONE, RunAtHand, lost
from sandboxes.channel import Channel
from sandboxes.errors import NoRoom

CELL_FD = 3
#: The kernel lets the main thread's stack grow to this, though it was started with less.
GUEST_STACK_BYTES = 64 << 20
#: Guests yield to the supervisor loop: it is woken first when every core is busy.
NICE = 5
#: Runs that end sooner are not watched, which is as good as a deadline later by this much.
WATCHED_AFTER_S = 0.001
#: How long a cell that has stock waits for another run before it makes more: the runs of a burst
#: find it free, as making one takes longer than most of them.
REST_MS = 1
#: How often a run that may write files is measured.
FILES_CHECK_S = 0.02
FAILURE_CHARS_MAX = 4_000


class Cell:
    """Both threads of a cell and what they share."""

    def __init__(self, channel: Channel, setup: Setup, backend: Backend, alarm_fd: int) -> None:
        self._channel = channel
        self._setup = setup
        self._backend = backend
        self._stock: list[Sandbox] = []
        #: The next one for the stock, not warmed up yet.
        self._cold: Sandbox | None = None
        self._sessions: dict[int, Sandbox] = {}
        #: To be closed by the main thread, as whatever belongs to a sandbox.
        self._ended_sessions: deque[int] = deque()
        #: Private memory, read while no run is at hand.
        self._heap_bytes = 0
        #: The frames thread reads from its alarm until it is woken, then gives `_reading` back.
        self._alarm = Alarm(alarm_fd, after_s=WATCHED_AFTER_S)
        self._reading = _thread.allocate_lock()
        self._reading.acquire()
        #: A run is at hand and no longer read by the main thread; it is watched. Under `_turn`.
        self._is_running = self._is_watched = False
        self._waker, self._woken = socket.socketpair()
        self._called = select.poll()
        self._called.register(channel.sock, select.POLLIN)
        #: Held to start, end or interrupt a run, so that no interrupt hits the run after.
        self._turn = _thread.allocate_lock()
        self._at_hand: RunAtHand | None = None

    def serve(self) -> NoReturn:
        """Serve until the supervisor closes the socket."""
        _thread.start_new_thread(self._frames_thread, ())
        self._serve_guests()

    # --- frames thread ---------------------------------------------------------------------------
    def _frames_thread(self) -> None:
        try:
            self._serve_frames()
        except BaseException as error:  # noqa: BLE001 - the thread is the cell: it must not die alone
            self._channel.send(Report(failure=_describe(error)))
            os._exit(1)

    def _serve_frames(self) -> NoReturn:
        """Read frames and keep the deadline, while a run is at hand."""
        sock, woken = self._channel.sock.fileno(), self._woken.fileno()
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        poller.register(woken, select.POLLIN)
        while True:
            self._alarm.wait()
            with self._turn:
                if not self._is_running:
                    continue  # it ended as the alarm went off
                self._is_watched = True
            ready: dict[int, int] = {}
            while woken not in ready:
                if sock in ready:
                    for frame in self._channel.receive():
                        self._take(frame)
                timeout_s = self._tend(time.monotonic())
                ready = dict(poller.poll(None if timeout_s is None else max(0.0, timeout_s) * 1e3))
            self._woken.recv(1)
            self._reading.release()

    def _tend(self, now: float) -> float | None:
        """Interrupt the run at hand if it is due; return the seconds until the next look."""
        run = self._at_hand
        if run is None:
            return None
        if run.interrupted is None and now >= run.deadline:
            self._interrupt(run, Verdict.TIMEOUT)
        if run.interrupted is not None:
            return None
        if run.writes_files:
            used_bytes = run.files_bytes()
            if used_bytes > run.limits.files_bytes:
                self._interrupt(run, Verdict.FILES)
                return None
            return min(FILES_CHECK_S, run.deadline - now)
        return run.deadline - now

    def _take(self, frame: Frame) -> None:
        message, buffers = decode_frame(frame)
        run = self._at_hand
        match message:
            case Run():
                if run is not None:
                    raise LocalProtocolError("a run was sent to a cell that has one")
                self._at_hand = run = RunAtHand(
                    frame.run_id,
                    Order(message, buffers),
                    self._channel.send,
                    time.monotonic(),
                    watch=self._watch,
                )
            case Interrupt(verdict) if run is not None and run.run_id == frame.run_id:
                self._interrupt(run, verdict)
            case HostReply() if run is not None and run.run_id == frame.run_id:
                run.take_reply(message, buffers)
            case Stdin() if run is not None and run.run_id == frame.run_id:
                run.take_stdin(bytes(buffers[0]) if buffers else b"", end=message.end)
            case EndSession(session):
                self._ended_sessions.append(session)
            case _:
                pass  # about a run that ended meanwhile

    def _watch(self) -> None:
        """Have the frames thread read, as the main thread is about to wait for an answer."""
        if not self._is_watched:
            self._alarm.ring()

    def _interrupt(self, run: RunAtHand, verdict: Verdict) -> None:
        with self._turn:
            if run is self._at_hand:
                run.interrupt(verdict)
        run.flush()

    # --- main thread -----------------------------------------------------------------------------
    def _serve_guests(self) -> NoReturn:
        try:
            if self._backend.warms_up_first:
                while not self._stock and self._refill():
                    pass
            else:
                self._cold = self._backend.fresh()
            self._heap_bytes = self._backend.heap_bytes()
            self._say_ready()
            while True:
                if not (self._stock and self._is_called(REST_MS)):
                    self._restock()
                if self._at_hand is None:  # else the frames thread read it before it was woken
                    for frame in self._channel.receive():
                        self._take(frame)
                if (run := self._at_hand) is not None:
                    self._run(run)
                while self._ended_sessions:
                    self._close(self._sessions.pop(self._ended_sessions.popleft(), None))
        except BaseException as error:  # noqa: BLE001 - the thread is the cell: it must not die alone
            self._channel.send(Report(failure=_describe(error)))
            os._exit(1)

    def _run(self, run: RunAtHand) -> None:
        """Run a guest, with the frames thread reading meanwhile if it takes long."""
        with self._turn:
            self._is_running = True
        self._alarm.set()
        started = time.perf_counter_ns()
        order = run.order
        session = order.run.session
        if session and not order.run.session_new and session not in self._sessions:
            # A fresh sandbox in its place would lie to its host.
            self._end(run, SESSION_GONE, start_us=0)
            self._take_back()
            return
        try:
            sandbox = self._sandbox_for(order)
        except NoRoom as error:
            if not self._sessions:
                raise
            # The sessions that it keeps are as good as before.
            self._end(run, lost(str(error)), start_us=0)
            self._take_back()
            return
        with self._turn:
            run.begin(sandbox)
        start_us = (time.perf_counter_ns() - started) // 1_000
        ended: Ended = sandbox.run(order, run)
        self._end(run, ended, start_us=start_us)
        # An interrupt that came too late for this run would end the next one in the same sandbox.
        if session and ended.reusable and run.interrupted is None:
            self._sessions[session] = sandbox
        else:
            self._sessions.pop(session, None)
            self._close(sandbox)
        self._heap_bytes = self._backend.heap_bytes()
        self._take_back()

    def _restock(self) -> None:
        while not self._is_called() and self._refill():
            pass

    def _is_called(self, within_ms: int = 0) -> bool:
        return self._at_hand is not None or bool(self._called.poll(within_ms))

    def _end(self, run: RunAtHand, ended: Ended, *, start_us: int) -> None:
        """Send how a run ended, and have the frames thread leave the socket to this one.

        Readiness goes with the answer: closing a sandbox and making another take longer than a run.
        With no stock left, a run that comes at once gets one that is not warmed up.
        """
        with self._turn:
            self._at_hand = None
            self._is_running = False
            is_watched = self._is_watched
        if not is_watched:
            self._alarm.call_off()
        done, buffers = run.done(ended, start_us=start_us)
        self._channel.send(done, run.run_id, buffers, then=self._ready())
        if is_watched:
            self._waker.send(b"\0")

    def _take_back(self) -> None:
        """Go on when the frames thread no longer reads."""
        if self._is_watched:  # by nobody else after the end of a run
            self._reading.acquire()
            self._is_watched = False

    def _sandbox_for(self, order: Order) -> Sandbox:
        session = order.run.session
        if session and session in self._sessions:
            return self._sessions[session]
        if self._backend.fits_stock(order.run):
            if self._stock:
                return self._stock.pop()  # the last made: its pages are in the caches
            sandbox, self._cold = self._cold or self._backend.fresh(order), None
            if self._setup.fuel:  # it is counted the same in every run: each begins alike
                sandbox.warm_up()
            return sandbox
        return self._backend.fresh(order)

    def _refill(self) -> bool:
        """Take the next step to a full stock of warmed sandboxes; return False once it is.

        In steps, as each keeps a run waiting that comes meanwhile; and one is warmed up before the
        next is made, so that the first is of use soon.
        """
        if self._cold is not None:
            sandbox, self._cold = self._cold, None
            sandbox.warm_up()
            self._stock.append(sandbox)
        elif len(self._stock) < self._setup.stock:
            try:
                self._cold = self._backend.fresh()
            except NoRoom:
                if not self._sessions:
                    raise
                return False  # sessions have the room; a run waits for one to end
        else:
            return False
        return True

    def _say_ready(self) -> None:
        self._channel.send(self._ready())

    def _ready(self) -> Ready:
        """Memory is that of before the run: just now its sandbox, soon to go, would count too."""
        return Ready(len(self._stock), self._heap_bytes, spent=self._backend.is_spent)

    @staticmethod
    def _close(sandbox: Sandbox | None) -> None:
        if sandbox is not None:
            sandbox.close()


def main(fd: int = CELL_FD, alarm_fd: int | None = None, *meter_fds: int, kind: str = "") -> None:
    """Be a cell on the socket `fd`. Does not return.

    Args:
        fd: the socket.
        alarm_fd: what `open_meters` gave, as the next; None to open one here.
        meter_fds: what shows the cell's own memory and time.
        kind: of guests to load for; "" where a zygote has loaded what is needed.
    """
    channel = Channel(socket.socket(fileno=fd))
    channel.send(CellHello(VERSION_MIN, VERSION_MAX, os.getpid()))
    try:
        cell_kinds.load_ahead(kind)
        setup = _wait_for_setup(channel)
        backend = cell_kinds.load(setup, meter_fds)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor must be told
        channel.send(Report(failure=_describe(error)))
        os._exit(1)
    if setup.kind == "interpreter":
        from sandboxes.cell_slots import SlotBackend, SlotCell

        SlotCell(channel, setup, cast("SlotBackend", backend)).serve()
    Cell(channel, setup, backend, open_alarm() if alarm_fd is None else alarm_fd).serve()


def _limit_own_process() -> None:
    """Do for a cell without a jail what the jail's plan does: a large stack, a low priority."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (GUEST_STACK_BYTES, hard))
    os.nice(NICE)


def _wait_for_setup(channel: Channel) -> Setup:
    while True:
        for frame in channel.receive():
            message, _ = decode_frame(frame)
            if not isinstance(message, Setup):
                raise LocalProtocolError(f"a cell's first message is a Setup, not {message!r}")
            return message


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:FAILURE_CHARS_MAX]


if __name__ == "__main__":
    os.closerange(CELL_FD + 1, 1 << 20)  # what the host application let its children inherit
    _limit_own_process()
    main(kind=sys.argv[2] if len(sys.argv) > 2 else "wasm")
