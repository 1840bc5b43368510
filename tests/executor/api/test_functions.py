"""Host functions: checked by their annotations, told apart by name, silent about the host."""

from __future__ import annotations

import asyncio
import contextvars
import enum
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue  # noqa: TC002 - annotations of host functions are read

from executor import Limits, Misuse, Outcome, Supervisor, Verdict
from executor.functions import without_paths

PATIENCE_S = 20


@dataclass
class Point:
    x: int
    y: int


class Colour(enum.Enum):
    RED = "r"


def call(supervisor: Supervisor, expression: str, *functions: Any, **named: Any) -> Outcome:
    offered = {f.__name__: f for f in functions} | named
    code = f"import host\ntry:\n    r = {expression}\nexcept Exception as e:\n    r = repr(e)\nr"
    return supervisor.run(code, functions=offered)


def test_a_guest_calls_a_host_function_with_all_kinds_of_arguments(supervisor: Supervisor) -> None:
    def join(a: int, b: str, *rest: float, flag: bool, **more: int) -> list[Any]:
        return [a, b, rest, flag, more]

    outcome = call(supervisor, "host.join(1, 'b', 2.0, 3.0, flag=True, c=4)", join)

    assert outcome.value == [1, "b", (2.0, 3.0), True, {"c": 4}]


def test_a_function_without_annotations_takes_what_comes(supervisor: Supervisor) -> None:
    def echo(*args, **kwargs):  # type: ignore[no-untyped-def]  # that is the point
        return args, kwargs

    outcome = call(supervisor, "host.echo(1, {'a': {2}}, b=b'x')", echo)

    assert outcome.value == ((1, {"a": {2}}), {"b": b"x"})


def test_a_function_is_called_by_the_name_it_was_given(supervisor: Supervisor) -> None:
    assert call(supervisor, "host.size([1, 2])", size=len).value == 2


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("host.area('3', 4)", "argument 'width': Input should be a valid integer"),
        ("host.area(3, 4.5)", "argument 'height'"),
        ("host.area(3, height=True)", "argument 'height': Input should be a valid integer"),
        ("host.area(3)", "argument 'height'"),
        ("host.area(3, 4, 5)", "Unexpected positional argument"),
        ("host.area(3, 4, depth=5)", "argument 'depth': Unexpected keyword argument"),
    ],
)
def test_an_argument_of_the_wrong_type_never_reaches_the_function(
    supervisor: Supervisor, expression: str, problem: str
) -> None:
    called = []

    def area(width: int, height: int) -> int:
        called.append(1)
        return width * height

    outcome = call(supervisor, expression, area)

    assert isinstance(outcome.value, str)
    assert problem in outcome.value
    assert not called


def test_a_result_of_the_wrong_type_never_reaches_the_guest(supervisor: Supervisor) -> None:
    def count() -> int:
        return "secret"  # type: ignore[return-value]  # that is the point

    outcome = call(supervisor, "host.count()", count)

    assert "result: Input should be a valid integer" in str(outcome.value)
    assert "secret" not in str(outcome.value)


def test_dataclasses_and_enums_come_as_instances_where_annotated(supervisor: Supervisor) -> None:
    seen: list[object] = []

    def move(point: Point, by: list[Point], colour: Colour) -> Point:
        seen.extend([point, by, colour])
        return Point(point.x + by[0].x, point.y + by[0].y)

    code = (
        "import host, enum\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n    y: int\n"
        "class Colour(enum.Enum):\n    RED = 'r'\n"
        "p = host.move(Point(1, 2), [Point(10, 20)], Colour.RED)\n(p.x, p.y)"
    )
    outcome = supervisor.run(code, functions=[move])

    assert outcome.value == (11, 22), outcome
    assert seen == [Point(1, 2), [Point(10, 20)], Colour.RED]


def test_a_dataclass_with_a_field_of_the_wrong_type_is_refused(supervisor: Supervisor) -> None:
    def move(point: Point) -> None:
        raise AssertionError("must not be called")

    code = (
        "import host\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: object\n    y: object\n"
        "try:\n    host.move(Point('1', 2))\nexcept TypeError as e:\n    r = str(e)\nr"
    )

    outcome = supervisor.run(code, functions=[move])

    assert "argument 'point'['x']: Input should be a valid integer" in str(outcome.value), outcome


