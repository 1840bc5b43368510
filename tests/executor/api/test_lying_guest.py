"""A guest that asks its host for what its run has not got ends alone: its cell lives on."""

from __future__ import annotations

import pytest

from executor import Supervisor, Verdict

#: Takes our own way to the host, from the globals of what called the guest.
FIND = """
import sys
frame, ports = sys._getframe(), None
while ports is None:
    frame = frame.f_back
    ports = frame.f_globals.get("ports")
"""
LIES = {
    "calls": "ports.ask('f', ports.wire.Value(b'', []))",
    "reads": "ports.read(5)",
}


@pytest.mark.parametrize("kind", ["wasm", "process", "interpreter"])
def test_a_guest_that_asks_for_what_its_run_has_not_got_never_costs_its_cell(
    kind: str,
) -> None:
    reuse = "tenant" if kind == "process" else None
    with Supervisor(kind=kind, cells=1, reuse=reuse) as supervisor:  # type: ignore[arg-type]  # a kind
        for lie in LIES.values():
            outcome = supervisor.run(FIND + lie)

            assert outcome.verdict is Verdict.CRASHED
            assert outcome.error is not None
            assert outcome.error.name == "GuestCrashed"
        (pool,) = supervisor.statistics().pools

    assert not pool.crashes
