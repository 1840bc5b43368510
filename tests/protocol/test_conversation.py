"""Both conversations: two ends back to back, every transition, and whose fault a wrong one is."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from protocol import VERSION_MAX, VERSION_MIN
from protocol.conversation import (
    CELL_MOVES,
    RUN_MOVES,
    CellConversation,
    CellState,
    RunConversation,
    RunState,
    choose_version,
)
from protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError, VersionMismatch
from protocol.frames import HEADER_BYTES, FrameDecoder
from protocol.messages import (
    CELL_SENDS,
    HOST_SENDS,
    KINDS,
    LOOP_SENDS_CELL,
    LOOP_SENDS_HOST,
    Cancel,
    CellHello,
    Done,
    EndSession,
    Error,
    HostCall,
    HostReply,
    Interrupt,
    Log,
    Lost,
    Message,
    Output,
    Placed,
    Progress,
    Ready,
    Refused,
    Report,
    Run,
    RunLimits,
    Setup,
    Stdin,
    StdinWanted,
    Submit,
    Verdict,
)
from protocol.reading import decode_frame, encode_message

LIMITS = RunLimits(30_000, 1 << 27, 100, 50, 1 << 24, 3, 1 << 24)
MESSAGES: dict[type, Message] = {
    CellHello: CellHello(VERSION_MIN, VERSION_MAX, 1),
    Setup: Setup(1, "wasm", "/image", 1, 1 << 27),
    Ready: Ready(1),
    Report: Report("no"),
    Run: Run(LIMITS),
    Output: Output("stdout"),
    Log: Log(20, "app", "text"),
    Progress: Progress(500),
    HostCall: HostCall(1, "fetch"),
    HostReply: HostReply(1),
    Stdin: Stdin(),
    StdinWanted: StdinWanted(1),
    Interrupt: Interrupt(Verdict.TIMEOUT),
    EndSession: EndSession(1),
    Done: Done(Verdict.OK),
    Submit: Submit(1, 30_000),
    Cancel: Cancel(),
    Placed: Placed(1, 1),
    Refused: Refused("draining"),
    Lost: Lost(Verdict.CRASHED, "killed"),
}
WITHOUT_RUN = {CellHello, Setup, Ready, Report, EndSession}


class End:
    """One end with its half of the wire: what it sends, the other end receives as bytes."""

    def __init__(self, conversation: Any) -> None:
        self.conversation = conversation
        self.decoder = FrameDecoder()

    def send(self, message: Message, run_id: int = 0, buffers: Sequence[bytes] = ()) -> bytes:
        data = b"".join(encode_message(message, run_id, buffers))
        self.conversation.send(KINDS[type(message)], run_id, len(data) - HEADER_BYTES)
        return data

    def receive(self, data: bytes) -> Iterator[tuple[Message, bool]]:
        for byte in data:
            for frame in self.decoder.feed(bytes([byte])):
                size = len(frame.payload)
                is_for_now = self.conversation.receive(frame.kind, frame.run_id, size)
                yield decode_frame(frame)[0], is_for_now


def loop_and_cell() -> tuple[End, End]:
    return End(CellConversation()), End(CellConversation("cell"))


def run_id_for(cls: type, run_id: int = 7) -> int:
    return 0 if cls in WITHOUT_RUN else run_id


#: A run with everything in it, as the loop and the cell say it.
WHOLE_RUN = [
    Run, Log, Output, HostCall, Output, HostReply, Progress, StdinWanted, Output, Stdin, Interrupt,
    EndSession, HostCall, Interrupt, Done, EndSession, Ready,
]  # fmt: skip


def test_a_cell_says_hello_runs_twice_and_gives_up_byte_by_byte() -> None:
    loop, cell = loop_and_cell()
    for cls in [CellHello, Setup, Ready, *WHOLE_RUN, Ready, *WHOLE_RUN, Report]:
        sender, receiver = (loop, cell) if KINDS[cls] in LOOP_SENDS_CELL else (cell, loop)
        data = sender.send(MESSAGES[cls], run_id_for(cls), [b"x"])

        assert list(receiver.receive(data)) == [(MESSAGES[cls], True)]
        assert loop.conversation.state is cell.conversation.state
        has_run = loop.conversation.state in (
            CellState.RUNNING,
            CellState.CALLING,
            CellState.READING,
        )
        assert loop.conversation.run_id == cell.conversation.run_id == (7 if has_run else 0)

    assert loop.conversation.state is CellState.FAILED


@pytest.mark.parametrize(
    "said",
    [
        [Submit, Refused],
        [Submit, Cancel, Refused],
        [Submit, Lost],
        [Submit, Placed, Done],
        [Submit, Placed, Cancel, Lost],
        [Submit, Placed, Output, Log, HostCall, HostReply, Progress, Cancel, Done],
        [Submit, Placed, StdinWanted, Output, Stdin, Cancel, Done],
        [Submit, Placed, HostCall, Lost],
        [Submit, Placed, StdinWanted, Cancel, Done],
    ],
    ids=lambda said: "-".join(cls.__name__ for cls in said),
)
def test_a_run_has_exactly_one_ending_byte_by_byte(said: list[type]) -> None:
    host, loop = End(RunConversation(7)), End(RunConversation(7, "loop"))
    for cls in said:
        assert not host.conversation.is_over
        sender, receiver = (host, loop) if KINDS[cls] in HOST_SENDS else (loop, host)
        data = sender.send(MESSAGES[cls], 7, [b"x"])
        assert list(receiver.receive(data)) == [(MESSAGES[cls], True)]

    assert host.conversation.is_over
    assert loop.conversation.is_over
    for ending in (Done, Lost, Refused):
        with pytest.raises(RemoteProtocolError):
            host.conversation.receive(KINDS[ending], 7)
        with pytest.raises(LocalProtocolError):
            loop.conversation.send(KINDS[ending], 7)


# --- every state ---------------------------------------------------------------------------------
def _paths(moves: Any, start: Any) -> dict[Any, list[type]]:
    """Return the shortest way into each state."""
    paths: dict[Any, list[type]] = {start: []}
    waiting = [start]
    while waiting:
        state = waiting.pop(0)
        for cls, after in moves[state].items():
            if after not in paths:
                paths[after] = [*paths[state], cls]
                waiting.append(after)
    return paths


CELL_PATHS = _paths(CELL_MOVES, CellState.NEW)
RUN_PATHS = _paths(RUN_MOVES, RunState.NEW)


def walked(conversation: Any, path: list[type], ours: frozenset[int]) -> Any:
    for cls in path:
        say = conversation.send if KINDS[cls] in ours else conversation.receive
        say(KINDS[cls], run_id_for(cls))
    return conversation


def test_every_state_can_be_reached() -> None:
    assert set(CELL_PATHS) == set(CellState)
    assert set(RUN_PATHS) == set(RunState)


@pytest.mark.parametrize("state", CellState, ids=lambda state: state.value)
def test_the_loop_takes_what_the_table_says_and_nothing_else(state: CellState) -> None:
    for cls, kind in KINDS.items():
        conversation = walked(CellConversation(), CELL_PATHS[state], LOOP_SENDS_CELL)
        is_allowed = cls in CELL_MOVES[state]
        if kind in LOOP_SENDS_CELL:
            assert conversation.may_send(kind) == is_allowed
        fault = LocalProtocolError if kind in LOOP_SENDS_CELL else RemoteProtocolError
        say = conversation.send if kind in LOOP_SENDS_CELL else conversation.receive
        _judge(say, kind, run_id_for(cls), None if is_allowed else fault)
        if is_allowed:
            assert conversation.state is CELL_MOVES[state][cls]


@pytest.mark.parametrize("state", RunState, ids=lambda state: state.value)
def test_the_host_takes_what_the_table_says_and_nothing_else(state: RunState) -> None:
    for cls, kind in KINDS.items():
        conversation = walked(RunConversation(7), RUN_PATHS[state], HOST_SENDS)
        is_allowed = cls in RUN_MOVES[state]
        fault = LocalProtocolError if kind in HOST_SENDS else RemoteProtocolError
        say = conversation.send if kind in HOST_SENDS else conversation.receive
        _judge(say, kind, 7, None if is_allowed else fault)
        if is_allowed:
            assert conversation.state is RUN_MOVES[state][cls]


def _judge(
    say: Callable[[int, int], object], kind: int, run_id: int, fault: type[ProtocolError] | None
) -> None:
    if fault is None:
        say(kind, run_id)
    else:
        with pytest.raises(fault):
            say(kind, run_id)


def test_a_kind_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="kind 200"):
        CellConversation().receive(200)


def test_after_a_fault_of_the_peer_nothing_more_is_taken_or_sent() -> None:
    conversation = walked(CellConversation(), CELL_PATHS[CellState.RUNNING], LOOP_SENDS_CELL)
    with pytest.raises(RemoteProtocolError):
        conversation.receive(KINDS[Ready])

    with pytest.raises(RemoteProtocolError):
        conversation.receive(KINDS[Output], 7)
    with pytest.raises(LocalProtocolError):
        conversation.send(KINDS[Interrupt], 7)


# --- run ids and crossing ------------------------------------------------------------------------
@pytest.mark.parametrize("cls", [Output, Log, Progress, HostCall, Done], ids=lambda c: c.__name__)
@pytest.mark.parametrize("run_id", [0, 6, 8])
def test_a_cell_that_speaks_of_another_run_is_at_fault(cls: type, run_id: int) -> None:
    conversation = walked(CellConversation(), CELL_PATHS[CellState.RUNNING], LOOP_SENDS_CELL)
    with pytest.raises(RemoteProtocolError, match="another run"):
        conversation.receive(KINDS[cls], run_id)


def test_a_message_of_the_cell_itself_carries_no_run() -> None:
    conversation = walked(CellConversation(), CELL_PATHS[CellState.RESTOCKING], LOOP_SENDS_CELL)
    with pytest.raises(RemoteProtocolError, match="another run"):
        conversation.receive(KINDS[Ready], 7)
    with pytest.raises(LocalProtocolError):
        walked(CellConversation(), CELL_PATHS[CellState.IDLE], LOOP_SENDS_CELL).send(KINDS[Run], 0)


@pytest.mark.parametrize("cls", [Interrupt, HostReply, Stdin], ids=lambda c: c.__name__)
def test_a_cell_drops_what_crossed_its_answer_on_the_way(cls: type) -> None:
    kind = KINDS[cls]
    for path in (
        [*CELL_PATHS[CellState.CALLING], Done],
        [*CELL_PATHS[CellState.CALLING], Done, Ready],
        [*CELL_PATHS[CellState.CALLING], Done, Ready, Run],
    ):
        cell = walked(CellConversation("cell"), path[:-1], CELL_SENDS)
        last = path[-1]
        say = cell.send if KINDS[last] in CELL_SENDS else cell.receive
        say(KINDS[last], 8 if last is Run else run_id_for(last))
        before = cell.state
        assert not cell.receive(kind, 7)
        assert cell.state is before


def test_a_loop_drops_what_crossed_the_ending_of_a_run() -> None:
    for cls in (Cancel, HostReply, Stdin):
        loop = walked(RunConversation(7, "loop"), [Submit, Placed, Done], LOOP_SENDS_HOST)
        assert not loop.receive(KINDS[cls], 7)
        assert loop.is_over


def test_a_call_is_answered_once() -> None:
    loop = walked(CellConversation(), CELL_PATHS[CellState.CALLING], LOOP_SENDS_CELL)
    loop.send(KINDS[HostReply], 7)
    with pytest.raises(LocalProtocolError):
        loop.send(KINDS[HostReply], 7)
    cell = walked(CellConversation("cell"), CELL_PATHS[CellState.CALLING], CELL_SENDS)
    with pytest.raises(LocalProtocolError):
        cell.send(KINDS[HostCall], 7)


def test_input_is_asked_for_once_before_it_is_answered() -> None:
    for conversation in (
        walked(CellConversation(), CELL_PATHS[CellState.READING], LOOP_SENDS_CELL),
        walked(RunConversation(7), RUN_PATHS[RunState.READING], HOST_SENDS),
    ):
        with pytest.raises(RemoteProtocolError, match="out of turn"):
            conversation.receive(KINDS[StdinWanted], 7)


@pytest.mark.parametrize("cls", [Stdin, HostReply], ids=lambda c: c.__name__)
def test_an_answer_to_nothing_is_a_fault(cls: type) -> None:
    for conversation in (
        walked(CellConversation("cell"), CELL_PATHS[CellState.RUNNING], CELL_SENDS),
        walked(RunConversation(7, "loop"), RUN_PATHS[RunState.PLACED], LOOP_SENDS_HOST),
    ):
        with pytest.raises(RemoteProtocolError, match="out of turn"):
            conversation.receive(KINDS[cls], 7)


def test_a_guest_waits_for_one_answer_at_a_time() -> None:
    for asked, other in ((HostCall, StdinWanted), (StdinWanted, HostCall)):
        path = [*CELL_PATHS[CellState.RUNNING], asked]
        loop = walked(CellConversation(), path, LOOP_SENDS_CELL)
        with pytest.raises(RemoteProtocolError, match="out of turn"):
            loop.receive(KINDS[other], 7)


# --- versions ------------------------------------------------------------------------------------
def test_the_highest_version_in_common_is_chosen() -> None:
    assert choose_version(CellHello(VERSION_MIN, VERSION_MAX, 1)) == VERSION_MAX
    assert choose_version(CellHello(1, VERSION_MAX + 9, 1)) == VERSION_MAX


@pytest.mark.parametrize("theirs", [(VERSION_MAX + 1, VERSION_MAX + 2), (9, 1)])
def test_without_a_version_in_common_both_ranges_are_named(theirs: tuple[int, int]) -> None:
    with pytest.raises(VersionMismatch) as caught:
        choose_version(CellHello(*theirs, 1))

    assert caught.value.theirs == theirs
    assert str(theirs[0]) in str(caught.value)


# --- at random -----------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(10))
def test_two_ends_that_stay_in_turn_agree_whatever_they_say(seed: int) -> None:
    chance = random.Random(seed)
    loop, cell = loop_and_cell()
    run_id = 0
    for _ in range(400):
        state = loop.conversation.state
        moves = [c for c in CELL_MOVES[state] if c is not Report]
        cls = chance.choice(moves)
        run_id += cls is Run
        sender, receiver = (loop, cell) if KINDS[cls] in LOOP_SENDS_CELL else (cell, loop)
        data = sender.send(MESSAGES[cls], run_id_for(cls, run_id))
        assert [now for _, now in receiver.receive(data)] == [True]
        assert loop.conversation.state is cell.conversation.state
        assert loop.conversation.run_id == cell.conversation.run_id


@pytest.mark.parametrize("seed", range(10))
def test_a_loop_hears_nonsense_as_errors_of_the_protocol_alone(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        with pytest.raises(RemoteProtocolError):
            _talk_nonsense(CellConversation(), chance)


def _talk_nonsense(conversation: CellConversation, chance: random.Random) -> None:
    for _ in range(200):
        kind = chance.choice([*CELL_SENDS, chance.randrange(256)])
        if chance.random() < 0.3 and conversation.may_send(KINDS[Setup]):
            conversation.send(KINDS[Setup])
        conversation.receive(kind, chance.choice([0, 1, 7]), chance.randrange(1 << 20))


def test_an_error_in_a_reply_does_not_change_whose_turn_it_is() -> None:
    loop, cell = loop_and_cell()
    for end, ours in ((loop, LOOP_SENDS_CELL), (cell, CELL_SENDS)):
        walked(end.conversation, CELL_PATHS[CellState.CALLING], ours)
    data = loop.send(HostReply(1, Error("ValueError", "no")), 7)
    assert [now for _, now in cell.receive(data)] == [True]
    assert cell.conversation.state is CellState.RUNNING
