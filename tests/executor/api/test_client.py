"""The frame client: each run gets its own frames and exactly one ending, whatever the peer does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from executor.client import Client
from executor.errors import Closed, SupervisorLost
from protocol.frames import HEADER, Frame
from protocol.messages import (
    KINDS,
    Cancel,
    Done,
    Output,
    Placed,
    PoolFailed,
    Refused,
    Submit,
    Verdict,
)
from tests.executor.api.peer import Peer

type Item = Frame | SupervisorLost

PATIENCE_S = 20


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def client(peer: Peer) -> Iterator[Client]:
    made = Client(peer.host, checked=False)
    yield made
    made.close_begins()
    peer.hang_up()
    assert made.wait_ended(PATIENCE_S)


def test_frames_go_to_the_run_they_belong_to(client: Client, peer: Peer) -> None:
    first, second = SimpleQueue[Item](), SimpleQueue[Item]()
    one, two = client.open(first.put), client.open(second.put)

    peer.say(Placed(cell=1, queued_us=5), two)
    peer.say(Done(Verdict.OK), one)

    taken = first.get(timeout=PATIENCE_S), second.get(timeout=PATIENCE_S)
    assert [(f.kind, f.run_id) for f in taken if isinstance(f, Frame)] == [
        (KINDS[Done], one),
        (KINDS[Placed], two),
    ]


@pytest.mark.parametrize(
    "ending", [Done(Verdict.OK), Refused("queue_full")], ids=lambda m: type(m).__name__
)
def test_nothing_reaches_a_run_after_its_ending(
    client: Client, peer: Peer, ending: Done | Refused
) -> None:
    items, others = SimpleQueue[Item](), SimpleQueue[Item]()
    run_id, other = client.open(items.put), client.open(others.put)

    peer.say(ending, run_id)
    peer.say(Output("stdout"), run_id, b"late")
    peer.say(Done(Verdict.OK), run_id)
    peer.say(Done(Verdict.OK), other)

    others.get(timeout=PATIENCE_S)
    assert items.qsize() == 1


def test_frames_about_no_run_are_ignored(client: Client, peer: Peer) -> None:
    items = SimpleQueue[Item]()
    run_id = client.open(items.put)

    peer.say(Done(Verdict.OK), run_id + 1_000)
    peer.say(Done(Verdict.OK), run_id)

    assert isinstance(items.get(timeout=PATIENCE_S), Frame)


def test_a_peer_that_hangs_up_ends_every_open_run_once(client: Client, peer: Peer) -> None:
    items = SimpleQueue[Item]()
    for _ in range(10):
        client.open(items.put)

    peer.hang_up()

    assert client.wait_ended(PATIENCE_S)
    assert items.qsize() == 10
    assert isinstance(items.get(), SupervisorLost)
    with pytest.raises(SupervisorLost):
        client.open(items.put)
    with pytest.raises(SupervisorLost):
        client.send(Cancel(), 1)


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(1 << 31, KINDS[Done], 0, 0, 1),
        HEADER.pack(0, KINDS[Submit], 0, 0, 1),
        HEADER.pack(0, 200, 0, 0, 1),
        HEADER.pack(0, KINDS[Done], 7, 0, 1),
    ],
    ids=["too large", "not its to say", "unknown kind", "unknown flags"],
)
def test_a_peer_that_breaks_the_protocol_is_dropped(
    client: Client, peer: Peer, data: bytes
) -> None:
    items = SimpleQueue[Item]()
    client.open(items.put)

    peer.say_bytes(data)

    lost = items.get(timeout=PATIENCE_S)
    assert isinstance(lost, SupervisorLost)
    assert "broke the protocol" in lost.cause


def test_a_peer_that_sends_one_byte_at_a_time_is_understood(client: Client, peer: Peer) -> None:
    items = SimpleQueue[Item]()
    run_id = client.open(items.put)
    frame = HEADER.pack(16, KINDS[Done], 0, 0, run_id) + b'{"verdict":"ok"}'

    for byte in frame:
        peer.say_bytes(bytes([byte]))

    item = items.get(timeout=PATIENCE_S)
    assert isinstance(item, Frame)
    assert client.decode(item) == (Done(Verdict.OK), [])


def test_a_large_message_arrives_whole(client: Client, peer: Peer) -> None:
    pieces = [bytes([n % 256]) * 3_000 for n in range(2_000)]
    run_id = client.open(lambda _: None)

    sender = threading.Thread(target=client.send, args=(Submit(pool=1, wall_ms=1), run_id, pieces))
    sender.start()
    message, got_id, buffers = peer.receive()
    sender.join()

    assert (message, got_id) == (Submit(pool=1, wall_ms=1), run_id)
    assert [bytes(b) for b in buffers] == pieces


def test_messages_of_many_threads_do_not_mix(client: Client, peer: Peer) -> None:
    def send(run_id: int) -> None:
        for _ in range(50):
            client.send(Submit(pool=run_id, wall_ms=1), run_id, [bytes([run_id]) * 40_000, b"x"])

    threads = [threading.Thread(target=send, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        message, run_id, buffers = peer.receive()
        assert isinstance(message, Submit)
        assert message.pool == run_id
        assert bytes(buffers[0]) == bytes([run_id]) * 40_000
    for thread in threads:
        thread.join()


def test_the_cause_of_a_failed_pool_is_kept(client: Client, peer: Peer) -> None:
    items = SimpleQueue[Item]()
    run_id = client.open(items.put)

    peer.say(PoolFailed(pool=3, cause="no such image"))
    peer.say(Done(Verdict.OK), run_id)

    items.get(timeout=PATIENCE_S)
    assert client.pool_failures == {3: "no such image"}


def test_what_is_sent_after_we_closed_is_our_own_fault(client: Client, peer: Peer) -> None:
    client.close_begins()
    peer.hang_up()
    assert client.wait_ended(PATIENCE_S)

    with pytest.raises(Closed):
        client.open(lambda _: None)
    client.send_quietly(Cancel(), 1)


def test_a_loop_that_breaks_the_protocol_is_hung_up_on(client: Client, peer: Peer) -> None:
    peer.say_bytes(b"\xff" * HEADER.size)

    with pytest.raises(AssertionError, match="closed its end"):
        peer.receive()
    assert client.has_ended


def test_runs_that_stay_go_on_with_the_next_pipe_and_under_their_numbers(peer: Peer) -> None:
    ended, next_peer = SimpleQueue[int](), Peer()
    client = Client(peer.host, checked=False, on_end=lambda pipe, lost: ended.put(pipe))
    client.waits = True
    items = SimpleQueue[Item]()

    def stay(item: Item) -> bool:
        items.put(item)
        return True

    run_id, other = client.open(stay), client.open(items.put)
    peer.hang_up()
    assert ended.get(timeout=PATIENCE_S) == 1
    assert all(isinstance(items.get(timeout=PATIENCE_S), SupervisorLost) for _ in range(2))
    with pytest.raises(SupervisorLost):
        client.send(Cancel(), run_id)

    client.attach(next_peer.host)
    with pytest.raises(SupervisorLost):
        client.send(Cancel(), run_id, generation=1)
    client.send(Cancel(), run_id, generation=2)
    assert next_peer.receive()[:2] == (Cancel(), run_id)
    next_peer.say(Done(Verdict.OK), other)
    next_peer.say(Done(Verdict.OK), run_id)
    ending = items.get(timeout=PATIENCE_S)
    assert isinstance(ending, Frame)
    assert ending.run_id == run_id
    client.close_begins()
    next_peer.hang_up()
    assert client.wait_ended(PATIENCE_S)
    next_peer.close()
