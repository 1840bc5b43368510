"""What a machine's link does next: pure, synchronous, without clock or socket.

    connecting    never connected yet         paused   connected, but takes nothing: see `cause`
    active        takes runs                  reconnecting   connected before, and will be again
    draining      takes nothing, finishes     closed   over          given_up   over, and not asked

    shell --Event--> handle(event, now) --Action, in order--> shell, again at wake_at()

Every event is followed by one `_reconcile`, which compares what is with what should be and closes
the difference. Events note facts; nothing else acts.

Rule 1: the state is computed from facts, never stored beside them, so that they cannot differ.
Rule 2: a lease is renewed only while the loop's own word that its run lives is fresh.
Rule 3: a run goes to the loop only after its submitter's `Grant`; what is said of it afterwards is
        kept by the loop until the submitter has acknowledged it.
Rule 4: whatever a submitter says is held to its tenant, and can cost its own runs alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from executor.link import presence
from executor.link.events import (
    Action,
    Connect,
    Connected,
    ConnectFailed,
    Delivered,
    Disconnect,
    Disconnected,
    DrainAsked,
    Event,
    Exit,
    Heard,
    LoopLost,
    LoopSaid,
    LoopUp,
    NobodyListens,
    Publish,
    Pull,
    PullEnded,
    Report,
    TimePassed,
)
from executor.link.leases import Leases
from executor.link.parts import Asked
from executor.link.settings import (
    BEAT_S,
    PAYLOAD_BYTES_MIN,
    PULL_AGAIN_S,
    PULL_EXPIRES_S,
    PULSE_FRESH_S,
    REPORT_S,
    RETRY_MAX_S,
    STEADY_S,
    Settings,
)
from executor.link.wire import part_bytes
from executor.restart import Backoff, BackoffPolicy, Jitter, no_jitter
from protocol.frames import Frame
from protocol.links import LEASES_MAX, LINK_KINDS, Pulse, State, Welcome, decode_link

_WELCOME, _PULSE = LINK_KINDS[Welcome], LINK_KINDS[Pulse]


class LinkCore:
    """The state machine of one link.

    Args:
        settings: every name and number.
        now: monotonic seconds.
        jitter: 0 up to 1, for the waits between attempts to connect.
        lateness: returns p50, p99 and the longest delay of this isolate's timers, in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        now: float,
        jitter: Jitter = no_jitter,
        lateness: Callable[[], tuple[float, float, float]] = lambda: (0.0, 0.0, 0.0),
    ) -> None:
        self._settings = settings
        self._lateness = lateness
        self._actions: list[Action] = []
        self._leases = Leases(settings, self._actions)
        self._began_at = now
        # --- the connection
        self._is_connected = self._is_connecting = self._was_connected = False
        self._backoff = Backoff(BackoffPolicy(wait_s=0.1, wait_max_s=RETRY_MAX_S), jitter)
        self._retry_at = now
        self._unconnected_since = now
        self._connect_cause = ""
        self._given_up = ""
        self.reconnects = 0
        # --- the loop
        self._is_loop_up = False
        self._pulse: Pulse | None = None
        self._pulse_at = now
        self._silences = 0
        self._was_silent = False
        self._silence_s = 0.0
        # --- the queue
        self._pulls: dict[int, Asked] = {}
        self._pulls_made = 0
        self._pull_at: float | None = None
        self._connected_at = now
        # --- the end
        self._drain_at: float | None = None
        self._has_left = self._is_closed = False
        self._beat_at = self._report_at = now
        self._reported: tuple[str, str] | None = None
        #: What the list of machines says.
        self._shown: State = "connecting"

    # --- the face --------------------------------------------------------------------------------
    def handle(self, event: Event, now: float) -> list[Action]:
        """Note one event, and return what to do, in order."""
        self._note(event, now)
        self._reconcile(now)
        actions = self._actions[:]
        self._actions.clear()
        return actions

    def wake_at(self) -> float | None:
        """Return when to hand in `TimePassed`; None once it is over."""
        if self._is_over:
            return None
        times = [self._beat_at, self._report_at, self._drain_at]
        if not self._is_connected:
            times.append(None if self._is_connecting else self._retry_at)
            times.append(self._unconnected_since + self._settings.give_up_s)
        else:
            times += [self._leases.wake_at(), self._pull_at]
            times += [asked.until for asked in self._pulls.values()]
            if self._is_loop_up and not self._was_silent:
                times.append(self._pulse_at + PULSE_FRESH_S)
        return min(at for at in times if at is not None)

    @property
    def state(self) -> State:
        """Where the link is."""
        if self._given_up:
            return "given_up"
        if self._is_closed:
            return "closed"
        if self._drain_at is not None:
            return "draining"
        if not self._is_connected:
            return "reconnecting" if self._was_connected else "connecting"
        return "paused" if self._pause_cause() else "active"

    @property
    def cause(self) -> str:
        """Why it is not active; "" if it is."""
        if self._given_up:
            return self._given_up
        if not self._is_connected:
            return self._connect_cause
        return self._pause_cause()

    def _pause_cause(self) -> str:
        if not self._is_loop_up:
            return "there is no supervisor loop"
        if self._was_silent:
            return "the supervisor loop is silent"
        if self._pulse is None:
            return "the supervisor loop has not spoken yet"
        if self._pulse.is_full:
            return f"{self._pulse.held_bytes} B wait for submitters who do not take them"
        return ""

    @property
    def _is_over(self) -> bool:
        return self._is_closed or bool(self._given_up)

    # --- facts -----------------------------------------------------------------------------------
    def _note(self, event: Event, now: float) -> None:
        match event:
            case Connected(max_payload_bytes):
                self._connected(max_payload_bytes, now)
            case ConnectFailed(cause, is_final):
                self._is_connecting = False
                self._connect_cause = cause
                self._backoff.fail(now)
                # Not at once, as for a process that crashed: a server has many clients.
                self._retry_at = max(self._backoff.retry_at, now + 0.05)
                if is_final and not self._was_connected:
                    self._give_up(cause)
            case Disconnected(cause):
                self._disconnected(cause, now)
            case Delivered():
                self._count_delivery()
                self._leases.deliver(event, now, takes=self.state == "active")
            case PullEnded(pull, is_early):
                self._pulls.pop(pull, None)
                if is_early:
                    self._pull_at = now + PULL_AGAIN_S
            case Heard(subject, data):
                self._leases.hear(subject, data, now, takes=self.state == "active")
            case NobodyListens(lease, tenant):
                self._leases.unheard(lease, tenant, now)
            case LoopUp():
                self._is_loop_up, self._pulse = True, None
                self._pulse_at = now
            case LoopLost():
                self._is_loop_up, self._pulse = False, None
                self._leases.loop_lost()
            case LoopSaid(frame):
                self._hear_loop(frame, now)
            case DrainAsked(within_s):
                at = now + within_s
                self._drain_at = at if self._drain_at is None else min(at, self._drain_at)
            case TimePassed():
                pass
            case _:
                assert_never(event)

    def _connected(self, max_payload_bytes: int, now: float) -> None:
        self._is_connecting = False
        if max_payload_bytes < PAYLOAD_BYTES_MIN:
            self._give_up(
                f"the server takes messages of {max_payload_bytes} B: set max_payload in its "
                f"configuration to {PAYLOAD_BYTES_MIN} or more (1MB is usual)"
            )
            self._actions.append(Disconnect())
            return
        self.reconnects += self._was_connected
        self._is_connected = self._was_connected = True
        self._connect_cause = ""
        self._beat_at = self._connected_at = now
        self._pull_at = None
        self._leases.connected(part_bytes(max_payload_bytes), now)

    def _disconnected(self, cause: str, now: float) -> None:
        if self._is_connected:
            self._is_connected = False
            self._unconnected_since = self._retry_at = now
            if now - self._connected_at >= STEADY_S:
                self._backoff.succeed()
            else:  # a server that lets in and hangs up is no better than one that does not
                self._backoff.fail(now)
                self._retry_at = max(now, self._backoff.retry_at)
            self._connect_cause = cause
            self._pulls.clear()
            self._leases.disconnected()

    def _hear_loop(self, frame: Frame, now: float) -> None:
        if frame.kind == _PULSE:
            message, _ = decode_link(frame)
            assert isinstance(message, Pulse)
            self._silence_s = now - self._pulse_at
            self._pulse, self._pulse_at = message, now
            self._leases.living = frozenset(message.leases)
        elif frame.kind == _WELCOME:
            message, _ = decode_link(frame)
            assert isinstance(message, Welcome)
            self._leases.welcome(message.next_lease)
        else:
            self._leases.loop_said(frame, now)

    def _give_up(self, cause: str) -> None:
        self._given_up = cause or "no reason was given"
        self._leases.forget_all()

    # --- the difference --------------------------------------------------------------------------
    def _reconcile(self, now: float) -> None:
        if not self._is_over:
            self._mind_loop(now)
            self._mind_connection(now)
            if self._is_connected:
                is_full = self._pulse is not None and self._pulse.is_full
                self._leases.advance(now, renews=not self._was_silent, is_full=is_full)
                self._mind_queue(now)
                if now >= self._beat_at or self.state != self._shown:
                    self._beat(now)
            elif now >= self._beat_at:
                self._beat_at = now + BEAT_S
            self._mind_end(now)
        self._report(now)

    def _mind_loop(self, now: float) -> None:
        is_silent = now - self._pulse_at >= PULSE_FRESH_S
        if self._is_loop_up and is_silent and not self._was_silent:
            self._silences += 1
        self._was_silent = is_silent

    def _mind_connection(self, now: float) -> None:
        if self._is_connected:
            return
        if now - self._unconnected_since >= self._settings.give_up_s:
            self._give_up(
                f"no connection for {self._settings.give_up_s:g} s: {self._connect_cause}"
            )
        elif not self._is_connecting and now >= self._retry_at:
            self._is_connecting = True
            self._actions.append(Connect())

    def _mind_queue(self, now: float) -> None:
        for number in [n for n, asked in self._pulls.items() if asked.until <= now]:
            del self._pulls[number]
        for number in [n for n, asked in self._pulls.items() if asked.left <= 0]:
            del self._pulls[number]
        if self._pull_at is not None and now < self._pull_at:
            return
        self._pull_at = None
        if self.state != "active":
            return
        leases = self._leases
        room = min(self._settings.slots - leases.at_hand, LEASES_MAX - leases.count)
        batch = room - sum(asked.left for asked in self._pulls.values())
        if batch > 0:
            self._pulls_made += 1
            # The server ends it first: what it gave just before that is still on its way then.
            self._pulls[self._pulls_made] = Asked(batch, now + PULL_EXPIRES_S + 1.0)
            self._actions.append(Pull(self._pulls_made, batch, PULL_EXPIRES_S))

    def _count_delivery(self) -> None:
        """Count a delivery to the oldest pull that waits for one: the queue does not say to which.

        Where that is wrong, the pulls' own ends put it right.
        """
        for asked in self._pulls.values():
            if asked.left > 0:
                asked.left -= 1
                return

    def _beat(self, now: float) -> None:
        self._beat_at, self._shown = now + BEAT_S, self.state
        if not self._was_silent:
            self._leases.beat()
        subject, data = presence.entry(self._settings, self.details(now))
        self._actions.append(Publish(subject, data, urgent=True))

    def _mind_end(self, now: float) -> None:
        if self._drain_at is None:
            return
        if self._is_connected:
            self._leases.hand_back_waiting()
            if now >= self._drain_at:
                self._leases.hand_back_all()
        if self._leases.count and now < self._drain_at:
            return
        self._is_closed = True
        if self._is_connected:
            self._actions.append(presence.removal(self._settings))
        self._actions.append(Disconnect())

    # --- the host --------------------------------------------------------------------------------
    def _report(self, now: float) -> None:
        what = (self.state, self.cause)
        if what == self._reported and now < self._report_at:
            return
        self._reported = what
        self._report_at = now + REPORT_S
        self._actions.append(Report(*what, self.details(now)))
        if self._is_over and not self._has_left:
            self._has_left = True
            self._actions.append(Exit())

    def details(self, now: float) -> dict[str, object]:
        """Return what is to be known of the link, as `executor.link.report` reads it."""
        pulse = self._pulse
        p50_s, p99_s, max_s = self._lateness()
        return {
            "state": self.state,
            "cause": self.cause,
            "cells": pulse.cells if pulse else 0,
            "busy": pulse.busy if pulse else 0,
            "queued": pulse.queued if pulse else 0,
            "load": pulse.load if pulse else 0,
            "held_bytes": pulse.held_bytes if pulse else 0,
            "leases": self._leases.count,
            "reconnects": self.reconnects,
            "loop_silences": self._silences,
            "loop_silent_s": max(0.0, now - self._pulse_at) if self._is_loop_up else 0.0,
            "up_s": now - self._began_at,
            "late_p50_s": p50_s,
            "late_p99_s": p99_s,
            "late_max_s": max_s,
            **self._leases.counts,
        }
