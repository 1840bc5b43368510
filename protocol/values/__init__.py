"""Values of Python as bytes and back: a structured clone, with the standard library alone.

    encode(value) -> Encoded(body, buffers)        decode(body, buffers) -> value

Carried, with type, sharing and cycles: None, bool, int of any size, float with inf and nan (one
nan is like another), complex, str with surrogates, bytes, bytearray, memoryview of bytes, list,
tuple, dict with any hashable key, set, frozenset, range, slice, Ellipsis, date, time, datetime,
timedelta, timezone, ZoneInfo by key, Decimal, Fraction, UUID. These arrive as something near:

    a path         the pure path of its system: a name, not a grant
    an enum        `Member(enum, name)`, or the member if the decoder has the class
    a dataclass    `Record` with its fields, or an instance if the decoder has the class
    a memoryview   a view that cannot be written to: of a copy, or of what nobody can write to

All else is refused with the way to it, subclasses of builtin types included. So is what has no
bounded cost on the other side: a Decimal of over 10,000 digits or an exponent over 100,000, a
Fraction over 16,384 bits, a dict key nested over 64 deep.

A body is UTF-8 text in one of two forms, told apart by the first byte: plain JSON
(`protocol.values.plain`) or, behind a `#`, a table (`protocol.values.audit`). Nothing that is read
is ever unpickled, unmarshalled or evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from protocol.errors import BudgetExceeded
from protocol.values import plain, shape
from protocol.values.parts import Budget, Buffer, Encoded, buffer_bytes

if TYPE_CHECKING:
    from protocol.values.records import Member, Record, class_name_of

__all__ = [
    "Budget",
    "Encoded",
    "Member",
    "Record",
    "carry_as_view",
    "class_name_of",
    "decode",
    "encode",
]

_NO_CLASSES: Mapping[str, type] = {}


def encode(value: object, *, root: str = "value", budget: Budget = Budget()) -> Encoded:  # noqa: B008 - frozen
    """Return `value` as bytes; the same value gives the same bytes.

    Args:
        value: it must not change until the result is sent.
        root: how the value is called in an error.
        budget: how large it may be.

    Raises:
        ValueRefused: a part cannot cross; its `path` leads there, such as `inputs['rows'][3]`.
        BudgetExceeded: it is larger than the budget.
    """
    dumped = plain.dump(value)
    if dumped is None:
        encoded: Encoded = _graph_form().encode(value, root, budget)
        nodes = shape.count_nodes(encoded.body, budget.nodes_max)
    else:
        body, nodes = dumped
        encoded = Encoded(body)
        if budget.depth_max < plain.PLAIN_DEPTH_MAX:
            _check_depth(body, root, budget.depth_max)
    _check_size(encoded.body, encoded.buffers, root, budget)
    _check_nodes(nodes, root, budget)
    return encoded


def decode(
    body: Buffer,
    buffers: Sequence[Buffer] = (),
    *,
    root: str = "value",
    budget: Budget = Budget(),  # noqa: B008 - frozen
    classes: Mapping[str, type] = _NO_CLASSES,
) -> object:
    """Return the value that `body` and `buffers` hold.

    Args:
        body: as `encode` made it, or as an attacker did.
        buffers: those of the same `Encoded`, in order.
        root: how the value is called in an error.
        budget: how large it may be; checked before it is built.
        classes: dataclasses and enums by `class_name_of`, for what should arrive as an instance.
            A dataclass is called with its fields, whatever types they have.

    Raises:
        RemoteProtocolError: no `encode` wrote this.
        BudgetExceeded: it is larger than the budget.
        ValueRefused: one of `classes` does not accept it, or a time zone is not known here.
    """
    body = bytes(body)
    _check_size(body, buffers, root, budget)
    _check_nodes(shape.count_nodes(body, budget.nodes_max), root, budget)
    if body.startswith(plain.TABLE_MARK):
        decoded: object = _graph_form().decode(body, buffers, root, budget, classes)
        return decoded
    _check_depth(body, root, min(budget.depth_max, plain.PLAIN_DEPTH_MAX))
    return plain.parse(body)


def carry_as_view(cls: type) -> None:
    """Have instances of a class cross as a memoryview: that of bytes which they have as `view`."""
    from protocol.values import refusing

    refusing.VIEWED.add(cls)


def __getattr__(name: str) -> object:
    # The graph form takes longer to import than all the rest; a run of plain values needs none.
    if name in ("Member", "Record", "class_name_of"):
        from protocol.values import records

        return getattr(records, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _graph_form() -> Any:
    """Return the module of it; imported once, as later our names may lead to modules of a guest."""
    from protocol.values import table

    return table


def import_all() -> None:
    """Import what is otherwise imported at the first value that is not plain."""
    _graph_form()


# --- budgets -------------------------------------------------------------------------------------
def _check_size(body: bytes, buffers: Sequence[Buffer], root: str, budget: Budget) -> None:
    size_bytes = len(body) + sum(map(buffer_bytes, buffers))
    if size_bytes > budget.bytes_max:
        raise BudgetExceeded(root, f"{size_bytes} B are over the limit of {budget.bytes_max} B")


def _check_nodes(nodes: int, root: str, budget: Budget) -> None:
    if nodes > budget.nodes_max:
        raise BudgetExceeded(root, f"more than {budget.nodes_max} values and keys")


def _check_depth(body: bytes, root: str, levels: int) -> None:
    if shape.is_deeper(body, levels):
        raise BudgetExceeded(root, f"deeper than {levels}")
