"""The standard library's reader and writer: what passes is exactly one valid message."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.fields import INTEGER_MAX
from protocol.frames import Frame, FrameDecoder
from protocol.messages import (
    CELL_SENDS,
    CLASSES,
    HOST_SENDS,
    KINDS,
    LOOP_SENDS_CELL,
    LOOP_SENDS_HOST,
    Done,
    Error,
    HostReply,
    Interrupt,
    Log,
    Output,
    Run,
    RunLimits,
    Usage,
    Variable,
    Verdict,
)
from protocol.reading import (
    BODY_BYTES_MAX,
    BODY_NODES_MAX,
    decode_frame,
    encode_message,
    parse,
    read,
    write,
)

type Make = Callable[[Any, random.Random], Any]
LIMITS = RunLimits(30_000, 1 << 27, 1 << 20, 1 << 20, 1 << 24, 1_000, 1 << 24)


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_every_message_survives_its_way_through_a_frame_unchanged(
    cls: type, make_message: Make
) -> None:
    chance = random.Random(cls.__name__)
    for _ in range(30):
        message = make_message(cls, chance)
        buffers = [chance.randbytes(chance.randint(0, 9)) for _ in range(chance.randint(0, 3))]

        (frame,) = FrameDecoder().feed(b"".join(encode_message(message, 7, buffers)))
        found, found_buffers = decode_frame(frame)

        assert found == message
        assert type(found) is cls
        assert [bytes(b) for b in found_buffers] == buffers


def test_a_field_at_its_default_is_not_sent() -> None:
    assert write(Done(Verdict.OK)) == b'{"verdict":"ok"}'
    assert write(Run(LIMITS)).startswith(b'{"limits":{"wall_ms":30000,')


def test_a_field_that_equals_its_default_in_value_alone_is_still_sent_as_it_is() -> None:
    assert read(HostReply, write(HostReply(1, Error("", "")))) == HostReply(1, Error("", ""))


CALL = '{"call":1}'


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        pytest.param("", "body", id="empty"),
        pytest.param("[]", "object", id="an array"),
        pytest.param("null", "object", id="null"),
        pytest.param("{}", "missing", id="a field missing"),
        pytest.param('{"call":1,"x":0}', "unknown", id="an unknown field"),
        pytest.param('{"call":1,"call":1}', "twice", id="a field twice"),
        pytest.param('{"call":1,"error":{"name":"","message":"","name":""}}', "twice", id="inner"),
        pytest.param('{"call":true}', "HostReply.call", id="a bool as an int"),
        pytest.param('{"call":1.0}', "HostReply.call", id="a float as an int"),
        pytest.param('{"call":"1"}', "HostReply.call", id="a text as an int"),
        pytest.param('{"call":null}', "HostReply.call", id="null"),
        pytest.param('{"call":0}', "HostReply.call", id="under the range"),
        pytest.param(f'{{"call":{INTEGER_MAX + 1}}}', "HostReply.call", id="over the range"),
        pytest.param(f'{{"call":{"9" * 5_000}}}', "too long", id="a very long int"),
        pytest.param('{"call":NaN}', "NaN", id="nan"),
        pytest.param('{"call":-Infinity}', "NaN", id="infinity"),
        pytest.param('{"call":1,"error":[]}', "HostReply.error", id="an array as an object"),
        pytest.param('{"call":1,"error":{"name":1,"message":""}}', "error.name", id="inner type"),
        pytest.param(CALL + CALL, "JSON", id="two objects"),
        pytest.param(CALL + "\x00", "JSON", id="bytes behind it"),
        pytest.param("\ufeff" + CALL, "JSON", id="a byte order mark"),
        pytest.param('{"call":1,}', "JSON", id="a comma too many"),
        pytest.param("[" * 60_000, "JSON", id="nested deep"),
    ],
)
def test_a_body_that_is_not_exactly_one_message_is_refused(body: str, complaint: str) -> None:
    assert read(HostReply, CALL.encode()) == HostReply(1)
    with pytest.raises(RemoteProtocolError, match=complaint):
        read(HostReply, body.encode())


def test_text_is_utf_8_without_half_surrogate_pairs() -> None:
    body = '{"level":1,"logger":"%s","message":""}'
    assert read(Log, (body % "\\ud83d\\ude00").encode()).logger == "😀"
    for wrong in (b"\xff", b"\xed\xa0\x80", b"\\ud83d", b"\\ude00\\ud83d"):
        with pytest.raises(RemoteProtocolError):
            read(Log, body.encode() % wrong)


def test_a_text_or_array_at_its_cap_passes_and_one_longer_is_refused() -> None:
    fields = tuple(Variable("n" * 256, "") for _ in range(64))
    at_cap = Log(0, "l" * 256, "m" * 65_536, fields)
    assert read(Log, write(at_cap)) == at_cap
    plain = json.loads(write(at_cap))
    for name in ("logger", "message", "fields"):
        longer = plain | {name: plain[name] + plain[name][-1:]}
        with pytest.raises(RemoteProtocolError, match=name):
            read(Log, json.dumps(longer).encode())


def test_the_place_of_a_wrong_item_in_an_array_is_named() -> None:
    fields = b'[{"name":"","value":""},{"name":"","value":2}]'
    body = b'{"level":1,"logger":"","message":"","fields":' + fields + b"}"
    with pytest.raises(RemoteProtocolError, match=r"Log\.fields\.1\.value"):
        read(Log, body)


FORGED = json.dumps("x\n2026-01-01 OK all clear \x1b[31m" * 1_000)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"verdict":' + FORGED + "}", id="as a value"),
        pytest.param('{"verdict":"ok",' + FORGED + ":1}", id="as a name"),
        pytest.param(FORGED, id="alone"),
        pytest.param("{" + FORGED, id="broken off"),
    ],
)
def test_a_peer_can_neither_flood_nor_forge_a_log_through_an_error(body: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(Interrupt, body.encode())

    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()
    assert len(str(caught.value)) <= 200


def test_a_message_that_breaks_its_declaration_is_not_written() -> None:
    broken: list[Any] = [
        HostReply(0),
        HostReply(True),
        HostReply(1.0),  # type: ignore[arg-type]  # the mistake to catch
        Output("stdlog"),  # type: ignore[arg-type]  # the mistake to catch
        Log(0, "x" * 257, ""),
        Log(0, "\ud800", ""),
        Log(0, "", "", (Usage(),)),  # type: ignore[arg-type]  # the mistake to catch
        Log(0, "", b"bytes"),  # type: ignore[arg-type]  # the mistake to catch
    ]
    for message in broken:
        with pytest.raises(LocalProtocolError):
            write(message)


def test_what_is_no_message_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        write({"call": 1})


def test_a_frame_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="kind 200"):
        decode_frame(Frame(200, 0, 0, b"{}"))


def test_a_body_at_its_caps_is_parsed_and_one_past_them_is_refused() -> None:
    filled = b'"' + b"x" * (BODY_BYTES_MAX - 2) + b'"'
    assert parse(filled) == "x" * (BODY_BYTES_MAX - 2)
    with pytest.raises(RemoteProtocolError, match="over"):
        parse(filled + b" ")
    array = b"[" + b"0," * (BODY_NODES_MAX - 3) + b"0]"
    assert len(parse(array)) == BODY_NODES_MAX - 2  # type: ignore[arg-type]  # a list
    with pytest.raises(RemoteProtocolError, match="values"):
        parse(array[:-1] + b",0,0,0]")


def test_separators_within_text_do_not_count_as_values() -> None:
    text = ',:[{"\\' * BODY_NODES_MAX
    assert parse(json.dumps(text).encode()) == text


def test_a_body_is_refused_before_it_fills_memory() -> None:
    body = b"[" + b"[]," * 5_000_000 + b"[]]"
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            parse(body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 2 * len(body), "its objects would take 24 bytes for each byte of it"


def test_numbers_and_names_of_messages_are_one_to_one_and_every_sender_is_known() -> None:
    assert len(CLASSES) == len(KINDS)
    assert all(0 < kind < 256 for kind in CLASSES)
    assert set(CLASSES) == HOST_SENDS | LOOP_SENDS_CELL | CELL_SENDS | LOOP_SENDS_HOST
    assert not LOOP_SENDS_CELL & CELL_SENDS, "a frame between loop and cell tells its direction"
    assert not HOST_SENDS & LOOP_SENDS_HOST


def test_reading_needs_nothing_that_a_cell_cannot_load() -> None:
    program = (
        "import sys, protocol.reading, protocol.values, protocol.conversation;"
        "heavy = {'pydantic', 'asyncio', 'logging', 'decimal', 'fractions', 'uuid', 'datetime',"
        " 'zoneinfo', 'pathlib', 'hypothesis'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert output == "[]\n"
