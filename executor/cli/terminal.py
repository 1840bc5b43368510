"""Where the lines of a session come from: a terminal with history, or any other input.

The history holds what the user typed, so its file is private to the user.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import ModuleType
from typing import Protocol, Self

HISTORY_LINES_MAX = 1_000


class Lines(Protocol):
    """Gives lines until `EOFError`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def read(self, prompt: str) -> str:
        """Return the next line without its end.

        Raises:
            EOFError: there is none.
        """
        ...


class PlainLines:
    """Lines of a pipe or a file; no prompts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def read(self, prompt: str) -> str:
        """Return the next line without its end."""
        line = sys.stdin.readline() if sys.stdin is not None else ""
        if not line:
            raise EOFError
        return line.removesuffix("\n")


class TerminalLines:
    """Lines of a terminal, edited with readline and kept in a history where Python has it."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._path = history_path(environ)
        self._readline: ModuleType | None = None

    def __enter__(self) -> Self:
        try:
            import readline
        except ImportError:
            return self
        self._readline = readline
        with contextlib.suppress(OSError):
            readline.read_history_file(self._path)
        readline.set_history_length(HISTORY_LINES_MAX)
        readline.parse_and_bind('"\\t": "    "')  # a tab indents
        return self

    def __exit__(self, *raised: object) -> None:
        if self._readline is not None:
            with contextlib.suppress(OSError):  # a home that cannot be written costs the history
                make_private(self._path)
                self._readline.write_history_file(self._path)

    def read(self, prompt: str) -> str:
        """Return the next line without its end."""
        return input(prompt)


def history_path(environ: dict[str, str]) -> str:
    """Return where the history is kept: CELLBLOCK_HISTORY, else under the user's state folder."""
    if path := environ.get("CELLBLOCK_HISTORY"):
        return path
    state = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "cellblock", "repl_history")


def make_private(path: str) -> None:
    """Make the file where it is missing, and readable by its user alone.

    Raises:
        OSError: its folder cannot be made or written.
    """
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.chmod(path, 0o600)
