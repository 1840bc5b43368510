"""Attacks the sandboxes as configured here, now, and says which promises hold.

    audit(...) -> Report          the whole of it; `cellblock audit` and the pytest plugin call it
    Attack, Harm, Limit, Hole     what an attack of one's own is made of
    Configuration                 whose sandboxes are audited

Rule: importing this package imports nothing but itself; a name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.audit.attack import GUARANTEES, KINDS, Attack, Entry, Harm, Hole, Kind, Limit
    from executor.audit.auditing import Progress, audit, select
    from executor.audit.configuration import Configuration
    from executor.audit.report import Cell, Report, Result, Standing, Status

_HOMES = {
    "GUARANTEES": "attack",
    "KINDS": "attack",
    "Attack": "attack",
    "Entry": "attack",
    "Harm": "attack",
    "Hole": "attack",
    "Kind": "attack",
    "Limit": "attack",
    "Progress": "auditing",
    "audit": "auditing",
    "select": "auditing",
    "Configuration": "configuration",
    "Cell": "report",
    "Report": "report",
    "Result": "report",
    "Standing": "report",
    "Status": "report",
}

__all__ = [  # noqa: RUF022 - in the order of a reader's interest
    "audit",
    "Report",
    "Result",
    "Cell",
    "Status",
    "Standing",
    "Configuration",
    "Attack",
    "Harm",
    "Limit",
    "Hole",
    "Entry",
    "Progress",
    "select",
    "GUARANTEES",
    "KINDS",
    "Kind",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
