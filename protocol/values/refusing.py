"""What an object consists of, why it cannot cross, and where in a value it was found.

Rule 1: nothing is changed silently. A subclass of a builtin type is refused with a hint, as its
class would be lost.
Rule 2: the way to a refused part is searched only once there is one, so that no path is kept while
a value is taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from protocol.errors import printable
from protocol.values.leaves import Unfit, take_apart
from protocol.values.plain import SCALARS
from protocol.values.records import is_record, record_class

#: Containers and bytes-likes with the operations of their rows.
CONTAINERS: Final[dict[type, str]] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
}
BYTES: Final[dict[type, str]] = {bytes: "bytes", bytearray: "bytearray", memoryview: "view"}
#: Types whose instances cross as the view of bytes that they have: see `carry_as_view`.
VIEWED: Final[set[type]] = set()
_HINTS: Final = (
    (dict, "dict(x)"),
    (list, "list(x)"),
    (tuple, "tuple(x)"),
    (set, "set(x)"),
    (frozenset, "frozenset(x)"),
    (str, "str(x)"),
    (bytes, "bytes(x)"),
    (bytearray, "bytearray(x)"),
    (int, "int(x)"),
    (float, "float(x)"),
    (complex, "complex(x)"),
)
_LABEL_CHARS_MAX: Final = 60
_PATH_CHARS_MAX: Final = 1_000
_SEARCH_PARTS_MAX: Final = 1_000_000


class Refused(Exception):
    """An object that cannot cross; `part` is it, `reason` says why."""

    def __init__(self, part: object, reason: str, *, is_over_budget: bool = False) -> None:
        super().__init__(reason)
        self.part = part
        self.reason = reason
        self.is_over_budget = is_over_budget


def parts_of(part: Any) -> list[object]:
    """Return the parts of `part`; for a dict its values.

    Raises:
        Refused: it, or one of its fields, cannot cross.
    """
    cls = type(part)
    if cls in CONTAINERS:
        return list(part)
    if cls is dict:
        return list(part.values())
    if cls in BYTES:
        if cls is memoryview:
            _check_view(part)
        return []
    if cls in VIEWED:
        return []
    try:
        apart = take_apart(part)
    except Unfit as unfit:
        raise Refused(part, str(unfit)) from None
    if apart is not None:
        return apart[1]
    if is_record(part):
        return [_field(part, name) for name in record_class(part).fields]
    raise Refused(part, describe(part))


def is_shell(part: object) -> bool:
    """Return whether `part` can be made empty and filled afterwards."""
    if type(part) in (list, dict, set):
        return True
    return is_record(part) and record_class(part).kind != "frozen"


def describe(part: object) -> str:
    """Return what `part` is, with what to send instead where that is plain."""
    cls = type(part)
    name = printable(cls.__name__)
    article = "an" if name[:1].lower() in "aeiou" else "a"
    for base, instead in _HINTS:
        if isinstance(part, base):
            return f"{article} {name}, a subclass of {base.__name__}; send {instead}"
    return f"{article} {name}"


def find_path(root: object, wanted: object, root_name: str) -> str:
    """Return where in `root` the object `wanted` stands, such as `inputs['rows'][3]`."""
    # Each entry: a part, the entry it was found in, and how it is called there. The search ends
    # where parts are made up as they are asked for.
    entries: list[tuple[object, int, str]] = [(root, 0, root_name)]
    seen = {id(root)}
    at = 0
    while at < len(entries) <= _SEARCH_PARTS_MAX:
        part = entries[at][0]
        if part is wanted:
            return _spell(entries, at)
        for label, below in _labelled(part):
            if id(below) not in seen:
                seen.add(id(below))
                entries.append((below, at, label))
        at += 1
    return root_name


def _check_view(view: memoryview) -> None:
    if not (view.c_contiguous and view.ndim == 1 and view.format == "B"):
        raise Refused(view, "a memoryview of other items than bytes; send x.cast('B')")


def _field(part: object, name: str) -> object:
    try:
        return getattr(part, name)
    except AttributeError:
        reason = f"{describe(part)} without a value in its field {name}"
        raise Refused(part, reason) from None


def _spell(entries: list[tuple[object, int, str]], at: int) -> str:
    labels: list[str] = []
    while at:
        _part, above, label = entries[at]
        labels.append(label)
        at = above
    path = entries[0][2] + "".join(reversed(labels))
    if len(path) <= _PATH_CHARS_MAX:
        return path
    return f"{path[: _PATH_CHARS_MAX // 2]} ... {path[-_PATH_CHARS_MAX // 2 :]}"


def _labelled(part: Any) -> Iterator[tuple[str, object]]:
    """Yield the parts of `part` that may have parts themselves, each with its label."""
    if type(part) is dict:
        for n, (key, below) in enumerate(part.items()):
            if type(key) not in SCALARS:
                yield f".keys()[{n}]", key
            if type(below) not in SCALARS:
                yield f"[{_key_text(key, n)}]", below
        return
    try:
        parts = parts_of(part)
    except Refused:
        return
    names: Sequence[str] = ()
    if is_record(part) and take_apart(part) is None:
        names = record_class(part).fields
    for n, below in enumerate(parts):
        if type(below) in SCALARS:
            continue
        if names:
            yield f".{names[n]}", below
        elif type(part) in (set, frozenset):
            yield f".element({n})", below
        else:
            yield f"[{n}]" if type(part) in CONTAINERS else "", below


def _key_text(key: object, number: int) -> str:
    if type(key) is str:
        return ascii(key[:_LABEL_CHARS_MAX])
    if type(key) in SCALARS:
        return ascii(key)[:_LABEL_CHARS_MAX]
    return f"key {number}"
