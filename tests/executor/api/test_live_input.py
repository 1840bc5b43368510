"""Live input is read when the guest asks, once for each time, and never holds up a run's ending."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from executor import Limits, Supervisor, Verdict
from executor.options import Defaults, make_plan
from protocol.messages import Cancel, Done, HostCall, Stdin, StdinWanted
from protocol.values import encode
from tests.executor.api.host import PATIENCE_S, Host

READ_TWO = "import sys\nsys.stdin.buffer.raw.read(2)"


class Source:
    """Gives `pieces`, then the end; remembers how much it was asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.asked: list[int] = []

    def read(self, size: int, /) -> bytes:
        self.asked.append(size)
        return self.pieces.pop(0) if self.pieces else b""


class Stuck:
    """Blocks in its read until it is let go."""

    def __init__(self) -> None:
        self.is_read = threading.Event()
        self.let_go = threading.Event()

    def read(self, size: int, /) -> bytes:
        self.is_read.set()
        self.let_go.wait(PATIENCE_S)
        return b"late"


# --- real guests ---------------------------------------------------------------------------------
def test_a_guest_that_reads_no_input_takes_none(supervisor: Supervisor) -> None:
    source = Source(b"for somebody else")

    assert supervisor.run("1 + 1", stdin=source).value == 2
    assert source.asked == []


def test_what_a_guest_did_not_ask_for_is_left_for_the_next_reader(supervisor: Supervisor) -> None:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"abcdef")
    with os.fdopen(read_fd, "rb") as source:
        assert supervisor.run(READ_TWO, stdin=source).value == b"ab"
        assert supervisor.run(READ_TWO, stdin=source).value == b"cd"
        assert os.read(read_fd, 10) == b"ef"
    os.close(write_fd)


def test_each_request_is_one_read_and_none_follows_the_end(supervisor: Supervisor) -> None:
    source = Source(b"a" * 10, b"b")
    code = "import sys\nread = sys.stdin.buffer.raw.read\n[read(20), read(20), read(20), read(20)]"

    assert supervisor.run(code, stdin=source).value == [b"a" * 10, b"b", b"", b""]
    assert source.asked == [20, 20, 20]


def test_a_guest_is_given_no_more_than_it_asked_for(supervisor: Supervisor) -> None:
    code = "import sys\nread = sys.stdin.buffer.raw.read\n[read(2), read(2), read(2)]"

    assert supervisor.run(code, stdin=Source(b"abcde")).value == [b"ab", b"cd", b"e"]


def test_a_read_that_blocks_holds_up_neither_the_deadline_nor_the_ending(
    supervisor: Supervisor,
) -> None:
    source = Stuck()

    outcome = supervisor.run("input()", stdin=source, limits=Limits(wall_s=0.5))

    assert outcome.verdict is Verdict.TIMEOUT
    assert source.is_read.is_set()
    assert not source.let_go.is_set()
    source.let_go.set()
    assert supervisor.run("1").value == 1


def test_a_run_that_waits_for_input_can_be_cancelled(supervisor: Supervisor) -> None:
    source = Stuck()
    handle = supervisor.start("input()", stdin=source)
    assert source.is_read.wait(PATIENCE_S)

    handle.cancel()

    assert handle.result(PATIENCE_S).verdict is Verdict.CANCELLED
    source.let_go.set()


def test_a_run_that_nobody_waits_for_is_still_fed(supervisor: Supervisor) -> None:
    ended = threading.Event()
    handle = supervisor.start("input()", stdin=Source(b"x\n"))
    handle.add_waiter(ended.set)

    assert ended.wait(PATIENCE_S)
    assert handle.result().value == "x"


def test_nothing_is_read_from_a_descriptor_after_the_run(supervisor: Supervisor) -> None:
    read_fd, write_fd = os.pipe()
    before = set(threading.enumerate())
    with os.fdopen(read_fd, "rb") as source:
        outcome = supervisor.run("input()", stdin=source, limits=Limits(wall_s=0.3))
        readers = [t for t in set(threading.enumerate()) - before if t.name == "cellblock-stdin"]
        for reader in readers:
            reader.join(PATIENCE_S)
        is_reading = any(reader.is_alive() for reader in readers)
        os.write(write_fd, b"typed later")

        assert outcome.verdict is Verdict.TIMEOUT
        assert not is_reading
        assert os.read(read_fd, 20) == b"typed later"
    os.close(write_fd)


# --- cells that lie ------------------------------------------------------------------------------
def begun(host: Host, **options: Any) -> Any:
    handle = host.launcher.start(make_plan("1", options, Defaults()))  # type: ignore[arg-type]  # any
    host.peer.receive()
    return handle


def test_a_second_request_before_the_first_is_answered_is_a_lie(host: Host) -> None:
    source = Stuck()
    handle = begun(host, stdin=source)

    host.peer.say(StdinWanted(1), handle.run_id)
    host.peer.say(StdinWanted(1), handle.run_id)

    assert handle.result(PATIENCE_S).verdict is Verdict.CRASHED
    assert isinstance(host.peer.receive()[0], Cancel)
    source.let_go.set()


@pytest.mark.parametrize("input_first", [True, False])
def test_input_and_a_host_call_at_the_same_time_are_a_lie(host: Host, input_first: bool) -> None:
    source = Stuck()
    handle = begun(host, stdin=source, functions={"f": lambda: source.let_go.wait(PATIENCE_S)})

    for is_input in (input_first, not input_first):
        if is_input:
            host.peer.say(StdinWanted(1), handle.run_id)
        else:
            host.peer.say(HostCall(1, "f"), handle.run_id, encode([[], {}]).body)

    assert handle.result(PATIENCE_S).verdict is Verdict.CRASHED
    source.let_go.set()


def test_a_cell_that_asks_on_after_the_end_costs_no_further_read(host: Host) -> None:
    source = Source(b"a")
    handle = begun(host, stdin=source)
    answers = []
    for _ in range(4):
        host.peer.say(StdinWanted(5), handle.run_id)
        message, _, buffers = host.peer.receive()
        answers.append((message, [bytes(b) for b in buffers]))
    host.peer.say(Done(Verdict.OK), handle.run_id)

    assert answers == [(Stdin(), [b"a"])] + [(Stdin(end=True), [])] * 3
    assert source.asked == [5, 5]
    assert handle.result(PATIENCE_S).ok


def test_a_request_for_much_is_answered_with_a_piece(host: Host) -> None:
    source = Source(b"a")
    handle = begun(host, stdin=source)

    host.peer.say(StdinWanted(1 << 20), handle.run_id)

    assert host.peer.receive()[0] == Stdin()
    assert source.asked == [64 << 10]
    host.peer.say(Done(Verdict.OK), handle.run_id)
    assert handle.result(PATIENCE_S).ok
