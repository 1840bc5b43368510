"""What a guest's standard streams promise: exact caps, nothing lost, few calls."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from sandboxes.guest import ports, streams, wire

CHARACTERS = st.characters(exclude_categories=["Cs"])


class Outside:
    """Stands at the end of the guest's imports."""

    def __init__(self) -> None:
        self.emitted: list[tuple[int, str]] = []
        self.input = b""

    def emit(self, kind: int, text: str) -> None:
        self.emitted.append((kind, text))

    def call(self, name: str, payload: str) -> str:
        raise AssertionError(f"{name} was called with {payload}")

    def read_stdin(self, count: int) -> str:
        piece, self.input = self.input[:count], self.input[count:]
        return wire.pack_stdin(piece)

    def data(self, kind: int, raw_kind: int) -> bytes:
        return b"".join(
            text.encode() if k == kind else text.encode("latin-1")
            for k, text in self.emitted
            if k in (kind, raw_kind)
        )


@pytest.fixture
def outside() -> Iterator[Outside]:
    outside = Outside()
    ports.connect(outside.emit, outside.call, outside.read_stdin)
    yield outside
    ports.disconnect()


def sink(bytes_max: int = 1 << 20, interval_s: float = 0.0) -> streams.Sink:
    made = streams.Sink(wire.STDOUT)
    made.begin(bytes_max, interval_s)
    return made


def stdout(over: streams.Sink) -> streams.TextOut:
    return streams.TextOut(over, "<stdout>", 1, "strict")


def written(outside: Outside, over: streams.Sink) -> bytes:
    return outside.data(wire.STDOUT, wire.STDOUT_RAW) + over.take()


@given(st.lists(st.text(CHARACTERS, max_size=20) | st.binary(max_size=20), max_size=30))
def test_what_is_written_comes_out_whole_and_in_order(pieces: list[str | bytes]) -> None:
    outside, over = Outside(), sink()
    ports.connect(outside.emit, outside.call, outside.read_stdin)
    out = stdout(over)

    for piece in pieces:
        if isinstance(piece, str):
            assert out.write(piece) == len(piece)
        else:
            assert out.buffer.write(piece) == len(piece)

    expected = b"".join(p.encode() if isinstance(p, str) else p for p in pieces)
    assert written(outside, over) == expected
    assert not over.truncated
    ports.disconnect()


@given(st.lists(st.text(CHARACTERS, max_size=9), max_size=12), st.integers(0, 40))
def test_a_stream_keeps_the_longest_beginning_within_its_cap_that_ends_at_a_character(
    pieces: list[str], cap: int
) -> None:
    outside, over = Outside(), sink(cap)
    ports.connect(outside.emit, outside.call, outside.read_stdin)

    stdout(over).writelines(pieces)

    everything = "".join(pieces).encode()
    kept = written(outside, over)
    assert kept == everything[:cap].decode(errors="ignore").encode()
    assert over.truncated == (len(everything) > cap)
    ports.disconnect()


@pytest.mark.parametrize("piece", ["x", "é"])
def test_a_stream_is_whole_at_its_cap_and_cut_one_byte_past_it(
    outside: Outside, piece: str
) -> None:
    size = len(piece.encode())
    at, past = sink(10 * size), sink(10 * size)

    outs = stdout(at), stdout(past)  # a stream that nobody holds is closed, and so emitted
    outs[0].write(piece * 10)
    outs[1].write(piece * 11)

    assert (at.take(), at.truncated) == (piece.encode() * 10, False)
    assert (past.take(), past.truncated) == (piece.encode() * 10, True)


def test_after_the_cap_nothing_more_is_kept_or_emitted(outside: Outside) -> None:
    over = sink(4)
    out = stdout(over)

    for _ in range(10_000):
        out.write("line\n")

    assert written(outside, over) == b"line"
    assert len(outside.emitted) <= 1


def test_a_line_is_emitted_at_once_while_tokens_last(outside: Outside) -> None:
    out = stdout(sink())

    out.write("no line yet")
    assert outside.emitted == []
    out.write("\n")
    assert outside.emitted == [(wire.STDOUT, "no line yet\n")]


def test_without_a_clock_a_burst_is_emitted_and_then_pieces_alone(outside: Outside) -> None:
    over = sink()
    out = stdout(over)

    for _ in range(streams.BURST + 1):
        out.write("x\n")
    assert len(outside.emitted) == streams.BURST

    out.write("y" * (streams.PIECE_BYTES - len("x\n") - 1))
    assert len(outside.emitted) == streams.BURST
    out.write("y")
    assert len(outside.emitted) == streams.BURST + 1
    assert over.take() == b""


