"""Batches: every input has its outcome, a bounded number is in flight, leaving early cancels."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from executor import Limits, Misuse, Supervisor, Verdict

PATIENCE_S = 20


def test_outcomes_come_in_the_order_of_the_inputs(supervisor: Supervisor) -> None:
    inputs = [{"n": n} for n in range(30)]

    assert [o.value for o in supervisor.map("n * n", inputs)] == [n * n for n in range(30)]


def test_outcomes_come_as_they_end_where_order_does_not_count(supervisor: Supervisor) -> None:
    gate = threading.Event()
    code = "import host\nif n == 0: host.wait()\nn"
    outcomes = supervisor.map(
        code,
        ({"n": n} for n in range(10)),
        ordered=False,
        functions={"wait": lambda: gate.wait(PATIENCE_S)},
    )

    first = [next(outcomes).value for _ in range(9)]
    gate.set()

    assert sorted(str(n) for n in first) == [str(n) for n in range(1, 10)]
    assert [o.value for o in outcomes] == [0]


def test_a_failing_run_is_one_outcome_among_others(supervisor: Supervisor) -> None:
    outcomes = supervisor.map("1 / n", [{"n": 1}, {"n": 0}, {"n": 2}])

    assert [o.verdict for o in outcomes] == [Verdict.OK, Verdict.EXCEPTION, Verdict.OK]


def test_no_inputs_give_no_outcomes(supervisor: Supervisor) -> None:
    assert list(supervisor.map("1", [])) == []
    assert list(supervisor.map("1", [], ordered=False)) == []


@pytest.mark.parametrize("ordered", [True, False])
def test_an_endless_source_is_asked_only_as_far_as_runs_are_taken(
    supervisor: Supervisor, ordered: bool
) -> None:
    asked = 0

    def source() -> Iterator[dict[str, object]]:
        nonlocal asked
        for n in itertools.count():
            asked += 1
            yield {"n": n}

    outcomes = supervisor.map("n", source(), ordered=ordered)
    for taken in range(1, 5):
        next(outcomes)
        assert asked <= taken + supervisor.in_flight
    outcomes.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("ordered", [True, False])
def test_leaving_early_cancels_what_is_in_flight(ordered: bool) -> None:
    began = threading.Event()
    code = "import host\nif n: host.began()\nwhile n: pass\nn"
    with Supervisor(cells=1, limits=Limits(wall_s=PATIENCE_S)) as small:
        outcomes = small.map(
            code, [{"n": 0}, {"n": 1}, {"n": 2}], ordered=ordered, functions={"began": began.set}
        )
        assert next(outcomes).value == 0
        assert began.wait(PATIENCE_S)

        outcomes.close()  # type: ignore[attr-defined]  # a generator

        assert small.run("1", queue_timeout_s=PATIENCE_S / 2).value == 1


def test_leaving_an_async_batch_early_cancels_what_is_in_flight() -> None:
    async def main() -> object:
        async with Supervisor(cells=1, limits=Limits(wall_s=PATIENCE_S)) as small:
            outcomes = small.amap("while n: pass", ({"n": n} for n in range(9)))
            async for _ in outcomes:
                break
            await outcomes.aclose()  # type: ignore[attr-defined]  # a generator
            return (await small.arun("1", queue_timeout_s=PATIENCE_S / 2)).value

    assert asyncio.run(main()) == 1


def test_bad_inputs_are_raised_where_they_are_reached(supervisor: Supervisor) -> None:
    outcomes = supervisor.map("n", [{"n": 1}, {"n": object()}])

    with pytest.raises(Misuse, match=r"inputs\['n'\]"):
        list(outcomes)


def test_an_error_of_the_source_is_raised(supervisor: Supervisor) -> None:
    def source() -> Iterator[dict[str, object]]:
        yield {"n": 1}
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(supervisor.map("n", source()))


@pytest.mark.parametrize("ordered", [True, False])
def test_an_async_batch_does_not_block_its_event_loop(
    supervisor: Supervisor, ordered: bool
) -> None:
    async def main() -> list[object]:
        inputs = ({"n": n} for n in range(20))
        return [o.value async for o in supervisor.amap("n", inputs, ordered=ordered)]

    values = asyncio.run(main())

    assert (values if ordered else sorted(map(str, values), key=int)) == (
        list(range(20)) if ordered else [str(n) for n in range(20)]
    )
