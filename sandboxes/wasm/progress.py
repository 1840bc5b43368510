"""How a build shows what it is doing: a bar on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from typing import Any, Literal, Protocol


class Progress(Protocol):
    """What a build reports to."""

    def step(self, name: str, expected_s: float, later_s: float = 0.0) -> None:
        """Say that a step begins, how long it takes, and the ones after it together."""

    def tick(self) -> None:
        """Say that it still goes on."""

    def close(self) -> None:
        """Say that there is nothing more to do."""


class Silence:
    """Shows nothing."""

    def step(self, name: str, expected_s: float, later_s: float = 0.0) -> None:
        """Ignore it."""

    def tick(self) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Ignore it."""


class Lines:
    """Writes a line to standard error as each step begins, and one at the end."""

    def __init__(self) -> None:
        self._began: float | None = None

    def step(self, name: str, expected_s: float, later_s: float = 0.0) -> None:
        """Write the line."""
        if self._began is None:
            self._began = time.monotonic()
        sys.stderr.write(f"cellblock: {name} (about {expected_s:.0f} s)\n")

    def tick(self) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Write how long all of it took."""
        if self._began is not None:
            took_s = time.monotonic() - self._began
            sys.stderr.write(f"cellblock: ready after {took_s:.1f} s\n")
            self._began = None


class Bar:
    """A `tqdm` bar on standard error. A step that is late waits at its end."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._done_s = self._step_s = 0.0
        self._began = 0.0

    def step(self, name: str, expected_s: float, later_s: float = 0.0) -> None:
        """Begin a step where the last one was to end."""
        from tqdm import tqdm

        self._done_s += self._step_s
        self._step_s = expected_s
        if self._bar is None:
            shape = "{desc} |{bar}| {elapsed}"
            self._bar = tqdm(total=expected_s, leave=False, bar_format=shape)
        self._bar.total = self._done_s + expected_s + later_s
        self._bar.set_description_str(f"cellblock: {name}", refresh=False)
        self._began = time.monotonic()
        self.tick()

    def tick(self) -> None:
        """Move on with time, up to the end of the step."""
        spent_s = min(time.monotonic() - self._began, self._step_s)
        self._bar.n = self._done_s + spent_s
        self._bar.refresh()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._done_s = self._step_s = 0.0


def choose(progress: Progress | Literal["auto"] | None) -> Progress:
    """Return what `progress` asks for: "auto" looks at standard error, `None` is silent."""
    if progress is None:
        return Silence()
    if progress != "auto":
        return progress
    return Bar() if sys.stderr is not None and sys.stderr.isatty() else Lines()
