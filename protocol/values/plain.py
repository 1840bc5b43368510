"""The plain form: a value that JSON carries exactly, as compact JSON in UTF-8.

Most values are such trees: None, bool, int, float (inf and nan too, on which only our own two
readers need to agree), str, list, and dict with text keys, each of exactly these types and no
container in two places.

Rule 1: the check takes a level of the tree at a time, with operations that run in C. One Python
statement for each container would double the cost of a call.
"""

from __future__ import annotations

import json
import sys
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
_CONTAINERS = frozenset({list, dict})
_TEXT_ALONE = frozenset({str})
#: The least limit on digits that Python lets a program set.
_DIGITS_AT_ONCE = 640


def dump(value: object) -> bytes | None:
    """Return `value` in the plain form, or `None` if it needs the graph form."""
    if not _is_plain_tree(value):
        return None
    try:
        return to_text(value).encode()
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
        return _from_text(body.decode())
    except (ValueError, RecursionError):
        raise RemoteProtocolError("value: not JSON in UTF-8") from None


def is_short_int(value: int) -> bool:
    """Return whether every reader turns the decimal text of `value` back into it."""
    return -_LONG_INT < value < _LONG_INT


def _is_plain_tree(root: object) -> bool:
    has_usual_limit = sys.get_int_max_str_digits() == DIGITS_MAX
    level: list[object] = [root]
    identities: set[int] = set()
    containers_count = 0
    for _ in range(PLAIN_DEPTH_MAX + 1):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        if not has_usual_limit and not all(is_short_int(x) for x in level if type(x) is int):
            return False
        if kinds.isdisjoint(_CONTAINERS):
            return True
        lists = _of_type(list, level, kinds)
        dicts = _of_type(dict, level, kinds)
        if not set(map(type, chain.from_iterable(dicts))) <= _TEXT_ALONE:
            return False
        identities.update(map(id, lists))
        identities.update(map(id, dicts))
        containers_count += len(lists) + len(dicts)
        if len(identities) != containers_count:
            return False  # shared or circular
        level = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, dicts))]
    return False


def _of_type[T](cls: type[T], level: list[object], kinds: set[type]) -> list[T]:
    if cls not in kinds:
        return []
    return [x for x in level if type(x) is cls]


# --- text ----------------------------------------------------------------------------------------
def _from_text(text: str) -> Any:
    # Whatever limit on digits this process has set itself, the same texts are taken.
    decoder = _USUAL if sys.get_int_max_str_digits() == DIGITS_MAX else _OWN_LIMIT
    return decoder.decode(text)


def _int_in_pieces(text: str) -> int:
    digits = text.lstrip("-")
    if len(digits) > DIGITS_MAX:
        raise ValueError("an int over the limit on digits")
    number = 0
    for at in range(0, len(digits), _DIGITS_AT_ONCE):
        piece = digits[at : at + _DIGITS_AT_ONCE]
        number = number * 10 ** len(piece) + int(piece)
    return -number if text[0] == "-" else number


_LONG_INT: int = 10**_DIGITS_AT_ONCE
# `float` makes a new nan each time, so that two of them stay two keys of a dict.
_USUAL = json.JSONDecoder(parse_constant=float)
_OWN_LIMIT = json.JSONDecoder(parse_constant=float, parse_int=_int_in_pieces)
# Both forms are checked for cycles before they are written.
to_text = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
