"""What every measurement here shares: samples, their spread, and a table of them.

Rule: what is compared is measured in one process run, in interleaved blocks, so that a slow phase
        of the machine hits all alike. Read the ratios first, the milliseconds second.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of samples, in milliseconds."""

    count: int
    least_ms: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, samples_s: Iterable[float]) -> Spread:
        """Return the spread of samples in seconds."""
        ordered = sorted(samples_s)
        last = len(ordered) - 1
        return cls(
            len(ordered),
            ordered[0] * 1e3,
            ordered[round(last * 0.5)] * 1e3,
            ordered[round(last * 0.99)] * 1e3,
        )

    def cells(self) -> list[str]:
        """Return the columns of a table: p50, p99, least, count."""
        return [*(f"{ms:.3f}" for ms in (self.p50_ms, self.p99_ms, self.least_ms)), str(self.count)]


SPREAD_HEADS = ["p50 ms", "p99 ms", "least ms", "runs"]


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes: by its own clock where it returns a float."""
    began = time.perf_counter()
    told = action()
    spent_s = time.perf_counter() - began
    return told if isinstance(told, float) else spent_s


def interleaved(
    contestants: Mapping[str, Callable[[], object]],
    *,
    runs: int,
    block: int,
    pause_s: float = 0.0,
    budget_s: float = math.inf,
    failed: dict[str, str] | None = None,
) -> dict[str, list[float]]:
    """Time each contestant `runs` times, a block of one after a block of the other.

    Args:
        contestants: what to call, by name.
        runs: calls of each.
        block: calls in a row before the next one has its turn.
        pause_s: rest before each call.
        budget_s: one that has used so much has no further turn.
        failed: where to note, by name, what one raised that then has no further turn; without it
            the exception goes on.

    Returns:
        The samples in seconds, by name.
    """
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for numbers in batched(range(runs), block, strict=False):
        for name, action in contestants.items():
            if sum(samples[name]) > budget_s or (failed is not None and name in failed):
                continue
            gc.collect()  # nobody pays for the garbage of the one before
            try:
                for _ in numbers:
                    if pause_s:
                        time.sleep(pause_s)
                    samples[name].append(timed(action))
            except Exception as error:
                if failed is None:
                    raise
                failed[name] = f"{type(error).__name__}: {error}"
    return samples


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown, its columns aligned."""
    print(lined_up(heads, rows))


def lined_up(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, its columns aligned."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    text = []
    for line in lines:
        first = line[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        text.append(f"| {' | '.join([first, *rest])} |")
    return "\n".join(text)


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}")


def load() -> float:
    """Return how many processes of the machine wanted a processor in the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def here() -> str:
    """Return what the figures are taken on."""
    cpus = os.process_cpu_count()
    return (
        f"{platform.machine()}, {cpus} cpus, {platform.system()} {platform.release()}, "
        f"CPython {platform.python_version()}"
    )


def machine() -> None:
    """Print what the figures were taken on and how busy it was."""
    print(f"{here()}, load {load():.1f} at the start")


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean, nan of nothing."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan
