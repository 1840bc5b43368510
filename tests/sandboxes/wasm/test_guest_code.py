"""How source becomes code and a value, and how an exception becomes text."""

from __future__ import annotations

import linecache
import sys
import traceback
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sandboxes.guest import cells, failures, wire


def value_of(source: str) -> object:
    namespace: dict[str, Any] = {}
    cells.run_code(cells.compile_cell(source, "cell.py"), namespace)
    return namespace.get(cells.VALUE, "none")


def failure_of(source: str, *, mode: str = "cell") -> wire.Failure:
    compile_ = cells.compile_cell if mode == "cell" else cells.compile_script
    linecache.cache["cell.py"] = (lambda: source,)
    try:
        cells.run_code(compile_(source, "cell.py"), {"__name__": "__main__"})
    except BaseException as error:  # noqa: BLE001 - all kinds are looked at
        here = sys.exc_info()[2]
        assert here is not None
        return failures.failure_of(BaseException.with_traceback(error, here.tb_next))
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 1", 2),
        ("x = 2\nx * 3", 6),
        ("x = 2\nx * 3;", 6),
        ("'text'", "text"),
        ("x = 2", "none"),
        ("if True:\n    5", "none"),
        ("", "none"),
        ("# nothing", "none"),
        ("(y := 4)", 4),
        ("def f():\n    return 7\nf()", 7),
        ("await __import__('asyncio').sleep(0, 9)", 9),
    ],
)
def test_the_value_of_a_cell_is_that_of_its_last_expression(source: str, value: object) -> None:
    assert value_of(source) == value


def test_a_cell_sees_its_own_future_imports_and_none_of_ours() -> None:
    with pytest.raises(NameError):
        value_of("def f(x: undefined_name): pass\nf.__annotations__")
    assert value_of("from __future__ import annotations\ndef f(x: nope): pass\n1") == 1


@pytest.mark.parametrize("mode", ["cell", "script"])
def test_a_traceback_is_what_python_prints_for_the_file(mode: str) -> None:
    failure = failure_of("def f(n):\n    return 1 / n\n\nf(0)\n", mode=mode)

    assert failure.name == "ZeroDivisionError"
    assert failure.message == "division by zero"
    assert failure.traceback == (
        "Traceback (most recent call last):\n"
        '  File "cell.py", line 4, in <module>\n'
        "    f(0)\n"
        "    ~^^^\n"
        '  File "cell.py", line 2, in f\n'
        "    return 1 / n\n"
        "           ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
    )


@pytest.mark.parametrize(
    "source",
    [
        "1 / 0",
        "await f()",
        "import asyncio\nasync def f():\n    1 / 0\nawait f()",
        "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError from e",
        "try:\n    1 / 0\nexcept Exception:\n    undefined",
        "raise ExceptionGroup('g', [ValueError(1), ExceptionGroup('h', [TypeError()])])",
        "def f(): f()\nf()",
        "x = (",
        "return 5",
        "class E(Exception):\n    def __str__(self): raise self\nraise E",
    ],
)
def test_no_frame_of_ours_is_in_a_traceback(source: str) -> None:
    text = failure_of(source).traceback

    assert "sandboxes" not in text
    assert "asyncio" not in text
    assert 'File "cell.py", line ' in text


def test_a_syntax_error_shows_its_line_and_no_stack() -> None:
    assert failure_of("x = (").traceback == (
        '  File "cell.py", line 1\n'
        "    x = (\n"
        "        ^\n"
        "SyntaxError: '(' was never closed\n"
    )  # fmt: skip
    assert "    return 5\n" in failure_of("return 5").traceback


def test_a_chain_and_a_group_are_shown_whole() -> None:
    chained = failure_of(
        "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('v') from e"
    )
    assert "ZeroDivisionError" in chained.traceback
    assert traceback._cause_message in chained.traceback  # type: ignore[attr-defined]

    group = failure_of("raise ExceptionGroup('g', [ValueError(1), TypeError('x')])")
    assert group.message == "g (2 sub-exceptions)"
    assert "TypeError: x" in group.traceback


def test_deep_recursion_gives_a_short_traceback() -> None:
    failure = failure_of("def f(): f()\nf()")

    assert failure.name == "RecursionError"
    assert "times]" in failure.traceback
    assert len(failure.traceback) < 2_000


HOSTILE = {
    "text that raises": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
    "text that recurses": "class E(Exception):\n    def __str__(self): return str(self)\nraise E",
    "text that is no text": "class E(Exception):\n    def __str__(self): return 5\nraise E",
    "another class": "class E(Exception):\n    __class__ = property(lambda s: int)\nraise E",
    "a name that is none": (
        "class M(type):\n    def __getattribute__(c, name): return 5\n"
        "class E(Exception, metaclass=M): pass\nraise E"
    ),
    "a module that is none": "class E(Exception):\n    __module__ = 5\nraise E",
    "every attribute": (
        "class E(Exception):\n"
        "    def __getattribute__(self, name): raise SystemExit(name)\n"
        "raise E('m')"
    ),
    "itself as its cause": "e = ValueError('m')\ne.__cause__ = e\nraise e",
    "a ring of causes": (
        "a, b = ValueError('a'), ValueError('b')\na.__cause__ = b\nb.__cause__ = a\nraise a"
    ),
    "notes that raise": (
        "class N:\n    def __str__(self): raise SystemExit\n"
        "e = ValueError('m')\ne.__notes__ = [N()]\nraise e"
    ),
    "notes that are none": "e = ValueError('m')\ne.__notes__ = 5\nraise e",
    "a syntax error of its own": (
        "e = SyntaxError('m', ('f', 1e9, 'x', object(), 5, 5))\ne.text = 5\ne.msg = 5\nraise e"
    ),
    "no memory to speak": "raise MemoryError",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_exception_is_still_told(source: str) -> None:
    failure = failure_of(source)

    assert failure.name in {"E", "ValueError", "SyntaxError", "MemoryError"}
    assert 'File "cell.py", line ' in failure.traceback
    assert "sandboxes" not in failure.traceback


def test_a_huge_message_is_cut_to_the_caps() -> None:
    failure = failure_of("raise ValueError('a' * 2_000_000)")

    assert len(failure.message) == wire.ERROR_MESSAGE_CHARS_MAX
    assert len(failure.traceback) == wire.ERROR_TRACEBACK_CHARS_MAX
    assert failure.traceback.startswith("Traceback (most recent call last):\n")
    assert "characters cut" in failure.message


def test_a_huge_name_is_cut_to_its_cap() -> None:
    failure = failure_of("raise type('N' * 1_000, (Exception,), {})")

    assert failure.name == "N" * wire.ERROR_NAME_CHARS_MAX


@given(st.text(max_size=400), st.integers(100, 300))
def test_clipped_text_fits_and_keeps_both_ends(text: str, chars_max: int) -> None:
    clipped = failures.clip(text, chars_max)

    assert len(clipped) <= chars_max
    if len(text) <= chars_max:
        assert clipped == text
    else:
        assert text.startswith(clipped[:10])
        assert text.endswith(clipped[-10:])
