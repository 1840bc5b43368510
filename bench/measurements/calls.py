"""Calls from a guest to its host and back."""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from bench import measure
from bench.contest import Contest, noted, opened, warmed_up
from bench.contestants import OURS
from bench.report import Plot, Section, Table

ABOUT = """\
A guest calls a function of the host that returns its argument, many times in one run; the time \
of one is that of the run, less that of a run with few calls, by their difference. Messages there \
and back for worker_threads and multiprocessing."""


def measure_calls(contest: Contest) -> Section:
    """Measure one call."""
    section = Section("Calls of the host", ABOUT)
    few, many = 10, contest.amount(2000, 500)
    contest.say("calls of the host")
    with ExitStack() as stack:
        contestants = contest.but("native", "cellblock+fuel", "worker_threads+transfer", "piscina")
        runs = opened(stack, contestants, lambda one: one.host_calls(), section.notes)
        warmed_up(runs, lambda run: run(few), section.notes)
        contestants_calls = {}
        for name, run in runs.items():
            contestants_calls[f"{name} {few}"] = lambda run=run: run(few)
            contestants_calls[name] = lambda run=run: run(many)
        failed: dict[str, str] = {}
        samples = measure.interleaved(
            contestants_calls, runs=contest.amount(10, 2), block=1, failed=failed, budget_s=10.0
        )
    section.notes += [noted(name, why) for name, why in failed.items()]
    each_us = {
        name: (min(samples[name]) - min(samples[f"{name} {few}"])) / (many - few) * 1e6
        for name in runs
        if name not in failed and samples[name] and samples[f"{name} {few}"]
    }
    middle_us = {
        name: (statistics.median(samples[name]) - statistics.median(samples[f"{name} {few}"]))
        / (many - few)
        * 1e6
        for name in each_us
    }
    ours = middle_us.get(OURS)
    section.tables.append(
        Table(
            ["", "p50 us", "least us", "to ours"],
            [
                [name, f"{us:.1f}", f"{each_us[name]:.1f}", f"{us / ours:.2f}" if ours else "-"]
                for name, us in middle_us.items()
            ],
        )
    )
    section.plots.append(Plot("host_calls", "A call of the host", "microseconds", {"": middle_us}))
    return section
