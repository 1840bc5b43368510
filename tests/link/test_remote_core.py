"""The submitter's core, in virtual time: one outcome for each run, one lease that counts for it.

A world of machines, a queue and a network that loses, delays and repeats is played by a seeded
random source; after each step the promises are checked, and at the end nothing is left over.
"""

from __future__ import annotations

import random
from collections import Counter, deque

import pytest

from executor.remote.actions import (
    Action,
    Ask,
    Enqueue,
    Finished,
    Forget,
    NoteDropped,
    PassOn,
    SendParts,
    Tell,
    ToHost,
)
from executor.remote.core import RemoteCore
from executor.remote.parts import NewRun, Policy
from protocol.conversation import Caps
from protocol.frames import Frame, FrameDecoder, encode_frame
from protocol.links import (
    LEASE_MIN,
    LINK_KINDS,
    Ack,
    Beat,
    Claim,
    CloseSession,
    Deny,
    Dropped,
    Grant,
    Piece,
    Stop,
)
from protocol.messages import KINDS, Done, Lost, Output, Placed, Refused, Verdict
from protocol.reading import decode_frame, encode_message, write

T = "tenant"
POLICY = Policy(queue_max=10)


def new(run_id: int = 1, **changes: object) -> NewRun:
    given: dict[str, object] = {
        "run_id": run_id,
        "tenant": T,
        "wall_s": 5.0,
        "queue_s": 1_000.0,
        "session": 0,
        "session_new": False,
        "caps": Caps(1_000, 10),
        "frame_bytes_max": 10_000,
    }
    return NewRun(**given | changes)  # type: ignore[arg-type]  # of the types above


def frames(*messages: Placed | Output | Done | Lost | Refused, buffer: bytes = b"out") -> bytes:
    """Return what a loop says, as one piece holds it; lease numbers mean nothing here."""
    return b"".join(
        b"".join(encode_message(message, 7, (buffer,) if isinstance(message, Output) else ()))
        for message in messages
    )


PLACED, DONE = Placed(3, 5), Done(Verdict.OK)


