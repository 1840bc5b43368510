"""What one run may say in all: each cap at it and one past it, on both ends."""

from __future__ import annotations

import pytest

from protocol.conversation import (
    NOTES_MAX,
    OUTPUT_OVERHEAD_BYTES,
    Caps,
    CellConversation,
    CellState,
    RunConversation,
)
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.frames import HEADER_BYTES
from protocol.messages import (
    CELL_SENDS,
    KINDS,
    LOOP_SENDS_CELL,
    CellHello,
    Done,
    HostCall,
    HostReply,
    Log,
    Output,
    Placed,
    Progress,
    Ready,
    Run,
    Setup,
    Submit,
)
from protocol.reading import encode_message
from tests.protocol.test_conversation import CELL_PATHS, LIMITS, walked


def placed(caps: Caps) -> RunConversation:
    conversation = RunConversation(7, caps=caps)
    conversation.send(KINDS[Submit], 7)
    conversation.receive(KINDS[Placed], 7)
    return conversation


def test_the_caps_of_a_run_are_those_of_its_limits() -> None:
    assert Caps.of(LIMITS) == Caps(output_bytes=150, host_calls=3, notes=NOTES_MAX)


def test_output_passes_up_to_its_cap_and_not_a_byte_more() -> None:
    for pieces, is_over in [([150], False), ([100, 50], False), ([151], True), ([150, 1], True)]:
        conversation = placed(Caps.of(LIMITS))
        *first, last = [
            len(b"".join(encode_message(Output("stdout"), 7, [b"x" * n]))) - HEADER_BYTES
            for n in pieces
        ]
        for size in first:
            conversation.receive(KINDS[Output], 7, size)
        if is_over:
            with pytest.raises(RemoteProtocolError, match="cap"):
                conversation.receive(KINDS[Output], 7, last)
        else:
            conversation.receive(KINDS[Output], 7, last)


def test_empty_output_is_not_free() -> None:
    conversation = placed(Caps(output_bytes=3))
    for _ in range(3):
        conversation.receive(KINDS[Output], 7, OUTPUT_OVERHEAD_BYTES)
    with pytest.raises(RemoteProtocolError, match="cap"):
        conversation.receive(KINDS[Output], 7, OUTPUT_OVERHEAD_BYTES)


def test_host_calls_pass_up_to_their_cap_and_not_one_more() -> None:
    conversation = placed(Caps(host_calls=2))
    for _ in range(2):
        conversation.receive(KINDS[HostCall], 7)
        conversation.send(KINDS[HostReply], 7)
    with pytest.raises(RemoteProtocolError, match="cap"):
        conversation.receive(KINDS[HostCall], 7)


def test_log_entries_and_notes_share_a_cap() -> None:
    conversation = placed(Caps(notes=2))
    conversation.receive(KINDS[Log], 7)
    conversation.receive(KINDS[Progress], 7)
    with pytest.raises(RemoteProtocolError, match="cap"):
        conversation.receive(KINDS[Log], 7)


def test_each_run_of_a_cell_has_its_caps_anew() -> None:
    conversation = CellConversation(caps=Caps(notes=1))
    walked(conversation, [CellHello, Setup, Ready], LOOP_SENDS_CELL)
    for _ in range(3):
        walked(conversation, [Run, Log, Done, Ready], LOOP_SENDS_CELL)


def test_a_sender_is_held_to_the_same_caps() -> None:
    mute = CellConversation("cell", caps=Caps(notes=0))
    cell = walked(mute, CELL_PATHS[CellState.RUNNING], CELL_SENDS)
    with pytest.raises(LocalProtocolError, match="cap"):
        cell.send(KINDS[Log], 7)
