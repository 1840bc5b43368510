"""The table of the graph form to objects. The table has passed `protocol.values.audit`.

Rule 1: no recursion; nodes in the order of the table, then shells are filled: first those that hold
parts, then those that hash them.
Rule 2: keys are counted by hash before they go into a dict or set, which takes quadratic time over
keys of one hash.
Rule 3: a class given by the host is called with the fields, so that its own checks run.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from protocol.errors import ValueRefused, printable
from protocol.values.audit import Row, Table
from protocol.values.leaves import PUT, text_to_bytes
from protocol.values.parts import Buffer
from protocol.values.records import Member, Record

#: Comparisons of keys with one hash that are allowed, for each key and on top of that. Powers of
#: two as floats have 61 hashes; random keys hardly ever share one.
COLLISIONS_FOR_KEY: Final = 32
COLLISIONS_FREE: Final = 2_500

type Classes = Mapping[str, type]


class Unbuildable(Exception):
    """A row whose parts do not make a value of its type."""


class Builder:
    """Builds one table."""

    def __init__(self, table: Table, buffers: Sequence[Buffer], classes: Classes) -> None:
        self._table = table
        self._buffers: list[Buffer | None] = list(buffers)
        self._classes = classes
        self._slots: list[Any] = []
        self._build: dict[str, Callable[[Row], object]] = {
            "list": lambda row: row[1],
            "dict": lambda row: row[1],
            "tuple": lambda row: tuple(row[1]),
            "list&": self._items,
            "tuple&": lambda row: tuple(self._items(row)),
            "dict&": lambda row: self._fields(row[1]),
            "set": lambda row: _hashed(set, row[1]),
            "set&": lambda row: _hashed(set, self._items(row)),
            "frozenset": lambda row: _hashed(frozenset, row[1]),
            "frozenset&": lambda row: _hashed(frozenset, self._items(row)),
            "pairs": lambda row: _paired(row[1]),
            "pairs&": lambda row: _paired(self._items(row)),
            "record": self._record,
            "member": self._member,
            "bytes": lambda row: text_to_bytes(row[1]),
            "bytearray": lambda row: bytearray(text_to_bytes(row[1])),
            "view": lambda row: memoryview(text_to_bytes(row[1])),
            "bytes@": lambda row: _as_bytes(self._buffer(row)),
            "bytearray@": lambda row: bytearray(self._buffer(row)),
            "view@": lambda row: _as_view(self._buffer(row)),
        }

    def build(self) -> object:
        """Return the value.

        Raises:
            Unbuildable: the parts of some row do not make a value of its type.
            ValueRefused: a class that the host gave refuses its fields.
        """
        slots = self._slots
        try:
            slots += map(self._shell, self._table.shells)
            for row in self._table.nodes:
                slots.append(self._one(row))
            self._fill()
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            raise Unbuildable from error
        return slots[self._table.root[0]]

    def _one(self, row: Row) -> object:
        build = self._build.get(row[0])
        if build is not None:
            return build(row)
        slots = self._slots
        return PUT[row[0]][1](*[slots[x[0]] if type(x) is list else x for x in row[1:]])

    # --- nodes -----------------------------------------------------------------------------------
    def _items(self, row: Row) -> list[object]:
        slots = self._slots
        return [slots[x[0]] if type(x) is list else x for x in row[1]]

    def _fields(self, fields: dict[str, Any]) -> dict[str, object]:
        slots = self._slots
        return {name: slots[x[0]] if type(x) is list else x for name, x in fields.items()}

    def _record(self, row: Row) -> object:
        _, name, kind, fields = row
        cls = self._classes.get(name)
        if cls is None:
            return Record(name, self._fields(fields), kind)
        self._refuse_called(name)
        return _call(cls, self._fields(fields))

    def _refuse_called(self, name: str) -> None:
        # Where there are shells, a class would be called with parts that are not filled yet.
        if self._table.shells and name in self._classes:
            cls = self._classes[name]
            raise ValueRefused("value", f"a cycle, and the class {cls.__name__} is to be called")

    def _member(self, row: Row) -> object:
        member = PUT["member"][1](*row[1:])
        assert isinstance(member, Member)
        cls = self._classes.get(member.enum)
        if cls is None:
            return member
        if not issubclass(cls, enum.Enum) or member.name not in cls.__members__:
            raise ValueRefused("value", f"{cls.__name__} has no member of that name")
        return cls[member.name]

    def _buffer(self, row: Row) -> Buffer:
        # Once each: a table of small rows could else copy a large buffer a million times.
        number = row[1]
        if type(number) is not int or number < 0:
            raise ValueError
        buffer, self._buffers[number] = self._buffers[number], None
        if buffer is None:
            raise ValueError
        return buffer

    # --- shells ----------------------------------------------------------------------------------
    def _shell(self, row: Row) -> object:
        if row[0] == "record":
            self._refuse_called(row[1])
            return Record(row[1], {}, row[2])
        return _EMPTY[row[0].rstrip("&")]()

    def _fill(self) -> None:
        shells = list(zip(self._slots, self._table.shells, strict=False))
        for shell, row in shells:
            match row[0]:
                case "list" | "list&":
                    shell.extend(self._items(row))
                case "record":
                    shell.__record_fields__.update(self._fields(row[3]))
        for shell, row in shells:
            match row[0]:
                case "dict" | "dict&":
                    shell.update(self._fields(row[1]))
                case "pairs" | "pairs&" | "set" | "set&":
                    shell.update(self._one(row))


_EMPTY: Final[dict[str, type]] = {"list": list, "dict": dict, "pairs": dict, "set": set}


def _hashed[C: (set[object], frozenset[object])](kind: type[C], items: list[object]) -> C:
    check_collisions(items)
    made = kind(items)
    if len(made) != len(items):
        raise ValueError
    return made


def _paired(items: list[object]) -> dict[object, object]:
    keys = items[::2]
    check_collisions(keys)
    made = dict(zip(keys, items[1::2], strict=True))
    if len(made) != len(keys):
        raise ValueError
    return made


def check_collisions(keys: list[object]) -> None:
    """Refuse keys that share hashes as only chosen ones do.

    Raises:
        ValueError: too many comparisons would be needed.
        TypeError: a key has no hash.
    """
    if set(map(type, keys)) <= {str}:
        return  # their hashes are secret
    hashes = list(map(hash, keys))
    if len(set(hashes)) == len(hashes):
        return
    comparisons = sum(n * n for n in Counter(hashes).values() if n > 1)
    if comparisons > COLLISIONS_FREE + COLLISIONS_FOR_KEY * len(keys):
        raise ValueError


def _as_bytes(buffer: Buffer) -> bytes:
    return buffer if type(buffer) is bytes else bytes(buffer)


def _as_view(buffer: Buffer) -> memoryview:
    if isinstance(buffer, memoryview) and buffer.readonly:
        return buffer
    return memoryview(_as_bytes(buffer))


def _call(cls: type, fields: dict[str, object]) -> object:
    import dataclasses  # 11 ms, for those values alone

    if not dataclasses.is_dataclass(cls):
        raise ValueRefused("value", f"{cls.__name__} is not a dataclass")
    known = {field.name: field for field in dataclasses.fields(cls)}
    if known.keys() != fields.keys():
        raise ValueRefused("value", f"not the fields of {cls.__name__}")
    given = {name: value for name, value in fields.items() if known[name].init}
    try:
        made = cls(**given)
    except Exception as error:  # the code of a class that the host gave
        reason = printable(f"{cls.__name__} refused its fields: {error}")
        raise ValueRefused("value", reason) from error
    for name in fields.keys() - given.keys():
        object.__setattr__(made, name, fields[name])
    return made
