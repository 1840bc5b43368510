"""Sandboxes behind `concurrent.futures.Executor`: what its users expect holds, and more cancels."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import itertools
import math
import operator
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from executor import (
    CellExecutor,
    Closed,
    GuestError,
    Limits,
    Misuse,
    Refused,
    Supervisor,
    Verdict,
)
from executor.cell_executor import PENDING_MAX
from executor.shipping import shipped

PATIENCE_S = 20
FACTOR = 3


@pytest.fixture(scope="module")
def small() -> Iterator[Supervisor]:
    """Give a supervisor of one cell, so that what runs and what waits is known."""
    with Supervisor(cells=1, limits=Limits(wall_s=PATIENCE_S)) as started:
        yield started


@pytest.fixture
def pool(small: Supervisor) -> Iterator[CellExecutor]:
    with CellExecutor(small) as made:
        yield made


def double(n: int, by: int = 2) -> int:
    return n * by


def fail(text: str) -> None:
    raise LookupError(text)


def spin() -> None:
    while True:
        pass


def needs_a_global() -> int:
    return FACTOR


def tell(number: int) -> int:
    import host  # type: ignore[import-not-found]  # the guest's own

    host.began()
    host.wait()
    return number


# --- submit --------------------------------------------------------------------------------------
def test_a_plain_function_goes_by_its_source(pool: CellExecutor) -> None:
    future = pool.submit(double, 4, by=5)

    assert future.result(PATIENCE_S) == 20
    assert future.done()
    assert not future.running()
    assert not future.cancelled()


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (math.factorial, (5,), 120),
        (operator.add, (1, 2), 3),
        (str.upper, ("ab",), "AB"),
        (date.fromisoformat, ("2026-01-02",), date(2026, 1, 2)),
        (functools.reduce, (), None),
        ("statistics:median", ([1, 2, 9],), 2),
        ("os.path:basename", ("a/b",), "b"),
        (functools.partial(functools.partial(double, by=3), 2), (), 6),
        (functools.partial(pow, 2), (10,), 1024),
    ],
    ids=str,
)
def test_a_function_that_every_guest_has_goes_by_reference(
    pool: CellExecutor, function: Any, args: tuple[Any, ...], result: object
) -> None:
    future = pool.submit(function, *args)

    if result is None:
        with pytest.raises(GuestError, match="TypeError"):
            future.result(PATIENCE_S)
    else:
        assert future.result(PATIENCE_S) == result


@dataclasses.dataclass
class Interrupts:
    """Interrupts whoever looks at it, as a key does that is pressed at that moment."""

    number: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "number":
            raise KeyboardInterrupt
        return super().__getattribute__(name)


def test_a_call_whose_submission_was_interrupted_holds_up_nothing(small: Supervisor) -> None:
    pool = CellExecutor(small)
    trap = Interrupts.__new__(Interrupts)
    for _ in range(small.in_flight + 1):
        with pytest.raises(KeyboardInterrupt):
            pool.submit(double, trap)  # type: ignore[call-overload]  # no number

    assert pool.submit(double, 2).result(PATIENCE_S) == 4
    closing = threading.Thread(target=pool.shutdown, daemon=True)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()


def test_what_the_guest_did_is_the_futures_exception(pool: CellExecutor, small: Supervisor) -> None:
    failed = pool.submit(fail, "no such thing").exception(PATIENCE_S)
    with CellExecutor(small, limits={"wall_s": 0.2}) as brief:
        ended = brief.submit(spin).exception(PATIENCE_S)

    assert isinstance(failed, GuestError)
    assert (failed.verdict, failed.name) == (Verdict.EXCEPTION, "LookupError")
    assert "in fail" in failed.traceback
    assert isinstance(ended, GuestError)
    assert ended.verdict is Verdict.TIMEOUT


def test_an_argument_that_cannot_cross_is_the_futures_exception(pool: CellExecutor) -> None:
    error = pool.submit(double, object()).exception(PATIENCE_S)  # type: ignore[call-overload]  # the point

    assert isinstance(error, Misuse)
    assert pool.submit(double, 1).result(PATIENCE_S) == 2


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (needs_a_global, "needs the global 'FACTOR'"),
        (lambda n: n, "lambda"),
        (5, "must be callable"),
        ("no_colon", 'write "module:name"'),
        ("os:system('x')", 'write "module:name"'),
    ],
    ids=["global", "lambda", "number", "text", "code"],
)
def test_a_function_that_cannot_be_shipped_is_refused_at_once(
    pool: CellExecutor, function: Any, problem: str
) -> None:
    with pytest.raises(Misuse, match=problem.replace("(", r"\(").replace(")", r"\)")):
        pool.submit(function)


def test_a_reference_must_lead_back_to_the_function() -> None:
    def local() -> None: ...

    for function in (local, functools.partial(local), fail.__get__("x")):
        with pytest.raises(Misuse, match=r"no name in a module|is not what"):
            shipped(function, "reference")
    assert "import_module('tests.executor" not in shipped(double, "auto").expression
    expected = f"__import__('importlib').import_module({double.__module__!r}).double"
    assert shipped(double, "reference").expression == expected
    assert shipped(double, "auto", known=["tests"]).expression == expected


def test_a_text_names_what_the_sandbox_alone_can_import(pool: CellExecutor) -> None:
    with pytest.raises(GuestError, match="ModuleNotFoundError"):
        pool.submit("no_such_module:function").result(PATIENCE_S)


@pytest.mark.parametrize("option", ["inputs", "mode", "module", "stdin"])
def test_what_a_call_sets_itself_is_refused_as_an_option(small: Supervisor, option: str) -> None:
    with pytest.raises(Misuse, match="a call sets it itself"):
        CellExecutor(small, **{option: None})  # type: ignore[arg-type]  # the point
    with pytest.raises(Misuse, match="must be auto, reference, source"):
        CellExecutor(small, ship="pickle")  # type: ignore[arg-type]  # the point


# --- map -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunksize", [1, 4, 100])
def test_results_come_in_order(pool: CellExecutor, chunksize: int) -> None:
    results = pool.map(double, range(10), itertools.repeat(3), chunksize=chunksize)

    assert list(results) == [n * 3 for n in range(10)]


def test_what_was_submitted_ends_after_the_executor_was_shut(small: Supervisor) -> None:
    with CellExecutor(small) as brief:
        results = brief.map(double, range(20))

    assert list(results) == [n * 2 for n in range(20)]


def test_a_failing_call_ends_the_results_where_it_stands(pool: CellExecutor) -> None:
    results = pool.map(operator.truediv, [1, 1, 1], [1, 0, 2])

    assert next(results) == 1
    with pytest.raises(GuestError, match="ZeroDivisionError"):
        next(results)


def test_an_endless_source_is_asked_only_as_far_as_its_buffer(pool: CellExecutor) -> None:
    asked = itertools.count()
    results = pool.map(double, asked, buffersize=3)

    assert [next(results) for _ in range(4)] == [0, 2, 4, 6]
    assert next(asked) <= 4 + 3
    results.close()  # type: ignore[attr-defined]  # a generator


def test_results_that_come_too_late_are_a_timeout(pool: CellExecutor) -> None:
    results = pool.map(double, range(3), timeout=-1)

    with pytest.raises(TimeoutError):
        next(results)


@pytest.mark.parametrize("sizes", [{"chunksize": 0}, {"buffersize": 0}, {"chunksize": 1.5}])
def test_a_size_below_one_is_refused(pool: CellExecutor, sizes: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match="must be an int from 1 on"):
        pool.map(double, [1], **sizes)


# --- cancel and shut down ------------------------------------------------------------------------
class Gate:
    """Host functions that tell when a call has begun, and hold it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()

    @property
    def functions(self) -> dict[str, Any]:
        return {"began": self.begun.set, "wait": lambda: self.opened.wait(PATIENCE_S)}


