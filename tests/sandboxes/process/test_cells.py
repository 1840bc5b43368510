"""Who shares a native cell with whom, and what no guest finds of another or of ours."""

from __future__ import annotations

import pytest

from executor import Image, Refused, Supervisor, Verdict

#: Stays in the process, whatever becomes of a run's globals.
MARK = "import sys\nsys.marked = getattr(sys, 'marked', 0) + 1\nsys.marked"
LEAVE_A_THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
"""


def test_each_run_has_a_process_of_its_own(single: Supervisor) -> None:
    before = single.statistics().pools[0]
    assert [single.run(MARK).value for _ in range(4)] == [1, 1, 1, 1]

    after = single.statistics().pools[0]
    assert after.kills["used"] >= before.kills.get("used", 0) + 3
    assert after.crashes == before.crashes


def test_a_session_has_a_process_of_its_own(single: Supervisor) -> None:
    with single.session() as one, single.session() as other:
        marks = [one.run(MARK).value, other.run(MARK).value, one.run(MARK).value]
        marks.append(single.run(MARK).value)

    assert marks == [1, 1, 2, 1]


def test_runs_of_one_tenant_share_a_process_if_that_is_asked_for(shared: Supervisor) -> None:
    marks = [shared.run(MARK, tenant=tenant).value for tenant in ("a", "a", "b", "a", "b")]

    assert marks == [1, 2, 1, 3, 2]


def test_runs_that_share_a_process_share_no_globals_and_no_files(shared: Supervisor) -> None:
    shared.run("left = 1\nopen('left', 'w').close()", tenant="c")

    outcome = shared.run("import os\n'left' in globals(), os.listdir('.')", tenant="c")

    assert outcome.value == (False, [])


def test_a_cell_with_a_thread_left_behind_serves_nobody_else(shared: Supervisor) -> None:
    assert shared.run(MARK, tenant="d").value == 1
    assert shared.run(LEAVE_A_THREAD, tenant="d").ok

    assert shared.run(MARK, tenant="d").value == 1
    pools = shared.statistics().pools
    assert sum(pool.kills.get("spent", 0) for pool in pools) == 1
    assert not any(pool.crashes for pool in pools)


def test_a_session_with_a_thread_left_behind_is_lost(single: Supervisor) -> None:
    with single.session() as session:
        assert session.run(LEAVE_A_THREAD).ok

        with pytest.raises(Refused, match="a guest left something running"):
            session.run("1")


def test_threads_that_end_with_their_run_leave_nothing_behind(shared: Supervisor) -> None:
    code = """
import threading, concurrent.futures
found = []
thread = threading.Thread(target=lambda: found.append(1))
thread.start(); thread.join()
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    found += pool.map(lambda x: x + 1, [1, 2])
found
"""
    for _ in range(5):
        assert shared.run(code, tenant="e").value == [1, 2, 3]
    assert shared.run(MARK, tenant="e").value == 1
    assert shared.run(MARK, tenant="e").value == 2


def test_a_program_waits_for_its_threads_before_it_ends(single: Supervisor) -> None:
    code = """
import threading, time
def late():
    time.sleep(0.05)
    print("late")
threading.Thread(target=late).start()
"""
    assert single.run(code).stdout == "late\n"


def test_a_guest_that_was_interrupted_leaves_a_process_that_goes_on(shared: Supervisor) -> None:
    assert shared.run(MARK, tenant="f").value == 1
    late = shared.run("while True: pass", tenant="f", limits={"wall_s": 0.2})

    assert late.verdict is Verdict.TIMEOUT
    assert shared.run(MARK, tenant="f").value == 2


def test_cells_of_one_zygote_draw_different_random_numbers(single: Supervisor) -> None:
    code = "import random, uuid\nrandom.random(), uuid.uuid4(), random.SystemRandom().random()"
    drawn = [single.run(code).value for _ in range(3)]

    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 3


def test_numpy_that_was_loaded_ahead_draws_different_numbers_in_each_cell() -> None:
    pytest.importorskip("numpy")
    image = Image(preload=["numpy.random"])
    with Supervisor(image, kind="process", cells=1) as supervisor:
        drawn = {supervisor.run("import numpy\nnumpy.random.random()").value for _ in range(3)}

    assert len(drawn) == 3


def test_a_guest_may_have_modules_of_the_names_of_ours(single: Supervisor) -> None:
    files = {"protocol.py": b"here = 1", "sandboxes.py": b"here = 2"}
    code = "import protocol, sandboxes\nprotocol.here + sandboxes.here, [1, {2}]"

    assert single.run(code, files=files).value == (3, [1, {2}])


def test_a_guest_sees_no_module_of_ours(single: Supervisor) -> None:
    code = (
        "import sys\nsorted(m for m in sys.modules if m.split('.')[0] in {'protocol', 'sandboxes'})"
    )

    assert single.run(code).value == []


def test_a_tenants_runs_see_nothing_of_another_tenants(shared: Supervisor) -> None:
    secret = "d41d8cd98f00b204"
    shared.run(f"import sys\nsys.secret = {secret!r}", tenant="g")
    search = f"""
import gc, sys
hasattr(sys, "secret") or any(
    o == {secret[::-1]!r}[::-1] for o in gc.get_objects() if isinstance(o, str)
)
"""
    assert shared.run(search, tenant="h").value is False
