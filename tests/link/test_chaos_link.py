"""Runs over three machines while machines die, the server restarts and connections freeze.

The same with 10,000 runs is `python -m bench.chaos_link`.
"""

from __future__ import annotations

from pathlib import Path

from tests.link.fleet import Fleet

RUNS = 600
#: Of faults, each of which comes before any comes again.
KINDS = 6


def test_every_run_has_one_outcome_whatever_dies_freezes_or_restarts(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        result = fleet.run(RUNS, seed=1, every_s=0.5, at_least=KINDS)

    assert not result.wrong, result.wrong[:10]
    assert result.outcomes == {"ok": RUNS}
    assert result.endings == dict.fromkeys(range(RUNS), 1)
    assert len(result.faults) >= KINDS - 1, "nothing much was harmed"
