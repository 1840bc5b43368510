"""The graph form of a value: `#` and a table as JSON. See `protocol.values.audit` for the rows."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from protocol.errors import BudgetExceeded, RemoteProtocolError, ValueRefused
from protocol.values import plain, shape
from protocol.values.audit import Table, TableError, audit
from protocol.values.build import Builder, Unbuildable
from protocol.values.flatten import Circular, Flattener
from protocol.values.parts import Budget, Buffer, Encoded
from protocol.values.refusing import Refused, find_path

#: The array, the rows, a row, its items, a reference.
_LEVELS = 5


def encode(value: object, root: str, budget: Budget) -> Encoded:
    """Return `value` in the graph form; the size of the result is for the caller to check.

    Raises:
        ValueRefused, BudgetExceeded: as for `protocol.values.encode`.
    """
    try:
        if sys.get_int_max_str_digits() == plain.DIGITS_MAX:
            try:
                return _encode(value, budget, is_careful=False)
            except ValueError:  # half a surrogate pair, or a long int
                pass
        return _encode(value, budget, is_careful=True)
    except Refused as refused:
        if refused.is_over_budget:
            raise BudgetExceeded(root, refused.reason) from None
        raise ValueRefused(find_path(value, refused.part, root), refused.reason) from None


def decode(
    body: bytes, buffers: Sequence[Buffer], root: str, budget: Budget, classes: Mapping[str, type]
) -> object:
    """Return the value in `body`, whose size and nodes have been checked.

    Raises:
        RemoteProtocolError, BudgetExceeded, ValueRefused: as for `protocol.values.decode`.
    """
    if shape.is_deeper(body, _LEVELS):
        raise RemoteProtocolError("value: not a table")
    match plain.parse(body[len(plain.TABLE_MARK) :]):
        case [found, list() as shells, list() as nodes]:
            table = Table(found, shells, nodes)
        case _:
            raise RemoteProtocolError("value: not a table")
    try:
        with plain.collector_off(len(body)):
            audit(table, budget.depth_max)
            return Builder(table, buffers, classes).build()
    except TableError as wrong:
        if wrong.is_over_budget:
            raise BudgetExceeded(root, wrong.reason) from None
        raise RemoteProtocolError(f"value: row {wrong.row}: {wrong.reason}") from None
    except Unbuildable as wrong:
        raise RemoteProtocolError("value: parts that make no value of their type") from wrong


def _encode(value: object, budget: Budget, *, is_careful: bool) -> Encoded:
    flattener = Flattener(nodes_max=budget.nodes_max, is_circular=False, is_careful=is_careful)
    try:
        table = flattener.flatten(value)
    except Circular:
        flattener = Flattener(nodes_max=budget.nodes_max, is_circular=True, is_careful=is_careful)
        table = flattener.flatten(value)
    try:
        # Without cycles, linked keys or depth there is nothing that the other side could refuse.
        if table.shells or flattener.has_linked_keys or flattener.depth > budget.depth_max:
            audit(table, budget.depth_max)
    except TableError as wrong:
        part = flattener.objects[wrong.row] if wrong.row >= 0 else value
        raise Refused(part, wrong.reason, is_over_budget=wrong.is_over_budget) from None
    text = plain.to_text([table.root, table.shells, table.nodes])
    return Encoded(plain.TABLE_MARK + text.encode(), flattener.buffers)
