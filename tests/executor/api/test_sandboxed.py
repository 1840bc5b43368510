"""Functions shipped by their source: they stand alone or are refused, and their calls are typed."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

import pytest

from executor import GuestError, Misuse, ResultMismatch, Supervisor, Verdict
from executor.source import source_of

SCALE = 3


@dataclass
class Box:
    width: float
    height: float


@dataclass
class Named:
    name: str
    boxes: list[Box]


def area(width: float, height: float = 1.0) -> float:
    return width * height


def largest(shapes: list[Named]) -> Named:
    return max(shapes, key=lambda s: sum(b.width * b.height for b in s.boxes))


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def wrong() -> int:
    return "not a number"  # type: ignore[return-value]  # that is the point


def fail(n: int) -> int:
    numbers = [1, 2]
    return numbers[n]


def banner() -> str:
    return """first
    second
"""


def test_a_function_runs_in_a_sandbox_and_gives_its_result(supervisor: Supervisor) -> None:
    shipped = supervisor.sandboxed(area)

    assert shipped(2.0, height=4.5) == 9.0
    assert shipped(2.0) == 2.0
    assert shipped.outcome(2, 3).value == 6.0
    assert shipped.__name__ == "area"


def test_the_decorator_takes_options(supervisor: Supervisor) -> None:
    @supervisor.sandboxed(limits={"wall_s": 0.2})
    def spin() -> None:
        while True:
            pass

    assert spin.outcome().verdict is Verdict.TIMEOUT
    with pytest.raises(GuestError, match="timeout"):
        spin()


def test_a_function_may_call_itself(supervisor: Supervisor) -> None:
    assert supervisor.sandboxed(fibonacci)(10) == 55


def test_dataclasses_go_in_and_come_back_as_instances(supervisor: Supervisor) -> None:
    shapes = [Named("a", [Box(1.0, 1.0)]), Named("b", [Box(2.0, 2.0), Box(1.0, 1.0)])]

    assert supervisor.sandboxed(largest)(shapes) == shapes[1]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("2",), "argument 'width': Input should be a valid number"),
        ((), "argument 'width'"),
        ((1.0, 2.0, 3.0), "Unexpected positional argument"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_here(
    supervisor: Supervisor, args: tuple[Any, ...], problem: str
) -> None:
    with pytest.raises(Misuse) as caught:
        supervisor.sandboxed(area)(*args)

    assert caught.value.argument == "area()"
    assert problem in caught.value.problem


def test_a_result_that_does_not_fit_is_refused(supervisor: Supervisor) -> None:
    with pytest.raises(ResultMismatch, match=r"wrong\(\) returned result: Input should be"):
        supervisor.sandboxed(wrong)()


def test_a_guests_traceback_points_into_the_users_own_file(supervisor: Supervisor) -> None:
    line = fail.__code__.co_firstlineno + 2

    with pytest.raises(GuestError) as caught:
        supervisor.sandboxed(fail)(5)

    assert caught.value.name == "IndexError"
    assert f'File "test_sandboxed.py", line {line}, in fail' in caught.value.traceback
    assert "return numbers[n]" in caught.value.traceback


def test_strings_over_several_lines_keep_their_text(supervisor: Supervisor) -> None:
    def inner() -> str:
        return """first
        second
"""

    assert supervisor.sandboxed(banner)() == banner()
    assert supervisor.sandboxed(inner)() == inner()


def test_an_async_caller_waits_without_blocking(supervisor: Supervisor) -> None:
    shipped = supervisor.sandboxed(area)

    async def main() -> tuple[float, list[float]]:
        return await shipped.acall(2.0, 3.0), [x async for x in shipped.amap([1.0, 2.0])]

    assert asyncio.run(main()) == (6.0, [1.0, 2.0])


def test_a_function_is_mapped_over_many_items(supervisor: Supervisor) -> None:
    shipped = supervisor.sandboxed(fibonacci)

    assert list(shipped.map(range(8))) == [0, 1, 1, 2, 3, 5, 8, 13]
    with pytest.raises(GuestError, match="IndexError"):
        list(supervisor.sandboxed(fail).map([0, 7, 1]))


# --- what is refused -----------------------------------------------------------------------------
def uses_module(x: float) -> float:
    return math.sqrt(x)


def uses_constant() -> int:
    return SCALE


def uses_other() -> float:
    return (lambda: area(1.0))()


def uses_nothing_known() -> None:
    nonsense()  # type: ignore[name-defined]  # noqa: F821 - that is the point


def default_of_global(x: int = SCALE) -> int:
    return x


async def asynchronous() -> None:
    """Do nothing."""


def generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (uses_module, "needs the global 'math'.*import it inside the function: import math"),
        (uses_constant, "needs the global 'SCALE'.*pass it as an argument"),
        (uses_other, "needs the global 'area'"),
        (uses_nothing_known, "needs the global 'nonsense'.*no such name"),
        (default_of_global, "a default needs the global 'SCALE'"),
        (asynchronous, "is async"),
        (generator, "is a generator"),
        (len, "plain function"),
        (Box, "plain function"),
        (lambda: 1, "not a lambda"),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_a_function_that_cannot_stand_alone_is_refused_where_it_is_defined(
    supervisor: Supervisor, function: Any, problem: str
) -> None:
    with pytest.raises(Misuse, match=problem):
        supervisor.sandboxed(function)


def test_a_closure_is_refused_with_the_name_it_closes_over(supervisor: Supervisor) -> None:
    secret = 3

    def closes() -> int:
        return secret

    with pytest.raises(Misuse, match="closes over 'secret'"):
        supervisor.sandboxed(closes)


def test_what_a_function_imports_and_defines_itself_is_its_own(supervisor: Supervisor) -> None:
    @supervisor.sandboxed
    def root(x: float) -> float:
        import math as m

        class Helper:
            factor = 1
            doubled = factor * 2

            def root(self, y: float) -> float:
                return m.sqrt(y) * self.doubled / 2

        return Helper().root(x)

    assert root(9.0) == 3.0


def test_a_source_that_is_not_to_be_found_is_refused() -> None:
    scope: dict[str, Any] = {}
    exec("def made(): return 1", scope)

    with pytest.raises(Misuse, match="not to be found"):
        source_of(scope["made"])


@pytest.mark.parametrize("name", ["inputs", "result", "mode", "module", "filename"])
def test_an_option_that_the_call_itself_needs_is_refused(supervisor: Supervisor, name: str) -> None:
    with pytest.raises(Misuse, match=name):
        supervisor.sandboxed(**{name: ""})(area)  # type: ignore[call-overload]  # one of five names
