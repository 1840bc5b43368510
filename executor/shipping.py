"""A callable as code for a sandbox: by reference to a module that is there, or by its source.

    "reference"   the guest imports the module and takes the name: with all that it needs
    "source"      the text of a plain function goes along; see `executor.source`
    "auto"        by reference where every guest has the module, else by source

Rule: a callable that cannot be shipped is refused when it is handed over, not when it is called.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Collection
from typing import Any, Final, Literal, NamedTuple

from executor.errors import Misuse
from executor.source import source_of

type Ship = Literal["auto", "reference", "source"]

SHIPS: Final = ("auto", "reference", "source")
_ARGS: Final = "_cellblock_args"
_KWARGS: Final = "_cellblock_kwargs"


class Call(NamedTuple):
    """One run that calls a function: its code, its inputs, what tracebacks call it."""

    code: str
    inputs: dict[str, object]
    filename: str


class Shipped(NamedTuple):
    """A callable that is ready to go.

    `text` comes before the call, `expression` is the callable in it, `args` and `kwargs` were bound
    by `functools.partial`.
    """

    text: str
    expression: str
    filename: str
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = {}  # noqa: RUF012 - never changed

    def call(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Call:
        """Return the run for one call."""
        inputs: dict[str, object] = {
            _ARGS: [*self.args, *args],
            _KWARGS: {**self.kwargs, **kwargs},
        }
        code = f"{self.text}{self.expression}(*{_ARGS}, **{_KWARGS})\n"
        return Call(code, inputs, self.filename)

    def calls(self, each: list[tuple[object, ...]]) -> Call:
        """Return the run for many calls, one after another; its value is a list of results."""
        inputs: dict[str, object] = {
            _ARGS: [[*self.args, *args] for args in each],
            _KWARGS: self.kwargs,
        }
        code = f"{self.text}[{self.expression}(*args, **{_KWARGS}) for args in {_ARGS}]\n"
        return Call(code, inputs, self.filename)


def shipped(function: Callable[..., Any] | str, ship: Ship, known: Collection[str] = ()) -> Shipped:
    """Return a callable as code.

    Args:
        function: a callable, or "module:name" for one that only the sandbox can import.
        ship: see the module.
        known: modules beside the standard library that every guest has.

    Raises:
        Misuse: it cannot be shipped so; the text says what to do.
    """
    if isinstance(function, str):
        module, _, name = function.partition(":")
        if not _is_dotted(module) or not _is_dotted(name):
            raise Misuse("function", f'write "module:name", not {function[:80]!r}')
        return _by_reference(module, name)
    if isinstance(function, functools.partial):
        inner = shipped(function.func, ship, known)
        args, kwargs = (*inner.args, *function.args), {**inner.kwargs, **function.keywords}
        return inner._replace(args=args, kwargs=kwargs)
    if not callable(function):
        raise Misuse("function", f"must be callable, not {type(function).__name__}")
    label = f"function({_name_of(function)})"
    if ship == "auto":
        top = (_module_of(function) or "").partition(".")[0]
        everywhere = top in sys.stdlib_module_names or top in known
        ship = "reference" if everywhere and top != "__main__" else "source"
    if ship == "source":
        source = source_of(function)
        return Shipped(f"{source.text}\n", source.name, source.filename)
    return _by_reference(*_reference_to(function, label))


def _by_reference(module: str, name: str) -> Shipped:
    expression = f"__import__('importlib').import_module({module!r}).{name}"
    return Shipped("", expression, f"{module.rpartition('.')[2]}.py")


def _reference_to(function: Callable[..., Any], label: str) -> tuple[str, str]:
    module, name = _module_of(function), _name_of(function)
    if module is None or not _is_dotted(module) or not _is_dotted(name):
        problem = "has no name in a module; define it at the top of one, or ship it by source"
        raise Misuse(label, problem)
    if module == "__main__":
        problem = "is of the main program, which no sandbox can import; ship it by source"
        raise Misuse(label, problem)
    try:
        found = operator.attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        found = None
    if found is not function and found != function:  # a bound method is made anew each time
        raise Misuse(label, f"is not what {module}:{name} names; ship it by source")
    return module, name


def _module_of(function: object) -> str | None:
    """Return the module of a function, a class, a method of either, or a function written in C."""
    owner = getattr(function, "__objclass__", None) or getattr(function, "__self__", None)
    for holder in (function, owner):
        module = getattr(holder, "__module__", None)
        if isinstance(module, str):
            return module
    return None


def _name_of(function: object) -> str:
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
