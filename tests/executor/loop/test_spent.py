"""A cell that finds itself spent says so when it finds out, and its runs go on to their ends."""

from __future__ import annotations

import pytest

from executor import Verdict
from executor.audit.configuration import usual
from executor.audit.lies import as_text, done, frame
from protocol.messages import Done, Ready

SPENT = frame(Ready, '{"stock":1,"spent":true}', run_id=0)
READY = frame(Ready, '{"stock":1}', run_id=0)


@pytest.mark.parametrize(
    ("said", "verdict"), [(SPENT, Verdict.OK), (READY, Verdict.CRASHED)], ids=["spent", "ready"]
)
def test_a_cell_may_say_in_the_middle_of_a_run_that_it_is_spent_and_nothing_else(
    said: bytes, verdict: Verdict
) -> None:
    lies = as_text([said, frame(Done, done())], 1)
    with usual("wasm", cells=1, isolate="inline", lies=lies) as supervisor:
        assert supervisor.run("1").verdict is verdict
        assert supervisor.run("1").verdict is Verdict.OK
