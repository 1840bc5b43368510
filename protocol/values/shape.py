"""How many values a JSON text holds, and how deep, before anything is built from it.

A text of 16 MB can make half a gigabyte of objects, so a decoder asks here first. Everything works
on whole texts with operations of the `bytes` type, at the speed of C.

Rule 1: the answer is exact or too high for the part of a text that a parser would read, whatever
stands behind it.
"""

from __future__ import annotations

from typing import Final

_COUNTED: Final = (b",", b":", b"[", b"{")
_BUT_SEPARATORS: Final = bytes(set(range(256)) - set(b'",:[{'))
_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b'"[]{}'))
#: One kind of bracket is enough to measure depth; a parser stops where they do not match.
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
#: To count brackets first pays off in short texts, and where escapes make the rest slow.
_SHORT_BYTES: Final = 1 << 16
#: Pieces between quotes cost up to 40 B each while a window is taken apart.
_WINDOW_BYTES: Final = 1 << 18


def count_nodes(text: bytes, enough: int) -> int:
    """Return how many values and keys `text` holds; an empty array or object counts for two.

    Args:
        text: JSON in UTF-8.
        enough: a count that is of no further interest; up to it the answer may be too high.
    """
    if len(text) <= enough:
        return len(text)
    upper = 1 + sum(map(text.count, _COUNTED))
    if upper <= enough:
        return upper
    return 1 + sum(map(_outside_strings(text, _BUT_SEPARATORS).count, _COUNTED))


def is_deeper(text: bytes, levels: int) -> bool:
    """Return whether arrays and objects in `text` are nested deeper than `levels`."""
    is_quick = len(text) < _SHORT_BYTES or b"\\" in text
    if is_quick and text.count(b"[") + text.count(b"{") <= levels:
        return False
    brackets = _outside_strings(text, _BUT_BRACKETS).translate(_ONE_KIND)
    for _ in range(levels):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return bool(brackets)


def _outside_strings(text: bytes, dropped: bytes) -> bytes:
    """Return `text` without its strings and without the bytes of `dropped`."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side are a string without separators, or the end of one and the start of
    # the next: without them every other quote still opens a string.
    text = text.translate(None, dropped).replace(b'""', b"")
    if b'"' not in text:
        return text
    kept: list[bytes] = []
    is_inside = 0
    for start in range(0, len(text), _WINDOW_BYTES):
        pieces = text[start : start + _WINDOW_BYTES].split(b'"')
        kept.append(b"".join(pieces[is_inside::2]))
        is_inside ^= (len(pieces) - 1) & 1
    return b"".join(kept)
