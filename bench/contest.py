"""What every measurement is given: who takes part, how much to measure, where to say so."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from bench.contestants.base import Contestant, NotOffered
from bench.measure import SPREAD_HEADS, Spread

NOTE_CHARS_MAX = 240


@dataclass(slots=True)
class Contest:
    """One run of the benchmark.

    Args:
        contestants: those that take part, ourselves first.
        is_quick: take few samples.
        began_s: when it began, for the progress.
    """

    contestants: Sequence[Contestant]
    is_quick: bool
    began_s: float = field(default_factory=time.monotonic)

    def amount(self, full: int, quick: int) -> int:
        """Return how many samples to take."""
        return quick if self.is_quick else full

    def say(self, text: str) -> None:
        """Print where we are."""
        spent_s = time.monotonic() - self.began_s
        sys.stderr.write(f"{spent_s:6.0f} s  {text}\n")
        sys.stderr.flush()

    def but(self, *names: str) -> list[Contestant]:
        """Return the contestants without those of these names."""
        return [one for one in self.contestants if one.name not in names]


def opened[T](
    stack: ExitStack,
    contestants: Iterable[Contestant],
    give: Callable[[Contestant], AbstractContextManager[T]],
    notes: list[str],
) -> dict[str, T]:
    """Open the same thing of each contestant; note who does not offer it, and who failed."""
    found = {}
    for contestant in contestants:
        try:
            found[contestant.name] = stack.enter_context(give(contestant))
        except NotOffered as why:
            notes.append(f"{contestant.name} takes no part: {why}.")
        except Exception as error:  # noqa: BLE001 - one that fails must not end the rest
            notes.append(noted(contestant.name, error))
    return found


def warmed_up[T](calls: dict[str, T], warm_up: Callable[[T], object], notes: list[str]) -> None:
    """Do something once with each, and drop those that fail, with a note."""
    for name, call in list(calls.items()):
        try:
            warm_up(call)
        except Exception as error:  # noqa: BLE001 - one that fails must not end the rest
            notes.append(noted(name, error))
            del calls[name]


def noted(name: str, error: BaseException | str) -> str:
    """Return a note about a failure."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return f"{name} failed: {' '.join(text.split())[:NOTE_CHARS_MAX]}"


def spreads_of(samples: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """Return the spread of each that has samples."""
    return {name: Spread.of(found) for name, found in samples.items() if found}


def compared(spreads: Mapping[str, Spread], ours: str) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table of spreads, with the ratio of medians to ours."""
    base = spreads.get(ours)
    return (
        ["", *SPREAD_HEADS, "p50 to ours"],
        [
            [name, *spread.cells(), f"{spread.p50_ms / base.p50_ms:.2f}" if base else "-"]
            for name, spread in spreads.items()
        ],
    )
