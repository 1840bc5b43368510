"""Frames: what comes out of a stream, whole and in order, however it is cut; what is never kept."""

from __future__ import annotations

import random

import pytest

from protocol.errors import FrameTooLarge, LocalProtocolError, RemoteProtocolError
from protocol.fields import INTEGER_MAX
from protocol.frames import (
    BUFFERS_MAX,
    HEADER,
    HEADER_BYTES,
    ROOM_BYTES_FIRST,
    ROOM_BYTES_MIN,
    Frame,
    FrameDecoder,
    encode_frame,
    encode_parts,
)

STREAM = (
    encode_frame(1, 7, b"{}")
    + encode_frame(2, 0)
    + encode_frame(3, INTEGER_MAX, b'{"a":1}', [b"one", bytearray(b""), memoryview(b"three")])
)


def unpacked(frame: Frame) -> tuple[int, int, bytes, list[bytes]]:
    body, buffers = frame.split()
    return frame.kind, frame.run_id, body, [bytes(b) for b in buffers]


WHOLE = [
    (1, 7, b"{}", []),
    (2, 0, b"", []),
    (3, INTEGER_MAX, b'{"a":1}', [b"one", b"", b"three"]),
]


def test_frames_come_out_whole_when_the_stream_comes_in_byte_by_byte() -> None:
    decoder = FrameDecoder()

    frames = [frame for byte in STREAM for frame in decoder.feed(bytes([byte]))]

    assert [unpacked(f) for f in frames] == WHOLE
    assert not decoder.is_mid_frame


@pytest.mark.parametrize("seed", range(20))
def test_frames_come_out_whole_however_the_stream_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    decoder = FrameDecoder()
    frames: list[Frame] = []
    at = 0
    while at < len(STREAM):
        size = chance.randint(0, 30)
        frames += decoder.feed(STREAM[at : at + size])
        at += size

    assert [unpacked(f) for f in frames] == WHOLE


def test_a_decoder_is_mid_frame_at_every_byte_but_the_last_of_a_frame() -> None:
    stream = encode_frame(1, 7, b"{}", [b"xyz"])
    for end in range(1, len(stream)):
        decoder = FrameDecoder()
        assert list(decoder.feed(stream[:end])) == []
        assert decoder.is_mid_frame


def test_a_decoder_names_the_bytes_it_misses_and_those_alone_complete_the_frame() -> None:
    stream = encode_frame(1, 7, b"x" * 1_000)
    decoder = FrameDecoder()
    frames: list[Frame] = []
    at = 0
    while not frames:
        missing = decoder.missing_bytes
        assert missing >= 1
        frames = list(decoder.feed(stream[at : at + missing]))
        at += missing

    assert at == len(stream)


def test_a_frame_encodes_to_the_bytes_it_came_from() -> None:
    frames = list(FrameDecoder().feed(STREAM))

    assert b"".join(f.encode() for f in frames) == STREAM


def test_a_payload_at_the_limit_passes_and_one_byte_more_is_refused_by_its_header() -> None:
    at_limit = encode_frame(1, 1, b"x" * 100)
    assert len(list(FrameDecoder(limit_bytes=100).feed(at_limit))) == 1

    decoder = FrameDecoder(limit_bytes=100)
    with pytest.raises(FrameTooLarge) as caught:
        list(decoder.feed(HEADER.pack(101, 1, 0, 0, 1)))

    assert (caught.value.length_bytes, caught.value.limit_bytes) == (101, 100)
    assert "101" in str(caught.value)


