"""A cell with several runs at hand: each in a conversation of its own, slots counted exactly."""

from __future__ import annotations

import random

import pytest

from protocol.conversation import Caps
from protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from protocol.messages import (
    CELL_SENDS,
    KINDS,
    LOOP_SENDS_CELL,
    CellHello,
    Done,
    EndSession,
    HostCall,
    HostReply,
    Interrupt,
    Log,
    Output,
    Progress,
    Ready,
    Report,
    Run,
    Setup,
    Stdin,
    StdinWanted,
)
from protocol.slots import SlotsConversation

ABOUT_RUN = (
    Run, Output, Log, Progress, HostCall, HostReply, StdinWanted, Stdin, Interrupt, Done,
)  # fmt: skip

WIDE = Caps()


class Both:
    """Two ends: what one sends, the other receives."""

    def __init__(self, slots: int, caps: Caps = WIDE) -> None:
        self.loop = SlotsConversation(slots, caps=caps)
        self.cell = SlotsConversation(slots, "cell", caps=caps)
        for cls in (CellHello, Setup, Ready):
            self.say(cls)

    def say(self, cls: type, run_id: int = 0) -> bool:
        kind = KINDS[cls]
        ours, theirs = (self.loop, self.cell) if kind in LOOP_SENDS_CELL else (self.cell, self.loop)
        ours.send(kind, run_id, 100)
        return theirs.receive(kind, run_id, 100)


def test_a_cell_has_as_many_runs_at_hand_as_slots_and_not_one_more() -> None:
    both = Both(3)
    for run_id in (1, 2, 3):
        both.say(Run, run_id)

    assert both.loop.runs == both.cell.runs == {1, 2, 3}
    with pytest.raises(LocalProtocolError, match="free slot"):
        both.say(Run, 4)


def test_a_slot_is_free_again_after_ready_and_not_before() -> None:
    both = Both(1)
    both.say(Run, 1)
    both.say(Done, 1)
    with pytest.raises(LocalProtocolError, match="free slot"):
        both.say(Run, 2)

    both.say(Ready)

    assert both.say(Run, 2)


def test_a_ready_that_gives_nothing_back_is_a_report() -> None:
    both = Both(2)
    both.say(Run, 1)
    both.say(Ready)

    assert both.loop.free == both.cell.free == 1


def test_one_run_waits_while_another_speaks() -> None:
    both = Both(2)
    both.say(Run, 1)
    both.say(Run, 2)
    both.say(HostCall, 1)

    assert both.say(Output, 2)
    assert both.say(HostCall, 2)
    assert both.say(HostReply, 1)
    assert both.say(Done, 1)
    assert both.say(HostReply, 2)


@pytest.mark.parametrize("cls", [Output, HostCall, Done], ids=lambda c: c.__name__)
def test_a_cell_that_speaks_of_a_run_it_has_not_is_at_fault(cls: type) -> None:
    both = Both(2)
    both.say(Run, 1)
    with pytest.raises(RemoteProtocolError, match="another run"):
        both.loop.receive(KINDS[cls], 2)

    with pytest.raises(RemoteProtocolError, match="over"):
        both.loop.receive(KINDS[Output], 1)


def test_a_run_is_answered_once() -> None:
    both = Both(2)
    both.say(Run, 1)
    both.say(Done, 1)

    with pytest.raises(RemoteProtocolError, match="another run"):
        both.loop.receive(KINDS[Done], 1)


def test_a_cell_drops_what_crossed_its_answer_on_the_way() -> None:
    both = Both(2)
    both.say(Run, 1)
    both.loop.send(KINDS[Interrupt], 1)
    both.cell.send(KINDS[Done], 1)

    assert not both.cell.receive(KINDS[Interrupt], 1)
    assert both.loop.receive(KINDS[Done], 1)


def test_each_run_has_its_own_caps() -> None:
    both = Both(2, Caps(host_calls=1))
    for run_id in (1, 2):
        both.say(Run, run_id)
        both.say(HostCall, run_id)
        both.say(HostReply, run_id)

    with pytest.raises(RemoteProtocolError, match="cap"):
        both.loop.receive(KINDS[HostCall], 2)


@pytest.mark.parametrize("seed", range(10))
def test_two_ends_that_stay_in_turn_agree_whatever_they_say(seed: int) -> None:
    chance = random.Random(seed)
    both = Both(3)
    last = said = 0
    for _ in range(2_000):
        cls = chance.choice([*ABOUT_RUN, Ready, EndSession])
        run_id = 0
        if cls is Run:
            run_id = last = last + 1
        elif cls in ABOUT_RUN:
            run_id = chance.choice([0, *both.loop.runs])
        kind = KINDS[cls]
        sender = both.loop if kind in LOOP_SENDS_CELL else both.cell
        try:
            sender.send(kind, run_id, 10)
        except LocalProtocolError:
            continue
        receiver = both.cell if sender is both.loop else both.loop
        assert receiver.receive(kind, run_id, 10)
        said += 1
        assert both.loop.runs == both.cell.runs
        assert both.loop.free == both.cell.free
        assert 0 <= both.loop.free + len(both.loop.runs) <= 3
    assert said > 300


@pytest.mark.parametrize("seed", range(10))
def test_a_loop_hears_nonsense_as_errors_of_the_protocol_alone(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        both = Both(2)
        both.say(Run, 1)
        with pytest.raises(ProtocolError):
            _talk_nonsense(both.loop, chance)


def _talk_nonsense(loop: SlotsConversation, chance: random.Random) -> None:
    for _ in range(500):
        kind = chance.choice([*CELL_SENDS - {KINDS[Ready]}, chance.randrange(256)])
        loop.receive(kind, chance.choice([0, 1, 2]), chance.randrange(1 << 20))


def test_nothing_follows_a_report() -> None:
    both = Both(2)
    both.say(Report)

    with pytest.raises(LocalProtocolError):
        both.loop.send(KINDS[EndSession])
