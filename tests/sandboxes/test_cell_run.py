"""What a run inside a cell promises: every cap holds, every wait ends, one `Done` ends it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.frames import Buffer
from protocol.limits import LOG_CHARS_MAX
from protocol.messages import (
    Error,
    HostCall,
    HostReply,
    Log,
    Message,
    Output,
    Progress,
    Run,
    RunLimits,
    StdinWanted,
    Usage,
    Verdict,
)
from sandboxes.base import Ended, Order, RunOver
from sandboxes.cell_run import NOTES_MAX, RunAtHand

LIMITS = RunLimits(
    wall_ms=1_000,
    memory_bytes=64 << 20,
    stdout_bytes=8,
    stderr_bytes=8,
    value_bytes=16,
    host_calls=2,
    files_bytes=0,
)


class Wire:
    """What the run sent, in order; wakes whoever waits for the next message."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, tuple[bytes, ...]]] = []
        self.said = threading.Semaphore(0)

    def __call__(self, message: Message, run_id: int, buffers: Sequence[Buffer] = ()) -> None:
        assert run_id == 7
        self.sent.append((message, tuple(bytes(buffer) for buffer in buffers)))
        self.said.release()


def a_run(wire: Wire, *, stream: bool = False, now: float = 0.0) -> RunAtHand:
    return RunAtHand(
        7, Order(Run(LIMITS, stream=stream, functions=("f",), stdin_live=True), []), wire, now
    )


def test_output_at_the_cap_is_kept_whole_and_not_flagged() -> None:
    run = a_run(Wire())
    run.output("stdout", b"12345")
    run.output("stdout", b"678")

    done, buffers = run.done(Ended(Verdict.OK), start_us=0)

    assert done.stdout is not None
    assert buffers[done.stdout] == b"12345678"
    assert not done.truncated_stdout
    assert done.usage.stdout_bytes == 8


def test_output_one_past_the_cap_is_cut_there_and_flagged() -> None:
    run = a_run(Wire())
    run.output("stderr", b"123456789")

    done, buffers = run.done(Ended(Verdict.OK), start_us=0)

    assert done.stderr is not None
    assert buffers[done.stderr] == b"12345678"
    assert done.truncated_stderr
    assert not done.truncated_stdout


def test_a_cut_never_splits_a_character_and_nothing_follows_it() -> None:
    run = a_run(Wire())
    run.output("stdout", "1234567é".encode())
    run.output("stdout", b"8")

    done, buffers = run.done(Ended(Verdict.OK), start_us=0)

    assert done.stdout is not None
    assert buffers[done.stdout] == b"1234567"
    assert done.truncated_stdout


def test_a_streamed_piece_is_sent_at_once_and_not_again_at_the_end() -> None:
    wire = Wire()
    run = a_run(wire, stream=True)

    run.output("stdout", b"abc")

    assert wire.sent == [(Output("stdout"), (b"abc",))]
    assert run.done(Ended(Verdict.OK), start_us=0)[0].stdout is None


def test_what_was_printed_before_an_interrupt_is_sent_even_if_no_done_follows() -> None:
    wire = Wire()
    run = a_run(wire)
    run.output("stdout", b"so far")

    run.interrupt(Verdict.TIMEOUT)
    run.flush()

    assert wire.sent == [(Output("stdout"), (b"so far",))]


def test_a_value_at_its_cap_crosses_and_one_byte_more_is_the_verdict_value() -> None:
    at, _ = a_run(Wire()).done(Ended(Verdict.OK, value=b"x" * 16), start_us=0)
    past, buffers = a_run(Wire()).done(
        Ended(Verdict.OK, value=b"x" * 10, out_of_band=(b"y" * 7,)), start_us=0
    )

    assert at.verdict is Verdict.OK
    assert at.value == 0
    assert past.verdict is Verdict.VALUE
    assert past.value is None
    assert past.error is not None
    assert "17 bytes" in past.error.message
    assert buffers == []


def test_the_first_verdict_of_an_interrupt_stands() -> None:
    run = a_run(Wire())
    run.interrupt(Verdict.TIMEOUT)
    run.interrupt(Verdict.CANCELLED)

    done, _ = run.done(Ended(Verdict.CRASHED), start_us=0)

    assert done.verdict is Verdict.TIMEOUT


def test_a_run_that_ended_well_just_before_its_interrupt_keeps_its_verdict() -> None:
    run = a_run(Wire())
    run.interrupt(Verdict.TIMEOUT)

    assert run.done(Ended(Verdict.OK), start_us=0)[0].verdict is Verdict.OK


def test_host_calls_up_to_the_limit_are_asked_and_the_next_ends_the_run() -> None:
    wire = Wire()
    run = a_run(wire)
    for call in (1, 2):
        run.take_reply(HostReply(call), [memoryview(b"answer")])
        assert run.call("fetch", b"arguments").value == b"answer"

    with pytest.raises(RunOver) as over:
        run.call("fetch", b"arguments")

    assert over.value.verdict is Verdict.HOST_CALLS
    assert [type(message) for message, _ in wire.sent] == [HostCall, HostCall]
    assert run.done(Ended(Verdict.CRASHED), start_us=0)[0].verdict is Verdict.HOST_CALLS


def test_an_answer_to_another_call_is_not_taken_for_this_one() -> None:
    run = a_run(Wire())
    run.take_reply(HostReply(9, Error("ValueError", "stale")), [])
    run.take_reply(HostReply(1), [memoryview(b"mine")])

    assert run.call("fetch", b"").value == b"mine"


