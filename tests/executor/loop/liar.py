"""A cell that lies: a process that speaks the protocol and says of its runs what it is told to.

    liar.py ROOT BODY KIND    answers each run with a frame of KIND with BODY, then is ready again

Rule: nothing of a real cell is in it but the frames, as an attacker who owns one has them.
"""

from __future__ import annotations

import os
import socket
import sys


def main(root: str, body: str, kind: str) -> None:
    """Serve until the supervisor hangs up."""
    sys.path.insert(0, root)
    from protocol.frames import FrameDecoder, encode_frame
    from protocol.messages import LOOP_SENDS_CELL, CellHello, Ready, Run, Setup
    from protocol.reading import decode_frame, encode_message

    sock = socket.socket(fileno=3)
    sock.sendall(b"".join(encode_message(CellHello(1, 1, os.getpid()))))
    decoder = FrameDecoder(kinds=LOOP_SENDS_CELL)
    ready = b"".join(encode_message(Ready(1)))
    while data := sock.recv(1 << 16):
        for frame in decoder.feed(data):
            match decode_frame(frame)[0]:
                case Setup():
                    sock.sendall(ready)
                case Run():
                    sock.sendall(encode_frame(int(kind), frame.run_id, body.encode()))
                    sock.sendall(ready)


if __name__ == "__main__":
    main(*sys.argv[1:4])
