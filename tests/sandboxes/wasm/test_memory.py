"""What crosses through a guest's memory arrives whole, and no address leads out of it."""

from __future__ import annotations

import hashlib
import os

import pytest

from protocol.messages import Verdict
from protocol.values import decode, encode
from sandboxes.base import HostAnswer
from sandboxes.wasm.conversation import HELD_BYTES_MIN
from sandboxes.wasm.guest.memory import PLACED_BYTES_MIN
from tests.sandboxes.wasm.engine_kit import Bench, Recorder, limits, order
from tests.sandboxes.wasm.test_python_sandbox import OURS

#: On both sides of where pieces leave the text, and beyond what a guest has free from the start.
SIZES = (PLACED_BYTES_MIN - 1, PLACED_BYTES_MIN, HELD_BYTES_MIN + 1, 3_000_001, 20 << 20)


def _replying(pieces: str) -> str:
    """Return source of a guest whose reply has these pieces beside its two streams."""
    header = f'{{"verdict":"ok","pieces":[0,0,{pieces}]}}\\n'
    return f"{OURS}wire.pack_reply = lambda reply: {header!r}.replace('\\\\n', '\\n')"


@pytest.mark.parametrize("size", SIZES)
def test_bytes_of_every_size_arrive_whole_in_both_directions(bench: Bench, size: int) -> None:
    data = os.urandom(size)
    sent = encode({"data": data})
    ended = bench.run(
        order(
            "import hashlib\n[data, bytearray(data), hashlib.sha256(data).hexdigest()]",
            mode="cell",
            inputs=[sent.body, *map(bytes, sent.buffers)],
            bound=limits(memory_bytes=256 << 20, value_bytes=64 << 20),
        )
    )

    assert ended.verdict is Verdict.OK, ended.error
    assert ended.value is not None
    come = decode(ended.value, list(ended.out_of_band))
    assert come == [data, data, hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize("text", ["x" * 100_000, "\u00e9\u20ac" * 50_000])
def test_large_text_arrives_whole_in_both_directions(bench: Bench, text: str) -> None:
    sent = encode({"given": text})
    ended = bench.run(order("[given, len(given)]", mode="cell", inputs=[sent.body]))

    assert ended.value is not None
    assert decode(ended.value) == [text, len(text)]


def test_large_arguments_and_answers_of_host_calls_arrive_whole(bench: Bench) -> None:
    data = os.urandom(1_000_000)
    answer = encode(data)
    host = Recorder()
    host.answer = lambda _name, _sent: HostAnswer(
        answer.body, None, [bytes(buffer) for buffer in answer.buffers]
    )
    ended = bench.run(
        order(
            "import host\n[host.f(bytes(range(256)) * 40) for _ in range(3)][-1]",
            mode="cell",
            functions=["f"],
        ),
        host,
    )

    assert ended.value is not None, ended.error
    assert decode(ended.value, list(ended.out_of_band)) == data


def test_values_of_a_session_are_those_of_their_own_runs(bench: Bench) -> None:
    sandbox = bench.fresh()
    came = []
    for number in range(3):
        ended = bench.run_in(sandbox, order(f"bytes([{number}]) * 9_000", mode="cell", session=1))
        assert ended.value is not None
        came.append(decode(ended.value, list(ended.out_of_band)))
    bench.thread.do(sandbox.close)

    assert came == [bytes([number]) * 9_000 for number in range(3)]


@pytest.mark.parametrize(
    "piece",
    ["[4294967295,2]", "[1099511627776,1]", "[0,1000000000]", "[-1,5]", "[5,-1]", "[1]", "[1,2,3]",
     '["/etc/passwd",5]', "[1.5,2]", "[true,1]", "[1e400,1]"],
)  # fmt: skip
def test_a_piece_that_is_not_within_the_memory_is_a_crash(bench: Bench, piece: str) -> None:
    bound = limits(value_bytes=1 << 40)
    ended = bench.run(order(_replying(piece), bound=bound))

    assert (ended.verdict, ended.reusable) == (Verdict.CRASHED, False)
    assert bench.say("print('as before')") == "as before\n"


def test_one_place_named_again_and_again_is_held_to_the_limit_on_values(bench: Bench) -> None:
    pieces = ",".join(["[65536,4096]"] * 4_000)

    ended = bench.run(order(_replying(pieces), bound=limits(value_bytes=4_096 * 3_999)))

    assert ended.verdict is Verdict.VALUE


@pytest.mark.parametrize(
    "asked",
    ["1 0", "7 65536", "-1 65536", "1", "", "1 65536 3", "x y", "1 " + "9" * 60, "\u0661 65536"],
)
def test_a_piece_that_is_not_held_is_never_given(bench: Bench, asked: str) -> None:
    ended = bench.run(order(f"{OURS}ports.emit(wire.FILL, {asked!r})"))

    assert ended.verdict is Verdict.CRASHED


@pytest.mark.parametrize("address", ["4294967000", "1099511627776"])
def test_a_held_piece_is_never_written_outside_the_memory(bench: Bench, address: str) -> None:
    source = (
        f"{OURS}class Elsewhere:\n"
        "    def fetch(self, piece):\n"
        f"        emit(wire.FILL, f'{{piece.number}} {address}')\n"
        "    def place(self, value): return value\n"
        "    def release(self): pass\n"
        "emit = ports.emit\nports.memory = Elsewhere()"
    )
    sandbox = bench.fresh()
    bench.run_in(sandbox, order(source, session=1))
    sent = encode({"data": os.urandom(9_000)})
    ended = bench.run_in(
        sandbox, order("0", session=1, inputs=[sent.body, *map(bytes, sent.buffers)])
    )
    bench.thread.do(sandbox.close)

    assert ended.verdict is Verdict.CRASHED


def test_a_large_input_without_room_for_it_ends_as_out_of_memory(bench: Bench) -> None:
    sent = encode({"data": bytes(90 << 20)})
    ended = bench.run(
        order(
            "print(len(data))",
            inputs=[sent.body, *map(bytes, sent.buffers)],
            bound=limits(memory_bytes=64 << 20),
        )
    )

    assert ended.verdict is Verdict.MEMORY
