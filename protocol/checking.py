"""Bodies of frames to messages by pydantic, for a host that can load it.

The declarations in `protocol.messages` become pydantic validators, strict and closed, that build
the same dataclasses as `protocol.reading` does.

Rule 1: the same verdict on the same bytes as `protocol.reading`. What JSON readers differ on is
decided by the one `parse` that both call first; the rest is held by a property test.
Rule 2: pydantic is imported here and in `protocol.schema`, nowhere else in this package.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from protocol.errors import RemoteProtocolError, printable
from protocol.fields import AtMost, Between
from protocol.frames import Buffer, Frame
from protocol.messages import CLASSES, Message
from protocol.reading import parse

_CLOSED = core_schema.CoreConfig(strict=True, extra_fields_behavior="forbid")
_adapter_of: dict[type, TypeAdapter[Any]] = {}


def read[M](cls: type[M], body: Buffer) -> M:
    """Return the message of class `cls` that `body` holds.

    Raises:
        RemoteProtocolError: the body is not exactly one valid message of that class.
    """
    data = bytes(body)
    parse(data)
    try:
        return typing.cast("M", adapter(cls).validate_json(data))
    except ValidationError as error:
        raise RemoteProtocolError(_describe(cls, error)) from None


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


def adapter(cls: type) -> TypeAdapter[Any]:
    """Return the pydantic adapter of a message class; made once."""
    if cls not in _adapter_of:
        declared: Any = Annotated[cls, _Declared(_class_schema(cls))]
        _adapter_of[cls] = TypeAdapter(declared)
    return _adapter_of[cls]


def _describe(cls: type, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"])) or "body"
    return printable(f"{cls.__name__}.{where}: {first['msg']}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Declared:
    """Gives pydantic a finished schema in place of its own reading of a class."""

    schema: CoreSchema

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return self.schema


# --- declarations to schemas ---------------------------------------------------------------------
def _class_schema(cls: type) -> CoreSchema:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = dataclasses.fields(cls)
    arguments = [
        core_schema.dataclass_field(field.name, _with_default(field, _schema(hints[field.name])))
        for field in fields
    ]
    return core_schema.dataclass_schema(
        cls,
        core_schema.dataclass_args_schema(cls.__name__, arguments),
        [field.name for field in fields],
        config=_CLOSED,
        ref=f"{cls.__module__}.{cls.__qualname__}",
        frozen=True,
        slots=True,
    )


def _with_default(field: dataclasses.Field[Any], schema: CoreSchema) -> CoreSchema:
    if field.default is not dataclasses.MISSING:
        return core_schema.with_default_schema(schema, default=field.default)
    if field.default_factory is not dataclasses.MISSING:
        return core_schema.with_default_schema(schema, default_factory=field.default_factory)
    return schema


def _schema(hint: Any, marks: Sequence[object] = ()) -> CoreSchema:
    if isinstance(hint, typing.TypeAliasType):
        return _schema(hint.__value__, marks)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _schema(arguments[0], (*arguments[1:], *marks))
    bounds = _bounds(marks)
    if origin is typing.Literal:
        return core_schema.literal_schema([*arguments])
    if origin is tuple and arguments[1:] == (...,):
        return core_schema.tuple_variable_schema(_schema(arguments[0]), strict=True, **bounds)
    if origin in (types.UnionType, typing.Union) and arguments[1:] == (type(None),):
        return core_schema.nullable_schema(_schema(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return core_schema.enum_schema(hint, [*hint], sub_type="str", strict=True)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _class_schema(hint)
    if hint is bool:
        return core_schema.bool_schema(strict=True)
    if hint is int:
        return core_schema.int_schema(strict=True, **bounds)
    if hint is str:
        return core_schema.str_schema(strict=True, **bounds)
    raise TypeError(f"no message may have a field of type {hint!r}")


def _bounds(marks: Sequence[object]) -> Any:
    bounds: dict[str, int] = {}
    for mark in marks:
        match mark:
            case Between(low, high):
                bounds |= {"ge": low, "le": high}
            case AtMost(count):
                bounds |= {"max_length": count}
            case _:
                raise TypeError(f"no message may bound a field with {mark!r}")
    return bounds