class Talk:
    """A core and all that it has said."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.core = RemoteCore("me", policy)
        self.now = 100.0
        self.said: list[Action] = []

    def do(self, actions: list[Action]) -> list[Action]:
        self.said += actions
        return actions

    def submit(self, run_id: int = 1, **changes: object) -> list[Action]:
        return self.do(self.core.submit(new(run_id, **changes), self.now))

    def claim(self, machine: str, lease: int, run_id: int = 1, **changes: object) -> list[Action]:
        claim = Claim(machine, LEASE_MIN + lease, **changes)  # type: ignore[arg-type]  # its fields
        return self.do(self.core.claim(T, run_id, claim, self.now))

    def piece(
        self, machine: str, lease: int, data: bytes, seq: int = 1, run_id: int = 1, **parts: int
    ) -> list[Action]:
        piece = Piece(machine, LEASE_MIN + lease, seq, **parts)
        return self.do(self.core.piece(T, run_id, piece, data, self.now))

    def beat(self, machine: str, *leases: int) -> list[Action]:
        beat = Beat(machine, tuple(LEASE_MIN + lease for lease in leases))
        return self.do(self.core.beat(T, beat, self.now))

    def wait(self, seconds: float) -> list[Action]:
        end = self.now + seconds
        actions: list[Action] = []
        while (at := self.core.wake_at()) is not None and at <= end:
            self.now = max(self.now, at)
            actions += self.core.advance(self.now)
        self.now = end
        return self.do(actions)

    def told(self, kind: type) -> list[tuple[str, object]]:
        return [
            (action.machine, action.message)
            for action in self.said
            if isinstance(action, Tell) and isinstance(action.message, kind)
        ]

    @property
    def endings(self) -> list[object]:
        """What the host heard as ends of runs."""
        found: list[object] = []
        for action in self.said:
            match action:
                case ToHost(_, message) if isinstance(message, Refused | Lost):
                    found.append(message)
                case PassOn(_, frame) if frame.kind in {KINDS[Done], KINDS[Lost], KINDS[Refused]}:
                    found.append(decode_frame(frame)[0])
        return found


def test_a_run_is_queued_granted_and_its_ending_passed_on() -> None:
    talk = Talk()

    assert talk.submit() == [Enqueue(1, 1)]
    granted = talk.claim("a", 1)
    said = talk.piece("a", 1, frames(PLACED, Output("stdout"), DONE))

    assert granted[0] == Tell("a", T, Grant(LEASE_MIN + 1, 1_000_000), 1)
    assert granted[1:] == [SendParts(1, "a", LEASE_MIN + 1)]
    assert [type(action) for action in said] == [ToHost, PassOn, PassOn, Forget, Tell]
    assert said[-1] == Tell("a", T, Ack(LEASE_MIN + 1, 3), 1)
    assert talk.endings == [DONE]


def test_a_grant_that_was_lost_is_given_again_and_to_nobody_else() -> None:
    talk = Talk()
    talk.submit()
    first = talk.claim("a", 1)
    talk.now += 1

    assert first[0] == Tell("a", T, Grant(LEASE_MIN + 1, 1_000_000), 1)
    assert talk.claim("a", 1)[0] == Tell("a", T, Grant(LEASE_MIN + 1, 999_000), 1)
    assert talk.claim("b", 1, delivery=2) == [Tell("b", T, Deny(LEASE_MIN + 1, 1_000), 1)]
    assert talk.claim("b", 2, delivery=1) == [Tell("b", T, Deny(LEASE_MIN + 2, 0), 1)]


def test_a_silent_machine_loses_its_run_to_the_next_that_claims_it() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    talk.wait(POLICY.alive_s)

    said = talk.claim("b", 9, delivery=2)

    assert said[0] == Tell("a", T, Stop(LEASE_MIN + 1, "revoked"), 1)
    assert isinstance(said[1], Tell)
    assert isinstance(said[1].message, Grant)
    assert talk.piece("a", 1, frames(DONE), seq=2) == [
        Tell("a", T, Stop(LEASE_MIN + 1, "revoked"), 1)
    ]
    talk.piece("b", 9, frames(PLACED, DONE))
    assert talk.endings == [DONE]


def test_a_machine_that_is_heard_of_keeps_its_run() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    for _ in range(50):
        talk.wait(POLICY.alive_s - 0.1)
        talk.beat("a", 1)

    assert talk.claim("b", 9, delivery=2) == [Tell("b", T, Deny(LEASE_MIN + 9, 1_000), 1)]
    assert not talk.told(Stop)


def test_what_a_beat_no_longer_names_is_given_up() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.beat("a", 1)
    talk.beat("a")

    assert talk.claim("b", 2, delivery=2)[-2].message == Grant(LEASE_MIN + 2, 1_000_000)  # type: ignore[union-attr]  # a Tell


def test_a_run_that_nobody_claims_is_queued_again_ever_more_seldom() -> None:
    talk = Talk()
    talk.submit(queue_s=10_000.0)
    talk.do(talk.core.enqueued(1, talk.now))
    times = []
    for _ in range(4):
        while not any(isinstance(action, Enqueue) for action in talk.wait(1.0)):
            pass
        times.append(talk.now)
        talk.do(talk.core.enqueued(1, talk.now))

    gaps = [b - a for a, b in zip([100.0, *times], times, strict=False)]
    assert gaps == [60, 120, 240, 480]


def test_a_lost_run_is_offered_to_others_and_kept_if_its_machine_comes_back() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))

    assert Enqueue(1, 2) in talk.wait(POLICY.lost_s)
    talk.piece("a", 1, frames(DONE), seq=2)

    assert talk.endings == [DONE]
    assert talk.claim("b", 1) == [Tell("b", T, Deny(LEASE_MIN + 1, 0), 1)]


def test_a_run_that_may_not_repeat_ends_as_crashed_when_its_machine_is_lost() -> None:
    talk = Talk(Policy(starts_max=1))
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    talk.wait(POLICY.alive_s)
    talk.claim("b", 1, delivery=2)

    [lost] = talk.endings
    assert isinstance(lost, Lost)
    assert lost.verdict is Verdict.CRASHED
    assert talk.told(Deny) == [("b", Deny(LEASE_MIN + 1, 0))]


def test_a_run_that_kills_its_machines_is_given_up_after_so_many() -> None:
    talk = Talk()
    talk.submit()
    for at in range(POLICY.starts_max + 1):
        assert not talk.endings
        talk.claim(f"m{at}", at, delivery=at + 1)
        talk.piece(f"m{at}", at, frames(PLACED))
        talk.wait(POLICY.alive_s)

    assert [type(ending) for ending in talk.endings] == [Lost]


def test_frames_count_once_and_in_their_order() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    talk.piece("a", 1, frames(DONE), seq=4)
    talk.piece("a", 1, frames(PLACED, Output("stdout")), seq=1)
    talk.piece("a", 1, frames(Output("stdout"), Output("stderr"), DONE), seq=2)

    kinds = [action.frame.kind for action in talk.said if isinstance(action, PassOn)]
    assert kinds == [KINDS[Output], KINDS[Output], KINDS[Done]]
    assert [ack for _, ack in talk.told(Ack)] == [Ack(LEASE_MIN + 1, seq) for seq in (1, 1, 2, 4)]


def test_an_ending_that_comes_again_is_acknowledged_again() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED, DONE))

    assert talk.piece("a", 1, frames(PLACED, DONE)) == [Tell("a", T, Ack(LEASE_MIN + 1, 2), 1)]
    assert talk.piece("a", 2, frames(PLACED, DONE)) == [
        Tell("a", T, Stop(LEASE_MIN + 2, "revoked"), 1)
    ]
    assert len(talk.endings) == 1


def test_a_frame_in_parts_is_whole_when_all_have_come() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    whole = frames(Output("stdout"), buffer=b"x" * 900)
    thirds = [whole[:300], whole[300:600], whole[600:]]
    for at in (0, 1, 1, 0, 1, 2):
        talk.piece("a", 1, thirds[at], seq=2, part=at, parts=3)

    [passed] = [action.frame for action in talk.said if isinstance(action, PassOn)]
    assert passed.encode()[16:] == whole[16:]


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"\0" * 15,
        frames(DONE)[:-1],
        frames(Output("stdout")),
        frames(PLACED, PLACED),
        frames(PLACED, Output("stdout"), buffer=b"x" * 1_001),
        encode_frame(KINDS[Done], 7, b"x" * 10_001),
        encode_frame(LINK_KINDS[Grant], 7, b"{}"),
        encode_frame(LINK_KINDS[Dropped], 7, b"[]"),
    ],
    ids=[
        "nothing", "a part of a header", "a part of a frame", "output of a run that is not placed",
        "placed twice", "more output than its limit", "a frame over the cap",
        "what a machine does not say", "a body that is none",
    ],
)  # fmt: skip
def test_a_lie_of_a_machine_ends_its_run_as_crashed(lie: bytes) -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, lie)

    [lost] = talk.endings
    assert isinstance(lost, Lost)
    assert "broke the protocol" in lost.cause
    assert talk.told(Stop) == [("a", Stop(LEASE_MIN + 1, "revoked"))]


def test_parts_of_a_frame_are_bounded_before_it_is_whole() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, b"x" * 10_000, seq=1, part=0, parts=3)
    assert not talk.endings
    talk.piece("a", 1, b"x", seq=1, part=1, parts=3)

    assert len(talk.endings) == 1


def test_another_tenants_word_about_a_run_is_not_heard() -> None:
    talk = Talk()
    talk.submit()

    assert talk.core.claim("other", 1, Claim("a", LEASE_MIN), talk.now) == []
    talk.claim("a", 1)
    assert talk.core.piece("other", 1, Piece("a", LEASE_MIN + 1, 1), frames(DONE), talk.now) == []
    assert talk.piece("b", 1, frames(PLACED, DONE)) == []
    assert not talk.endings


@pytest.mark.parametrize("machine", ["", "a.b", "a b", ">", "*", "a\r\nPUB x", "x" * 65])
def test_a_name_that_would_be_another_subject_is_not_answered(machine: str) -> None:
    talk = Talk()
    talk.submit()

    assert talk.claim(machine, 1) == []
    assert talk.piece(machine, 1, frames(PLACED)) == []
    assert talk.beat(machine, 1) == []


def test_a_cancel_ends_a_waiting_run_at_once_and_its_claims_are_denied() -> None:
    talk = Talk()
    talk.submit()
    talk.do(talk.core.cancel(1, talk.now))

    assert talk.endings == [Refused("cancelled")]
    assert talk.claim("a", 1) == [Tell("a", T, Deny(LEASE_MIN + 1, 0), 1)]


def test_a_cancel_is_said_until_the_run_has_ended() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    talk.do(talk.core.cancel(1, talk.now))
    talk.wait(2 * POLICY.stop_s)
    assert talk.told(Stop) == [("a", Stop(LEASE_MIN + 1, "cancelled"))] * 3
    talk.piece("a", 1, frames(Lost(Verdict.CANCELLED, "was cancelled")), seq=2)
    talk.wait(10 * POLICY.stop_s)

    assert talk.endings == [Lost(Verdict.CANCELLED, "was cancelled")]
    assert len(talk.told(Stop)) == 3


def test_a_cancelled_run_ends_even_if_its_machine_never_answers() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.do(talk.core.cancel(1, talk.now))
    talk.wait(POLICY.cancel_s)

    [lost] = talk.endings
    assert isinstance(lost, Lost)
    assert lost.verdict is Verdict.CANCELLED


def test_so_many_runs_wait_and_one_more_is_refused() -> None:
    talk = Talk()
    for run_id in range(1, POLICY.queue_max + 1):
        talk.submit(run_id)
    assert not talk.endings

    talk.submit(99)
    [refused] = talk.endings
    assert isinstance(refused, Refused)
    assert refused.reason == "queue_full"
    talk.claim("a", 1)
    talk.submit(100)
    assert len(talk.endings) == 1


def test_a_run_waits_as_long_as_it_may_and_no_longer() -> None:
    talk = Talk()
    talk.submit(queue_s=30.0)
    talk.wait(29.9)
    assert not talk.endings
    talk.wait(0.2)

    [refused] = talk.endings
    assert isinstance(refused, Refused)
    assert refused.reason == "queue_timeout"


def test_a_run_that_is_given_back_unbegun_goes_to_another_machine() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)

    said = talk.piece("a", 1, frames(Refused("draining")))

    assert Tell("a", T, Ack(LEASE_MIN + 1, 1), 1) in said
    assert Enqueue(1, 2) in said
    talk.claim("b", 1)
    talk.piece("b", 1, frames(PLACED, DONE))
    assert talk.endings == [DONE]


def test_a_run_that_one_machine_refuses_is_left_to_others_and_refused_by_the_last() -> None:
    talk = Talk()
    talk.submit()
    for at, machine in enumerate("abc"):
        assert not talk.endings
        said = talk.claim(machine, at, refusal="limits", detail="limits.wall_s: too long")
        assert isinstance(said[-1], Tell)

    [refused] = talk.endings
    assert refused == Refused("unsupported", "limits.wall_s: too long")


def test_a_run_handed_back_is_another_machines_at_once() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    talk.claim("a", 1, refusal="handed_back")
    talk.claim("b", 1, delivery=2)
    talk.piece("b", 1, frames(PLACED, DONE))

    assert talk.endings == [DONE]


def test_runs_of_a_session_go_to_its_machine_alone() -> None:
    talk = Talk()
    talk.submit(1, session=5, session_new=True)
    talk.submit(2, session=5)
    assert not [action for action in talk.said if isinstance(action, Ask)]

    talk.claim("a", 1)
    assert Ask(2, "a") in talk.said
    assert talk.claim("b", 7, run_id=2) == [Tell("b", T, Deny(LEASE_MIN + 7, 0), 2)]
    assert isinstance(talk.claim("a", 2, run_id=2)[0].message, Grant)  # type: ignore[union-attr]  # a Tell
    talk.do(talk.core.end_session(5))
    assert talk.told(CloseSession) == [("a", CloseSession("me", 5))]


@pytest.mark.parametrize("way", ["nobody listens", "no answer", "gone while it ran"])
def test_a_session_fails_clearly_when_its_machine_dies(way: str) -> None:
    talk = Talk()
    talk.submit(1, session=5, session_new=True)
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    if way == "gone while it ran":
        talk.wait(POLICY.lost_s)
    else:
        talk.piece("a", 1, frames(DONE), seq=2)
        talk.submit(2, session=5)
        if way == "no answer":
            talk.wait(POLICY.session_s)
        for _ in range(POLICY.gone_max if way == "nobody listens" else 0):
            talk.do(talk.core.gone(2, talk.now))
    talk.submit(3, session=5)

    *_, before, last = talk.endings
    assert isinstance(before, Lost if way == "gone while it ran" else Refused)
    assert last == Refused("session_lost", "its machine a is gone")


def test_a_machine_that_reconnects_for_a_moment_keeps_its_sessions() -> None:
    talk = Talk()
    talk.submit(1, session=5, session_new=True)
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED, DONE))
    talk.submit(2, session=5)
    for _ in range(POLICY.gone_max - 1):
        talk.do(talk.core.gone(2, talk.now))
    talk.wait(POLICY.ask_s)

    assert talk.said.count(Ask(2, "a")) == 2
    talk.claim("a", 2, run_id=2)
    assert len(talk.endings) == 1


def test_output_that_was_dropped_on_the_way_is_told() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    dropped = encode_frame(LINK_KINDS[Dropped], 7, write(Dropped(123, 4)))
    talk.piece("a", 1, frames(PLACED) + dropped + frames(DONE))

    assert NoteDropped(1, 123, 4) in talk.said
    assert talk.told(Ack) == [("a", Ack(LEASE_MIN + 1, 3))]


def test_a_drain_ends_what_is_left_and_then_says_so() -> None:
    talk = Talk()
    talk.submit(1)
    talk.submit(2)
    talk.claim("a", 1)
    talk.do(talk.core.drain(3.0, talk.now))
    talk.submit(3)
    talk.wait(2.9)
    assert talk.endings == [Refused("draining")]
    talk.wait(0.1)

    assert len(talk.endings) == 3
    assert talk.told(Stop) == [("a", Stop(LEASE_MIN + 1, "revoked"))]
    assert talk.said[-1] == Finished()


def test_a_machine_that_never_ends_a_run_is_not_believed_for_ever() -> None:
    talk = Talk()
    talk.submit()
    talk.claim("a", 1)
    talk.piece("a", 1, frames(PLACED))
    for _ in range(1_000):
        talk.wait(1.0)
        talk.beat("a", 1)

    [lost] = talk.endings
    assert isinstance(lost, Lost)
    assert "deadline" in lost.cause


class World:
    """Machines, a queue and a bad network round a core, played at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.core = RemoteCore("me", Policy(queue_max=1_000, starts_max=100, returns_max=1_000))
        self.now = 0.0
        #: Machines by name, and their leases: run, frames said so far, granted, alive.
        self.machines: dict[str, dict[int, list[int]]] = {}
        self.queue: list[tuple[int, int]] = []
        self.to_core: deque[tuple[str, int, object, bytes]] = deque()
        self.to_machines: deque[Tell] = deque()
        self.numbers = 0
        self.endings: Counter[int] = Counter()
        self.open: set[int] = set()
        self.is_healed = False

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Enqueue(run_id, _):
                    self.queue.append((run_id, 1))
                    self.do(self.core.enqueued(run_id, self.now))
                case Tell():
                    self.to_machines.append(action)
                case ToHost(run_id, message) if isinstance(message, Lost | Refused):
                    self.endings[run_id] += 1
                case PassOn(run_id, frame):
                    assert run_id in self.open
                    assert frame.run_id == run_id
                    self.endings[run_id] += frame.kind == KINDS[Done]
                case Forget(run_id):
                    self.open.discard(run_id)

    def step(self) -> None:
        roll = self.random.random()
        self.now += self.random.choice((0.0, 0.01, 0.5, 2.0))
        self.do(self.core.advance(self.now))
        if roll < 0.1 and len(self.endings) + len(self.open) < 40 and not self.is_healed:
            run_id = len(self.endings) + len(self.open) + 1
            self.open.add(run_id)
            self.do(self.core.submit(new(run_id, queue_s=1e6), self.now))
        elif roll < 0.13 and not self.is_healed:
            self.machines.pop(self.random.choice([*self.machines, "none"]), None)
        elif roll < 0.2 and len(self.machines) < 3:
            self.machines[f"m{self.numbers}"] = {}
            self.numbers += 1
        elif roll < 0.4 and self.queue and self.machines:
            self.deliver()
        elif roll < 0.55 and self.machines:
            self.say()
        elif roll < 0.75:
            for _ in range(min(20, len(self.to_core))):
                self.hear()
        elif roll < 0.95:
            for _ in range(min(20, len(self.to_machines))):
                self.tell()
        elif self.machines:
            machine = self.random.choice([*self.machines])
            held = tuple(self.machines[machine])
            self.send(machine, 0, Beat(machine, held))
        assert max(self.endings.values(), default=0) <= 1

    def send(self, machine: str, run_id: int, message: object, data: bytes = b"") -> None:
        if self.is_healed or self.random.random() < 0.8:
            self.to_core.append((machine, run_id, message, data))

    def deliver(self) -> None:
        at = self.random.randrange(len(self.queue))
        run_id, delivery = self.queue[at]
        self.queue[at] = (run_id, delivery + 1)  # whoever does not acknowledge it gets it again
        machine = self.random.choice([*self.machines])
        self.numbers += 1
        lease = LEASE_MIN + self.numbers
        self.machines[machine][lease] = [run_id, 0, 0]
        self.send(machine, run_id, Claim(machine, lease, delivery))

    def say(self) -> None:
        machine = self.random.choice([*self.machines])
        if not self.machines[machine]:
            return
        lease = self.random.choice([*self.machines[machine]])
        run_id, said, granted = self.machines[machine][lease]
        if not granted:
            self.send(machine, run_id, Claim(machine, lease, 2))
            return
        self.send(machine, run_id, Piece(machine, lease, 1), frames(PLACED))
        if said:
            self.send(machine, run_id, Piece(machine, lease, 2), frames(Output("stdout"), DONE))
        self.machines[machine][lease][1] = 1

    def hear(self) -> None:
        _, run_id, message, data = self.to_core.popleft()
        match message:
            case Claim():
                self.do(self.core.claim(T, run_id, message, self.now))
            case Piece():
                self.do(self.core.piece(T, run_id, message, data, self.now))
            case Beat():
                self.do(self.core.beat(T, message, self.now))

    def tell(self) -> None:
        told = self.to_machines.popleft()
        held = self.machines.get(told.machine, {})
        if not self.is_healed and self.random.random() < 0.2:
            return
        match told.message:
            case Grant(lease) if lease in held:
                held[lease][2] = 1
            case Deny(lease, again_ms):
                held.pop(lease, None)
                if not again_ms:
                    self.queue = [entry for entry in self.queue if entry[0] != told.run_id] + [
                        entry for entry in self.queue if entry[0] == told.run_id
                    ][1:]
            case Stop(lease, "revoked"):
                held.pop(lease, None)
            case Ack(lease, seq) if seq == 3:
                held.pop(lease, None)
                self.queue = [entry for entry in self.queue if entry[0] != told.run_id]


@pytest.mark.parametrize("seed", range(12))
def test_no_order_of_losses_and_deaths_costs_a_run_or_ends_it_twice(seed: int) -> None:
    world = World(seed)
    for _ in range(1_500):
        world.step()
    world.is_healed = True
    for _ in range(6_000):
        if not world.open and not any(world.machines.values()):
            break
        world.step()

    assert not world.open
    assert set(world.endings.values()) == {1}
    assert not any(world.machines.values()), "a lease is left at a machine"


def test_what_is_decoded_from_a_piece_is_what_the_facade_reads() -> None:
    [frame] = FrameDecoder().feed(frames(Output("stdout")))

    assert decode_frame(Frame(frame.kind, 1, frame.buffer_count, frame.payload))[0] == Output(
        "stdout"
    )