def test_an_interrupt_ends_a_wait_for_a_host_function() -> None:
    wire = Wire()
    run = a_run(wire)
    ended: list[Verdict] = []

    def guest() -> None:
        try:
            run.call("fetch", b"")
        except RunOver as over:
            ended.append(over.verdict)

    thread = threading.Thread(target=guest)
    thread.start()
    wire.said.acquire()  # the call is under way
    run.interrupt(Verdict.CANCELLED)
    thread.join()

    assert ended == [Verdict.CANCELLED]


class Typist(Wire):
    """Answers each request for input with the next of `pieces`, and then with the end."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__()
        self.run: RunAtHand | None = None
        self.pieces = list(pieces)

    def __call__(self, message: Message, run_id: int, buffers: Sequence[Buffer] = ()) -> None:
        super().__call__(message, run_id, buffers)
        assert isinstance(message, StdinWanted)
        assert self.run is not None
        self.run.take_stdin(self.pieces.pop(0) if self.pieces else b"", end=not self.pieces)


def test_live_input_is_asked_for_only_when_none_is_held_and_not_after_its_end() -> None:
    wire = Typist(b"hello", b"!", b"")
    wire.run = run = a_run(wire)

    assert [run.read_stdin(3) for _ in range(5)] == [b"hel", b"lo", b"!", b"", b""]
    assert [message for message, _ in wire.sent] == [StdinWanted(3)] * 3


def test_live_input_that_comes_with_its_end_is_still_read() -> None:
    wire = Typist(b"last")
    wire.run = run = a_run(wire)

    assert [run.read_stdin(9), run.read_stdin(9)] == [b"last", b""]
    assert len(wire.sent) == 1


def test_a_request_for_input_is_cut_to_what_the_protocol_allows() -> None:
    wire = Typist(b"x")
    wire.run = run = a_run(wire)

    assert run.read_stdin(0) == b""
    assert run.read_stdin(1 << 40) == b"x"
    assert [message for message, _ in wire.sent] == [StdinWanted(1 << 20)]


def test_input_that_was_not_asked_for_or_comes_twice_breaks_the_protocol() -> None:
    wire = Typist(b"a", b"b")
    wire.run = run = a_run(wire)
    with pytest.raises(LocalProtocolError):
        run.take_stdin(b"x", end=False)
    run.read_stdin(1)
    with pytest.raises(LocalProtocolError):
        run.take_stdin(b"x", end=False)

    assert run.read_stdin(1) == b"b"


def test_an_interrupt_ends_a_wait_for_input_and_its_answer_may_still_come() -> None:
    wire = Wire()
    run = a_run(wire)
    ended: list[Verdict] = []

    def guest() -> None:
        try:
            run.read_stdin(1)
        except RunOver as over:
            ended.append(over.verdict)

    thread = threading.Thread(target=guest)
    thread.start()
    wire.said.acquire()  # it was asked for
    run.interrupt(Verdict.TIMEOUT)
    thread.join()
    run.take_stdin(b"too late", end=False)

    assert ended == [Verdict.TIMEOUT]


def test_notes_over_their_cap_are_dropped() -> None:
    wire = Wire()
    run = a_run(wire)
    for _ in range(NOTES_MAX):
        run.progress(5_000, "x" * 10_000)
    run.log(20, "guest", "one too many", {})

    assert len(wire.sent) == NOTES_MAX
    assert wire.sent[0][0] == Progress(1_000, "x" * 4_096)


def test_a_log_entry_is_clipped_to_what_the_protocol_allows() -> None:
    wire = Wire()
    a_run(wire).log(-1, "n" * 999, "m" * 99_999, {str(i) * 200: "v" * 9_999 for i in range(99)})

    (entry, _) = wire.sent[0]
    assert isinstance(entry, Log)
    assert (entry.level, len(entry.logger), len(entry.message)) == (0, 256, 65_536)
    assert len(entry.fields) == 64
    assert all(len(f.name) <= 256 and len(f.value) <= 4_096 for f in entry.fields)


def test_log_entries_over_the_cap_on_all_of_their_text_are_dropped() -> None:
    wire = Wire()
    run = a_run(wire)
    full = LOG_CHARS_MAX // 65_536
    for _ in range(full - 1):
        run.log(20, "guest", "m" * 65_536, {})
    run.log(20, "guest", "m" * 65_532, {"name": "four"})  # at the cap
    run.log(20, "guest", "m", {})  # one past it
    run.progress(1, "notes are not kept by the host")

    assert len(wire.sent) == full + 1
    assert isinstance(wire.sent[-1][0], Progress)


def test_the_cell_counts_for_itself_what_the_sandbox_might_miscount() -> None:
    run = a_run(Wire())
    run.output("stdout", b"four")

    done, _ = run.done(Ended(Verdict.OK, usage=Usage(stdout_bytes=1, host_calls=9)), start_us=0)

    assert done.usage.stdout_bytes == 4
    assert done.usage.host_calls == 0


def test_what_a_run_has_not_got_is_refused_in_its_cell_and_never_asked_of_the_host() -> None:
    wire = Wire()
    run = RunAtHand(7, Order(Run(LIMITS), []), wire, 0.0)

    with pytest.raises(RemoteProtocolError, match="without host functions"):
        run.call("f", b"")
    with pytest.raises(RemoteProtocolError, match="without live input"):
        run.read_stdin(1)
    assert not wire.sent
