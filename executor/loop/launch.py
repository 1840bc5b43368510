"""Launches the process of a cell; also ahead of time, before the host has imported anything.

A one-shot command spends half of its time on imports, and so does its cell or the zygote of it.
`launch_ahead` lets the two import at once: the other waits for its first message until the loop
takes it over.

Rule: imports here cost under 1 ms. So the C module below `socket`, and numbers for signals.
"""

from __future__ import annotations

import _socket
import os
import sys

_SANDBOXES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "sandboxes"
)
CELL_MAIN = os.path.join(_SANDBOXES, "cell.py")
ZYGOTE_MAIN = os.path.join(_SANDBOXES, "zygote.py")
#: The descriptor of a cell's socket, and of a zygote's.
SOCKET_FD = 3
#: SIGINT, SIGPIPE and SIGTERM, which Python or a shell may have had ignored.
_SIGNALS = (2, 13, 15)
_ZYGOTES_SOCKET = getattr(_socket, "SOCK_SEQPACKET", _socket.SOCK_STREAM)

#: What was launched ahead: main file -> its process and the descriptor of our end of its socket.
_ahead: dict[str, tuple[int, int]] = {}


def launch(python: str, library_path: str, kind: str = "wasm") -> tuple[int, int]:
    """Start a cell for one kind of guests.

    Returns:
        Its process id, and the descriptor of our end of its socket.

    Raises:
        OSError: the system refuses another process or descriptor.
    """
    return _launch(CELL_MAIN, _socket.SOCK_STREAM, python, library_path, kind)


def launch_ahead(*, jailed: bool) -> None:
    """Start a cell, or the zygote it is to come from. What hinders it, the real start will tell."""
    library_path = find_library()
    if library_path is None or _ahead:
        return
    main, kind = (ZYGOTE_MAIN, _ZYGOTES_SOCKET) if jailed else (CELL_MAIN, _socket.SOCK_STREAM)
    try:  # noqa: SIM105 - contextlib is not loaded yet
        _ahead[main] = _launch(main, kind, sys.executable, library_path)
    except OSError:
        pass


def take_ahead(main: str = CELL_MAIN) -> tuple[int, int] | None:
    """Return what was launched ahead of this kind, once; None if nothing was."""
    return _ahead.pop(main, None)


def _launch(main: str, socket_type: int, python: str, *arguments: str) -> tuple[int, int]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, socket_type)
    try:
        pid = os.posix_spawn(
            python,
            [python, "-I", "-S", "-E", main, *arguments],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), SOCKET_FD),
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


def find_library() -> str | None:
    """Return the folder on the path that holds the wasmtime package, without importing it."""
    for folder in sys.path:
        if os.path.isdir(os.path.join(folder, "wasmtime")):
            return os.path.abspath(folder)
    return None
