"""A machine's link core in virtual time, with a queue, submitters and a loop that a test controls.

Everything that the core says is checked as it is said: see `World._check`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import cast

from executor.checks import run_limits
from executor.link.admission import Serving
from executor.link.core import LinkCore
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
    Report,
    TellLoop,
    TimePassed,
)
from executor.link.settings import PULSE_FRESH_S, Settings
from executor.link.wire import Subjects
from protocol.frames import HEADER_BYTES, Frame, FrameDecoder, encode_frame
from protocol.limits import Limits
from protocol.links import (
    LEASE_MIN,
    LINK_CLASSES,
    LINK_KINDS,
    Ack,
    Beat,
    Claim,
    Forget,
    Grant,
    Hold,
    LinkMessage,
    Piece,
    Presence,
    Pulse,
    Release,
    Request,
    RequestPart,
    Resume,
    Welcome,
    decode_link,
    encode_link,
    only_frame,
)
from protocol.messages import KINDS, Cancel, Done, EndSession, Placed, Run, Submit, Verdict
from protocol.reading import read, write

SUBJECTS = Subjects()
SUBMITTER = "submitter-1"
TENANT = "red"
LEASE_S = 10.0
SLOTS = 4
KINDS_SENT = frozenset(LINK_CLASSES)
CEILINGS = run_limits(Limits(wall_s=60, fuel=10**9))
SERVING = Serving(CEILINGS, (1, 2, 3, 4), ("look",), "00" * 32)


def settings(**changes: object) -> Settings:
    """Return the settings of the machine under test."""
    given: dict[str, object] = {
        "machine": "machine-1",
        "host": "computer",
        "pid": 7,
        "serving": SERVING,
        "slots": SLOTS,
        "lease_s": LEASE_S,
        "give_up_s": 60.0,
        "bucket": "machines",
    }
    return Settings(**given | changes)  # type: ignore[arg-type]  # by name, as declared


def request(number: int, *, session: int = 0, code: bytes = b"1", **run: object) -> bytes:
    """Return a request as one message."""
    limits = run_limits(Limits(wall_s=5))
    body = write(Run(**{"limits": limits} | run))  # type: ignore[arg-type]  # by name
    message = Request(1, SUBMITTER, session=session)
    return encode_link(message, number, (body, code))


@dataclass
class LoopLease:
    """What the loop knows of a lease."""

    is_begun: bool = False
    has_ended: bool = False
    is_silent: bool = False


@dataclass
class World:
    """One link core and all that is round it."""

    changes: dict[str, object] = field(default_factory=dict)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.settings = settings(**self.changes)
        self.core = LinkCore(self.settings, self.now)
        self.actions: list[Action] = []
        self.loop: dict[int, LoopLease] = {}
        self.pulse_at = self.now
        self.granted: set[int] = set()
        self.ended: set[int] = set()
        self.acked_endings: set[int] = set()
        #: What was said of the queue's messages: by ack subject, in order.
        self.queue_said: dict[str, list[bytes]] = {}
        #: Lease of each ack subject, as claims show it.
        self.lease_of: dict[str, int] = {}
        self.lease_of_run: dict[int, int] = {}
        self.claims: list[tuple[int, Claim]] = []
        self.pieces: list[tuple[int, Piece, bytes]] = []
        self.beats: list[Beat] = []
        self.presence: list[Presence] = []
        self.pulls: dict[int, int] = {}
        self.is_connected = False
        self.attempts = 0
        self.deliveries = 0
        self.is_over = False

    @property
    def state(self) -> str:
        """Where the link is."""
        return self.core.state

    def count(self, name: str) -> int:
        """Return one of the numbers that it says of itself."""
        found = self.core.details(self.now)[name]
        assert isinstance(found, int)
        return found

    # --- events ----------------------------------------------------------------------------------
    def feed(self, event: Event) -> list[Action]:
        """Hand in an event; check and keep what the core says."""
        said = self.core.handle(event, self.now)
        for action in said:
            self._check(action)
        self.actions += said
        wake = self.core.wake_at()
        assert (wake is None) == (self.state in ("closed", "given_up"))
        return said

    def start(self) -> World:
        """Bring it up: a connection, and a loop that has spoken."""
        self.feed(TimePassed())
        self.connect()
        self.loop_up()
        return self

    def feed_time(self) -> None:
        self.feed(TimePassed())

    def step(self) -> None:
        """Let time pass until the core wants to be woken."""
        wake = self.core.wake_at()
        assert wake is not None
        self.now = max(self.now, wake)
        self.feed(TimePassed())

    @property
    def is_connecting(self) -> bool:
        """True if the core waits for a connection that it asked for."""
        asked = [a for a in self.actions if isinstance(a, Connect)]
        return len(asked) > self.attempts

    def connect(self, max_payload_bytes: int = 1 << 20) -> None:
        self.is_connected = True
        self.attempts = sum(isinstance(a, Connect) for a in self.actions)
        self.feed(Connected(max_payload_bytes))

    def disconnect(self) -> None:
        self.is_connected = False
        self.pulls.clear()
        self.feed(Disconnected("the test cut it"))

    def fail(self, *, is_final: bool = False) -> None:
        self.attempts = sum(isinstance(a, Connect) for a in self.actions)
        self.feed(ConnectFailed("the test refused it", is_final))

    def loop_up(self) -> None:
        self.feed(LoopUp())
        self.feed(LoopSaid(loop_frame(Welcome(LEASE_MIN))))
        self.pulse()

    def loop_lost(self) -> None:
        self.loop.clear()
        self.feed(LoopLost())

    def pulse(self, *, is_full: bool = False) -> None:
        """Let the loop say which leases live."""
        living = tuple(n for n, lease in self.loop.items() if not lease.is_silent)
        self.pulse_at = self.now
        self.living = frozenset(living)
        self.feed(LoopSaid(loop_frame(Pulse(living, 2, 0, 0, 0, 0, is_full))))

    def pass_time(self, seconds: float, *, pulses: bool = True) -> None:
        """Let time pass; the core is woken whenever it asks, the loop speaks twice a second."""
        end = self.now + seconds
        while True:
            wake = self.core.wake_at()
            pulse = self.pulse_at + 0.5 if pulses else end
            at = min(end, pulse, end if wake is None else max(wake, self.now))
            self.now = at
            if at >= end:
                self.feed(TimePassed())
                return
            if pulses and at >= pulse:
                self.pulse()
            else:
                self.feed(TimePassed())
                again = self.core.wake_at()
                assert again is None or again > at, "the core asks to be woken for nothing"

    def deliver(self, data: bytes, *, tenant: str = TENANT, delivery: int = 1) -> str:
        """Let the queue give a request; return where it is acknowledged."""
        self.deliveries += 1
        ack = f"$JS.ACK.s.c.{delivery}.{self.deliveries}.1.1.0"
        before = len(self.claims)
        number = int.from_bytes(data[8:16], "little")
        self.lease_of[ack] = self.lease_of_run.get(number, 0)
        self.feed(Delivered(SUBJECTS.run("default", tenant), data, ack, delivery))
        if len(self.claims) > before:
            self.lease_of[ack] = self.lease_of_run[number] = self.claims[-1][1].lease
        return ack

    def say(self, message: LinkMessage, run: int = 1, *, tenant: str = TENANT) -> list[Action]:
        """Let a submitter say something to the machine."""
        buffers = (b"",) if isinstance(message, RequestPart) else ()
        return self.hear(encode_link(message, run, buffers), tenant=tenant)

    def hear(self, data: bytes, *, tenant: str = TENANT) -> list[Action]:
        return self.feed(Heard(SUBJECTS.machine("machine-1", tenant), data))

    def grant(self, lease: int) -> None:
        self.granted.add(lease)
        self.say(Grant(lease))

    def take(self, number: int = 1, **run: object) -> int:
        """Bring a run into the loop; return its lease."""
        self.deliver(request(number, **run))  # type: ignore[arg-type]  # by name
        lease = self.claims[-1][1].lease
        self.grant(lease)
        return lease

    def loop_says(self, lease: int, message: object, buffers: tuple[bytes, ...] = ()) -> None:
        """Let the loop say something of a run."""
        if isinstance(message, Done):
            self.loop[lease].has_ended = True
            self.ended.add(lease)
        kind = (KINDS | LINK_KINDS)[type(message)]
        payload = encode_frame_payload(kind, lease, write(message), buffers)
        self.feed(LoopSaid(Frame(kind, lease, len(buffers), payload)))

    def end(self, lease: int) -> None:
        """Let a run begin and end well."""
        self.loop_says(lease, Placed(1, 0))
        self.loop_says(lease, Done(Verdict.OK))

    def ack(self, lease: int, seq: int) -> None:
        if lease in self.ended:
            self.acked_endings.add(lease)
        self.say(Ack(lease, seq))

    def nobody_listens(self, lease: int) -> None:
        self.feed(NobodyListens(lease, TENANT))

    def adopt(self, note: Frame, released: int) -> None:
        """Let the loop tell a new link of a lease of the last one."""
        lease = note.run_id
        self.loop[lease] = LoopLease(is_begun=True)
        self.feed(LoopSaid(note))
        self.feed(LoopSaid(loop_frame(Resume(released), lease)))
        _, buffers = note.split()
        self.lease_of[json.loads(bytes(buffers[0]))[3]] = lease

    def pulls_in_actions(self) -> list[Pull]:
        return [action for action in self.actions if isinstance(action, Pull)]

    def drain(self, within_s: float) -> None:
        self.feed(DrainAsked(within_s))

    # --- what was said ---------------------------------------------------------------------------
    def told_loop(self, cls: type) -> list[int]:
        """Return the leases about which the loop was told something of a kind."""
        kind = (KINDS | LINK_KINDS)[cls]
        found = [a.frame for a in self.actions if isinstance(a, TellLoop)]
        return [frame.run_id for frame in found if frame.kind == kind]

    def said_of(self, ack: str) -> list[bytes]:
        """Return what the queue was told of a request."""
        return self.queue_said.get(ack, [])

    def frames_of(self, lease: int) -> list[int]:
        """Return the kinds of frames that a submitter has of a lease, in order, without repeats."""
        found: dict[int, int] = {}
        for _, piece, data in self.pieces:
            if piece.lease == lease and piece.parts == 1:
                for at, frame in enumerate(FrameDecoder().feed(data)):
                    found[piece.seq + at] = frame.kind
        return [found[seq] for seq in sorted(found)]

    def clear(self) -> None:
        """Forget what was said so far."""
        self.actions.clear()
        self.attempts = 0
        self.pieces.clear()
        self.claims.clear()
        self.beats.clear()
        self.queue_said.clear()

    # --- what may be said ------------------------------------------------------------------------
    def _check(self, action: Action) -> None:
        assert not self.is_over or isinstance(action, Report), "something is done after the end"
        match action:
            case Publish():
                self._check_publish(action)
            case Pull(pull, batch, _):
                assert self.state == "active"
                at_hand = sum(not lease.has_ended for lease in self.loop.values())
                assert 0 < batch <= SLOTS - at_hand
                self.pulls[pull] = batch
            case TellLoop(frame):
                self._check_loop(frame)
            case Exit():
                self.is_over = True
            case Connect() | Disconnect() | Report():
                pass

    def _check_publish(self, action: Publish) -> None:
        if action.subject.startswith("$JS.ACK."):
            self._check_queue(action)
        elif action.subject.startswith("$KV."):
            if action.data:
                presence, _ = decode_link(only_frame(action.data, KINDS_SENT))
                assert isinstance(presence, Presence)
                self.presence.append(presence)
        else:
            assert action.subject == SUBJECTS.submitter(SUBMITTER, TENANT), "another's subject"
            frame = only_frame(action.data, KINDS_SENT)
            message, buffers = decode_link(frame)
            match message:
                case Claim():
                    self.claims.append((frame.run_id, message))
                case Piece():
                    assert len(action.data) <= 1 << 20
                    self.pieces.append((frame.run_id, message, bytes(buffers[0])))
                case Beat():
                    assert self.now - self.pulse_at < PULSE_FRESH_S
                    self.beats.append(message)
                case _:
                    raise AssertionError(f"a machine does not say {message!r}")

    def _check_queue(self, action: Publish) -> None:
        assert action.urgent
        said = self.queue_said.setdefault(action.subject, [])
        assert not said or said[-1] == b"+WPI", "a request that is settled is spoken of again"
        said.append(action.data)
        lease = self.lease_of.get(action.subject)
        if action.data == b"+ACK":
            assert lease in self.acked_endings, "done, before its submitter has it"
        if action.data == b"+WPI" and lease in self.loop and not self.loop[lease].has_ended:
            assert self.now - self.pulse_at < PULSE_FRESH_S, "renewed for a silent loop"
            assert lease in self.living, "renewed though it does not live"

    def _check_loop(self, frame: Frame) -> None:
        lease = frame.run_id
        if frame.kind == LINK_KINDS[Hold]:
            assert lease in self.granted, "given to the loop without a grant"
            assert lease not in self.loop
            self.loop[lease] = LoopLease()
        elif frame.kind == KINDS[Submit]:
            assert not self.loop[lease].is_begun, "begun twice"
            self.loop[lease].is_begun = True
        elif frame.kind == LINK_KINDS[Release]:
            body, _ = frame.split()
            read(Release, body)
            if lease in self.acked_endings:
                self.loop.pop(lease, None)
        elif frame.kind == LINK_KINDS[Forget]:
            self.loop.pop(lease, None)
        else:
            assert frame.kind in (KINDS[Cancel], KINDS[EndSession])


def loop_frame(message: LinkMessage, lease: int = 0) -> Frame:
    """Return a message of the loop's as the link gets it."""
    [frame] = FrameDecoder().feed(encode_link(message, lease))
    return frame


def encode_frame_payload(
    kind: int, lease: int, body: bytes, buffers: tuple[bytes, ...] = ()
) -> bytes:
    """Return the payload of a frame."""
    return encode_frame(kind, lease, body, buffers)[HEADER_BYTES:]


def nak_delay_s(data: bytes) -> float:
    """Return for how long a request is put back."""
    assert data.startswith(b"-NAK")
    told = data.removeprefix(b"-NAK").strip()
    return cast("int", json.loads(told)["delay"]) / 1e9 if told else 0.0
