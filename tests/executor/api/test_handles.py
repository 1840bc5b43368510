"""Runs that are started and not waited for: handles, cancelling, closing."""

from __future__ import annotations

import gc
import os
import threading
import warnings

import pytest

from executor import (
    Closed,
    Limits,
    Outcome,
    Refused,
    RunHandle,
    Statistics,
    Supervisor,
    SupervisorLost,
    Verdict,
)

PATIENCE_S = 20


def running(supervisor: Supervisor, code: str = "while True: pass") -> RunHandle:
    """Start a run and return once its guest has begun."""
    began = threading.Event()
    handle = supervisor.start("print('on', flush=True)\n" + code, on_stdout=lambda _: began.set())
    assert began.wait(PATIENCE_S)
    return handle


def test_a_handle_gives_the_outcome_to_whoever_asks(supervisor: Supervisor) -> None:
    handle = supervisor.start("6 * 7")
    outcomes: list[Outcome] = []

    threads = [
        threading.Thread(target=lambda: outcomes.append(handle.result(PATIENCE_S)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [outcome.value for outcome in outcomes] == [42] * 4
    assert handle.done()


def test_waiting_too_short_leaves_the_run_as_it_is(supervisor: Supervisor) -> None:
    gate = threading.Event()

    def wait() -> None:
        gate.wait(PATIENCE_S)

    handle = supervisor.start("import host\nhost.wait()\n1", functions=[wait])

    with pytest.raises(TimeoutError):
        handle.result(0.01)
    assert not handle.done()
    gate.set()
    assert handle.result(PATIENCE_S).value == 1


def test_a_run_that_is_cancelled_through_its_handle_says_so(supervisor: Supervisor) -> None:
    handle = running(supervisor)

    handle.cancel()

    outcome = handle.result(PATIENCE_S)
    assert outcome.verdict is Verdict.CANCELLED
    assert outcome.stdout == "on\n"


def test_cancelling_what_has_ended_changes_nothing(supervisor: Supervisor) -> None:
    handle = supervisor.start("1")
    outcome = handle.result(PATIENCE_S)

    handle.cancel()

    assert handle.result(PATIENCE_S) is outcome


def test_a_run_that_waits_in_the_queue_can_be_cancelled() -> None:
    with Supervisor(cells=1) as small:
        first = running(small)
        second = small.start("1")

        second.cancel()

        assert second.result(PATIENCE_S).verdict is Verdict.CANCELLED
        first.cancel()


def test_callbacks_of_a_handle_are_called_without_anybody_waiting(supervisor: Supervisor) -> None:
    said: list[str] = []
    ended = threading.Event()

    handle = supervisor.start("for n in range(100): print(n)", on_stdout=said.append)
    handle.add_waiter(ended.set)

    assert ended.wait(PATIENCE_S)
    assert "".join(said) == "".join(f"{n}\n" for n in range(100))


def test_an_error_of_a_handles_callback_is_raised_by_result(supervisor: Supervisor) -> None:
    def refuse(text: str) -> None:
        raise LookupError(text)

    handle = supervisor.start("print('go', flush=True)\nwhile True: pass", on_stdout=refuse)

    with pytest.raises(LookupError, match="go"):
        handle.result(PATIENCE_S)


def test_a_full_queue_refuses_one_run_more() -> None:
    with Supervisor(cells=1, queue_max=1) as small:
        first = running(small)
        second = small.start("2")

        with pytest.raises(Refused) as caught:
            small.run("3")
        first.cancel()

        assert caught.value.reason == "queue_full"
        assert second.result(PATIENCE_S).value == 2


def test_a_run_waits_for_a_cell_no_longer_than_it_was_told() -> None:
    with Supervisor(cells=1) as small:
        first = running(small)

        with pytest.raises(Refused) as caught:
            small.run("1", queue_timeout_s=0.05)
        first.cancel()

        assert caught.value.reason == "queue_timeout"


# --- closing -------------------------------------------------------------------------------------
def test_closing_lets_a_run_at_hand_finish() -> None:
    small = Supervisor(cells=1).open()
    gate = threading.Event()

    def wait() -> None:
        gate.wait(PATIENCE_S)

    handle = small.start("import host\nhost.wait()\n1", functions=[wait])
    closing = threading.Thread(target=small.close)
    closing.start()
    gate.set()
    closing.join(PATIENCE_S)

    assert handle.result(PATIENCE_S).value == 1


def test_closing_kills_what_does_not_finish_in_time_and_every_run_gets_its_outcome() -> None:
    small = Supervisor(cells=1).open()
    first, second = running(small), small.start("1")

    small.close(within_s=0)

    assert first.result(PATIENCE_S).verdict is Verdict.CANCELLED
    with pytest.raises((Refused, SupervisorLost)):
        second.result(PATIENCE_S)


def test_a_closed_supervisor_takes_no_runs() -> None:
    small = Supervisor(cells=1).open()
    small.close()
    small.close()

    for call in (lambda: small.run("1"), lambda: small.start("1"), small.open, small.statistics):
        with pytest.raises(Closed):
            call()


def test_a_supervisor_that_was_never_opened_closes_without_a_word() -> None:
    Supervisor().close()


def test_a_supervisor_that_is_dropped_unclosed_warns() -> None:
    small = Supervisor(cells=1).open()
    parts = small._keeper

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del small
        gc.collect()

    assert [w.category for w in caught] == [ResourceWarning]
    assert parts is not None
    parts.close(0.0)


def test_the_first_run_opens_the_supervisor() -> None:
    small = Supervisor(cells=1, isolate="inline")
    try:
        assert small.run("1").value == 1
    finally:
        small.close()


@pytest.mark.parametrize("isolate", ["interpreter", "process", "inline"])
def test_wherever_the_loop_runs_the_outcome_is_the_same(isolate: str) -> None:
    with Supervisor(cells=1, isolate=isolate) as small:  # type: ignore[arg-type]  # a str of the three
        outcome = small.run("print('x')\n[1, (2,)]", limits=Limits(wall_s=10))

        assert (outcome.value, outcome.stdout) == ([1, (2,)], "x\n")


def test_nothing_is_left_behind_by_a_supervisor_and_its_runs() -> None:
    def use() -> None:
        with Supervisor(cells=1) as small:
            small.run("x", inputs={"x": b"a" * 500_000})
            small.run("1", functions={"f": lambda: 1}, on_stdout=print)
            small.start("2", on_stdout=print).result(PATIENCE_S)

    use()
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        use()
    left = set(threading.enumerate()) - threads
    for thread in left:
        thread.join(PATIENCE_S)

    assert not [thread for thread in left if thread.is_alive()]
    assert len(os.listdir("/proc/self/fd")) <= descriptors


# --- statistics ----------------------------------------------------------------------------------
def test_statistics_are_a_snapshot_of_the_pools(supervisor: Supervisor) -> None:
    supervisor.run("1")

    snapshot = supervisor.statistics()

    assert isinstance(snapshot, Statistics)
    assert snapshot.pools[0].cells_max == 2
    assert snapshot.pools[0].ended >= 1
    assert snapshot.pools[0].queued == 0
