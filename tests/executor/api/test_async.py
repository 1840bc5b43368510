"""The async twins: they wait without blocking, and cancelling an await ends its run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from executor import Misuse, RunHandle, Supervisor, Verdict

PATIENCE_S = 20
LOOP_FOR_EVER = "print('on', flush=True)\nwhile True: pass"


def run[T](main: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        return await asyncio.wait_for(main, PATIENCE_S)

    return asyncio.run(bounded())


def test_many_runs_go_on_at_once_on_one_event_loop(supervisor: Supervisor) -> None:
    async def main() -> list[object]:
        outcomes = await asyncio.gather(
            *(supervisor.arun("n * n", inputs={"n": n}) for n in range(20))
        )
        return [outcome.value for outcome in outcomes]

    assert run(main()) == [n * n for n in range(20)]


def test_callbacks_are_called_on_the_callers_event_loop(supervisor: Supervisor) -> None:
    threads = set()

    async def main() -> None:
        await supervisor.arun(
            "print('x')", on_stdout=lambda _: threads.add(threading.current_thread())
        )

    run(main())

    assert threads == {threading.main_thread()}


def test_an_error_of_a_callback_is_raised_by_the_await(supervisor: Supervisor) -> None:
    def refuse(text: str) -> None:
        raise LookupError(text)

    async def main() -> None:
        await supervisor.arun(LOOP_FOR_EVER, on_stdout=refuse)

    with pytest.raises(LookupError, match="on"):
        run(main())


def test_bad_input_is_raised_by_the_await(supervisor: Supervisor) -> None:
    async def main() -> None:
        await supervisor.arun("1", env={"A=": ""})

    with pytest.raises(Misuse):
        run(main())


def test_cancelling_an_await_returns_and_frees_the_cell() -> None:
    async def main() -> tuple[float, object]:
        async with Supervisor(cells=1) as small:
            began = asyncio.Event()
            task = asyncio.create_task(small.arun(LOOP_FOR_EVER, on_stdout=lambda _: began.set()))
            await began.wait()
            at = time.perf_counter()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.perf_counter() - at, (await small.arun("1")).value

    _, value = run(main())

    assert value == 1


def test_cancelling_an_await_in_the_queue_frees_its_place() -> None:
    async def main() -> object:
        async with Supervisor(cells=1, queue_max=1) as small:
            began = asyncio.Event()
            first = asyncio.create_task(small.arun(LOOP_FOR_EVER, on_stdout=lambda _: began.set()))
            await began.wait()
            second = asyncio.create_task(small.arun("2"))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            third = asyncio.create_task(small.arun("3"))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            return (await third).value

    assert run(main()) == 3


def test_a_handle_can_be_awaited(supervisor: Supervisor) -> None:
    async def main() -> list[object]:
        handles = [supervisor.start("n", inputs={"n": n}) for n in range(5)]
        watched = supervisor.start("print(5)\n5", on_stdout=lambda _: None)
        return [(await handle).value for handle in (*handles, watched)]

    assert run(main()) == [0, 1, 2, 3, 4, 5]


def test_a_handle_can_be_awaited_after_its_run_has_ended(supervisor: Supervisor) -> None:
    handle = supervisor.start("7")
    handle.result(PATIENCE_S)

    async def main() -> object:
        return (await handle).value

    assert run(main()) == 7


def test_cancelling_the_await_of_a_handle_cancels_its_run(supervisor: Supervisor) -> None:
    handles: list[RunHandle] = []

    async def main() -> None:
        loop, began = asyncio.get_running_loop(), asyncio.Event()
        handle = supervisor.start(
            LOOP_FOR_EVER, on_stdout=lambda _: loop.call_soon_threadsafe(began.set)
        )
        handles.append(handle)

        async def wait() -> None:
            await handle

        task = asyncio.create_task(wait())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())

    assert handles[0].result(PATIENCE_S).verdict is Verdict.CANCELLED


def test_the_event_loop_goes_on_while_a_supervisor_opens_and_closes() -> None:
    async def main() -> int:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(beat())
        async with Supervisor(cells=1) as small:
            assert (await small.arun("1")).value == 1
            opened = beats
        task.cancel()
        return min(opened, beats - opened)

    assert run(main()) > 0


def test_an_event_loop_that_closes_before_its_run_ends_harms_nobody(
    supervisor: Supervisor,
) -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(supervisor.arun("print('x')\n1"))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()

    assert supervisor.run("2").value == 2
