"""The two readers: the same verdict on the same bytes, and the same message where it is good."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from protocol import checking, reading
from protocol.document import ALL_KINDS as KINDS
from protocol.errors import RemoteProtocolError
from protocol.frames import Frame, FrameDecoder
from protocol.messages import CLASSES, HostReply, Log
from protocol.reading import encode_message, write

type Make = Callable[[Any, random.Random], Any]
type Read = Callable[[type, bytes], object]

#: Values that readers of JSON are known to differ on, or that a mistake would let through.
ODD = [
    "0", "-0", "1", "-1", "1.0", "1e0", "1E400", "-1e-400", "9007199254740992", "1" * 25,
    "1" * 5_000, "true", "false", "null", "NaN", "Infinity", "-Infinity", '""',
    '"ok"', '"1"', '"stdout"',
    "[]", "[null]", "[[]]", "[" * 300, "{}", '{"":0}', '["a","b"]', '{"name":"a","value":"b"}',
    '[{"name":"a","value":"b"}]', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\x7f"', '"\x01"',
    '"é"', '"\\/"', '"\\x"', "'a'", "01", "+1", ".5", "1.", "-", "tru", "", " ", "\u00a01",
    '"' + "x" * 70_000 + '"',
]  # fmt: skip


def verdict(read: Read, cls: type, body: bytes) -> object:
    try:
        return read(cls, body)
    except RemoteProtocolError as error:
        text = str(error)
    assert text.isprintable()
    assert len(text) <= 200
    return None


def agree(cls: type, body: bytes) -> object:
    found, checked = verdict(reading.read, cls, body), verdict(checking.read, cls, body)
    assert found == checked
    assert type(found) is type(checked)
    return found


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_both_readers_take_what_we_write(cls: type, make_message: Make) -> None:
    chance = random.Random(cls.__name__)
    for _ in range(50):
        message = make_message(cls, chance)
        assert agree(cls, write(message)) == message


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_both_readers_agree_on_every_odd_value_in_every_field(
    cls: type, make_message: Make
) -> None:
    plain = reading.to_plain(make_message(cls, random.Random(1)))
    for name in [*plain, "unknown"]:
        for odd in ODD:
            others = [f"{json.dumps(n)}:{json.dumps(v)}" for n, v in plain.items() if n != name]
            agree(cls, ("{" + ",".join([*others, f"{json.dumps(name)}:{odd}"]) + "}").encode())


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_both_readers_agree_on_messages_damaged_at_random(cls: type, make_message: Make) -> None:
    chance = random.Random(cls.__name__)
    taken = 0
    for _ in range(150):
        body = bytearray(write(make_message(cls, chance)))
        for _ in range(chance.randint(1, 3)):
            _damage(body, chance)
        taken += agree(cls, bytes(body)) is not None

    assert taken < 150, "damage that nobody notices proves nothing"


def _damage(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body) + 1)
    match chance.randrange(4):
        case 0:
            body[at : at + 1] = chance.choice(
                b'{}[]",:0-.eE+truefalsn\\u \xff\xed\xa0\x80'
            ).to_bytes()
        case 1:
            del body[at : at + chance.randint(1, 5)]
        case 2:
            body[at:at] = chance.choice(ODD).encode()[:40]
        case 3:
            body[at:at] = body[chance.randrange(len(body) + 1) :][:20]


NAMES = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted({field.name for cls in KINDS for field in dataclasses.fields(cls)})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cls=st.sampled_from(list(KINDS)),
    body=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), JSON, max_size=6) | JSON,
    as_ascii=st.booleans(),
)
def test_both_readers_agree_on_any_json(cls: type, body: object, as_ascii: bool) -> None:
    text = json.dumps(body, ensure_ascii=as_ascii)
    agree(cls, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300, deadline=None)
@given(cls=st.sampled_from(list(KINDS)), body=st.binary(max_size=60))
def test_both_readers_agree_on_any_bytes(cls: type, body: bytes) -> None:
    agree(cls, body)


def test_both_readers_agree_at_each_cap_and_one_past_it() -> None:
    for size in (256, 257):
        agree(Log, json.dumps({"level": 0, "logger": "€" * size, "message": ""}).encode())
    for call in (0, 1, 2**53 - 1, 2**53):
        agree(HostReply, json.dumps({"call": call}).encode())
    for count in (64, 65):
        fields = [{"name": "", "value": ""}] * count
        message = {"level": 0, "logger": "", "message": "", "fields": fields}
        assert (agree(Log, json.dumps(message).encode()) is None) == (count == 65)


def test_frames_are_read_alike() -> None:
    (frame,) = FrameDecoder().feed(b"".join(encode_message(HostReply(3), 9, [b"abc"])))
    assert checking.decode_frame(frame) == reading.decode_frame(frame)
    for frame in (Frame(200, 0, 0, b"{}"), Frame(KINDS[HostReply], 1, 0, b"{}")):
        for decode in (checking.decode_frame, reading.decode_frame):
            with pytest.raises(RemoteProtocolError):
                decode(frame)


def test_a_declaration_that_only_one_reader_would_hold_cannot_be_made() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Odd:
        number: float

    for compile_class in (checking.adapter, reading.compile_class):
        with pytest.raises(TypeError):
            compile_class(Odd)


def test_every_class_has_its_reader() -> None:
    assert {checking.adapter(cls) for cls in CLASSES.values()}
