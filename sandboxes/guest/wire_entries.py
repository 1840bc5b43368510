"""Log entries and notes of progress as text; part of `sandboxes.guest.wire`, with its checks.

Rule: what unpacks runs in the cell, trusts nothing, and raises `RemoteProtocolError` alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from protocol.errors import RemoteProtocolError
from sandboxes.guest.wire_parts import (
    LOG_FIELDS_MAX,
    LOG_NAME_CHARS_MAX,
    LOG_TEXT_CHARS_MAX,
    PROGRESS_MESSAGE_CHARS_MAX,
)

_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_loads = json.JSONDecoder().decode


# --- checks --------------------------------------------------------------------------------------
def number(given: object, low: int, high: int) -> int:
    """Return an integer within its range.

    Raises:
        RemoteProtocolError: it is none.
    """
    if type(given) is not int or not low <= given <= high:
        raise RemoteProtocolError("wire: a number is missing or out of range")
    return given


def flag(given: object) -> bool:
    """Return a bool.

    Raises:
        RemoteProtocolError: it is none.
    """
    if type(given) is not bool:
        raise RemoteProtocolError("wire: a flag is not true or false")
    return given


def text_of(given: object, chars_max: int) -> str:
    """Return a text within its cap.

    Raises:
        RemoteProtocolError: it is none.
    """
    if type(given) is not str or len(given) > chars_max:
        raise RemoteProtocolError("wire: a text is missing or over its cap")
    return given


# --- entries -------------------------------------------------------------------------------------
def pack_log(level: int, logger: str, message: str, fields: Sequence[tuple[str, str]]) -> str:
    """Return one log entry as the text of an `emit`; the caller keeps to the caps above."""
    return _dumps([level, logger, message, fields])


def unpack_log(text: str) -> tuple[int, str, str, dict[str, str]]:
    """Read a log entry: level, logger, message, fields.

    Raises:
        RemoteProtocolError: it is not exactly one entry within the caps.
    """
    entry = _entry(text, 4)
    fields = entry[3]
    if not isinstance(fields, list) or len(fields) > LOG_FIELDS_MAX:
        raise RemoteProtocolError("wire: the fields of a log entry are over their cap")
    named: dict[str, str] = {}
    for pair in fields:
        if not isinstance(pair, list) or len(pair) != 2:
            raise RemoteProtocolError("wire: a field of a log entry is not a pair")
        named[text_of(pair[0], LOG_NAME_CHARS_MAX)] = text_of(pair[1], LOG_TEXT_CHARS_MAX)
    return (
        number(entry[0], 0, 1_000),
        text_of(entry[1], LOG_NAME_CHARS_MAX),
        text_of(entry[2], LOG_TEXT_CHARS_MAX),
        named,
    )


def pack_progress(permille: int, message: str) -> str:
    """Return a note of progress as the text of an `emit`."""
    return _dumps([permille, message])


def unpack_progress(text: str) -> tuple[int, str]:
    """Read a note of progress: thousandths of the whole, message.

    Raises:
        RemoteProtocolError: it is not exactly one note within the caps.
    """
    entry = _entry(text, 2)
    return number(entry[0], 0, 1_000), text_of(entry[1], PROGRESS_MESSAGE_CHARS_MAX)


def _entry(text: str, length: int) -> list[object]:
    try:
        entry = _loads(text)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, list) or len(entry) != length:
        raise RemoteProtocolError("wire: an entry has not the expected parts")
    return entry
