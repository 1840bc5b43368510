"""A guest's text cannot work a terminal; a pipe gets it byte for byte."""

from __future__ import annotations

import os
import random

import pytest

from executor.cli.screen import Filter, visible, write_all

HARMLESS = [
    "plain text\n",
    "caf\u00e9 \U0001f600\n",
    "\tindented\r\n",
    "12%\r13%\r",
    "ab\b\bc",
    "\x1b[1;31mred\x1b[0m",
    "\x1b[38;2;1;2;3mtrue colour\x1b[m",
    "bar\x1b[K\x1b[3D\x1b[2C\x1b[1G",
]
HARMFUL = {
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "answers as if typed": "\x1b[6n",
    "screen cleared": "\x1b[2J\x1b[H",
    "line above overwritten": "\x1b[1Acellblock: ok",
    "alternate screen": "\x1b[?1049h",
    "mouse": "\x1b[?1003h",
    "device string": "\x1bP$q m\x1b\\",
    "reset": "\x1bc",
    "C1 form": "\x9b2J",
    "bell": "\x07",
    "character set": "\x0e",
    "delete": "\x7f",
}


def shown(*pieces: bytes) -> str:
    held = Filter()
    return b"".join([*map(held.feed, pieces), held.feed(b"", end=True)]).decode()


@pytest.mark.parametrize("text", HARMLESS)
def test_text_colours_and_progress_bars_pass_unchanged(text: str) -> None:
    assert shown(text.encode()) == text


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL)
def test_what_a_terminal_would_obey_is_shown_instead(text: str) -> None:
    seen = shown(text.encode())

    assert not set(seen) & {*map(chr, range(32)), *map(chr, range(127, 160))}
    assert seen != text


@pytest.mark.parametrize("text", [*HARMLESS, *HARMFUL.values()])
def test_how_a_stream_is_cut_makes_no_difference(text: str) -> None:
    data = text.encode()

    assert shown(*(data[i : i + 1] for i in range(len(data)))) == shown(data)


def test_random_bytes_never_reach_a_terminal_as_anything_but_harmless() -> None:
    rng = random.Random(7)
    alphabet = b"\x1b\x1b[[]?;019mKHJ\x07\x9b\xc2\x9c\\P\r\n a"
    for _ in range(2_000):
        data = bytes(rng.choices(alphabet, k=rng.randrange(30)))
        cut = rng.randrange(len(data) + 1)
        seen = shown(data[:cut], data[cut:])
        rest = seen
        for harmless in Filter()._control.finditer(seen):
            assert harmless["harmless"], (data, seen)
            rest = rest.replace(harmless[0], "")
        assert "\x1b" not in rest


def test_an_unfinished_sequence_is_held_and_bounded() -> None:
    held = Filter()

    assert held.feed(b"a\x1b[3") == b"a"
    assert held.feed(b"1mb") == b"\x1b[31mb"
    assert held.feed(b"\x1b[" + b"1" * 100) != b""


def test_control_characters_are_shown_as_cat_shows_them() -> None:
    assert [visible(c) for c in "\x1b\x00\x7f\x9b"] == ["^[", "^@", "^?", "M-^["]


def test_all_is_written_to_a_pipe_that_is_full_and_does_not_block() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = os.urandom(1 << 20)
    pid = os.fork()
    if pid == 0:  # the reader: drains slowly enough for the pipe to fill
        os.close(writer)
        got = bytearray()
        while piece := os.read(reader, 10_000):
            got += piece
        os._exit(0 if bytes(got) == data else 1)
    os.close(reader)
    write_all(writer, data)
    os.close(writer)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
