"""Contestants that live in a process of their own: a program that takes and gives lines of JSON.

A request names what to do; the answer holds the seconds by the clock of that process, so that the
pipe between us is no part of the figure.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

ANSWER_CHARS_MAX = 1 << 24


class DriverFailed(Exception):
    """The program said that it failed, or ended."""


class Driver:
    """One such program. A context manager."""

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def ask(self, what: str, **given: object) -> dict[str, Any]:
        """Have it do something and return its answer.

        Raises:
            DriverFailed: it could not.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **given}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline(ANSWER_CHARS_MAX)
        except BrokenPipeError:
            line = ""
        if not line:
            assert self._process.stderr is not None
            self._process.kill()
            raise DriverFailed(f"it ended: {self._process.stderr.read()[-300:].strip()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise DriverFailed(str(answer["error"])[:300])
        return answer

    def spent_s(self, what: str, **given: object) -> float:
        """Have it do something and return the seconds it took by its own clock."""
        return float(self.ask(what, **given)["seconds"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