def test_a_call_can_be_cancelled_while_it_runs_and_its_cell_is_free_again(
    small: Supervisor,
) -> None:
    gate = Gate()
    with CellExecutor(small, functions=gate.functions) as gated:
        future = gated.submit(tell, 1)
        assert gate.begun.wait(PATIENCE_S)
        assert future.running()

        assert future.cancel()

        assert future.cancelled()
        assert not future.running()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(PATIENCE_S)
    assert small.run("1", queue_timeout_s=PATIENCE_S).value == 1


def test_a_call_that_waits_can_be_cancelled_and_never_runs(small: Supervisor) -> None:
    gate = Gate()
    with CellExecutor(small, functions=gate.functions) as gated:
        futures = [gated.submit(tell, n) for n in range(8)]
        assert gate.begun.wait(PATIENCE_S)
        assert all(future.cancel() for future in futures[1:])
        gate.opened.set()

        done, waiting = concurrent.futures.wait(futures, PATIENCE_S)

    assert not waiting
    assert [future.result() for future in done if not future.cancelled()] == [0]


def test_as_completed_yields_every_future_cancelled_ones_too(pool: CellExecutor) -> None:
    futures = [pool.submit(double, n) for n in range(6)]
    futures[5].cancel()

    ended = list(concurrent.futures.as_completed(futures, PATIENCE_S))

    assert set(ended) == set(futures)


