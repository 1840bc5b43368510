"""The plain form: a value that JSON carries exactly, as compact JSON in UTF-8.

Most values are such trees: None, bool, int, float (inf and nan too, on which only our own two
readers need to agree), str, list, and dict with text keys, each of exactly these types and no
container in two places.

Rule 1: the check takes a level of the tree at a time, with operations that run in C. One Python
statement for each container would double the cost of a call.
Rule 2: a tree of a few values, as most calls of functions are, takes a shorter way, as the longer
one costs as much as all the rest of such a call.
"""

from __future__ import annotations

import gc
import json
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from protocol.errors import RemoteProtocolError

#: The first byte of the other form; no JSON text starts with it.
TABLE_MARK = b"#"

#: Deeper values take the graph form, whose two ends work without recursion.
PLAIN_DEPTH_MAX = 64
#: CPython's own default; from text to int and back takes quadratic time above it.
DIGITS_MAX = 4_300

SCALARS = frozenset({type(None), bool, int, float, str})
_PLAIN = SCALARS | {list, dict}
#: To look for cycles again and again among the objects of a value that is still being built takes
#: a fifth of the time of a large one.
_LARGE_BYTES = 1 << 20
_CONTAINERS = frozenset({list, dict})
_TEXT_ALONE = frozenset({str})
#: Containers in a value, and items in a container, up to which the short way is shorter.
_FEW = 8
#: The least limit on digits that Python lets a program set.
_DIGITS_AT_ONCE = 640


def dump(value: object) -> tuple[bytes, int] | None:
    """Return `value` in the plain form and the nodes in it; `None` if it needs the graph form."""
    nodes = _count_few(value) or _count_plain_tree(value)
    if nodes == 0:
        return None
    try:
        return to_text(value).encode(), nodes
    except UnicodeEncodeError:
        return None  # half a surrogate pair
    except (ValueError, RecursionError):
        return None  # an int over the limit on digits; no stack left


def parse(body: bytes) -> Any:
    """Return the JSON value that `body` holds, in either form.

    Raises:
        RemoteProtocolError: not JSON in UTF-8.
    """
    try:
        if len(body) < _LARGE_BYTES:
            return _from_text(body.decode())
        with collector_off(len(body)):
            return _from_text(body.decode())
    except (ValueError, RecursionError):
        raise RemoteProtocolError("value: not JSON in UTF-8") from None


@contextmanager
def collector_off(size_bytes: int) -> Iterator[None]:
    """Keep the collector off while a large value is built, if it is on."""
    if size_bytes < _LARGE_BYTES or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def is_short_int(value: int) -> bool:
    """Return whether every reader turns the decimal text of `value` back into it."""
    return -_LONG_INT < value < _LONG_INT


def _count_few(root: object) -> int:
    """Return what `_count_plain_tree` does for a few values; 0 if there are more, or any doubt."""
    if sys.get_int_max_str_digits() != DIGITS_MAX:
        return 0
    waiting: list[Any] = [root]
    seen: list[int] = []
    nodes = 1
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if kind in SCALARS:
            continue
        if kind not in _CONTAINERS or len(part) > _FEW or len(seen) == _FEW or id(part) in seen:
            return 0
        seen.append(id(part))
        if kind is list:
            nodes += len(part) or 1
            waiting += part
        else:
            if not _TEXT_ALONE.issuperset(map(type, part)):
                return 0
            nodes += 2 * len(part) or 1
            waiting += part.values()
    return nodes


