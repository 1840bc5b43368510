"""Node's worker threads and piscina as peers, where Node and npm are installed.

One Node process serves all blocks of a measurement; piscina is installed into a directory of its
own that goes away with it. Times are taken inside Node, so that no pipe of ours is in them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SOURCES = Path(__file__).resolve().parent / "node"


class Node:
    """A Node process that obeys commands."""

    def __init__(self, process: subprocess.Popen[str], *, has_piscina: bool) -> None:
        self._process = process
        self.has_piscina = has_piscina

    def ask(self, command: str, **given: object) -> Any:
        """Return the answer to one command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["answer"]

    def seconds(self, command: str, **given: object) -> list[float]:
        """Return an answer in milliseconds as seconds."""
        return [ms / 1e3 for ms in self.ask(command, **given)]


@contextmanager
def node(*, piscina: bool = False) -> Iterator[Node | None]:
    """Give a Node process; None, with a note, where there is none."""
    program = shutil.which("node")
    if program is None:
        print("(Node is not installed: its rows are missing)")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="cellblock-bench-") as directory:
        for source in _SOURCES.glob("*.mjs"):
            shutil.copy(source, directory)
        has_piscina = piscina and _install(directory)
        with subprocess.Popen(
            [program, "peers.mjs"],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield Node(process, has_piscina=has_piscina)
            assert process.stdin is not None
            process.stdin.close()


def _install(directory: str) -> bool:
    program = shutil.which("npm")
    if program is None:
        print("(npm is not installed: piscina's rows are missing)")
        return False
    command = [program, "install", "--no-audit", "--no-fund", "--silent", "piscina"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        print("(piscina cannot be installed: its rows are missing)")
    return done.returncode == 0
