"""Bodies of frames to messages and back, strictly, with the standard library alone.

Rule 1: closed and exact. Unknown, missing and repeated fields, a bool or a float as an int, NaN,
half a surrogate pair and bytes behind the object are refused; nothing is converted but text to its
enum and an array to its tuple.
Rule 2: a class is looked at once, when its first body is read or written, and never again.
Rule 3: what we write is held to the same checks, so that a mistake of ours shows here and not as a
connection dropped by the peer.
Rule 4: `protocol.checking` gives the same verdict on the same bytes; both start with `parse`.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Callable, Sequence

from protocol.errors import LocalProtocolError, RemoteProtocolError, printable
from protocol.fields import AtMost, Between
from protocol.frames import Buffer, Frame, encode_parts
from protocol.messages import CLASSES, KINDS, Message, Run, Submit
from protocol.structs import default_of, fields_of, is_struct
from protocol.values.shape import count_nodes

#: A body is text about a run; what is large is in buffers. 1,024 arguments of 16 KiB fit.
BODY_BYTES_MAX = 16 << 20
#: Above the sum of all caps on items in the largest message.
BODY_NODES_MAX = 65_536
#: No field of any message goes beyond 64 bits and a sign.
INTEGER_CHARS_MAX = 20

type _Check = Callable[[object], object]


class Wrong(Exception):
    """A part of a body is not as declared; `reason` holds nothing that the peer chose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where: list[str] = []

    def describe(self) -> str:
        """Return the place and the reason as one printable line."""
        return printable(f"{'.'.join(reversed(self.where)) or 'body'}: {self.reason}")


def read[M](cls: type[M], body: Buffer) -> M:
    """Return the message of class `cls` that `body` holds.

    Raises:
        RemoteProtocolError: the body is not exactly one valid message of that class.
    """
    kept = _read_before.get(cls)
    if kept is None or len(body) > _KEPT_BYTES_MAX:
        return _read(cls, body)
    known = bytes(body)
    message = kept.get(known)
    if message is None:
        message = _read(cls, known)
        _keep(kept, known, message)
    return typing.cast("M", message)


def _read[M](cls: type[M], body: Buffer) -> M:
    found = parse(body)
    try:
        return typing.cast("M", compile_class(cls)(found))
    except Wrong as wrong:
        raise RemoteProtocolError(f"{cls.__name__}.{wrong.describe()}") from None


def write(message: object) -> bytes:
    """Return the body of `message`: its fields that are not at their defaults, as JSON.

    Raises:
        LocalProtocolError: a field breaks its own declaration.
    """
    if type(message) not in _read_before:
        return _write(message)
    body = _written_before.get(message)
    if body is None:
        body = _write(message)
        if len(body) <= _KEPT_BYTES_MAX:
            _keep(_written_before, message, body)
    return body


def _write(message: object) -> bytes:
    plain = to_plain(message)
    try:
        compile_class(type(message))(plain)
    except Wrong as wrong:
        raise LocalProtocolError(f"{type(message).__name__}.{wrong.describe()}") from None
    body = _to_text(plain).encode()
    if len(body) > BODY_BYTES_MAX:
        raise LocalProtocolError(f"body of {len(body)} B is over {BODY_BYTES_MAX} B")
    return body


#: Messages whose bodies are the same from run to run: a host's calls differ in their buffers. What
#: was read or written once is kept, so that each costs a look-up instead of 20 us.
_KEPT_BYTES_MAX = 2_048
_KEPT_MAX = 64
_read_before: dict[type, dict[bytes, object]] = {Run: {}, Submit: {}}
_written_before: dict[object, bytes] = {}


def _keep[K, V](kept: dict[K, V], key: K, item: V) -> None:
    if len(kept) >= _KEPT_MAX:
        kept.clear()
    kept[key] = item


def decode_frame(frame: Frame) -> tuple[Message, list[memoryview]]:
    """Return the message in `frame` and the buffers behind it.

    Raises:
        RemoteProtocolError: an unknown kind, lengths that do not add up, or a bad body.
    """
    cls = CLASSES.get(frame.kind)
    if cls is None:
        raise RemoteProtocolError(f"frame: unknown kind {frame.kind}")
    body, buffers = frame.split()
    return read(cls, body), buffers


def encode_message(
    message: Message, run_id: int = 0, buffers: Sequence[Buffer] = ()
) -> list[Buffer]:
    """Return the frame of `message` in pieces; send them in order.

    Raises:
        LocalProtocolError: a field breaks its declaration, or the frame is over a cap.
    """
    return encode_parts(KINDS[type(message)], run_id, write(message), buffers)


# --- JSON, without what it leaves open -----------------------------------------------------------
def parse(body: Buffer) -> object:
    """Return the JSON value that `body` holds, refusing what readers are free to differ on.

    Raises:
        RemoteProtocolError: not UTF-8, not JSON, a repeated field, NaN, or over a cap.
    """
    data = bytes(body)
    if len(data) > BODY_BYTES_MAX:
        raise RemoteProtocolError(f"body of {len(data)} B is over {BODY_BYTES_MAX} B")
    if count_nodes(data, BODY_NODES_MAX) > BODY_NODES_MAX:
        raise RemoteProtocolError(f"body: more than {BODY_NODES_MAX} values")
    try:
        return _from_text(data.decode())
    except Wrong as wrong:
        raise RemoteProtocolError(wrong.describe()) from None
    except UnicodeDecodeError:
        raise RemoteProtocolError("body: not UTF-8") from None
    except (ValueError, RecursionError):
        raise RemoteProtocolError("body: not JSON") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Wrong("a field is given twice")
    return found