def test_shutting_down_waits_for_calls_and_takes_no_more(small: Supervisor) -> None:
    brief = CellExecutor(small)
    futures = [brief.submit(double, n) for n in range(12)]

    brief.shutdown()
    brief.shutdown()

    assert [future.result(0) for future in futures] == [n * 2 for n in range(12)]
    for expected in (Closed, RuntimeError):
        with pytest.raises(expected):
            brief.submit(double, 1)
    assert small.run("1").value == 1


def test_shutting_down_may_give_up_what_has_no_run_yet(small: Supervisor) -> None:
    gate = Gate()
    gated = CellExecutor(small, functions=gate.functions)
    futures = [gated.submit(tell, n) for n in range(small.in_flight + 5)]
    assert gate.begun.wait(PATIENCE_S)

    gated.shutdown(wait=False, cancel_futures=True)
    gate.opened.set()
    gated.shutdown()

    assert [future.cancelled() for future in futures] == [False] * small.in_flight + [True] * 5
    assert [future.result(0) for future in futures[: small.in_flight]] == [*range(small.in_flight)]


def test_a_callback_may_submit_and_shut_down(small: Supervisor) -> None:
    chained = CellExecutor(small)
    second: list[concurrent.futures.Future[int]] = []
    told = threading.Event()

    def go_on(first: concurrent.futures.Future[int]) -> None:
        second.append(chained.submit(double, first.result()))
        chained.shutdown()
        told.set()

    chained.submit(double, 1).add_done_callback(go_on)

    assert told.wait(PATIENCE_S)
    assert second[0].result(PATIENCE_S) == 4


def test_calls_of_a_supervisor_that_closes_end_as_refused_or_cancelled() -> None:
    with Supervisor(cells=1) as brief:
        gate = Gate()
        pool = CellExecutor(brief, functions=gate.functions)
        futures = [pool.submit(tell, n) for n in range(5)]
        assert gate.begun.wait(PATIENCE_S)
        brief.close(within_s=0)

    problems = [future.exception(PATIENCE_S) for future in futures]
    assert all(isinstance(p, GuestError | Refused | Closed) for p in problems), problems
    pool.shutdown()


def test_more_calls_than_may_wait_are_refused(
    small: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PENDING_MAX >= 100_000
    monkeypatch.setattr("executor.cell_executor.PENDING_MAX", 2)
    gate = Gate()
    with CellExecutor(small, functions=gate.functions) as gated:
        futures = [gated.submit(tell, n) for n in range(small.in_flight + 2)]
        with pytest.raises(Refused, match="2 calls wait in this executor"):
            gated.submit(tell, 9)
        gate.opened.set()

    assert [future.result(0) for future in futures] == [*range(small.in_flight + 2)]


# --- with asyncio --------------------------------------------------------------------------------
def test_an_event_loop_can_use_it(pool: CellExecutor) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(pool, double, n) for n in range(5)]
        return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [0, 2, 4, 6, 8]
