"""Exceptions to text: the guest's own files, lines and source, and no frame of ours.

Rule 1: whatever an exception does while it is looked at (raises, lies about its class, returns no
        text, refers to itself), the answer is a `Failure` within the caps of `wire`.
Rule 2: text is clipped in the middle, so that the end of a traceback, which says most, survives.
Rule 3: a traceback is part of the outcome and is not written to standard error as well: who shows
        an outcome decides where it goes.
"""

from __future__ import annotations

import linecache
import traceback
from types import TracebackType
from typing import Any, Final

from sandboxes.guest import wire

_ROOT: Final = __file__.removesuffix("sandboxes/guest/failures.py")
#: Code whose file name begins so is ours and is not shown.
OURS: Final = (f"{_ROOT}sandboxes/", f"{_ROOT}protocol/")
_ASYNCIO: Final = "/asyncio/"
_CUT: Final = "\n[... {} characters cut ...]\n"


def failure_of(error: BaseException) -> wire.Failure:
    """Return `error` as text."""
    try:
        if isinstance(error, SyntaxError):
            _find_text(error)
        shown = traceback.TracebackException.from_exception(error, compact=True)
        _hide_ours(shown)
        text = "".join(shown.format())
    except BaseException:  # noqa: BLE001 - hostile methods of the guest's exception run above
        text = _plain_traceback(error)
    return wire.Failure(
        name_of(type(error))[: wire.ERROR_NAME_CHARS_MAX],
        clip(message_of(error), wire.ERROR_MESSAGE_CHARS_MAX),
        clip(text, wire.ERROR_TRACEBACK_CHARS_MAX),
    )


def name_of(cls: type) -> str:
    """Return the name of a class, even if its metaclass has another opinion."""
    name: str = type.__dict__["__name__"].__get__(cls)
    return name


def message_of(error: BaseException) -> str:
    """Return `str(error)`, or a note that there is none."""
    try:
        if isinstance(error, SyntaxError) and type(error.msg) is str:
            return error.msg
        text = str(error)
    except BaseException:  # noqa: BLE001 - a guest's `__str__` may raise anything
        return "<exception str() failed>"
    return str.__str__(text)


def clip(text: str, chars_max: int) -> str:
    """Return `text`, with its middle replaced by a note if it is longer than `chars_max`."""
    if len(text) <= chars_max:
        return text
    note = _CUT.format(len(text))
    keep = chars_max - len(note)
    return text[: keep // 4] + note + text[len(text) - (keep - keep // 4) :]


def _hide_ours(shown: traceback.TracebackException) -> None:
    """Remove our frames from an exception and from all that are chained to or grouped in it."""
    todo: list[Any] = [shown]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if one.stack:
            theirs = [frame for frame in one.stack if not frame.filename.startswith(OURS)]
            if one.stack[0].filename.startswith(OURS):
                # A cell that awaits runs inside the event loop, which is no business of its own.
                while theirs and _ASYNCIO in theirs[0].filename:
                    del theirs[0]
            one.stack[:] = theirs
        if not one.stack:
            one.stack = None
        todo += [one.__cause__, one.__context__, *(one.exceptions or ())]


def _find_text(error: SyntaxError) -> None:
    """Add the source line, which a compiler that works on a tree does not know."""
    if error.text is None and error.filename is not None and error.lineno is not None:
        error.text = linecache.getline(error.filename, error.lineno) or None


def _plain_traceback(error: BaseException) -> str:
    """Return a traceback made without any method of the exception, and with little memory."""
    lines = ["Traceback (most recent call last):\n"]
    step: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    try:
        while step is not None and len(lines) < 100:
            code = step.tb_frame.f_code
            if not code.co_filename.startswith(OURS):
                lines.append(
                    f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}\n'
                )
            step = step.tb_next
        lines.append(f"{name_of(type(error))}: {message_of(error)[:1_000]}\n")
    except MemoryError:
        return ""
    return "".join(lines)
