"""Live sessions: what one holds in memory, how many there can be, how soon one answers again."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

from bench import measure
from bench.accounts import Account
from bench.contest import Contest, noted, opened
from bench.contestants import OURS
from bench.contestants.base import Contestant
from bench.contestants.cellblock import Cellblock
from bench.report import Goal, Section, Table

#: Threads and processes of others hold so much each that more of them would not fit.
FEW, MANY, GOAL = 100, 1_000, 10_000
AGAIN_RUNS = 200
GOAL_MB = 9_000
HEADS = (
    "sessions", "live", "private MB", "MB each", "to ours", "ms to make", "again p50 ms", "p99 ms",
)  # fmt: skip
ABOUT = """\
Sessions that are all alive, each with a name it keeps. Memory is private memory of every process \
involved, the host's included, less what there was before; 'again' is a call in one at random. A \
session of cellblock and pyeryx is a whole CPython in a sandbox; of pydantic-monty and \
multiprocessing a process, of worker_threads a thread with JavaScript."""


def measure_sessions(contest: Contest) -> Section:
    """Hold sessions of everybody, then many of ours."""
    section = Section("Live sessions", ABOUT)
    rows: list[list[str]] = []
    base: float | None = None
    few = contest.amount(FEW, 10)
    for one in contest.but("cellblock+fuel", "native", "worker_threads+transfer", "piscina"):
        found = _hold(contest, section, one, few)
        if found:
            base = found[1] if one.name == OURS else base
            rows.append(_row(found, base))
    for count in (MANY, GOAL):
        if contest.is_quick:
            break
        contestants = [one for one in contest.contestants if one.name in {OURS, "pyeryx"}]
        for one in contestants if count == MANY else contestants[:1]:
            found = _hold(contest, section, one, count)
            if found:
                rows.append(_row(found, base))
                if isinstance(one, Cellblock) and count == GOAL:
                    total_mb = found[1] * found[0].count
                    met = found[0].count >= GOAL and total_mb <= GOAL_MB
                    text = f"{found[0].count:,} in {total_mb / 1e3:.1f} GB"
                    section.goals.append(Goal("10,000 live sessions in <= 9 GB", text, met))
            elif isinstance(one, Cellblock) and count == GOAL:
                section.goals.append(
                    Goal("10,000 live sessions in <= 9 GB", "not reached, see the note", met=False)
                )
    section.tables.append(Table(HEADS, rows))
    return section


class _Found:
    """Figures of one contestant."""

    def __init__(self, name: str, count: int, make_ms: float, again: measure.Spread) -> None:
        self.name, self.count, self.make_ms, self.again = name, count, make_ms, again


def _hold(
    contest: Contest, section: Section, one: Contestant, count: int
) -> tuple[_Found, float] | None:
    """Hold so many sessions; return the figures and the megabytes of each."""
    contest.say(f"live sessions, {count:,} of {one.name}")
    with ExitStack() as stack:
        try:
            before, first_s = _baseline(one)
            began = time.perf_counter()
            held = opened(stack, [one], lambda one: one.sessions(count), section.notes)
            if one.name not in held:
                return None
            spent_s = max(0.0, time.perf_counter() - began - first_s)
            make_ms = spent_s * 1e3 / (count - 1)
            mine = held[one.name]
            private_mb = Account.of(mine.pids).private_mb - before
            chosen = random.Random(1)
            samples = [
                measure.timed(lambda: mine.again(chosen.randrange(mine.count)))
                for _ in range(AGAIN_RUNS)
            ]
        except Exception as error:  # noqa: BLE001 - noted
            section.notes.append(noted(f"{one.name} with {count:,}", error))
            return None
        found = _Found(one.name, mine.count, make_ms, measure.Spread.of(samples))
        return found, private_mb / (mine.count - 1)


def _baseline(one: Contestant) -> tuple[float, float]:
    """Return the private megabytes that are there with one session, and the seconds it takes."""
    began = time.perf_counter()
    with one.sessions(1) as held:
        spent_s = time.perf_counter() - began
        return Account.of(held.pids).private_mb, spent_s


def _row(found: tuple[_Found, float], base: float | None) -> list[str]:
    one, each_mb = found
    return [
        one.name,
        f"{one.count:,}",
        f"{each_mb * one.count:.0f}",
        f"{each_mb:.2f}",
        f"{each_mb / base:.2f}" if base else "-",
        f"{one.make_ms:.2f}",
        f"{one.again.p50_ms:.3f}",
        f"{one.again.p99_ms:.3f}",
    ]