def test_a_small_value_that_unfolds_without_end_is_refused_quickly(
    supervisor: Supervisor,
) -> None:
    def take(tree: JsonValue) -> None:
        raise AssertionError("must not be called")

    code = (
        "import host\ntree = []\nfor _ in range(60): tree = [tree, tree]\n"
        "try:\n    host.take(tree)\nexcept Exception as e:\n    r = str(e)\nr"
    )

    assert "unfold to more than" in str(supervisor.run(code, functions=[take]).value)


def test_an_error_goes_to_the_guest_by_name_and_text_alone(supervisor: Supervisor) -> None:
    class Unusual(Exception):
        pass

    def fail(how: str) -> None:
        if how == "builtin":
            raise KeyError("no such key")
        raise Unusual("out of order")

    code = (
        "import host, traceback\nseen = []\n"
        "for how in ('builtin', 'own'):\n"
        "    try:\n        host.fail(how)\n"
        "    except Exception as e:\n"
        "        seen.append((type(e).__name__, str(e), traceback.format_exc()))\nseen"
    )

    outcome = supervisor.run(code, functions=[fail])

    assert isinstance(outcome.value, list)
    builtin, own = outcome.value
    assert builtin[0] == "KeyError"
    assert "no such key" in builtin[1]
    assert "out of order" in own[1]
    assert "Unusual" in own[0] + own[1]
    for text in (*builtin, *own):
        assert "test_functions" not in text
        assert str(Path(__file__).parent) not in text


def test_no_path_of_the_host_goes_with_an_error(supervisor: Supervisor, tmp_path: Path) -> None:
    def read() -> str:
        return (tmp_path / "secret.txt").read_text()

    def tell() -> str:
        raise RuntimeError(f"cannot parse {tmp_path}/secret.txt, GET /v1/users failed")

    told = str(call(supervisor, "host.read()", read).value)
    assert "No such file" in told
    assert "secret.txt" not in told
    told = str(call(supervisor, "host.tell()", tell).value)
    assert str(tmp_path) not in told
    assert "secret.txt, GET /v1/users failed" in told


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see /etc/ssl/private/key.pem!", "see …/key.pem!"),
        ("'/usr/lib/x'", "'…/x'"),
        ("/usr/lib", "…/lib"),
        ("http://host/usr/lib/x", "http://host/usr/lib/x"),
        ("GET /nonsense/users/3", "GET /nonsense/users/3"),
        ("1/2 and 3 / 4", "1/2 and 3 / 4"),
        ("a/usr/lib", "a/usr/lib"),
    ],
)
def test_only_paths_of_this_machine_are_shortened(text: str, clean: str) -> None:
    assert without_paths(text) == clean


def test_a_function_that_is_not_offered_is_an_attribute_error(supervisor: Supervisor) -> None:
    def known() -> None:
        """Do nothing."""

    assert "AttributeError" in str(call(supervisor, "host.unknown()", known).value)


def test_a_result_that_cannot_cross_is_an_error_of_the_guest(supervisor: Supervisor) -> None:
    def leak():  # type: ignore[no-untyped-def]  # annotations would refuse it earlier
        return [threading.Lock()]

    told = str(call(supervisor, "host.leak()", leak).value)

    assert "TypeError" in told
    assert "result[0]" in told


def test_large_values_cross_in_host_calls(supervisor: Supervisor) -> None:
    def flip(data: bytes) -> bytes:
        return data[::-1]

    outcome = supervisor.run(
        "import host\nhost.flip(b'ab' * 500_000) == b'ba' * 500_000", functions=[flip]
    )

    assert outcome.value is True


@pytest.mark.parametrize(("calls", "verdict"), [(3, Verdict.OK), (4, Verdict.HOST_CALLS)])
def test_host_calls_are_limited(supervisor: Supervisor, calls: int, verdict: Verdict) -> None:
    done = []

    outcome = supervisor.run(
        f"import host\nfor _ in range({calls}): host.note()",
        functions={"note": lambda: done.append(1)},
        limits={"host_calls": 3},
    )

    assert outcome.verdict is verdict
    assert len(done) == 3


