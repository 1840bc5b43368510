"""Runs by the thousand while cells, zygotes and the loop are killed: what `test_chaos` promises.

Rule: a process is killed only if it is a descendant of this one.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from executor import Limits, Refused, RunHandle, Supervisor, SupervisorLost
from executor.statistics import Statistics
from tests.executor.processes import descendants, is_loop, kill

#: No run may take longer to end than this, however many kills stand between it and a cell.
PATIENCE_S = 90.0
#: At hand at the same time: enough for runs to wait at every kill.
AT_HAND = 24
#: Crashes are blamed on tenants, and these runs are blameless: so they are spread over many.
TENANTS = 61
CODE = """
from host import begin
begin({number})
total = 0
for at in range({steps}):
    total += at
{number}
"""


@dataclass(slots=True)
class Report:
    """What became of the runs.

    Args:
        endings: how many runs ended with each verdict, refusal or error.
        kills: how many processes were killed, by kind.
        begun: how often the guest of each run began.
        broken: promises that were not kept, in words.
        statistics: a snapshot after the last run.
    """

    endings: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    begun: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    statistics: Statistics | None = None


def unleash(
    *, runs: int, kills: int, isolate: Literal["interpreter", "process"], seed: int, cells: int = 2
) -> Report:
    """Submit `runs` runs, kill `kills` processes on the way, and wait for every ending."""
    rng, report, lock = random.Random(seed), Report(), threading.Lock()

    def begin(number: int) -> None:
        with lock:
            report.begun[number] += 1

    spared = set(descendants())  # other supervisors of this process are not ours to kill
    kill_at = set(rng.sample(range(runs // 20, runs - runs // 20), kills))
    with Supervisor(cells=cells, isolate=isolate, limits=Limits(wall_s=20.0)) as supervisor:
        supervisor.run("1")
        waiting: list[tuple[int, RunHandle]] = []
        for number in range(runs):
            try:
                handle = supervisor.start(
                    CODE.format(number=number, steps=rng.choice((1, 1_000, 20_000))),
                    functions={"begin": begin},
                    tenant=f"tenant-{number % TENANTS}",
                )
            except (Refused, SupervisorLost) as error:
                _refused(report, number, error)
            else:
                waiting.append((number, handle))
            if number in kill_at:
                _kill_one(rng, report, spared)
            if len(waiting) >= AT_HAND:
                _await(report, *waiting.pop(rng.randrange(AT_HAND // 2)))
        for number, handle in waiting:
            _await(report, number, handle)
        report.statistics = supervisor.statistics()
    for number, count in report.begun.items():
        if count > 1:
            report.broken.append(f"run {number} began {count} times")
    if report.endings.total() != runs:
        report.broken.append(f"{report.endings.total()} endings of {runs} runs")
    return report


def _kill_one(rng: random.Random, report: Report, spared: set[int]) -> None:
    below = [pid for pid in descendants() if pid not in spared]
    loops = [pid for pid in below if is_loop(pid)]
    others = [pid for pid in below if pid not in loops]
    kind = "loop" if loops and (not others or rng.random() < 0.3) else "cell or zygote"
    chosen = loops if kind == "loop" else others
    if chosen:
        kill(rng.choice(chosen))
        report.kills[kind] += 1


def _await(report: Report, number: int, handle: RunHandle) -> None:
    try:
        outcome = handle.result(PATIENCE_S)
    except TimeoutError:
        report.endings["none"] += 1
        report.broken.append(f"run {number} has no ending")
        return
    except (Refused, SupervisorLost) as error:
        _refused(report, number, error)
        return
    report.endings[outcome.verdict.value] += 1
    if outcome.verdict == "ok" and (outcome.value != number or report.begun[number] != 1):
        report.broken.append(f"run {number}: {outcome.value!r}, begun {report.begun[number]} times")
    elif outcome.verdict not in {"ok", "crashed"}:
        report.broken.append(f"run {number}: {outcome}")


def _refused(report: Report, number: int, error: Refused | SupervisorLost) -> None:
    name = error.reason if isinstance(error, Refused) else type(error).__name__
    report.endings[name] += 1
    if error.began or report.begun[number]:
        report.broken.append(f"run {number} was refused though it began: {error}")
