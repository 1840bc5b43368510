"""How fast guests compute: the programs in bench/programs, against CPython without a sandbox."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from pathlib import Path

from bench import measure
from bench.contest import Contest, noted, opened
from bench.contestants import OURS
from bench.contestants.base import RunCode
from bench.report import Goal, Plot, Section, Table

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
NATIVE = "native"
EMPTY = "pass"
GOAL = 2.1
ABOUT = """\
Times of programs relative to CPython in the host's own process; lower is better. A time is the \
least of several, interleaved, less that of an empty program in the same place, so starting is no \
part of it. A program counts for a contestant if it prints the same as CPython; what it cannot \
run is named below the table, and is no part of its mean. 'to ours' compares the means over the \
programs that both run."""


def measure_speed(contest: Contest) -> Section:
    """Measure each program everywhere."""
    section = Section("Speed of guests", ABOUT)
    programs = {path.stem: path.read_text() for path in sorted(PROGRAMS.glob("*.py"))}
    if contest.is_quick:
        programs = dict(list(programs.items())[:4])
    contestants = contest.but(
        "worker_threads", "worker_threads+transfer", "piscina", "multiprocessing"
    )
    with ExitStack() as stack:
        runs = opened(stack, contestants, lambda one: one.programs(), section.notes)
        times, refused = _time_all(contest, runs, programs)
    names = [name for name in runs if name != NATIVE]
    ratios = {
        name: {
            program: times[program][name] / times[program][NATIVE]
            for program in programs
            if name in times[program] and NATIVE in times[program]
        }
        for name in names
    }
    _tell(section, programs, times, ratios)
    for name in names:
        if refused.get(name):
            told = "; ".join(f"{program} ({why})" for program, why in refused[name].items())
            section.notes.append(f"{name} cannot run {len(refused[name])}: {told}.")
    return section


def _time_all(
    contest: Contest, runs: dict[str, RunCode], programs: dict[str, str]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, str]]]:
    """Return the seconds by program and contestant, and why which does not count."""
    rounds = contest.amount(6, 2)
    times: dict[str, dict[str, float]] = {}
    refused: dict[str, dict[str, str]] = {}
    failed: dict[str, str] = {}
    empty = measure.interleaved(
        {name: functools.partial(_run, run, EMPTY) for name, run in runs.items()},
        runs=rounds * 2,
        block=1,
        failed=failed,
    )
    for program, code in programs.items():
        contest.say(f"speed of guests, {program}")
        wanted = runs[NATIVE](code)
        calls = {}
        for name, run in runs.items():
            try:
                printed = run(code)
                why = "" if printed == wanted else "prints something else"
            except Exception as error:  # noqa: BLE001 - noted
                why = noted("", error).removeprefix(" failed: ").partition(" File ")[0][:120]
                why = why.replace("Traceback (most recent call last):", "").strip() or "raises"
            if why:
                refused.setdefault(name, {})[program] = why
            else:
                calls[name] = functools.partial(_run, run, code)
        failed.clear()
        samples = measure.interleaved(calls, runs=rounds, block=1, failed=failed)
        for name, why in failed.items():
            refused.setdefault(name, {})[program] = why
        times[program] = {
            name: max(min(found) - min(empty[name]), 1e-6)
            for name, found in samples.items()
            if found and name not in failed
        }
    return times, refused


def _run(run: RunCode, code: str) -> None:
    run(code)


def _tell(
    section: Section,
    programs: dict[str, str],
    times: dict[str, dict[str, float]],
    ratios: dict[str, dict[str, float]],
) -> None:
    """Add the table, the plot and the goals."""
    rows = [
        [
            program,
            f"{times[program].get(NATIVE, 0) * 1e3:.1f}",
            *(f"{r[program]:.2f}" if program in r else "-" for r in ratios.values()),
        ]
        for program in programs
    ]
    means = {name: measure.geometric_mean(found.values()) for name, found in ratios.items()}
    rows.append(["geometric mean", "", *(f"{mean:.2f}" for mean in means.values())])
    rows.append(["of programs", str(len(programs)), *(str(len(r)) for r in ratios.values())])
    ours = ratios.get(OURS, {})
    shared = {}
    for name, found in ratios.items():
        both = [program for program in found if program in ours]
        shared[name] = measure.geometric_mean(found[p] / ours[p] for p in both)
    rows.append(["to ours", "", *(f"{ratio:.2f}" for ratio in shared.values())])
    section.tables.append(Table(["program", "native ms", *ratios], rows))
    section.plots.append(Plot("speed", "Time of programs", "times native", ratios))
    if ours:
        mean = means[OURS]
        section.goals.append(Goal(f"speed, mean <= {GOAL} x native", f"{mean:.2f}", mean <= GOAL))
    for name in ("pyeryx", "pydantic-monty"):
        if ours and ratios.get(name):
            text = f"{name} takes {shared[name]:.2f} of our time"
            section.goals.append(Goal(f"speed ahead of {name}", text, shared[name] > 1))
