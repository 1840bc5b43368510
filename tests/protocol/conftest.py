"""Messages of every class, made from the declarations; values sent across and compared."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import random
import types
import typing
from collections.abc import Callable
from typing import Any

import pytest

from protocol.fields import AtMost, Between
from protocol.values import decode, encode


def make(cls: Any, chance: random.Random) -> Any:
    """Return a random valid instance of a message class or a part of one."""
    hints = typing.get_type_hints(cls, include_extras=True)
    given = {}
    for field in dataclasses.fields(cls):
        is_required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if is_required or chance.random() < 0.6:
            given[field.name] = _make_value(hints[field.name], chance)
    return cls(**given)


def _make_value(hint: Any, chance: random.Random, marks: tuple[object, ...] = ()) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _make_value(arguments[0], chance, (*arguments[1:], *marks))
    if origin is typing.Literal:
        return chance.choice(arguments)
    if origin in (types.UnionType, typing.Union):
        return None if chance.random() < 0.3 else _make_value(arguments[0], chance)
    most = next((m.count for m in marks if isinstance(m, AtMost)), 8)
    if origin is tuple:
        return tuple(
            _make_value(arguments[0], chance) for _ in range(chance.randint(0, min(3, most)))
        )
    if hint is bool:
        return chance.random() < 0.5
    if hint is int:
        low, high = next((m.low, m.high) for m in marks if isinstance(m, Between))
        return chance.choice([low, high, chance.randint(low, high)])
    if hint is str:
        size = chance.choice([0, 1, 5, most if most <= 300 else 9])
        return "".join(chance.choice('aZ9 "\\\n\x00é€😀/') for _ in range(size))
    if issubclass(hint, enum.Enum):
        return chance.choice(list(hint))
    return make(hint, chance)


@pytest.fixture
def make_message() -> Callable[[Any, random.Random], Any]:
    return make


def _crossed(value: Any, **how: Any) -> Any:
    encoded = encode(value)
    encoded.body.decode()  # the guest's side can carry text alone
    # As it arrives: a body and buffers cut out of one frame.
    return decode(encoded.body, [memoryview(bytes(b)) for b in encoded.buffers], **how)


def _are_same(a: Any, b: Any) -> bool:
    """Return whether two values have the same types, parts, sharing and cycles."""
    pairs: dict[int, int] = {}
    stack = [(a, b)]
    while stack:
        a, b = stack.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, list | dict | set | bytearray):
            if id(a) in pairs:
                if pairs[id(a)] != id(b):
                    return False
                continue
            pairs[id(a)] = id(b)
        if isinstance(a, float):
            if repr(a) != repr(b):  # tells -0.0 from 0.0, and no nan from another
                return False
        elif isinstance(a, complex):
            stack += [(a.real, b.real), (a.imag, b.imag)]
        elif isinstance(a, list | tuple):
            if len(a) != len(b):
                return False
            stack += zip(a, b, strict=True)
        elif isinstance(a, dict):
            if len(a) != len(b):
                return False
            stack += [*zip(a, b, strict=True), *zip(a.values(), b.values(), strict=True)]
        elif isinstance(a, decimal.Decimal):
            if a.as_tuple() != b.as_tuple():
                return False
        elif isinstance(a, dt.datetime | dt.time):
            if (a, a.fold, a.tzinfo) != (b, b.fold, b.tzinfo):
                return False
        elif a != b:
            return False
    return len(set(pairs.values())) == len(pairs)


@pytest.fixture(scope="session")
def crossed() -> Callable[..., Any]:
    return _crossed


@pytest.fixture(scope="session")
def are_same() -> Callable[[Any, Any], bool]:
    return _are_same
