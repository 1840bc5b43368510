"""A stream of anything, from the socket to the message: messages, or errors of the protocol."""

from __future__ import annotations

import contextlib
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from protocol import checking, reading
from protocol.errors import FrameTooLarge, ProtocolError
from protocol.frames import HEADER, FrameDecoder
from protocol.messages import CELL_SENDS, CLASSES, KINDS, HostCall, Placed
from protocol.values import Budget, decode

type Make = Callable[[Any, random.Random], Any]
LIMIT_BYTES = 1 << 16


def hear(stream: bytes, chance: random.Random) -> tuple[int, bool]:
    """Read `stream` as the loop and the host do; return the messages read and if it broke off."""
    decoder = FrameDecoder(limit_bytes=LIMIT_BYTES, kinds=CELL_SENDS)
    read = at = 0
    try:
        while at < len(stream):
            size = chance.choice([1, 7, 64, 4_096])
            for frame in decoder.feed(stream[at : at + size]):
                found: list[object] = []
                for decode_frame in (reading.decode_frame, checking.decode_frame):
                    try:
                        found.append(decode_frame(frame)[0])
                    except ProtocolError:
                        found.append(None)
                assert found[0] == found[1], "both readers are of one mind"
                if found[0] is None:
                    return read, True
                for buffer in frame.split()[1]:
                    _decode(buffer)
                read += 1
            at += size
    except ProtocolError:
        return read, True
    return read, False


def _decode(buffer: memoryview) -> None:
    with contextlib.suppress(ProtocolError):
        decode(buffer, budget=Budget(LIMIT_BYTES, 1_000, 50))


def stream_of(chance: random.Random, make_message: Make) -> bytes:
    stream = b""
    for _ in range(chance.randint(1, 6)):
        message = make_message(CLASSES[chance.choice(sorted(CELL_SENDS))], chance)
        buffers = [chance.choice([b"[1,2]", b'#[[0],[],[["tuple",[1]]]]', b"x"])] * chance.randint(
            0, 2
        )
        stream += b"".join(reading.encode_message(message, chance.randint(0, 9), buffers))
    return stream


@pytest.mark.parametrize("seed", range(6))
def test_streams_damaged_at_random_break_off_with_an_error_of_the_protocol(
    seed: int, make_message: Make
) -> None:
    chance = random.Random(seed)
    whole, broken = 0, 0
    for _ in range(150):
        stream = bytearray(stream_of(chance, make_message))
        for _ in range(chance.choice([0, 1, 1, 3])):
            at = chance.randrange(len(stream))
            if chance.random() < 0.5:
                stream[at] ^= 1 << chance.randrange(8)
            else:
                del stream[at : at + chance.randint(1, 20)]
        _, is_broken = hear(bytes(stream), chance)
        broken += is_broken
        whole += not is_broken

    assert whole
    assert broken


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_break_off_with_an_error_of_the_protocol(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        hear(chance.randbytes(chance.randint(0, 200)), chance)
        kind = chance.choice(sorted(CELL_SENDS))
        body = chance.randbytes(chance.randint(0, 60))
        hear(HEADER.pack(len(body), kind, 0, chance.randrange(3), 1) + body, chance)


def test_a_peer_that_announces_much_and_sends_slowly_holds_no_more_than_it_sent() -> None:
    decoder = FrameDecoder(limit_bytes=1 << 30)
    header = HEADER.pack(1 << 30, KINDS[next(iter(KINDS))], 0, 0, 1)
    tracemalloc.start()
    try:
        assert list(decoder.feed(header)) == []
        for _ in range(64):
            assert list(decoder.feed(b"x" * 1_024)) == []
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 1 << 20


def test_a_payload_over_the_cap_is_refused_before_any_of_it_is_kept() -> None:
    decoder = FrameDecoder(limit_bytes=LIMIT_BYTES)
    with pytest.raises(FrameTooLarge):
        list(decoder.feed(HEADER.pack(LIMIT_BYTES + 1, 1, 0, 0, 1)))


@pytest.mark.parametrize("read", [reading.read, checking.read], ids=["reading", "checking"])
@pytest.mark.parametrize(
    "body",
    [b'{"a":' * 400_000, b"[" * 2_000_000, b'{"a":[' + b"{}," * 700_000 + b"{}]}",
     b'{"' + b"\\u00e9" * 300_000 + b'":1}', b'{"call":' + b"9" * 2_000_000 + b"}"],
    ids=["objects", "arrays", "items", "name", "digits"],
)  # fmt: skip
def test_a_hostile_body_is_refused_in_memory_close_to_its_own_size(
    read: Callable[[type, bytes], object], body: bytes
) -> None:
    tracemalloc.start()
    try:
        for cls in (HostCall, Placed):
            with pytest.raises(ProtocolError):
                read(cls, body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 6 * len(body) + (4 << 20)
