"""Launches the process of a cell; also one ahead of time, before the host has imported anything.

A one-shot command spends half of its time on imports, and so does its cell. `launch_ahead` lets the
two import at once: the cell waits for its first message until the loop takes it over.

Rule: imports here cost under 1 ms. So the C module below `socket`, and numbers for signals.
"""

from __future__ import annotations

import _socket
import os
import sys

CELL_MAIN = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    "sandboxes",
    "cell.py",
)
CELL_FD = 3
#: SIGINT, SIGPIPE and SIGTERM, which Python or a shell may have had ignored.
_SIGNALS = (2, 13, 15)

#: The cell that was launched ahead: its process and the descriptor of our end of its socket.
_ahead: list[tuple[int, int]] = []


def launch(python: str, library_path: str) -> tuple[int, int]:
    """Start a cell; return its process id and the descriptor of our end of its socket.

    Raises:
        OSError: the system refuses another process or descriptor.
    """
    ours, theirs = _socket.socketpair()
    try:
        pid = os.posix_spawn(
            python,
            [python, "-I", "-S", "-E", CELL_MAIN, library_path],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), CELL_FD),
            ],
            setpgroup=0,  # a Ctrl-C at the terminal is the host's to judge
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return pid, ours.detach()


def launch_ahead() -> None:
    """Start a cell for the first `take_ahead`. What hinders it, the real start will tell."""
    library_path = find_library()
    if library_path is not None and not _ahead:
        try:  # noqa: SIM105 - contextlib is not loaded yet
            _ahead.append(launch(sys.executable, library_path))
        except OSError:
            pass


def take_ahead() -> tuple[int, int] | None:
    """Return the cell that waits, once; None if there is none."""
    try:
        return _ahead.pop()
    except IndexError:
        return None


def find_library() -> str | None:
    """Return the folder on the path that holds the wasmtime package, without importing it."""
    for folder in sys.path:
        if os.path.isdir(os.path.join(folder, "wasmtime")):
            return os.path.abspath(folder)
    return None
