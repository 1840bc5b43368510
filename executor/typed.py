"""Values held to annotations by pydantic. The one place of `executor` that imports it.

Rule 1: strict: nothing is converted. What crosses keeps its type, so nothing needs to be.
Rule 2: a dataclass or an enum that came from a guest comes as data (`Record`, `Member`); it is
        made an instance only where the annotation names a class of that name, and checked then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import (
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    validate_call,
)

from executor.errors import Misuse
from executor.signature import Bound, WrongArguments, WrongResult
from protocol.values import Member, Record

CONFIG = ConfigDict(strict=True, arbitrary_types_allowed=True, revalidate_instances="always")
PROBLEMS_MAX = 5
DEPTH_MAX = 200
#: Parts that a value may have when shared ones are counted each time; as many as may cross.
UNFOLDED_MAX = 4_000_000


class ArgumentsCheck:
    """Arguments held to the annotations of a function."""

    def __init__(self, parameters: inspect.Signature, hints: Mapping[str, Any], label: str) -> None:
        """`hints` are the resolved annotations of `parameters`.

        Raises:
            Misuse: pydantic cannot check one of them.
        """
        self._names = list(parameters.parameters)
        self._classes = dict(_classes_in(hints.values()))
        self._is_recursive = any(map(_is_recursive, hints.values()))

        def collect(*args: object, **kwargs: object) -> Bound:
            return args, kwargs

        resolved = [
            parameter.replace(annotation=hints.get(name, Any))
            for name, parameter in parameters.parameters.items()
        ]
        collect.__signature__ = parameters.replace(  # type: ignore[attr-defined]  # inspect reads it
            parameters=resolved, return_annotation=inspect.Signature.empty
        )
        collect.__annotations__ = dict(hints)
        try:
            self._check: Callable[..., Bound] = validate_call(config=CONFIG)(collect)
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            raise Misuse(label, f"its annotations cannot be checked: {_first(error)}") from None

    def __call__(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Bound:
        """Return the checked arguments.

        Raises:
            WrongArguments: one of them does not fit.
        """
        if self._is_recursive and _unfolds_beyond([*args, *kwargs.values()], UNFOLDED_MAX):
            raise WrongArguments(f"arguments: unfold to more than {UNFOLDED_MAX} parts")
        args = [_revived(value, self._classes) for value in args]
        kwargs = {name: _revived(value, self._classes) for name, value in kwargs.items()}
        try:
            return self._check(*args, **kwargs)
        except ValidationError as error:
            raise WrongArguments(_problems(error, self._name_of)) from None

    def _name_of(self, location: Sequence[int | str]) -> str:
        if not location:
            return "arguments"
        first, rest = location[0], location[1:]
        if isinstance(first, int) and first < len(self._names):
            first = self._names[first]
        return f"argument {first!r}" + "".join(f"[{part!r}]" for part in rest)


class ValueCheck:
    """One value held to an annotation."""

    def __init__(self, hint: object, label: str) -> None:
        """Make the check.

        Raises:
            Misuse: pydantic cannot check the annotation.
        """
        self._classes = dict(_classes_in([hint]))
        self._is_recursive = _is_recursive(hint)
        if hint is None:
            hint = type(None)
        try:
            # In a tuple, as classes that can carry a configuration refuse one from outside.
            self._adapter: TypeAdapter[tuple[object]] = TypeAdapter(
                tuple[hint],  # type: ignore[arg-type,valid-type]  # an annotation at run time
                config=CONFIG,
            )
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            raise Misuse(label, f"its result cannot be checked: {_first(error)}") from None

    def __call__(self, value: object) -> object:
        """Return the checked value.

        Raises:
            WrongResult: it does not fit.
        """
        if self._is_recursive and _unfolds_beyond(value, UNFOLDED_MAX):
            raise WrongResult(f"result: unfolds to more than {UNFOLDED_MAX} parts")
        try:
            return self._adapter.validate_python((_revived(value, self._classes),))[0]
        except ValidationError as error:
            raise WrongResult(_problems(error, _result_name)) from None


def _result_name(location: Sequence[int | str]) -> str:
    return "result" + "".join(f"[{part!r}]" for part in location[1:])


def _problems(error: ValidationError, name_of: Callable[[Sequence[int | str]], str]) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{name_of(detail['loc'])}: {detail['msg']}" for detail in details[:PROBLEMS_MAX]]
    if len(details) > PROBLEMS_MAX:
        texts.append(f"and {len(details) - PROBLEMS_MAX} more")
    return "; ".join(texts)


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


# --- values that are endless when they are unfolded ----------------------------------------------
def _is_recursive(hint: object) -> bool:
    """Return whether pydantic may follow a value of this type down to any depth."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(tuple[hint], config=CONFIG)  # type: ignore[valid-type]  # as above
        return "definition-ref" in str(adapter.core_schema)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError):
        return True  # whoever makes the check says what is wrong


