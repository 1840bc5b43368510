"""Cells that lie: processes that speak the protocol and say of their runs what they are told to.

    liars.py ROOT FILE TIMES LIE...    answers the first run with the bytes of the lies

The first run of a supervisor is lied about; of all others it is said that they are well. So the run
after a lie shows whether the lie did any harm. A file that the first liar makes tells the others.

Rule: nothing of a real cell is in it but the frames, as an attacker who owns one has them.
"""

from __future__ import annotations

import os
import socket
import sys

if __name__ == "__main__":  # run as a script, isolated: nothing of ours is on the path yet
    sys.path.insert(0, sys.argv[1])

from executor.audit.lies import done, frame, from_text, told
from executor.loop.spawn import DirectSpawner, Spawned
from protocol.frames import FrameDecoder
from protocol.messages import LOOP_SENDS_CELL, CellHello, DefinePool, Done, Ready, Run, Setup
from protocol.reading import decode_frame, encode_message

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FD = 3


class LiarSpawner(DirectSpawner):
    """Starts cells that are liars, in place of ours."""

    def __init__(self, lies: tuple[str, ...]) -> None:
        super().__init__(python=sys.executable, library_path="")
        self._lies = lies

    def spawn(self, number: int, pool: DefinePool, spool_path: str) -> None:
        """Start a liar."""
        del pool
        said = os.path.join(os.path.dirname(spool_path), "said")
        ours, theirs = socket.socketpair()
        arguments = ["-I", "-S", "-E", os.path.abspath(__file__), _ROOT]
        with theirs:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *arguments, said, *self._lies],
                {},
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), _FD)],
                setpgroup=0,
            )
        assert self._owner is not None
        self._owner.cell_spawned(number, Spawned(pid, os.pidfd_open(pid), ours))


def lie(path: str, lies: list[bytes], times: int) -> None:
    """Serve until the supervisor hangs up; the file `path` is made by whoever lies."""
    sock = socket.socket(fileno=_FD)
    sock.sendall(b"".join(encode_message(CellHello(1, 1, os.getpid()))))
    decoder = FrameDecoder(kinds=LOOP_SENDS_CELL)
    ready = b"".join(encode_message(Ready(1)))
    while data := sock.recv(1 << 16):
        for received in decoder.feed(data):
            match decode_frame(received)[0]:
                case Setup():
                    sock.sendall(ready)
                case Run():
                    said, count = [frame(Done, done())], 1
                    if _is_first(path):
                        said, count = lies, times
                    text = b"".join(told(each, received.run_id) for each in said)
                    for _ in range(count):
                        sock.sendall(text)
                    sock.sendall(ready)


def _is_first(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    lie(sys.argv[2], *from_text(sys.argv[3:]))
