"""From a deadline to the run's ending, and to the slot's next result."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from typing import get_args

from bench import measure
from bench.contest import Contest, noted, opened
from bench.contestants import OURS
from bench.contestants.base import DEADLINE_S, Late, Spin
from bench.report import Goal, Plot, Section, Table

BUDGET_S = 10.0
SLEEP_GOAL_MS = 20.0
ABOUT = f"""\
A guest loops, or sleeps, past a deadline of {DEADLINE_S * 1e3:.0f} ms in the only slot there is. \
'ended' is how long after the deadline the caller knows, 'usable' when it has the result of the \
next run, both in milliseconds. 'kept' is how often the process that ran it went on. For \
worker_threads and multiprocessing the deadline is a terminate or a kill, and a new one is \
started."""


def measure_deadlines(contest: Contest) -> Section:
    """Measure loops and sleeps."""
    section = Section("Deadlines", ABOUT)
    usable: dict[str, dict[str, float]] = {}
    for spin in get_args(Spin.__value__):
        contest.say(f"deadlines, a {spin}")
        found = _lates(contest, section, spin)
        ours = found.get(OURS)
        base = measure.Spread.of(late.usable_s for late in ours) if ours else None
        rows = []
        for name, lates in found.items():
            ended = measure.Spread.of(late.ended_s for late in lates)
            after = measure.Spread.of(late.usable_s for late in lates)
            kept = [late.is_kept for late in lates if late.is_kept is not None]
            usable.setdefault(name, {})[spin] = max(after.p50_ms, 0.01)
            rows.append(
                [
                    name,
                    f"{ended.p50_ms:.2f}",
                    f"{ended.p99_ms:.2f}",
                    f"{after.p50_ms:.2f}",
                    f"{after.p99_ms:.2f}",
                    f"{sum(kept)} of {len(kept)}" if kept else "-",
                    f"{after.p50_ms / base.p50_ms:.2f}" if base else "-",
                    str(len(lates)),
                ]
            )
            if name == OURS and spin == "sleep":
                met = ended.p99_ms <= SLEEP_GOAL_MS and all(kept)
                text = f"p99 {ended.p99_ms:.1f} ms late, kept {sum(kept)} of {len(kept)}"
                section.goals.append(
                    Goal("a sleep of 60 s ends within 20 ms of its deadline, cell kept", text, met)
                )
        heads = ["ended p50", "p99", "usable p50", "p99", "kept", "usable to ours", "runs"]
        section.tables.append(Table([f"a {spin}", *heads], rows))
    section.plots.append(
        Plot("deadlines", "From a deadline to the next result", "milliseconds", usable)
    )
    return section


def _lates(contest: Contest, section: Section, spin: Spin) -> dict[str, list[Late]]:
    """Return what was found, by contestant."""
    lates: dict[str, list[Late]] = {}
    with ExitStack() as stack:
        contestants = contest.but("native", "cellblock+fuel", "worker_threads+transfer", "piscina")
        runs = opened(stack, contestants, lambda one: one.deadline(spin), section.notes)
        failed: dict[str, str] = {}

        def once(name: str) -> None:
            late = runs[name]()
            lates.setdefault(name, []).append(late)

        measure.interleaved(
            {name: functools.partial(once, name) for name in runs},
            runs=contest.amount(40, 3),
            block=2,
            failed=failed,
            budget_s=BUDGET_S,
        )
    section.notes += [noted(f"{name}, a {spin},", why) for name, why in failed.items()]
    return lates
