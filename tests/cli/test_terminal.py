"""On a terminal: Ctrl-C ends the guest and not the terminal; escapes are shown, not obeyed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


class Terminal:
    """A pseudo-terminal with the command in its foreground."""

    def __init__(self, *argv: str, home: Path) -> None:
        kept = ("PATH", "HOME", "CELLBLOCK_CACHE", "XDG_CACHE_HOME")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        env |= {"TERM": "xterm", "CELLBLOCK_HISTORY": str(home / "history")}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            command = [sys.executable, "-m", "executor.cli", *argv]
            os.execve(sys.executable, command, env)
        self.seen = b""
        self._at = 0

    def expect(self, pattern: str) -> str:
        """Read until `pattern` shows after what was expected before; return the text up to it."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.compile(pattern.encode()).search(self.seen, self._at)):
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"no {pattern!r} in {self.seen!r}"
            assert self._read(left_s), f"ended without {pattern!r}: {self.seen!r}"
        text = self.seen[self._at : found.end()].decode()
        self._at = found.end()
        return text

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def interrupt(self) -> None:
        """Type Ctrl-C once the command waits: a signal just before readline's wait is not seen."""
        while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            os.sched_yield()
        self.type("\x03")

    def end_input(self) -> None:
        """Type Ctrl-D at the next prompt; before it, the terminal would take it for itself."""
        self.expect(">>> ")
        self.type("\x04")

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        while self._read(PATIENCE_S):
            pass
        if select.select([self.fd], [], [], 0)[0] == []:
            os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.fd)

    def _read(self, patience_s: float) -> bool:
        if not select.select([self.fd], [], [], patience_s)[0]:
            return False
        try:
            data = os.read(self.fd, 65_536)
        except OSError:  # the other side is closed
            return False
        self.seen += data
        return bool(data)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_control_c_ends_the_guest_and_leaves_the_terminal_as_it_was(home: Path) -> None:
    terminal = Terminal("run", "-c", "print('on', flush=True)\nwhile True: pass", home=home)
    before = terminal.settings()
    terminal.expect("on\r\n")

    terminal.interrupt()
    code = terminal.wait()

    assert code == 130
    assert re.search(rb"\r\ncellblock: cancelled after \d+\.\d s\r\n\Z", terminal.seen)
    assert terminal.settings() == before


def test_control_c_ends_a_guest_that_waits_for_the_terminal(home: Path) -> None:
    terminal = Terminal("run", "-c", "input('name? ')", home=home)
    terminal.expect(r"name\? ")

    terminal.interrupt()

    assert terminal.wait() == 130


def test_a_guest_reads_what_is_typed(home: Path) -> None:
    terminal = Terminal("run", "-c", "print('hello', input('name? '))", home=home)
    terminal.expect(r"name\? ")

    terminal.type("Ada\n")
    terminal.expect("hello Ada\r\n")

    assert terminal.wait() == 0


def test_escapes_are_shown_on_a_terminal_and_colours_are_reset(home: Path) -> None:
    terminal = Terminal("run", "examples/hostile/terminal.py", home=home)

    assert terminal.wait() == 0
    assert b"^[]0;owned^G" in terminal.seen
    assert b"\x1b]" not in terminal.seen
    assert b"\x1b[2J" not in terminal.seen
    assert terminal.seen.endswith(b"\x1b[31mred\x1b[0m")


def test_raw_passes_escapes_on_and_resets_the_terminal(home: Path) -> None:
    terminal = Terminal("run", "--raw", "-c", r"print('\x1b[2J')", home=home)

    assert terminal.wait() == 0
    assert b"\x1b[2J" in terminal.seen
    assert terminal.seen.endswith(b"\x1b[!p\x1b[0m")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_guest_and_says_so(signum: int, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "executor.cli", "run", "-c", "print(1, flush=True)\nwhile 1: pass"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signum)
        said = process.stderr.read()

    assert process.returncode == code
    assert re.fullmatch(rb"cellblock: cancelled after \d+\.\d s\n", said)


# --- repl ----------------------------------------------------------------------------------------
def test_a_session_shows_values_and_keeps_names(home: Path) -> None:
    terminal = Terminal("repl", home=home)
    terminal.expect(">>> ")
    terminal.type("x = 20\n")
    terminal.expect(">>> ")
    terminal.type("x + 22\n")
    terminal.expect("\r\n42\r\n")
    terminal.expect(">>> ")
    terminal.type("print(_)\n")
    terminal.expect("\r\n42\r\n")
    terminal.end_input()

    assert terminal.wait() == 0


def test_a_block_takes_several_lines(home: Path) -> None:
    terminal = Terminal("repl", home=home)
    terminal.expect(">>> ")
    terminal.type("for i in range(2):\n")
    terminal.expect(r"\.\.\. ")
    terminal.type("    print('line', i)\n")
    terminal.expect(r"\.\.\. ")
    terminal.type("\n")
    terminal.expect("line 0\r\nline 1\r\n")
    terminal.expect(">>> ")
    terminal.type("exit(3)\n")

    assert terminal.wait() == 3


def test_control_c_ends_what_runs_and_keeps_the_prompt(home: Path) -> None:
    terminal = Terminal("repl", home=home)
    terminal.expect(">>> ")
    terminal.type("while True: print('on'); import time; time.sleep(9)\n")
    terminal.expect(r"\.\.\. ")
    terminal.type("\n")
    terminal.expect("on\r\n")
    terminal.interrupt()
    terminal.expect("cellblock: cancelled after .* s; the session begins afresh\r\n")
    terminal.expect(">>> ")
    terminal.type("1 + 1\n")
    terminal.expect("\r\n2\r\n")
    terminal.end_input()

    assert terminal.wait() == 0


def test_control_c_at_the_prompt_drops_the_line(home: Path) -> None:
    terminal = Terminal("repl", home=home)
    terminal.expect(">>> ")
    terminal.type("def f():\n")
    terminal.expect(r"\.\.\. ")
    terminal.interrupt()
    terminal.expect(">>> ")
    terminal.type("'still here'\n")
    terminal.expect("\r\n'still here'\r\n")
    terminal.end_input()

    assert terminal.wait() == 0


def test_what_was_typed_is_remembered_by_the_next_session(home: Path) -> None:
    pytest.importorskip("readline")
    first = Terminal("repl", home=home)
    first.expect(">>> ")
    first.type("'rem' + 'ember'\n")
    first.expect("'remember'\r\n")
    first.type(":quit\n")
    assert first.wait() == 0

    second = Terminal("repl", home=home)
    second.expect(">>> ")
    second.type("\x1b[A\x1b[A\n")  # up, over `:quit`
    second.expect("\r\n'remember'\r\n")
    second.end_input()

    assert second.wait() == 0
