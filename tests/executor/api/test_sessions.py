"""Sessions: state that stays between runs, and is never lost in silence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from executor import Closed, Limits, Misuse, SessionLost, Supervisor, Verdict

PATIENCE_S = 20


def test_state_stays_from_one_run_to_the_next(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("import math\nx = 20")
        session.run("def f(n): return n + x")

        assert session.run("f(22) + math.floor(0.5)").value == 42


def test_an_exception_leaves_the_state_as_it_is(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("x = 1")

        assert session.run("x = 2\n1 / 0").verdict is Verdict.EXCEPTION
        assert session.run("x").value == 2


def test_sessions_are_apart_from_each_other_and_from_runs(supervisor: Supervisor) -> None:
    with supervisor.session() as one, supervisor.session() as two:
        one.run("import builtins\nbuiltins.mark = x = 1")

        for run in (two.run, supervisor.run):
            assert run("'x' in globals(), hasattr(__builtins__, 'mark')").value == (False, False)


def test_reset_rolls_back_to_a_fresh_sandbox(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("import builtins\nbuiltins.mark = x = 1\nopen('left', 'w').close()")

        session.reset()

        code = (
            "import os\n('x' in globals(), hasattr(__builtins__, 'mark'), os.path.exists('left'))"
        )
        assert session.run(code).value == (False, False, False)


def test_reset_of_a_new_session_is_harmless(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.reset()

        assert session.run("1").value == 1


def test_a_run_that_ends_its_sandbox_loses_the_session_and_says_so(
    supervisor: Supervisor,
) -> None:
    with supervisor.session(limits={"wall_s": 0.3}) as session:
        session.run("x = 1")
        assert session.run("while True: pass").verdict is Verdict.TIMEOUT

        for _ in range(2):
            with pytest.raises(SessionLost):
                session.run("x")
        session.reset()

        assert session.run("'x' in globals()").value is False


def test_a_lost_session_is_found_out_by_runs_that_were_already_waiting(
    supervisor: Supervisor,
) -> None:
    with supervisor.session(limits={"wall_s": 0.3}) as session:
        session.run("x = 1")
        first = session.start("while True: pass")
        second = session.start("x = globals().get('x', 'lost')\nx")

        assert first.result(PATIENCE_S).verdict is Verdict.TIMEOUT
        with pytest.raises(SessionLost):
            second.result(PATIENCE_S)


def test_what_a_session_is_given_holds_for_all_of_its_runs(supervisor: Supervisor) -> None:
    said: list[str] = []
    with supervisor.session(
        env={"A": "1"},
        functions={"f": lambda: 7},
        on_stdout=said.append,
        filename="cell.py",
        limits=Limits(host_calls=5),
    ) as session:
        for _ in range(2):
            code = "import host, os\nprint('x')\n(os.environ['A'], host.f(), __file__)"
            assert session.run(code).value == ("1", 7, "cell.py")
        assert session.run("import os\nos.environ['A']", env={"A": "2"}).value == "2"

    assert said == ["x\n", "x\n"]


def test_a_mount_belongs_to_the_session(supervisor: Supervisor, tmp_path: Path) -> None:
    with supervisor.session(mounts=[f"{tmp_path}:/data"]) as session:
        session.run("file = open('/data/a', 'w')\nfile.write('1')")
        session.run("file.write('2')\nfile.close()")

        with pytest.raises(Misuse, match="mounts"):
            session.run("1", mounts=[f"{tmp_path}:/other"])

    assert (tmp_path / "a").read_text() == "12"


@pytest.mark.parametrize(
    "limits", [{"fuel": 10**9}, {"memory_bytes": "512MB"}], ids=["fuel", "memory"]
)
def test_a_run_cannot_need_another_sandbox_than_its_session_has(
    supervisor: Supervisor, limits: dict[str, Any]
) -> None:
    with supervisor.session() as session:
        session.run("x = 1")

        with pytest.raises(Misuse, match="share one sandbox"):
            session.run("x", limits=limits)
        assert session.run("x", limits={"memory_bytes": "64MiB"}).value == 1


def test_a_program_cannot_run_in_a_session(supervisor: Supervisor) -> None:
    with supervisor.session() as session, pytest.raises(Misuse, match="module"):
        session.run("", module=b"")


def test_a_closed_session_takes_no_runs(supervisor: Supervisor) -> None:
    session = supervisor.session()
    session.run("1")
    session.close()
    session.close()

    with pytest.raises(Closed):
        session.run("1")
    with pytest.raises(Closed):
        session.reset()


def test_large_inputs_of_a_session_are_its_own(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        for at in range(3):
            data = bytes([at]) * 500_000
            assert session.run("len(data), data[:1], data[-1:]", inputs={"data": data}).value == (
                500_000,
                bytes([at]),
                bytes([at]),
            )


def test_runs_of_a_session_go_one_after_another(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("seen = []")
        handles = [session.start(f"seen.append({n})\nlen(seen)") for n in range(20)]

        assert [handle.result(PATIENCE_S).value for handle in handles] == list(range(1, 21))


def test_a_session_serves_async_callers_too(supervisor: Supervisor) -> None:
    async def main() -> object:
        async with supervisor.session() as session:
            await session.arun("x = 41")
            return (await session.arun("x + 1")).value

    assert asyncio.run(main()) == 42


def test_cancelling_an_await_loses_the_session(supervisor: Supervisor) -> None:
    async def main() -> None:
        async with supervisor.session() as session:
            await session.arun("x = 1")
            began = asyncio.Event()
            task = asyncio.create_task(
                session.arun(
                    "print('on', flush=True)\nwhile True: pass", on_stdout=lambda _: began.set()
                )
            )
            await began.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with pytest.raises(SessionLost):
                await session.arun("x")
            session.reset()
            assert (await session.arun("'x' in globals()")).value is False

    asyncio.run(main())
