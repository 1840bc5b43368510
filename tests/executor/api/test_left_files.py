"""Files that nobody can open, and descriptors that a guest keeps: they cost that guest alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from executor import Limits, Supervisor, Verdict

PATIENCE_S = 20.0
LIMITS = Limits(wall_s=PATIENCE_S)
#: No jail has a call that would open them again.
CLOSED = {
    "a folder": "import os\nos.mkdir('a', 0)",
    "a folder with a file": "import os\nos.mkdir('a', 0o300)\nopen('a/b', 'w').close()",
}
CLOSED_FILE = "import os\nos.close(os.open('x', os.O_CREAT | os.O_WRONLY, 0))"
WAIT = "import host\nhost.wait()\n7"
TAKE_ALL = """
import host, os
kept = []
while host.more():
    for _ in range(1_000):
        try:
            kept.append(os.open(".", os.O_RDONLY))
        except OSError:
            pass
len(kept) > 500
"""


@pytest.fixture(scope="module")
def side_by_side() -> Iterator[Supervisor]:
    with Supervisor(kind="interpreter", cells=2, limits=LIMITS) as started:
        yield started


@pytest.mark.parametrize("code", CLOSED.values(), ids=CLOSED)
def test_a_folder_that_nobody_can_open_costs_no_neighbour_its_run(
    side_by_side: Supervisor, code: str
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        assert may_end.wait(PATIENCE_S)

    neighbour = side_by_side.start(WAIT, functions={"wait": wait})
    assert began.wait(PATIENCE_S)
    outcome = side_by_side.run(f"{code}\n5")
    may_end.set()

    assert (outcome.value, neighbour.result().value) == (5, 7)
    assert side_by_side.run("1").value == 1


@pytest.mark.parametrize("kind", ["process", "interpreter"])
@pytest.mark.parametrize("code", [*CLOSED.values(), CLOSED_FILE])
def test_what_cannot_be_read_is_over_the_limit_and_never_left_out_in_silence(
    side_by_side: Supervisor, kind: str, code: str
) -> None:
    outcome = side_by_side.run(code, kind=kind, keep_files=True)  # type: ignore[arg-type]  # a kind

    assert outcome.verdict is Verdict.FILES


def test_files_that_stay_make_a_tenants_cell_a_spent_one_and_no_crash() -> None:
    code = CLOSED["a folder with a file"]
    with Supervisor(kind="process", reuse="tenant", cells=1, limits=LIMITS) as supervisor:
        verdicts = [supervisor.run(code).verdict for _ in range(8)]
        (pool,) = supervisor.statistics().pools

    assert verdicts == [Verdict.OK] * 8
    assert not pool.crashes
    assert pool.kills["spent"] >= 2


def test_a_guest_that_takes_all_descriptors_costs_its_neighbours_no_cell(
    side_by_side: Supervisor,
) -> None:
    left = threading.Event()
    began = threading.Event()

    def more() -> bool:
        began.set()
        return not left.is_set()

    eater = side_by_side.start(TAKE_ALL, functions={"more": more}, limits={"host_calls": 10**6})
    assert began.wait(PATIENCE_S)
    outcomes = [side_by_side.run("1") for _ in range(8)]
    left.set()

    assert eater.result().value is True
    told = {outcome.error.name for outcome in outcomes if outcome.error}
    assert told <= {"SandboxBroken", "GuestCrashed", "MountRefused", "OSError"}
    assert side_by_side.run("1").value == 1
