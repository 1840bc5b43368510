"""When the loop dies, another takes its place, and every run still has exactly one ending.

The loop of `isolate="process"` is killed with SIGKILL; the pipe of the other kinds is cut, which
ends their loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from executor import (
    Closed,
    Limits,
    Refused,
    RunHandle,
    SessionLost,
    Supervisor,
    SupervisorLost,
    Verdict,
)
from tests.executor.processes import descendants, is_loop, kill

PATIENCE_S = 30
ISOLATES = ["interpreter", "process", "inline"]


@pytest.fixture(params=ISOLATES)
def small(request: pytest.FixtureRequest) -> Iterator[Supervisor]:
    """Give a supervisor with one cell, wherever its loop runs."""
    with Supervisor(cells=1, isolate=request.param, limits=Limits(wall_s=PATIENCE_S)) as started:
        yield started


def end_loop(supervisor: Supervisor) -> None:
    """End the loop from outside, as a crash would."""
    if supervisor._isolate == "process":
        loops = [pid for pid in descendants() if is_loop(pid)]
        for pid in loops[-1:]:  # the loops of other tests are older
            kill(pid)
        return
    keeper = supervisor._keeper
    assert keeper is not None
    with contextlib.suppress(OSError):
        keeper.connection.socket.shutdown(socket.SHUT_RDWR)


def begins() -> tuple[threading.Event, list[str], dict[str, object]]:
    """Return an event that a guest sets, the names that guests gave, and the options for it."""
    event, names = threading.Event(), list[str]()

    def begin(name: str) -> None:
        names.append(name)
        event.set()

    return event, names, {"functions": {"begin": begin}}


SPIN = "from host import begin\nbegin('spin')\nwhile True: pass"


def test_runs_go_on_after_the_loop_died(small: Supervisor) -> None:
    assert small.run("1").value == 1
    end_loop(small)

    assert small.run("2").value == 2
    assert small.statistics().isolate_restarts == 1


def test_a_run_that_was_placed_ends_as_crashed_and_is_not_run_again(small: Supervisor) -> None:
    event, names, options = begins()
    handle = small.start(SPIN, **options)  # type: ignore[arg-type]
    assert event.wait(PATIENCE_S)
    end_loop(small)

    outcome = handle.result(PATIENCE_S)
    assert outcome.verdict is Verdict.CRASHED
    assert outcome.error is not None
    assert outcome.error.message.startswith("the supervisor's loop ended: ")
    assert small.run("3").value == 3
    assert names == ["spin"]


def test_runs_that_waited_run_on_the_next_loop_and_once(small: Supervisor) -> None:
    event, names, options = begins()
    spinning = small.start(SPIN, **options)  # type: ignore[arg-type]
    assert event.wait(PATIENCE_S)
    waiting = [
        small.start(f"from host import begin\nbegin('{number}')\n{number}", **options)  # type: ignore[arg-type]
        for number in range(20)
    ]
    end_loop(small)

    assert [handle.result(PATIENCE_S).value for handle in waiting] == list(range(20))
    assert spinning.result(PATIENCE_S).verdict is Verdict.CRASHED
    assert sorted(names) == sorted(["spin", *map(str, range(20))])


def test_a_large_input_that_waited_arrives_whole(small: Supervisor) -> None:
    event, _, options = begins()
    small.start(SPIN, **options)  # type: ignore[arg-type]
    assert event.wait(PATIENCE_S)
    data = bytes(range(256)) * 8_192
    waiting = small.start("data == bytes(range(256)) * 8192", inputs={"data": data})
    end_loop(small)

    assert waiting.result(PATIENCE_S).value is True


def test_a_run_cancelled_while_it_waits_never_begins(small: Supervisor) -> None:
    event, names, options = begins()
    small.start(SPIN, **options)  # type: ignore[arg-type]
    assert event.wait(PATIENCE_S)
    waiting = small.start("from host import begin\nbegin('cancelled')", **options)  # type: ignore[arg-type]
    end_loop(small)
    waiting.cancel()

    assert waiting.result(PATIENCE_S).verdict is Verdict.CANCELLED
    assert names == ["spin"]


def test_a_session_is_lost_with_the_loop_and_begins_afresh_after_a_reset(
    small: Supervisor,
) -> None:
    with small.session() as session:
        session.run("x = 1")
        end_loop(small)

        with pytest.raises(SessionLost):
            session.run("x")
        with pytest.raises(SessionLost):
            session.run("x")
        session.reset()
        assert session.run("'x' in globals()").value is False


def test_every_pool_is_there_again(small: Supervisor) -> None:
    counted = {"limits": Limits(fuel=10**9, wall_s=PATIENCE_S)}
    assert small.run("1", **counted).value == 1  # type: ignore[arg-type]
    end_loop(small)

    assert small.run("2", **counted).value == 2  # type: ignore[arg-type]
    assert small.run("3").value == 3
    assert len(small.statistics().pools) == 2


def test_async_runs_wait_for_the_next_loop_without_blocking(small: Supervisor) -> None:
    async def main() -> list[object]:
        await small.arun("0")
        end_loop(small)
        outcomes = await asyncio.gather(*(small.arun(str(number)) for number in range(8)))
        return [outcome.value for outcome in outcomes]

    assert asyncio.run(main()) == list(range(8))


def test_a_loop_that_dies_again_and_again_hangs_nobody(small: Supervisor) -> None:
    handles: list[RunHandle] = []
    for number in range(6):
        handles += (small.start(f"{number}") for _ in range(3))
        end_loop(small)

    for handle in handles:
        with contextlib.suppress(SupervisorLost):
            assert handle.result(PATIENCE_S).verdict in {Verdict.OK, Verdict.CRASHED}


def broken(supervisor: Supervisor) -> threading.Event:
    """Have no other loop start; return an event that lets them start again."""
    mended = threading.Event()
    keeper = supervisor._keeper
    assert keeper is not None
    start = keeper._start

    def refuse(spool_path: str | None) -> object:
        if not mended.is_set():
            raise OSError("no room for a loop")
        return start(spool_path)

    keeper._start = refuse  # type: ignore[assignment]
    return mended


def test_where_no_loop_can_be_started_runs_are_refused_with_the_cause(small: Supervisor) -> None:
    mended = broken(small)
    end_loop(small)
    waiting = [small.start("1") for _ in range(5)]

    for handle in waiting:
        with pytest.raises(SupervisorLost, match="no room for a loop") as refused:
            handle.result(PATIENCE_S)
        assert not refused.value.began
    with pytest.raises(SupervisorLost, match="no room for a loop"):
        small.run("2")
    with pytest.raises(SupervisorLost, match="no room for a loop"):
        small.statistics()
    mended.set()
    assert eventually(small, "3") == 3


def eventually(supervisor: Supervisor, code: str) -> object:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            return supervisor.run(code).value
        except SupervisorLost:
            time.sleep(0.05)
    raise AssertionError("no loop was started again")


def start_many(supervisor: Supervisor, handles: list[RunHandle]) -> None:
    """Start more runs than may wait; the first may still go to a loop whose end is not noticed."""
    for _ in range(100):
        handles.append(supervisor.start("1"))  # noqa: PERF401 - those before the error count


def test_more_runs_than_may_wait_are_refused_while_there_is_no_loop() -> None:
    with Supervisor(cells=1, isolate="inline", queue_max=3) as small:
        small.run("0")
        mended = broken(small)
        end_loop(small)
        keeper = small._keeper
        assert keeper is not None
        handles: list[RunHandle] = []
        with pytest.raises((Refused, SupervisorLost)):
            start_many(small, handles)
        mended.set()
        for handle in handles:
            with contextlib.suppress(Refused, SupervisorLost):
                assert handle.result(PATIENCE_S).verdict in {Verdict.OK, Verdict.CRASHED}


def test_a_supervisor_closes_while_there_is_no_loop(small: Supervisor) -> None:
    small.run("1")
    broken(small)
    end_loop(small)
    waiting = small.start("2")
    small.close(within_s=0.0)

    with pytest.raises((SupervisorLost, Closed, Refused)):
        waiting.result(PATIENCE_S)
    with pytest.raises(Closed):
        small.run("3")


def test_a_supervisor_closes_while_a_loop_is_being_started(small: Supervisor) -> None:
    for _ in range(3):
        end_loop(small)
        small.start("1")
    small.close(within_s=0.0)

    assert not [thread for thread in threading.enumerate() if thread.name == "cellblock-restart"]
