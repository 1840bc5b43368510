"""Keeps a loop running for a supervisor: starts it, starts another when it ends, closes it.

    reader thread   the pipe ended: what was placed is lost, what was not stays; then `_ended`
    restart thread  there is one only while no loop is up: start, define pools, ask, send what waits

Rule 1: what to do next is `executor.lifeline`'s to decide.
Rule 2: a loop is up when it has answered a question, not when it was started.
Rule 3: whatever fails on the way up counts as a failed start; nothing is raised at anybody.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

from executor.client import Client
from executor.errors import Closed, SupervisorLost
from executor.kinds import Choice, NativeImage
from executor.launch import Launcher
from executor.lifeline import Lifeline, State
from executor.pools import Pools, Sizes
from executor.restart import system_jitter
from executor.spool import Spool
from protocol.messages import AskStatistics, Drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.isolate import Connection
    from protocol.limits import Limits
    from sandboxes.wasm.image import Compiled

#: A loop answers within 0.1 s of its start on an idle machine.
READY_WAIT_S = 10.0
#: How long closing waits beyond what runs at hand are granted: for cells to be killed, for the
#: loop to end.
CLOSE_GRACE_S = 5.0


class Keeper:
    """The loop of one supervisor. Thread-safe."""

    def __init__(
        self,
        start: Callable[[str | None], Connection],
        *,
        checked: bool,
        compiled: Callable[[bool], Compiled],
        sizes: Sizes,
        limits: Limits,
        is_jailed: bool,
        choice: Choice = Choice(),  # noqa: B008 - frozen
        native: Callable[[], NativeImage] = NativeImage,
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the first loop.

        Args:
            start: starts a loop on the spool folder of the last one, or on a new one for None.
            checked: see `Client`.
            compiled: see `Pools`, as the next three.
            on_up: called when a loop that took the place of another knows its pools.

        Raises:
            OSError: the system refuses what a loop needs.
            ImageError: the image cannot be made.
        """
        self._start = start
        self._on_up = on_up
        self._lifeline = Lifeline(jitter=system_jitter)
        self._changed = threading.Condition()
        self._ended_generation = 0
        self._thread: threading.Thread | None = None
        with self._changed:  # an end is noted only when all of this is there
            self.connection = start(None)
            try:
                self.client = Client(self.connection.socket, checked=checked, on_end=self._ended)
                self.client.waits = True
                pools = Pools(
                    self.client,
                    compiled=compiled,
                    sizes=sizes,
                    limits=limits,
                    is_jailed=is_jailed,
                    choice=choice,
                    native=native,
                )
                self.spool = Spool(self.connection.spool_path)
            except BaseException:
                self._lifeline.close()
                self.connection.close()
                raise
        self.launcher = Launcher(self.client, pools, self.spool, self._lifeline)

    @property
    def restarts(self) -> int:
        """How many loops took the place of one that ended."""
        return self._lifeline.restarts

    def statistics(self, timeout_s: float) -> bytes:
        """Return what the loop says of itself; waits for the next one if there is none.

        Raises:
            SupervisorLost: there is no answer in time, or no loop can be started.
            Closed: the supervisor is closed.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_up or not self._lifeline.holds, deadline - time.monotonic()
                )
                if not self._is_up:
                    if self._lifeline.state is State.CLOSED:
                        raise Closed("supervisor")
                    raise SupervisorLost(self._lifeline.cause, began=False)
            left_s = deadline - time.monotonic()
            try:
                return self.launcher.ask(AskStatistics(), left_s)
            except SupervisorLost:
                if left_s <= 0 or not self.client.has_ended:
                    raise

    def close(self, within_s: float) -> None:
        """Let runs at hand go on for `within_s`, then end the loop with all that it has."""
        with self._changed:
            was_up = self._is_up
            self._lifeline.close()
            self._changed.notify_all()
            thread, connection = self._thread, self.connection
        if not was_up:  # whoever waits for an answer of the next loop waits no longer
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        if thread is not None:
            thread.join(READY_WAIT_S)
        client = self.client
        client.give_up(self._lifeline.cause)
        if was_up:
            client.send_quietly(Drain(round(within_s * 1_000)))
            client.wait_ended(within_s + CLOSE_GRACE_S)
        client.close_begins()
        self.connection.close()
        client.wait_ended(CLOSE_GRACE_S)
        self.launcher.close()
        self.spool.close()

    @property
    def _is_up(self) -> bool:
        return self._lifeline.state is State.UP and not self.client.has_ended

    # --- reader thread ---------------------------------------------------------------------------
    def _ended(self, generation: int, lost: SupervisorLost) -> None:
        with self._changed:
            self._ended_generation = generation
            if self._lifeline.state is State.UP:
                self._lifeline.lost(lost.cause, time.monotonic())
                self._thread = threading.Thread(
                    target=self._restart, name="cellblock-restart", daemon=True
                )
                try:
                    self._thread.start()
                except RuntimeError:  # the process is ending
                    self._thread = None
                    self._lifeline.close()
            self._changed.notify_all()
        self._agree()

    def _agree(self) -> None:
        """Have runs wait, or end those that do, as the lifeline has it."""
        with self._changed:
            holds = self.client.waits = self._lifeline.holds
        if not holds:
            self.client.give_up(self._lifeline.cause)

    # --- restart thread --------------------------------------------------------------------------
    def _restart(self) -> None:
        while self._wait_until_due():
            try:
                self._start_next()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next try may work
                cause = error.cause if isinstance(error, SupervisorLost) else str(error)
                with self._changed:
                    self._lifeline.lost(cause or type(error).__name__, time.monotonic())
                    self._changed.notify_all()
                self._agree()
            else:
                break
        if self._lifeline.state is State.CLOSED:
            self.client.give_up(self._lifeline.cause)
            return
        # A run that was handed in while the loop was not yet up.
        with contextlib.suppress(SupervisorLost, Closed):
            self.launcher.submit_waiting()

    def _wait_until_due(self) -> bool:
        with self._changed:
            while (due := self._lifeline.wake_at()) is not None:
                now = time.monotonic()
                if self._lifeline.starting(now):
                    return True
                self._changed.wait(max(0.001, due - now))
        return False

    def _start_next(self) -> None:
        self.connection.close(keep_spool=True)
        connection = self._start(self.connection.spool_path)
        with self._changed:
            self.connection = connection
            if self._lifeline.state is State.CLOSED:
                raise Closed("supervisor")
        self.launcher.pools.renew(lambda: self.client.attach(connection.socket))
        self.launcher.ask(AskStatistics(), READY_WAIT_S)
        self._on_up()
        self.launcher.submit_waiting()
        with self._changed:
            if self._ended_generation == self.client.generation:
                raise SupervisorLost("it ended as soon as it had begun", began=False)
            self._lifeline.ready()
            self.client.waits = self._lifeline.holds
            self._changed.notify_all()