def _unfolds_beyond(value: object, parts_max: int) -> bool:
    """Return whether a value has more parts than that, if each shared part is counted each time.

    pydantic looks at a part once for each way to it: 60 lists that hold the next one twice take it
    longer than the age of the universe.
    """
    counts: dict[int, int] = {}
    waiting: list[tuple[object, bool]] = [(value, False)]
    while waiting:
        part, is_counted = waiting.pop()
        if is_counted:
            total = 1 + sum(counts.get(id(inner), 1) for inner in _parts(part))
            if total > parts_max:
                return True
            counts[id(part)] = total
        elif type(part) not in _LEAVES and id(part) not in counts:
            counts[id(part)] = 1  # what a circle comes back to; pydantic ends there
            waiting.append((part, True))
            waiting.extend((inner, False) for inner in _parts(part))
    return False


def _parts(value: object) -> typing.Iterable[object]:
    match value:
        case list() | tuple() | set() | frozenset():
            return value
        case dict():
            return [*value.keys(), *value.values()]
        case Record():
            return value.__record_fields__.values()
    return ()


# --- data back to instances ----------------------------------------------------------------------
def _classes_in(hints: typing.Iterable[object]) -> Iterator[tuple[str, type]]:
    """Yield the dataclasses and enums that annotations name, each with its name."""
    waiting, seen = list(hints), set[int]()
    while waiting:
        hint = waiting.pop()
        if id(hint) in seen:
            continue
        seen.add(id(hint))
        if isinstance(hint, typing.TypeAliasType):
            waiting.append(hint.__value__)
        waiting.extend(typing.get_args(hint))
        if not isinstance(hint, type):
            continue
        if dataclasses.is_dataclass(hint):
            yield hint.__name__, hint
            with contextlib.suppress(NameError, TypeError):  # pydantic says so, and says more
                waiting.extend(typing.get_type_hints(hint).values())
        elif issubclass(hint, enum.Enum):
            yield hint.__name__, hint


def _revived(
    value: object,
    classes: Mapping[str, type],
    seen: dict[int, object] | None = None,
    depth: int = 0,
) -> object:
    """Return `value` with its records and members made instances of `classes`.

    Only the usual containers are looked into, and only where there is something to be found: a
    value is returned as it is where no class is looked for. `seen` keeps shared parts shared: a
    guest may send a small value that is endless when it is unfolded.
    """
    if not classes or depth > DEPTH_MAX or type(value) in _LEAVES:
        return value
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)]
    revive = functools.partial(_revived, classes=classes, seen=seen, depth=depth + 1)
    made: Any = value
    match value:
        case list():
            made = seen[id(value)] = []
            made.extend(map(revive, value))
        case dict():
            made = seen[id(value)] = {}
            made.update((revive(key), revive(item)) for key, item in value.items())
        case tuple() | set() | frozenset():
            made = type(value)(map(revive, value))
        case Record():
            made = _instance(value, classes, revive)
        case Member():
            cls = classes.get(_short(value.enum))
            if cls is not None and issubclass(cls, enum.Enum):
                made = cls.__members__.get(value.name, value)
    seen[id(value)] = made
    return made


def _instance(
    record: Record, classes: Mapping[str, type], revive: Callable[[object], object]
) -> object:
    cls = classes.get(_short(record.__record_class__))
    if cls is None or not dataclasses.is_dataclass(cls):
        return record
    known = {f.name for f in dataclasses.fields(cls) if f.init}
    if not known >= set(record.__record_fields__):
        return record
    try:
        return cls(**{name: revive(item) for name, item in record.__record_fields__.items()})
    except Exception:  # noqa: BLE001 - the user's __post_init__ may refuse what the guest made up
        return record


_LEAVES = frozenset({int, str, float, bool, bytes, type(None)})


def _short(name: str) -> str:
    return name.rpartition(".")[2]