def test_a_flood_of_lines_costs_few_calls(outside: Outside) -> None:
    over = sink(1 << 20)
    out = stdout(over)

    for _ in range(20_000):
        out.write("0123456789\n")

    assert len(outside.emitted) <= streams.BURST + 20_000 * 11 // streams.PIECE_BYTES + 1


def test_with_a_clock_tokens_come_back_with_time(outside: Outside) -> None:
    out = stdout(sink(interval_s=1e-9))

    for _ in range(100):
        out.write("x\n")

    assert len(outside.emitted) > streams.BURST


def test_bytes_that_are_no_text_arrive_as_they_were(outside: Outside) -> None:
    over = sink()
    out = stdout(over)

    out.buffer.write(bytes(range(256)) + b"\n")
    out.write("text\n")

    assert [kind for kind, _ in outside.emitted] == [wire.STDOUT_RAW, wire.STDOUT]
    assert written(outside, over) == bytes(range(256)) + b"\ntext\n"


def test_a_character_in_two_writes_of_bytes_is_not_damaged(outside: Outside) -> None:
    over = sink()
    out = stdout(over)

    out.buffer.write(b"\xc3")
    out.buffer.write(b"\xa9\n")

    assert written(outside, over) == "é\n".encode()


def test_a_stream_looks_like_a_file_that_is_no_terminal(outside: Outside) -> None:
    out = stdout(sink())

    assert isinstance(out, io.TextIOBase)
    assert (out.isatty(), out.writable(), out.readable(), out.fileno()) == (False, True, False, 1)
    assert (out.encoding, out.errors, out.name) == ("utf-8", "strict", "<stdout>")


def test_a_surrogate_is_refused_by_stdout_and_shown_by_stderr(outside: Outside) -> None:
    err = streams.TextOut(over := sink(), "<stderr>", 2, "backslashreplace")

    with pytest.raises(UnicodeEncodeError):
        stdout(sink()).write("\ud800")
    err.write("\ud800")

    assert over.take() == b"\\ud800"


def test_reconfigure_changes_what_text_becomes(outside: Outside) -> None:
    over = sink()
    out = stdout(over)

    out.reconfigure(encoding="latin-1")
    out.write("é")
    out.reconfigure(encoding="utf-16-le")
    out.write("ab")
    out.reconfigure(errors="replace", encoding="ascii")
    out.write("é")

    assert over.take() == b"\xe9" + b"a\0b\0" + b"?"


@pytest.mark.parametrize("bad", [b"bytes", 1, None])
def test_text_streams_take_text_alone(outside: Outside, bad: object) -> None:
    with pytest.raises(TypeError, match="write\\(\\) argument must be str, not"):
        stdout(sink()).write(bad)  # type: ignore[arg-type]


def test_a_hostile_subclass_of_text_cannot_lie_about_its_size(outside: Outside) -> None:
    class Liar(str):
        __slots__ = ()

        def isascii(self) -> bool:
            return True

        def __len__(self) -> int:
            return 0

        def encode(self, *args: object, **kwargs: object) -> bytes:
            return b""

    over = sink(4)
    out = stdout(over)
    out.write(Liar("x" * 1_000))

    assert (over.take(), over.truncated) == (b"xxxx", True)


def test_a_closed_stream_refuses(outside: Outside) -> None:
    out = stdout(sink())
    out.close()

    with pytest.raises(ValueError, match="closed"):
        out.write("x")


def test_input_is_empty_unless_given() -> None:
    streams.STDIN.begin(b"")

    assert streams.new_stdin().read() == ""


def test_given_input_is_read_as_text_and_as_bytes() -> None:
    streams.STDIN.begin("één\ntwo\n".encode())
    source = streams.new_stdin()
    assert source.readline() == "één\n"

    streams.STDIN.begin(b"\xff\n")
    assert streams.new_stdin().buffer.read() == b"\xff\n"


def test_live_input_is_asked_for_piece_by_piece_and_ends_for_good(outside: Outside) -> None:
    outside.input = b"one\ntwo\n"
    streams.STDIN.begin(None)
    source = streams.new_stdin()

    assert source.readline() == "one\n"
    assert source.read() == "two\n"
    outside.input = b"too late"
    assert source.read() == ""
    streams.STDIN.begin(b"")


def test_what_was_printed_is_emitted_before_live_input_is_waited_for(outside: Outside) -> None:
    streams.STDOUT.begin(1 << 20, 0.0)
    streams.STDIN.begin(None)
    out = streams.new_stdout()
    out.write("name? ")

    assert outside.emitted == []
    streams.STDIN.read(10)
    assert outside.emitted == [(wire.STDOUT, "name? ")]
    streams.STDIN.begin(b"")
