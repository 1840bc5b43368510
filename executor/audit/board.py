"""How an audit goes, while it goes: a table that changes on a terminal, lines elsewhere.

Rule: it is told from several threads, one at a time; a terminal is drawn to at most ten times a
second, and left with the cursor below the table whatever happens.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Self

from executor.audit.attack import GUARANTEES, Entry, Kind
from executor.audit.report import Status

if TYPE_CHECKING:
    from executor.audit.auditing import Progress

_DRAW_S: Final = 0.1
_WRONG: Final = (Status.BIT, Status.TOOTHLESS, Status.FAILED)
_WIDTH: Final = 22
_UP, _CLEAR_LINE = "\x1b[{}A", "\x1b[2K"


class Board:
    """What is done, guarantee by kind. A context manager."""

    def __init__(
        self,
        entries: Iterable[Entry],
        kinds: Sequence[Kind],
        *,
        fd: int,
        is_quiet: bool = False,
        is_terminal: bool | None = None,
    ) -> None:
        """Draw nothing yet.

        Args:
            entries: the attacks to come.
            kinds: of sandbox.
            fd: where to draw.
            is_quiet: draw nothing at all.
            is_terminal: None to ask.
        """
        self._kinds = kinds
        self._fd = fd
        self._is_quiet = is_quiet
        self._is_terminal = os.isatty(fd) if is_terminal is None else is_terminal
        per_guarantee = Counter(entry.guarantee for entry in entries)
        self._totals = {(g, kind): n for g, n in per_guarantee.items() for kind in kinds}
        self._done: Counter[tuple[str, Kind]] = Counter()
        self._wrong: Counter[tuple[str, Kind]] = Counter()
        self._drawn_lines = 0
        self._drawn_at = 0.0
        self._last = ""

    def __enter__(self) -> Self:
        if self._is_terminal:
            self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._erase()

    def take(self, progress: Progress) -> None:
        """Take note of a result."""
        result = progress.result
        key = result.guarantee, result.kind
        self._done[key] += 1
        self._wrong[key] += result.status in _WRONG
        self._last = f"{progress.done} of {progress.total}  {result.id}"
        if not self._is_terminal:
            if self._done[key] == self._totals.get(key):
                self._put(f"{result.kind}: {self._row(result.guarantee, result.kind)}\n")
        elif time.monotonic() - self._drawn_at >= _DRAW_S:
            self._draw()

    def _row(self, guarantee: str, kind: Kind) -> str:
        key = guarantee, kind
        text = f"{guarantee.replace('_', ' ')} {self._done[key]}/{self._totals[key]}"
        return f"{text}, {self._wrong[key]} wrong" if self._wrong[key] else text

    def lines(self) -> list[str]:
        """Return the table as it is now."""
        head = f"{'':<12}" + "".join(f"{kind:<{_WIDTH}}" for kind in self._kinds)
        rows = [head.rstrip()]
        for guarantee in GUARANTEES:
            if (guarantee, self._kinds[0]) in self._totals:
                cells = "".join(f"{self._cell(guarantee, k):<{_WIDTH}}" for k in self._kinds)
                rows.append(f"{guarantee.replace('_', ' '):<12}{cells}".rstrip())
        return [*rows, self._last[:79]]

    def _cell(self, guarantee: str, kind: Kind) -> str:
        key = guarantee, kind
        total, done = self._totals[key], self._done[key]
        bar = "#" * (10 * done // total) if total else ""
        wrong = f" {self._wrong[key]} wrong" if self._wrong[key] else ""
        return f"{bar:.<10} {done}/{total}{wrong}"

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        lines = self.lines()
        up = _UP.format(self._drawn_lines) if self._drawn_lines else ""
        self._put(up + "".join(f"{_CLEAR_LINE}{line}\n" for line in lines))
        self._drawn_lines = len(lines)

    def _erase(self) -> None:
        if self._drawn_lines:
            blank = f"{_CLEAR_LINE}\n" * self._drawn_lines
            up = _UP.format(self._drawn_lines)
            self._put(up + blank + up)
            self._drawn_lines = 0

    def _put(self, text: str) -> None:
        if not self._is_quiet:
            with contextlib.suppress(OSError):  # nobody looks
                os.write(self._fd, text.encode())