def test_a_sender_is_stopped_at_the_same_limits_as_a_receiver() -> None:
    assert encode_frame(1, 1, b"x" * 92, [b"1234"], limit_bytes=100)
    with pytest.raises(LocalProtocolError):
        encode_frame(1, 1, b"x" * 93, [b"1234"], limit_bytes=100)
    assert encode_frame(1, 1, b"", [b""] * BUFFERS_MAX)
    with pytest.raises(LocalProtocolError):
        encode_frame(1, 1, b"", [b""] * (BUFFERS_MAX + 1))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(HEADER.pack(0, 1, 1, 0, 1), id="flags"),
        pytest.param(HEADER.pack(0, 1, 0, BUFFERS_MAX + 1, 1), id="too many buffers"),
        pytest.param(HEADER.pack(0, 1, 0, 0, INTEGER_MAX + 1), id="run id out of range"),
        pytest.param(HEADER.pack(0, 9, 0, 0, 1), id="a kind that is not spoken"),
    ],
)
def test_a_header_that_no_sender_of_ours_writes_is_refused(header: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        list(FrameDecoder(kinds=frozenset({1, 2})).feed(header))


def test_buffers_that_do_not_add_up_to_the_payload_are_refused() -> None:
    table_cut = Frame(1, 1, 2, b"\x00\x00\x00\x00")
    too_long = Frame(1, 1, 1, b"\x05\x00\x00\x00abcd")
    huge = Frame(1, 1, 2, b"\xff\xff\xff\xff" * 2 + b"abcd")
    for frame in (table_cut, too_long, huge):
        with pytest.raises(RemoteProtocolError):
            frame.split()


def test_a_large_buffer_is_not_copied_into_the_frame() -> None:
    data = bytearray(1 << 20)
    parts = encode_parts(1, 1, b"{}", [data])

    assert parts[1] is data


def test_the_items_of_a_memoryview_are_counted_in_bytes() -> None:
    wide = memoryview(bytearray(16)).cast("Q")
    (frame,) = FrameDecoder().feed(b"".join(encode_parts(1, 1, b"{}", [wide])))

    assert frame.split()[1][0].nbytes == 16


def test_the_header_is_as_long_as_its_documentation_says() -> None:
    assert HEADER_BYTES == 16


@pytest.mark.parametrize("seed", range(4))
def test_large_frames_come_out_whole_whether_fed_or_received_in_place(seed: int) -> None:
    chance = random.Random(seed)
    sent = [
        Frame(7, n, 0, chance.randbytes(size))
        for n, size in enumerate((10, ROOM_BYTES_MIN + 1, 3 * ROOM_BYTES_FIRST + 5, 0, 700_000))
    ]
    stream = b"".join(frame.encode() for frame in sent)
    decoder, came, at = FrameDecoder(), list[Frame](), 0
    while at < len(stream):
        count = chance.randint(1, 200_000)
        if decoder.has_room and chance.random() < 0.8:
            with decoder.room() as room:
                count = min(count, len(room))
                room[:count] = stream[at : at + count]
            came += decoder.take(count)
        else:
            came += decoder.feed(stream[at : at + count])
        at += count

    assert came == sent
    assert not decoder.is_mid_frame


def test_room_for_a_large_payload_is_no_more_than_twice_what_has_come() -> None:
    announced = HEADER.pack(1 << 30, 7, 0, 0, 1)
    decoder = FrameDecoder(limit_bytes=1 << 30)
    assert list(decoder.feed(announced)) == []

    came = 0
    for _ in range(6):
        with decoder.room() as room:
            count = len(room)
        assert count <= max(ROOM_BYTES_FIRST, came)
        assert list(decoder.take(count)) == []
        came += count

    assert decoder.missing_bytes == (1 << 30) - came


def test_the_end_of_a_large_frame_leaves_the_next_one_whole() -> None:
    large, small = Frame(7, 1, 0, b"x" * (ROOM_BYTES_MIN * 2)), Frame(7, 2, 0, b"next")
    decoder = FrameDecoder()
    assert list(decoder.feed(large.encode()[:100])) == []
    assert decoder.has_room

    assert list(decoder.feed(large.encode()[100:] + small.encode())) == [large, small]
    assert not decoder.has_room
