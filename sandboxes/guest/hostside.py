"""`import host`: the host functions of a run, and progress.

    host.<name>(*args, **kwargs)       calls the host function and waits for its value
    host.progress(fraction, message)   says how far the run is, 0.0 to 1.0
    host.HostError                     what a host function raised, if it has no counterpart here

    host.ValueRefused                  an argument, or the run's value, that cannot cross

Rule 1: the other names above and names with two leading underscores are ours; a host function of
        such a name is out of reach.
Rule 2: an exception of the host arrives as the builtin class of the same name if that takes one
        text and cannot be mistaken for something of the guest's own, else as `HostError`.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

from protocol.errors import BudgetExceeded, ValueRefused
from protocol.values import decode, encode
from sandboxes.guest import ports, streams, wire

#: Never raised for the host: they end loops and generators, or stand for limits of the guest.
_NOT_HERE: Final = frozenset(
    {"StopIteration", "StopAsyncIteration", "MemoryError", "ExceptionGroup", "RecursionError"}
)


class HostError(Exception):
    """A host function raised an exception of a class that does not exist here."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


def _takes_one_text(cls: type[Exception]) -> bool:
    try:
        return type(cls("x")) is cls
    except TypeError:
        return False


_ERRORS: Final[dict[str, type[Exception]]] = {
    name: cls
    for name, cls in vars(builtins).items()
    if isinstance(cls, type)
    and issubclass(cls, Exception)
    and name not in _NOT_HERE
    and _takes_one_text(cls)
}


def error_from(failure: wire.Failure) -> Exception:
    """Return the exception to raise in the guest."""
    cls = _ERRORS.get(failure.name)
    if cls is None:
        return HostError(failure.name, failure.message)
    message = failure.message
    if cls is KeyError and len(message) > 1 and message[0] == message[-1] and message[0] in "'\"":
        message = message[1:-1]  # the text of a KeyError is the repr of its key
    return cls(message)


def call(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call the host function `name`.

    Raises:
        ValueRefused: an argument cannot cross.
        Exception: what the function raised, or that it does not exist.
    """
    streams.flush_all()
    try:
        sent = encode([list(args), kwargs], root="")
    except ValueRefused as refused:
        raise _refused(name, refused) from None
    answer = ports.ask(name, wire.Value(sent.body, sent.buffers))
    if isinstance(answer, wire.Failure):
        raise error_from(answer)
    return decode(answer.body, answer.buffers)  # type: ignore[arg-type]  # no answer is in a file


def _refused(name: str, refused: ValueRefused) -> ValueRefused:
    """Return `refused` with the way to an argument as its caller wrote it."""
    path = refused.path
    for index, called in (("[0]", "args"), ("[1]", "kwargs")):
        if path.startswith(index):
            path = called + path[len(index) :]
    return type(refused)(f"{name}: {path}", refused.reason)


_last_progress: tuple[int, str] | None = None


def progress(fraction: float, message: str = "") -> None:
    """Say how far the run is.

    Args:
        fraction: 0.0 to 1.0.
        message: what is going on, for people; clipped.

    Raises:
        ValueError: `fraction` is out of range.
    """
    global _last_progress
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be 0.0 to 1.0, not {fraction!r}")
    note = round(fraction * 1000), str(message)[: wire.PROGRESS_MESSAGE_CHARS_MAX]
    if note != _last_progress:
        _last_progress = note
        ports.emit(wire.PROGRESS, wire.pack_progress(*note))


_OURS: Final[dict[str, Any]] = {
    "progress": progress,
    "HostError": HostError,
    "ValueRefused": ValueRefused,
}


class HostModule(ModuleType):
    """The module `host`; its functions are those of the run at hand."""

    def __init__(self) -> None:
        super().__init__("host", "Functions of the host application, and progress.")
        self.__dict__.update(_OURS)

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [*_names, *_OURS]
        if name not in _names or name.startswith("__"):
            offered = ", ".join(_names) or "none"
            raise AttributeError(
                f"the host offers no function {name!r} (it offers: {offered})",
                name=name,
                obj=self,
            )
        function = _function(name)
        self.__dict__[name] = function
        return function

    def __dir__(self) -> list[str]:
        return sorted([*_names, *_OURS])


def _function(name: str) -> Callable[..., Any]:
    def host_function(*args: Any, **kwargs: Any) -> Any:
        return call(name, args, kwargs)

    host_function.__name__ = host_function.__qualname__ = name
    host_function.__module__ = "host"
    return host_function


_names: Sequence[str] = ()
_module = HostModule()


def begin(names: Sequence[str]) -> None:
    """Offer these functions, and no others, from now on."""
    global _names, _last_progress
    if _names:
        for name in _names:
            if name not in _OURS:
                _module.__dict__.pop(name, None)
    _names = names
    _last_progress = None


def install() -> None:
    """Make `import host` find the module."""
    sys.modules["host"] = _module
    for cls in (HostError, ValueRefused, BudgetExceeded):
        cls.__module__ = "host"
    progress.__module__ = "host"