def _count_plain_tree(root: object) -> int:
    """Return the nodes of `root` as `shape.count_nodes` counts them; 0 if it is no plain tree."""
    has_usual_limit = sys.get_int_max_str_digits() == DIGITS_MAX
    lists: list[list[object]] = [[root]]
    dicts: list[dict[str, object]] = []
    identities: set[int] = set()
    nodes = suspects_count = 0
    for _ in range(PLAIN_DEPTH_MAX + 1):
        kinds = set(map(type, _inside(lists, dicts)))
        nodes += sum(map(len, lists)) + 2 * sum(map(len, dicts))
        if not kinds <= _PLAIN:
            return 0
        if not has_usual_limit and int in kinds and not _has_short_ints(lists, dicts):
            return 0
        if kinds.isdisjoint(_CONTAINERS):
            return nodes
        found: list[Any] = [x for x in _inside(lists, dicts) if type(x) in _CONTAINERS]
        suspects = _perhaps_shared(found)
        identities.update(map(id, suspects))
        suspects_count += len(suspects)
        if len(identities) != suspects_count:
            return 0  # shared or circular
        lists = [x for x in found if type(x) is list] if list in kinds else []
        dicts = [x for x in found if type(x) is dict] if dict in kinds else []
        if not _TEXT_ALONE.issuperset(map(type, chain.from_iterable(dicts))):
            return 0
        nodes += sum(map(operator.not_, found))
    return 0


def _inside(lists: list[list[object]], dicts: list[dict[str, object]]) -> Iterator[object]:
    # The views of the dicts are made and dropped one by one: kept, the collector would visit them.
    return chain(chain.from_iterable(lists), chain.from_iterable(map(dict.values, dicts)))


def _perhaps_shared(found: list[Any]) -> list[Any]:
    """Return those of `found` that more than one container, or somebody else, refers to.

    Within a value most containers have one reference, from the container around them. To count
    references costs a fifth of what it costs to tell identities apart.
    """
    counts = list(map(sys.getrefcount, found))
    if max(counts) <= _LEAST_REFERENCES:
        return []
    return [x for x, count in zip(found, counts, strict=True) if count > _LEAST_REFERENCES]


def _has_short_ints(lists: list[list[object]], dicts: list[dict[str, object]]) -> bool:
    return all(is_short_int(x) for x in _inside(lists, dicts) if type(x) is int)


# --- text ----------------------------------------------------------------------------------------
def _from_text(text: str) -> Any:
    # Whatever limit on digits this process has set itself, the same texts are taken.
    decoder = _USUAL if sys.get_int_max_str_digits() == DIGITS_MAX else _OWN_LIMIT
    try:
        found, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]  # without looking for white space round it
    except StopIteration:
        end = -1
    return found if end == len(text) else decoder.decode(text)


def _int_in_pieces(text: str) -> int:
    digits = text.lstrip("-")
    if len(digits) > DIGITS_MAX:
        raise ValueError("an int over the limit on digits")
    number = 0
    for at in range(0, len(digits), _DIGITS_AT_ONCE):
        piece = digits[at : at + _DIGITS_AT_ONCE]
        number = number * 10 ** len(piece) + int(piece)
    return -number if text[0] == "-" else number


_PROBE: list[list[object]] = [[]]
# What a container has that is in one other and in `found`, counted the way `_perhaps_shared` does.
_LEAST_REFERENCES = min(map(sys.getrefcount, [x for x in _PROBE]))  # noqa: C416 - in two lists
_LONG_INT: int = 10**_DIGITS_AT_ONCE
# `float` makes a new nan each time, so that two of them stay two keys of a dict.
_USUAL = json.JSONDecoder(parse_constant=float)
_OWN_LIMIT = json.JSONDecoder(parse_constant=float, parse_int=_int_in_pieces)
# Both forms are checked for cycles before they are written.
_encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_c_encode: Any = None
if (make := getattr(json.encoder, "c_make_encoder", None)) is not None:
    # What `_encoder.encode` makes anew in each call, for half the time of a small one.
    text_of = json.encoder.encode_basestring
    _c_encode = make(None, _encoder.default, text_of, None, ":", ",", False, False, True)


def to_text(value: object) -> str:
    """Return a checked value as compact JSON.

    Raises:
        ValueError, RecursionError: an int is over the limit on digits; no stack is left.
    """
    return _encoder.encode(value) if _c_encode is None else "".join(_c_encode(value, 0))
