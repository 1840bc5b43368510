"""What a process of `multiprocessing` does here. Imports little: each of them imports it."""

from __future__ import annotations

import contextlib
import io
from multiprocessing.connection import Connection


def printed_by(code: str) -> str:
    """Run code in this process and return what it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "program.py", "exec"), {"__name__": "__main__"})
    return out.getvalue()


def serve(pipe: Connection) -> None:
    """Run what comes; echo bytes; answer calls."""
    while True:
        what, text = pipe.recv()
        if what == "run":
            pipe.send(printed_by(text))
        elif what == "calls":
            for _ in range(int(text)):
                pipe.send("x")
                pipe.recv()
            pipe.send(None)
        else:
            pipe.send(text)
