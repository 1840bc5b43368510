"""How a function may be called and what it gives, from its annotations.

`inspect` alone where there are none; `executor.typed`, and with it pydantic, where there are.
"""

from __future__ import annotations

import contextlib
import inspect
import typing
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from executor.errors import Misuse

if TYPE_CHECKING:
    from executor.typed import ArgumentsCheck, ValueCheck

type Bound = tuple[Sequence[object], Mapping[str, object]]


class WrongArguments(TypeError):
    """A call does not fit the function; the text names the argument."""


class WrongResult(TypeError):
    """A result does not fit the function's return annotation."""


class Signature:
    """The checks of one function. Immutable."""

    __slots__ = ("_arguments", "_parameters", "_positional", "_result")

    def __init__(
        self,
        parameters: inspect.Signature | None,
        arguments: ArgumentsCheck | None,
        result: ValueCheck | None,
    ) -> None:
        self._parameters = parameters
        #: So many arguments by position alone need no binding; -1 if that cannot be told.
        self._positional = -1 if parameters is None else _positional(parameters)
        self._arguments = arguments
        self._result = result

    @classmethod
    def of(cls, target: Callable[..., Any], label: str) -> Signature:
        """Return the checks of `target`; those of one function are made once.

        Args:
            target: any callable.
            label: what to call it in an error.

        Raises:
            Misuse: an annotation cannot be resolved or checked.
        """
        try:
            known = _signatures.get(target)
        except TypeError:  # not hashable, or not weakly referable
            return cls._make(target, label)
        if known is None:
            known = cls._make(target, label)
            with contextlib.suppress(TypeError):
                _signatures[target] = known
        return known

    @classmethod
    def _make(cls, target: Callable[..., Any], label: str) -> Signature:
        try:
            parameters = inspect.signature(target)
        except (ValueError, TypeError):  # a C function that does not say
            return cls(None, None, None)
        hints = _hints(target, label)
        if not hints:
            return cls(parameters, None, None)
        from executor.typed import ArgumentsCheck, ValueCheck

        result_hint = hints.pop("return", inspect.Signature.empty)
        arguments = ArgumentsCheck(parameters, hints, label) if hints else None
        if result_hint in (inspect.Signature.empty, Any):
            return cls(parameters, arguments, None)
        return cls(parameters, arguments, ValueCheck(result_hint, label))

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Bound:
        """Return the arguments as the function is to get them.

        Raises:
            WrongArguments: they do not fit.
        """
        if self._arguments is not None:
            return self._arguments(args, kwargs)
        if self._parameters is None or (not kwargs and len(args) == self._positional):
            return args, kwargs
        try:
            bound = self._parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise WrongArguments(str(error)) from None
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def check_result(self, value: object) -> object:
        """Return the result as its annotation has it.

        Raises:
            WrongResult: it does not fit.
        """
        return value if self._result is None else self._result(value)


def _positional(parameters: inspect.Signature) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if all(parameter.kind in kinds for parameter in parameters.parameters.values()):
        return len(parameters.parameters)
    return -1


_signatures: weakref.WeakKeyDictionary[Callable[..., Any], Signature] = weakref.WeakKeyDictionary()


def _hints(target: Callable[..., Any], label: str) -> dict[str, Any]:
    """Return the annotations of a callable, resolved."""
    function = inspect.unwrap(target)
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = getattr(type(function), "__call__", function)  # noqa: B004 - its annotations
    try:
        locals_ = inspect.getclosurevars(function).nonlocals
    except TypeError:
        locals_ = {}
    try:
        return typing.get_type_hints(function, localns=dict(locals_), include_extras=True)
    except NameError as error:
        problem = f"its annotations name {error.name!r}, which is not a global of its module"
        raise Misuse(label, problem) from None
    except TypeError as error:
        if not getattr(function, "__annotations__", None):
            return {}
        raise Misuse(label, f"its annotations cannot be read: {error}") from None
