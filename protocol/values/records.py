"""Data of classes that the other side need not have: dataclasses and enums."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Final, Literal, NoReturn

from protocol.structs import frozen

#: How a dataclass compares: by fields; by fields and hashable; by being the same object.
type Kind = Literal["mutable", "frozen", "identity"]
KINDS: Final[tuple[Kind, ...]] = ("mutable", "frozen", "identity")

NAME_CHARS_MAX: Final = 1_024

#: A dataclass on top of one of these is more than its fields.
_OTHER_BASES: Final = (
    int, float, complex, str, bytes, bytearray,
    list, tuple, dict, set, frozenset, BaseException, type,
)  # fmt: skip


@frozen
class Member:
    """A member of an enum whose class the decoder was not given."""

    enum: str
    name: str


class Record:
    """A dataclass whose class the decoder was not given: its fields, as attributes.

    It cannot be changed. It compares as its class does: by its fields, or by identity where that
    class has `eq=False`; it is hashable where its class is.
    """

    __slots__ = ("__record_class__", "__record_fields__", "__record_kind__")
    __record_class__: str
    __record_fields__: dict[str, object]
    __record_kind__: Kind

    def __init__(
        self, class_name: str, fields: Mapping[str, object], kind: Kind = "mutable"
    ) -> None:
        object.__setattr__(self, "__record_class__", class_name)
        object.__setattr__(self, "__record_fields__", dict(fields))
        object.__setattr__(self, "__record_kind__", kind)

    def __getattr__(self, name: str) -> object:
        fields = object.__getattribute__(self, "__record_fields__")
        try:
            return fields[name]
        except KeyError:
            raise AttributeError(f"{self.__record_class__} has no field {name!r}") from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a record cannot be changed; {name!r} was to be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a record cannot be changed; {name!r} was to be deleted")

    def __dir__(self) -> list[str]:
        return sorted(self.__record_fields__)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Record):
            return NotImplemented
        if "identity" in (self.__record_kind__, other.__record_kind__):
            return False
        return (
            self.__record_class__ == other.__record_class__
            and self.__record_fields__ == other.__record_fields__
        )

    def __hash__(self) -> int:
        if self.__record_kind__ == "identity":
            return object.__hash__(self)
        if self.__record_kind__ == "mutable":
            raise TypeError(f"unhashable record of {self.__record_class__}")
        return hash((self.__record_class__, *self.__record_fields__.values()))

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        name = self.__record_class__.rpartition(".")[2]
        return f"{name}({', '.join(f'{k}={v!r}' for k, v in self.__record_fields__.items())})"

    def __reduce__(self) -> tuple[object, ...]:
        # Its fields come after it is made, as it may be among them.
        return Record, (self.__record_class__, {}, self.__record_kind__), self.__record_fields__

    def __setstate__(self, fields: dict[str, object]) -> None:
        self.__record_fields__.update(fields)


@frozen
class RecordClass:
    """What crosses of a dataclass: its name, how it compares, and the names of its fields."""

    name: str
    kind: Kind
    fields: tuple[str, ...]


def class_name_of(cls: type) -> str:
    """Return the name under which a class is known on the wire and in a decoder's `classes`."""
    return f"{cls.__module__}.{cls.__qualname__}"


def is_name(name: object) -> bool:
    """Return whether `name` can stand in a line of a log; a peer chose it."""
    return type(name) is str and len(name) <= NAME_CHARS_MAX and name.isprintable()


def is_record(part: object) -> bool:
    """Return whether `part` crosses as a record: a dataclass that is nothing else besides."""
    cls = type(part)
    if cls is Record:
        return True
    return hasattr(cls, "__dataclass_fields__") and not isinstance(part, _OTHER_BASES)


def record_class(part: object) -> RecordClass:
    """Return what crosses of the class of `part`, for which `is_record` holds."""
    if isinstance(part, Record):
        names = tuple(part.__record_fields__)
        return RecordClass(part.__record_class__, part.__record_kind__, names)
    cls = type(part)
    kind: Kind = "mutable" if cls.__hash__ is None else "frozen"
    if cls.__eq__ is object.__eq__:
        kind = "identity"
    import dataclasses  # 11 ms, for those values alone

    names = tuple(field.name for field in dataclasses.fields(cls))  # type: ignore[arg-type]  # is_record holds
    return RecordClass(class_name_of(cls), kind, names)
