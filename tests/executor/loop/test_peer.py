"""What a framed connection of the loop promises: nothing lost, blocked or let through."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from executor.loop.peer import Peer, PeerClosed
from protocol.errors import FrameTooLarge, RemoteProtocolError
from protocol.frames import Frame, FrameDecoder, encode_frame, encode_parts

KINDS = frozenset({1, 2})


@pytest.fixture
def ends() -> Iterator[tuple[Peer, socket.socket]]:
    ours, theirs = socket.socketpair()
    peer = Peer(ours, kinds=KINDS, limit_bytes=1_000_000)
    with theirs:
        yield peer, theirs
        peer.close()


def test_a_large_frame_leaves_whole_however_slowly_the_other_side_reads(
    ends: tuple[Peer, socket.socket],
) -> None:
    peer, theirs = ends
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    body = bytes(range(256)) * 3_000
    peer.send(encode_parts(1, 5, b"{}", [body]))
    assert peer.waiting_bytes > 0

    decoder = FrameDecoder()
    frames: list[Frame] = []
    while not frames:
        frames += decoder.feed(theirs.recv(10_000))
        peer.flush()

    assert frames[0].split() == (b"{}", [memoryview(body)])
    assert peer.waiting_bytes == 0


def test_frames_wait_their_turn_behind_one_that_is_half_sent(
    ends: tuple[Peer, socket.socket],
) -> None:
    peer, theirs = ends
    peer.send(encode_parts(1, 1, b"", [bytes(900_000)]))
    peer.send(encode_parts(2, 2))

    decoder = FrameDecoder()
    seen: list[int] = []
    while len(seen) < 2:
        seen += [frame.run_id for frame in decoder.feed(theirs.recv(1 << 20))]
        peer.flush()

    assert seen == [1, 2]


def test_a_forwarded_frame_is_the_same_bytes(ends: tuple[Peer, socket.socket]) -> None:
    peer, theirs = ends
    sent = encode_frame(1, 9, b'{"a":1}', [b"xyz", b""])
    (frame,) = FrameDecoder().feed(sent)

    peer.forward(frame)

    assert theirs.recv(1_000) == sent


def test_a_frame_over_the_limit_is_refused_at_its_header(
    ends: tuple[Peer, socket.socket],
) -> None:
    peer, theirs = ends
    theirs.send(encode_frame(1, 1, bytes(1_000_001))[:16])

    with pytest.raises(FrameTooLarge):
        list(peer.receive())


def test_a_kind_that_this_side_does_not_speak_is_refused(
    ends: tuple[Peer, socket.socket],
) -> None:
    peer, theirs = ends
    theirs.send(encode_frame(3, 1))

    with pytest.raises(RemoteProtocolError, match="kind 3"):
        list(peer.receive())


def test_an_end_of_file_is_told_apart_from_silence(ends: tuple[Peer, socket.socket]) -> None:
    peer, theirs = ends
    assert list(peer.receive()) == []

    theirs.close()

    with pytest.raises(PeerClosed):
        list(peer.receive())
    with pytest.raises(PeerClosed):
        peer.send(encode_parts(1, 1))