def _no_constant(_text: str) -> object:
    raise Wrong("NaN and Infinity are not JSON")


def _short_int(text: str) -> int:
    # int() takes quadratic time where the host has lifted Python's own limit on digits.
    if len(text) > INTEGER_CHARS_MAX:
        raise Wrong("a number is too long")
    return int(text)


_from_text = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_short_int
).decode
_to_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


# --- messages to plain JSON values ---------------------------------------------------------------
def to_plain(message: object) -> dict[str, object]:
    """Return the fields of `message` that differ from their defaults."""
    plain: dict[str, object] = {}
    for name, default in _defaults(type(message)):
        value = getattr(message, name)
        if value is default or (type(value) is type(default) and value == default):
            continue
        plain[name] = value if type(value) in _PLAIN else _part_to_plain(value)
    return plain


def _part_to_plain(value: object) -> object:
    if isinstance(value, tuple):
        return [v if type(v) in _PLAIN else _part_to_plain(v) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if is_struct(type(value)):
        return to_plain(value)
    raise LocalProtocolError(f"a {type(value).__name__} is not a part of any message")


_PLAIN = frozenset({str, int, bool, type(None)})
_REQUIRED = object()


_defaults_of: dict[type, tuple[tuple[str, object], ...]] = {}
_check_of: dict[type, _Check] = {}


def _defaults(cls: type) -> tuple[tuple[str, object], ...]:
    if cls not in _defaults_of:
        if not is_struct(cls):
            raise LocalProtocolError(f"a {cls.__name__} is not a message")
        _defaults_of[cls] = tuple(
            (name, default_of(cls, name, _REQUIRED)) for name in fields_of(cls)
        )
    return _defaults_of[cls]


# --- classes to checks ---------------------------------------------------------------------------
def compile_class(cls: type) -> _Check:
    """Return the function that turns a parsed JSON object into a `cls`, or raises `Wrong`."""
    if cls not in _check_of:
        _check_of[cls] = _compile_class(cls)
    return _check_of[cls]


def compile_messages() -> None:
    """Look at every message's class now: later this module's names may be out of its reach."""
    for cls in CLASSES.values():
        compile_class(cls)
        _defaults(cls)


def _compile_class(cls: type) -> _Check:
    hints = typing.get_type_hints(cls, include_extras=True)
    checks = {name: _compile(hint) for name, hint in hints.items()}
    required = [name for name, default in _defaults(cls) if default is _REQUIRED]

    def check(found: object) -> object:
        if type(found) is not dict:
            raise Wrong("not an object")
        values = {}
        for name, value in found.items():
            reader = checks.get(name)
            if reader is None:
                raise Wrong("an unknown field")
            try:
                values[name] = reader(value)
            except Wrong as wrong:
                wrong.where.append(name)
                raise
        for name in required:
            if name not in values:
                raise Wrong(f"{name} is missing")
        return cls(**values)

    return check


def _compile(hint: object) -> _Check:
    if isinstance(hint, typing.TypeAliasType):
        return _compile(hint.__value__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _marked(_compile(arguments[0]), arguments[1:])
    if origin is typing.Literal:
        return _one_of({choice: choice for choice in arguments})
    if origin is tuple and arguments[1:] == (...,):
        return _array_of(_compile(arguments[0]))
    if origin in (types.UnionType, typing.Union) and arguments[1:] == (type(None),):
        return _or_null(_compile(arguments[0]))
    if isinstance(hint, type) and hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return _one_of({str(member): member for member in hint})
    if isinstance(hint, type) and is_struct(hint):
        return compile_class(hint)
    raise TypeError(f"no message may have a field of type {hint!r}")


def _text(value: object) -> object:
    if type(value) is not str:
        raise Wrong("not a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Wrong("half a surrogate pair") from None
    return value


def _integer(value: object) -> object:
    if type(value) is not int:
        raise Wrong("not an integer")
    return value


def _boolean(value: object) -> object:
    if type(value) is not bool:
        raise Wrong("not true or false")
    return value


_SCALARS: dict[type, _Check] = {str: _text, int: _integer, bool: _boolean}


def _one_of(choices: dict[str, object]) -> _Check:
    def check(value: object) -> object:
        if type(value) is not str or value not in choices:
            raise Wrong("none of the values it may have")
        return choices[value]

    return check


def _or_null(inner: _Check) -> _Check:
    return lambda value: None if value is None else inner(value)


def _array_of(inner: _Check) -> _Check:
    def check(value: object) -> object:
        if type(value) is not list:
            raise Wrong("not an array")
        read: list[object] = []
        try:
            for item in value:
                read.append(inner(item))  # noqa: PERF401 - the index of a wrong item is wanted
        except Wrong as wrong:
            wrong.where.append(str(len(read)))
            raise
        return tuple(read)

    return check


def _marked(inner: _Check, marks: Sequence[object]) -> _Check:
    for mark in marks:
        match mark:
            case Between(low, high):
                inner = _between(inner, low, high)
            case AtMost(count):
                inner = _at_most(inner, count)
            case _:
                raise TypeError(f"no message may bound a field with {mark!r}")
    return inner


def _between(inner: _Check, low: int, high: int) -> _Check:
    def check(value: object) -> object:
        number = typing.cast("int", inner(value))
        if not low <= number <= high:
            raise Wrong(f"not within {low} to {high}")
        return number

    return check


def _at_most(inner: _Check, count: int) -> _Check:
    def check(value: object) -> object:
        if isinstance(value, str | list) and len(value) > count:
            raise Wrong(f"longer than {count}")
        return inner(value)

    return check
