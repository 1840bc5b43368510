"""Values of Python as bytes and back: a structured clone, with the standard library alone.

    encode(value) -> Encoded(body, buffers)        decode(body, buffers) -> value

Carried, with type, sharing and cycles: None, bool, int of any size, float with inf and nan,
complex, str with surrogates, bytes, bytearray, memoryview of bytes, list, tuple, dict with any
hashable key, set, frozenset, range, slice, Ellipsis, date, time, datetime, timedelta, timezone,
ZoneInfo by key, Decimal, Fraction, UUID. These arrive as something near:

    a path         the pure path of its system: a name, not a grant
    an enum        `Member(enum, name)`, or the member if the decoder has the class
    a dataclass    `Record` with its fields, or an instance if the decoder has the class
    a memoryview   a view of a copy, which cannot be written to

All else is refused with the way to it, subclasses of builtin types included. So is what has no
bounded cost on the other side: a Decimal of over 10,000 digits or an exponent over 100,000, a
Fraction over 16,384 bits, a dict key nested over 64 deep.

A body is UTF-8 text in one of two forms, told apart by the first byte: plain JSON
(`protocol.values.plain`) or, behind a `#`, a table (`protocol.values.audit`). Nothing that is read
is ever unpickled, unmarshalled or evaluated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from protocol.errors import BudgetExceeded, RemoteProtocolError, ValueRefused
from protocol.values import plain, shape
from protocol.values.audit import Table, TableError, audit
from protocol.values.build import Builder, Unbuildable
from protocol.values.flatten import Circular, Flattener
from protocol.values.parts import Budget, Buffer, Encoded, buffer_bytes
from protocol.values.records import Member, Record, class_name_of
from protocol.values.refusing import Refused, find_path

__all__ = ["Budget", "Encoded", "Member", "Record", "class_name_of", "decode", "encode"]

_TABLE_MARK = b"#"
#: The array, the rows, a row, its items, a reference.
_TABLE_LEVELS = 5
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
    body = plain.dump(value)
    if body is not None:
        encoded = Encoded(body)
        if budget.depth_max < plain.PLAIN_DEPTH_MAX and shape.is_deeper(body, budget.depth_max):
            raise BudgetExceeded(root, f"deeper than {budget.depth_max}")
    else:
        encoded = _encode_table(value, root, budget)
    _check_size(encoded.body, encoded.buffers, root, budget)
    _check_nodes(encoded.body, root, budget)
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
    _check_nodes(body, root, budget)
    if body.startswith(_TABLE_MARK):
        return _decode_table(body, buffers, root, budget, classes)
    levels = min(budget.depth_max, plain.PLAIN_DEPTH_MAX)
    if shape.is_deeper(body, levels):
        raise BudgetExceeded(root, f"deeper than {levels}")
    return _parse(body.decode)


# --- the graph form ------------------------------------------------------------------------------
def _encode_table(value: object, root: str, budget: Budget) -> Encoded:
    try:
        if sys.get_int_max_str_digits() == plain.DIGITS_MAX:
            try:
                return _write_table(value, budget, is_careful=False)
            except ValueError:  # half a surrogate pair, or a long int
                pass
        return _write_table(value, budget, is_careful=True)
    except Refused as refused:
        kind = BudgetExceeded if refused.is_over_budget else ValueRefused
        raise kind(find_path(value, refused.part, root), refused.reason) from None


def _write_table(value: object, budget: Budget, *, is_careful: bool) -> Encoded:
    flattener = Flattener(nodes_max=budget.nodes_max, is_circular=False, is_careful=is_careful)
    try:
        table = flattener.flatten(value)
    except Circular:
        flattener = Flattener(nodes_max=budget.nodes_max, is_circular=True, is_careful=is_careful)
        table = flattener.flatten(value)
    try:
        audit(table, budget.depth_max)
    except TableError as wrong:
        part = flattener.objects[wrong.row] if wrong.row >= 0 else value
        raise Refused(part, wrong.reason, is_over_budget=wrong.is_over_budget) from None
    text = plain.to_text([table.root, table.shells, table.nodes])
    return Encoded(_TABLE_MARK + text.encode(), flattener.buffers)


def _decode_table(
    body: bytes, buffers: Sequence[Buffer], root: str, budget: Budget, classes: Mapping[str, type]
) -> object:
    if shape.is_deeper(body, _TABLE_LEVELS):
        raise RemoteProtocolError("value: not a table")
    match _parse(body[1:].decode):
        case [found, list() as shells, list() as nodes]:
            table = Table(found, shells, nodes)
        case _:
            raise RemoteProtocolError("value: not a table")
    try:
        audit(table, budget.depth_max)
        return Builder(table, buffers, classes).build()
    except TableError as wrong:
        if wrong.is_over_budget:
            raise BudgetExceeded(root, wrong.reason) from None
        raise RemoteProtocolError(f"value: row {wrong.row}: {wrong.reason}") from None
    except Unbuildable as wrong:
        raise RemoteProtocolError("value: parts that make no value of their type") from wrong


def _parse(decode_utf_8: Callable[[], str]) -> object:
    try:
        return plain.from_text(decode_utf_8())
    except (ValueError, RecursionError):
        raise RemoteProtocolError("value: not JSON in UTF-8") from None


# --- budgets -------------------------------------------------------------------------------------
def _check_size(body: bytes, buffers: Sequence[Buffer], root: str, budget: Budget) -> None:
    size_bytes = len(body) + sum(map(buffer_bytes, buffers))
    if size_bytes > budget.bytes_max:
        raise BudgetExceeded(root, f"{size_bytes} B are over the limit of {budget.bytes_max} B")


def _check_nodes(body: bytes, root: str, budget: Budget) -> None:
    if shape.count_nodes(body, budget.nodes_max) > budget.nodes_max:
        raise BudgetExceeded(root, f"more than {budget.nodes_max} values and keys")
