"""`logging` to structured entries: level, logger, message and extra fields, emitted one by one.

Rule 1: every text is clipped here; the cell bounds how many entries a run may send.
Rule 2: entries go to the host, not to standard error, so a root logger has a handler from the
        start. `logging.basicConfig` still sets the level, and adds what else it was asked for.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from sandboxes.guest import ports, wire

FIELD_CHARS_MAX: Final = 4_096
_PLAIN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_basic_config = logging.basicConfig


class Entries(logging.Handler):
    """Emits each record as one entry."""

    def emit(self, record: logging.LogRecord) -> None:
        """Emit `record`; what fails in it is reported as `logging` does."""
        try:
            ports.emit(wire.LOG, pack(record))
        except Exception:  # noqa: BLE001 - arguments of the guest's record run their own code
            self.handleError(record)


def pack(record: logging.LogRecord) -> str:
    """Return `record` as the text of an `emit`."""
    fields = [
        (str(name)[: wire.LOG_NAME_CHARS_MAX], _text(value)[:FIELD_CHARS_MAX])
        for name, value in record.__dict__.items()
        if name not in _PLAIN
    ]
    if record.exc_info and record.exc_info[0] is not None:
        fields.append(("exception", _format_exception(record)))
    return wire.pack_log(
        min(max(int(record.levelno), 0), 1_000),
        str(record.name)[: wire.LOG_NAME_CHARS_MAX],
        record.getMessage()[: wire.LOG_TEXT_CHARS_MAX],
        fields[: wire.LOG_FIELDS_MAX],
    )


def _text(value: object) -> str:
    return value if type(value) is str else repr(value)


def _format_exception(record: logging.LogRecord) -> str:
    assert record.exc_info
    return logging.Formatter().formatException(record.exc_info)[-wire.LOG_TEXT_CHARS_MAX :]


_handler = Entries()


def begin(level: int) -> None:
    """Emit entries of at least `level` from now on."""
    if logging.root.level != level:  # setting it goes through every logger there is
        logging.root.setLevel(level)


def _basic_config_beside(**kwargs: Any) -> None:
    """`logging.basicConfig`, which would else see our handler and do nothing."""
    root = logging.root
    root.removeHandler(_handler)
    try:
        asks_for_output = kwargs.keys() & {"filename", "stream", "handlers"}
        if root.handlers or asks_for_output:
            _basic_config(**kwargs)
        elif (level := kwargs.get("level")) is not None:
            root.setLevel(level)
    finally:
        root.addHandler(_handler)


def install() -> None:
    """Put the handler on the root logger."""
    logging.root.addHandler(_handler)
    logging.basicConfig = _basic_config_beside
    logging.raiseExceptions = True
