"""What a build shows: a bar on a terminal, lines elsewhere, nothing if that was asked for."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

ROOT = Path(__file__).parents[3]
BUILD = """
from sandboxes.wasm.progress import choose
shown = choose({})
shown.step("building", 1.0, 1.0)
shown.tick()
shown.step("compiling", 1.0)
shown.tick()
shown.close()
"""


def on_a_terminal(code: str) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4_096):
            shown += piece
    except OSError:
        pass  # the terminal's other end is closed
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def in_a_pipe(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_a_terminal_shows_a_bar_that_moves_and_goes_away() -> None:
    frames = on_a_terminal(BUILD.format("'auto'")).split("\r")

    assert any("cellblock: building |" in frame for frame in frames)
    assert any("cellblock: compiling |" in frame and "█" in frame for frame in frames)
    assert "cellblock" not in frames[-1]


def test_a_pipe_gets_a_line_for_each_step_and_one_at_the_end() -> None:
    lines = in_a_pipe(BUILD.format("'auto'")).splitlines()

    assert lines[:2] == ["cellblock: building (about 1 s)", "cellblock: compiling (about 1 s)"]
    assert lines[2].startswith("cellblock: ready after ")
    assert len(lines) == 3


def test_nothing_is_shown_if_that_was_asked_for() -> None:
    assert on_a_terminal(BUILD.format("None")) == ""
    assert in_a_pipe(BUILD.format("None")) == ""
