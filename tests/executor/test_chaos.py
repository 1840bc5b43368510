"""Whatever is killed with SIGKILL: each run ends exactly once, none hangs, none runs twice.

The same with more runs is `bench.chaos`.
"""

from __future__ import annotations

from typing import Literal

import pytest

from tests.executor.chaos import unleash
from tests.executor.processes import descendants, wait_gone

PATIENCE_S = 20


@pytest.mark.parametrize(
    ("isolate", "runs", "kills"), [("interpreter", 250, 8), ("process", 350, 12)]
)
def test_each_run_ends_once_and_begins_at_most_once_while_processes_are_killed(
    isolate: Literal["interpreter", "process"], runs: int, kills: int
) -> None:
    before = set(descendants())

    report = unleash(runs=runs, kills=kills, isolate=isolate, seed=runs)

    assert not report.broken
    assert report.endings["ok"] > runs // 2
    assert report.kills["cell or zygote"] > 0
    assert report.statistics is not None
    assert (report.kills["loop"] > 0) == (isolate == "process")
    assert report.statistics.isolate_restarts <= report.kills["loop"]
    assert not wait_gone([pid for pid in descendants() if pid not in before], PATIENCE_S)
