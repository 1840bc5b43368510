"""The outcome of a run as one JSON object (`--json`), and its value as text (`--result`). Pure.

All of it is ASCII: a guest's text cannot work the terminal that shows the object.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executor.outcome import Outcome


def outcome_json(outcome: Outcome, exit_code: int) -> str:
    """Return the object on one line.

    Args:
        outcome: how the run ended.
        exit_code: what the command exits with. The guest's own is `guest_exit_code`.
    """
    value, value_repr = value_fields(outcome.value)
    error = outcome.error
    return json.dumps(
        {
            "verdict": str(outcome.verdict),
            "exit_code": exit_code,
            "guest_exit_code": outcome.exit_code,
            "value": value,
            "value_repr": value_repr,
            "error": None if error is None else dataclasses.asdict(error),
            "stdout": outcome.stdout,
            "stderr": outcome.stderr,
            "truncated": dataclasses.asdict(outcome.truncated),
            "files": {name: len(data) for name, data in outcome.files.items()},
            "logs": [dataclasses.asdict(entry) for entry in outcome.logs],
            "usage": dataclasses.asdict(outcome.usage),
            "timings": dataclasses.asdict(outcome.timings),
        }
    )


def failure_json(text: str, exit_code: int) -> str:
    """Return the object for a run that we could not do; it has no verdict."""
    return json.dumps({"verdict": None, "exit_code": exit_code, "failure": text})


def value_fields(value: object) -> tuple[Any, str | None]:
    """Return a value for JSON and None; or None and its `repr` where JSON cannot say it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None, _repr(value)
    return value, None


def value_line(value: object) -> str:
    """Return a value as one line of JSON, or as Python writes it where JSON cannot say it."""
    _, text = value_fields(value)
    return json.dumps(value) if text is None else text


def _repr(value: object) -> str:
    try:
        return ascii(value)
    except (RecursionError, ValueError) as error:  # too deep; an int over the digits limit
        return f"<{type(value).__name__}: {error}>"