def test_a_slow_function_stalls_no_other_run(supervisor: Supervisor) -> None:
    gate = threading.Event()

    def slow() -> None:
        gate.wait(PATIENCE_S)

    def quick() -> int:
        return 1

    code = "import host\nhost.{}()"
    handle = supervisor.start(code.format("slow"), functions=[slow])

    assert supervisor.run(code.format("quick"), functions=[quick]).value == 1
    gate.set()
    assert handle.result(PATIENCE_S).ok


def test_a_deadline_holds_while_the_guest_waits_for_the_host(supervisor: Supervisor) -> None:
    gate = threading.Event()

    outcome = supervisor.run(
        "import host\nhost.slow()",
        functions={"slow": lambda: gate.wait(PATIENCE_S)},
        limits=Limits(wall_s=0.2),
    )
    gate.set()

    assert outcome.verdict is Verdict.TIMEOUT


def test_a_function_sees_the_callers_context(supervisor: Supervisor) -> None:
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")

    assert call(supervisor, "host.who()", who=lambda: user.get()).value == "ada"


# --- async ---------------------------------------------------------------------------------------
async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def test_an_async_function_serves_a_synchronous_caller(supervisor: Supervisor) -> None:
    assert call(supervisor, "[host.double(n) for n in range(3)]", double).value == [0, 2, 4]


def test_an_async_function_runs_on_the_loop_of_an_async_caller(supervisor: Supervisor) -> None:
    async def where() -> int:
        return id(asyncio.get_running_loop())

    async def main() -> bool:
        outcome = await supervisor.arun("import host\nhost.where()", functions=[where])
        return outcome.value == id(asyncio.get_running_loop())

    assert asyncio.run(main())


def test_an_async_function_is_checked_like_any_other(supervisor: Supervisor) -> None:
    async def wrong() -> int:
        return "x"  # type: ignore[return-value]  # that is the point

    assert "argument 'n'" in str(call(supervisor, "host.double('1')", double).value)
    assert "result: Input should be" in str(call(supervisor, "host.wrong()", wrong).value)


def test_an_error_of_an_async_function_goes_to_the_guest(supervisor: Supervisor) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    assert call(supervisor, "host.fail()", fail).value == "ValueError('no')"


@pytest.mark.parametrize("ended_by", ["deadline", "cancel"])
def test_an_async_function_is_cancelled_with_its_run(supervisor: Supervisor, ended_by: str) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def wait_for_ever() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    limits = Limits(wall_s=0.2 if ended_by == "deadline" else 20)
    handle = supervisor.start(
        "import host\nhost.wait_for_ever()", functions=[wait_for_ever], limits=limits
    )
    assert began.wait(PATIENCE_S)
    if ended_by == "cancel":
        handle.cancel()

    assert cancelled.wait(PATIENCE_S)
    wanted = Verdict.TIMEOUT if ended_by == "deadline" else Verdict.CANCELLED
    assert handle.result(PATIENCE_S).verdict is wanted


def test_an_async_function_is_cancelled_with_the_await_of_its_run(
    supervisor: Supervisor,
) -> None:
    async def main() -> bool:
        began, cancelled = asyncio.Event(), asyncio.Event()

        async def wait_for_ever() -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        task = asyncio.create_task(
            supervisor.arun("import host\nhost.wait_for_ever()", functions=[wait_for_ever])
        )
        await began.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(cancelled.wait(), PATIENCE_S)
        return True

    assert asyncio.run(main())


# --- definitions ---------------------------------------------------------------------------------
def test_an_annotation_that_does_not_resolve_is_refused_at_once() -> None:
    def odd(x: Nonsense) -> None:  # type: ignore[name-defined]  # noqa: F821 - that is the point
        """Do nothing."""

    with pytest.raises(Misuse, match="annotations name 'Nonsense'"):
        Supervisor(functions=[odd])


def test_methods_and_callable_objects_may_be_offered(supervisor: Supervisor) -> None:
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def add(self, by: int) -> int:
            self.n += by
            return self.n

        def __call__(self, by: int) -> int:
            return self.add(by)

    counter = Counter()

    outcome = call(
        supervisor, "[host.add(1), host.obj(2), host.add('3')]", add=counter.add, obj=counter
    )

    assert "argument 'by'" in str(outcome.value)
    assert counter.n == 3
