"""A graph of objects to the table of the graph form. See `protocol.values.audit` for the table.

Rule 1: no recursion; a value may be nested as deep as memory allows.
Rule 2: a value without cycles takes one pass and has no shells. The first cycle met starts it anew
with every list, dict, set and changeable dataclass as a shell.
Rule 3: a scalar stays where it is used unless JSON would change it (half a surrogate pair, a long
int). To look for such costs time, so it is done only after the JSON writer has found one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from protocol.values.audit import HASHED, Table
from protocol.values.leaves import bytes_to_text, take_apart
from protocol.values.parts import Buffer
from protocol.values.plain import SCALARS, is_short_int
from protocol.values.records import Record, RecordClass, record_class
from protocol.values.refusing import BYTES, CONTAINERS, VIEWED, Refused, is_shell, parts_of

#: Bytes-likes from this size on travel out of band, uncopied.
OUT_OF_BAND_BYTES: Final = 64 << 10
#: More of them than a frame holds are written into the table instead.
BUFFERS_MAX: Final = 1_024


_ORDERED: Final = frozenset({list, tuple})
_TEXT: Final = frozenset({str})


class Circular(Exception):
    """A value without shells turned out to have a cycle."""


class Flattener:
    """Takes one value apart. `objects[n]` is what row n stands for."""

    def __init__(self, *, nodes_max: int, is_circular: bool, is_careful: bool) -> None:
        self.objects: list[object] = []
        self.buffers: list[Buffer] = []
        #: An upper bound of how deep the value is; exact enough to leave a shallow one unmeasured.
        self.depth = 2
        self.has_linked_keys = False
        self._nodes_left = nodes_max
        self._is_circular = is_circular
        self._is_careful = is_careful
        self._numbers: dict[int, int] = {}
        #: Parts that were made to look for shells, so that nothing takes over the identity of one.
        self._alive: list[list[object]] = []
        self._classes: dict[type, RecordClass] = {}
        self._nodes: list[list[object]] = []

    def flatten(self, root: object) -> Table:
        """Return the table of `root`.

        Raises:
            Refused: a part cannot cross, or there are too many.
            Circular: a cycle was met and `is_circular` was not set.
        """
        if not self._is_circular:
            self._visit(root)
            return Table([self._numbers[id(root)]], [], self._nodes)
        nodes_left = self._nodes_left
        shells = self._find_shells(root)
        self._nodes_left = nodes_left
        self.objects += shells
        self._numbers.update((id(shell), n) for n, shell in enumerate(shells))
        all_parts = [self._parts(shell) for shell in shells]
        try:
            for parts in all_parts:
                for part in self._awkward(parts):
                    self._visit(part)
            self._visit(root)
        except Circular:
            raise Refused(root, "an object that cannot be changed and contains itself") from None
        rows = [self._row(*pair) for pair in zip(shells, all_parts, strict=True)]
        return Table([self._numbers[id(root)]], rows, self._nodes)

    def _visit(self, root: object) -> None:
        numbers, nodes, objects = self._numbers, self._nodes, self.objects
        stack = [root]
        opened: dict[int, list[object]] = {}
        while stack:
            part = stack[-1]
            identity = id(part)
            if identity in numbers:
                stack.pop()
                continue
            row = self._literal_row(part)
            if row is None:
                parts = opened.pop(identity, None)
                if parts is None:
                    parts = self._parts(part)
                    waiting = [x for x in self._awkward(parts) if id(x) not in numbers]
                    if waiting:
                        opened[identity] = parts
                        self.depth = max(self.depth, 2 + len(opened))
                        stack += reversed(waiting)
                        continue
                try:
                    row = self._row(part, parts)
                except KeyError:  # one of the parts waits for this very object
                    raise Circular from None
            numbers[identity] = len(objects)
            nodes.append(row)
            objects.append(part)
            stack.pop()

    def _find_shells(self, root: object) -> list[object]:
        shells: list[object] = []
        seen: set[int] = set()
        stack = [root]
        while stack:
            part = stack.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            if is_shell(part):
                shells.append(part)
            parts = self._parts(part)
            self._alive.append(parts)
            stack += self._awkward(parts)
        return shells

    # --- parts of one object ---------------------------------------------------------------------
    def _parts(self, part: object) -> list[object]:
        parts = parts_of(part)
        if type(part) is dict and not self._has_text_keys(part):
            parts = [x for pair in part.items() for x in pair]
        self._spend(part, len(parts))
        return parts

    def _has_text_keys(self, mapping: dict[Any, object]) -> bool:
        if not _TEXT.issuperset(map(type, mapping)):
            return False
        return not self._is_careful or all(map(_is_inline, mapping))

    def _awkward(self, parts: list[object]) -> list[object]:
        """Return those of `parts` that need a row of their own."""
        if self._is_careful:
            return [x for x in parts if not _is_inline(x)]
        if SCALARS.issuperset(map(type, parts)):
            return []
        return [x for x in parts if type(x) not in SCALARS]

    def _items(self, parts: Iterable[object]) -> list[object]:
        numbers = self._numbers
        if self._is_careful:
            return [x if _is_inline(x) else [numbers[id(x)]] for x in parts]
        return [x if type(x) in SCALARS else [numbers[id(x)]] for x in parts]

    # --- rows ------------------------------------------------------------------------------------
    def _literal_row(self, part: Any) -> list[object] | None:
        """Return the row of a builtin container of scalars, the most frequent one by far."""
        op = CONTAINERS.get(type(part))
        if op is None or self._is_careful or not SCALARS.issuperset(map(type, part)):
            return None
        self._spend(part, len(part))
        return [op, part if type(part) in _ORDERED else list(part)]

    def _spend(self, part: object, count: int) -> None:
        self._nodes_left -= count
        if self._nodes_left < 0:
            raise Refused(part, "more parts than the budget allows", is_over_budget=True)

    def _row(self, part: Any, parts: list[object]) -> list[object]:
        cls = type(part)
        if cls in CONTAINERS:
            return [*self._container_row(CONTAINERS[cls], parts)]
        if type(part) is dict:
            if not self._has_text_keys(part):
                return [*self._container_row("pairs", parts)]
            op, items = self._container_row("dict", parts)
            return [op, dict(zip(part, items, strict=True))]
        if cls in BYTES:
            return self._bytes_row(part)
        if cls in VIEWED:
            return self._bytes_row(part.view)
        apart = take_apart(part)
        if apart is not None:
            return [apart[0], *self._items(parts)]
        record = self._record_class(part)
        fields = dict(zip(record.fields, self._items(parts), strict=True))
        return ["record", record.name, record.kind, fields]

    def _record_class(self, part: object) -> RecordClass:
        if type(part) is Record:
            return record_class(part)
        record = self._classes.get(type(part))
        if record is None:
            record = self._classes[type(part)] = record_class(part)
        return record

    def _container_row(self, op: str, parts: list[object]) -> tuple[str, list[object]]:
        if not self._awkward(parts):
            return op, parts
        if op in HASHED:
            self.has_linked_keys = True
        return op + "&", self._items(parts)

    def _bytes_row(self, data: bytes | bytearray | memoryview) -> list[object]:
        op = BYTES[type(data)]
        size_bytes = len(data)
        if size_bytes < OUT_OF_BAND_BYTES or len(self.buffers) >= BUFFERS_MAX:
            return [op, bytes_to_text(data)]
        self.buffers.append(memoryview(data).toreadonly())
        return [op + "@", len(self.buffers) - 1]


def _is_inline(part: object) -> bool:
    """Return whether JSON carries `part` as it is, on every setting of the other side."""
    if type(part) is int:
        return is_short_int(part)
    if type(part) is str and not part.isascii():
        try:
            part.encode()
        except UnicodeEncodeError:
            return False
    return type(part) in SCALARS
