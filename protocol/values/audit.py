"""The table of the graph form, checked as a table, before one object is made from it.

A body in the graph form is `#` and a JSON array `[root, shells, nodes]`. A row is
`[operation, ...]`; an item in a row is a scalar itself or `[n]`, a reference to row n, where the
shells are counted first and the nodes behind them. Shells, present only where a value has cycles,
may refer to any row; a node refers to shells and to nodes before itself. So nodes are built in one
pass, each from finished parts, and shells are made empty first and filled last.

Both ends run this check, so that what one side sends is what the other side takes.

Rule 1: no recursion, and time linear in the table.
Rule 2: whatever is hashed has a bounded depth, as CPython hashes tuples by C recursion without a
guard, and a bounded cost, as a tuple shared n times within itself is hashed 2**n times.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from protocol.structs import frozen
from protocol.values.leaves import PUT
from protocol.values.plain import SCALARS
from protocol.values.records import KINDS, is_name

type Row = list[Any]

#: A dict key or set element may be nested this deep.
HASH_DEPTH_MAX: Final = 64
#: Steps of hashing allowed for each item of the table, and on top of that.
HASH_STEPS_FOR_ITEM: Final = 2
HASH_STEPS_FREE: Final = 100_000

#: Containers of scalars alone; the same with references among their items; bytes-likes, in the
#: table as base64 or out of band as the number of a buffer.
LITERAL: Final = frozenset({"list", "tuple", "set", "frozenset", "pairs", "dict"})
LINKED: Final = frozenset({"list&", "tuple&", "set&", "frozenset&", "pairs&", "dict&"})
DATA: Final = frozenset({"bytes", "bytearray", "view", "bytes@", "bytearray@", "view@"})
#: Containers that hash their items, or every other one.
HASHED: Final = frozenset({"set", "frozenset", "pairs"})
_SHELLS: Final = frozenset({"list", "dict", "pairs", "set"})
_UNHASHABLE: Final = frozenset({"list", "dict", "pairs", "set", "bytearray", "bytearray@"})
_ITEM: Final = SCALARS | {list}


@frozen
class Table:
    """A value taken apart: see the docstring of this module."""

    root: Any
    shells: list[Row]
    nodes: list[Row]


class TableError(Exception):
    """A table that no encoder of ours writes, or that asks for too much; `row` is its number."""

    def __init__(self, reason: str, row: int = -1, *, is_over_budget: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.row = row
        self.is_over_budget = is_over_budget


def audit(table: Table, depth_max: int) -> None:
    """Check that `table` can be built, within the budget and in bounded time.

    Raises:
        TableError: it cannot.
    """
    _Audit(table).run(depth_max)


class _Audit:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._shells_count = len(table.shells)
        self._count = len(table.shells) + len(table.nodes)
        #: For each row that has any: the rows it refers to.
        self._links: dict[int, list[int]] = {}
        #: For each row: how deep a hash of it goes, 0 if it has none; and how many steps it takes.
        self._heights = [1] * self._count
        self._steps = [1] * self._count
        self._keys: list[tuple[int, list[object]]] = []
        self._items_count = 0

    def run(self, depth_max: int) -> None:
        for number, row in enumerate(self._table.shells):
            op = self._check_row(number, row, self._count)
            if op.rstrip("&") not in _SHELLS and not (op == "record" and row[2] != "frozen"):
                raise TableError("a shell that cannot be filled", number)
            self._heights[number] = int(op == "record" and row[2] == "identity")
        for number, row in enumerate(self._table.nodes, self._shells_count):
            self._check_row(number, row, number)
        root = self._references([self._table.root], self._count, -1)
        if len(root) != 1:
            raise TableError("no root")
        self._check_hashing()
        self._check_depth(root, depth_max)

    # --- one row ---------------------------------------------------------------------------------
    def _check_row(self, number: int, row: Row, limit: int) -> str:
        if type(row) is not list or not row or type(row[0]) is not str:
            raise TableError("not a row", number)
        op: str = row[0]
        if op in LITERAL:
            self._check_literal(number, row, op)
        elif op in LINKED:
            op = op[:-1]
            items = self._payload(number, row, op)
            self._note(number, row, op, items, self._references(items, limit, number))
        elif op == "record":
            items = self._record_items(number, row)
            self._note(number, row, op, items, self._references(items, limit, number))
        else:
            self._check_leaf(number, row, op, limit)
        return op

    def _check_literal(self, number: int, row: Row, op: str) -> None:
        items = self._payload(number, row, op)
        if not SCALARS.issuperset(map(type, items)):
            raise TableError("a literal with parts", number)
        self._items_count += len(items)
        self._steps[number] += len(items)
        if op in _UNHASHABLE:
            self._heights[number] = 0

    def _payload(self, number: int, row: Row, op: str) -> Collection[object]:
        if len(row) == 2:
            payload = row[1]
            if op == "dict" and type(payload) is dict:
                return payload.values()
            # On the way out a tuple stands for the array that it becomes.
            is_array = op != "dict" and type(payload) in (list, tuple)
            if is_array and not (op == "pairs" and len(payload) % 2):
                return payload  # type: ignore[no-any-return]  # one of those two
        raise TableError("not the parts of that type", number)

    def _record_items(self, number: int, row: Row) -> Collection[object]:
        if len(row) != 4 or row[2] not in KINDS or not is_name(row[1]) or type(row[3]) is not dict:
            raise TableError("not a record", number)
        if not all(map(str.isidentifier, row[3])):
            raise TableError("a field without a name", number)
        return row[3].values()

    def _check_leaf(self, number: int, row: Row, op: str, limit: int) -> None:
        arity = 1 if op in DATA else PUT[op][0] if op in PUT else -1
        if len(row) != arity + 1:
            raise TableError("an unknown operation, or not its arguments", number)
        if op in _UNHASHABLE:
            self._heights[number] = 0
        self._items_count += arity
        if links := self._references(row[1:], limit, number):
            self._links[number] = links

    def _references(self, items: Collection[object], limit: int, number: int) -> list[int]:
        if not _ITEM.issuperset(map(type, items)):
            raise TableError("an item that is neither scalar nor reference", number)
        links: list[int] = []
        for item in items:
            if type(item) is list:
                if len(item) != 1 or type(item[0]) is not int or not 0 <= item[0] < limit:
                    raise TableError("a reference that leads nowhere", number)
                links.append(item[0])
        return links

    def _note(
        self, number: int, row: Row, op: str, items: Collection[object], links: list[int]
    ) -> None:
        self._items_count += len(items)
        if links:
            self._links[number] = links
            if op in HASHED:
                self._keys.append((number, row[1][::2] if op == "pairs" else row[1]))
        if op in _UNHASHABLE or (op == "record" and row[2] == "mutable"):
            self._heights[number] = 0
        elif number >= self._shells_count:
            self._weigh(number, op, row, items, links)

    def _weigh(
        self, number: int, op: str, row: Row, items: Collection[object], links: list[int]
    ) -> None:
        if op == "record" and row[2] == "identity":
            return
        heights = [self._heights[n] for n in links]
        self._steps[number] = 1 + len(items) + sum(self._steps[n] for n in links)
        if 0 in heights:
            self._heights[number] = 0
        elif op != "frozenset":  # that one keeps the hashes of its elements
            self._heights[number] = 1 + max(heights, default=0)

    # --- the whole -------------------------------------------------------------------------------
    def _check_hashing(self) -> None:
        allowance = HASH_STEPS_FREE + HASH_STEPS_FOR_ITEM * self._items_count
        for number, keys in self._keys:
            for key in keys:
                if type(key) is not list:
                    continue
                height = self._heights[key[0]]
                if height == 0:
                    raise TableError("a key with parts that cannot be hashed", number)
                if height > HASH_DEPTH_MAX:
                    raise TableError(f"a key deeper than {HASH_DEPTH_MAX}", number)
                allowance -= self._steps[key[0]]
        if allowance < 0:
            raise TableError("keys that take too long to hash", is_over_budget=True)

    def _check_depth(self, root: list[int], depth_max: int) -> None:
        seen = bytearray(self._count)
        level, depth = root, 0
        while level:
            depth += 1
            if depth > depth_max:
                raise TableError(f"deeper than {depth_max}", is_over_budget=True)
            below: list[int] = []
            for number in level:
                if not seen[number]:
                    seen[number] = 1
                    below += self._links.get(number, ())
            level = below
