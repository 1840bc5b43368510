"""Runs untrusted code: the public API, the supervisor behind it, the command line.

Rule 1: importing this package imports nothing but itself; a name is loaded when it is first used.
Rule 2: `protocol` and `sandboxes` are common names, so the ones found are checked to be ours.
"""

from __future__ import annotations

TYPE_CHECKING = False  # a type checker takes it as true; typing costs 4 ms before a cell can start
if TYPE_CHECKING:
    from executor.api import Supervisor
    from executor.cell_executor import CellExecutor, CellFuture
    from executor.errors import (
        Closed,
        ExecutorError,
        GuestError,
        ImageFailed,
        LinkFailed,
        Misuse,
        Refused,
        ResultMismatch,
        SessionLost,
        SupervisorLost,
        Unavailable,
    )
    from executor.handle import RunHandle
    from executor.link.access import Access
    from executor.link.options import NatsLink
    from executor.options import RunOptions, SessionOptions
    from executor.outcome import (
        Entry,
        Failure,
        Note,
        Outcome,
        Timings,
        Truncated,
        Usage,
    )
    from executor.remote.api import RemoteSupervisor
    from executor.remote.statistics import RemoteStatistics
    from executor.sandboxed import Sandboxed
    from executor.session import Session
    from executor.shared import SharedBuffer
    from executor.statistics import Statistics
    from protocol.limits import Limits
    from protocol.messages import Mount, Verdict
    from protocol.values import Member, Record
    from sandboxes.guarantees import Guarantee
    from sandboxes.wasm.image import Image

#: Where each public name lives.
_HOMES = {
    "Supervisor": "executor.api",
    "CellExecutor": "executor.cell_executor",
    "CellFuture": "executor.cell_executor",
    "Closed": "executor.errors",
    "ExecutorError": "executor.errors",
    "GuestError": "executor.errors",
    "ImageFailed": "executor.errors",
    "LinkFailed": "executor.errors",
    "Misuse": "executor.errors",
    "Refused": "executor.errors",
    "ResultMismatch": "executor.errors",
    "SessionLost": "executor.errors",
    "SupervisorLost": "executor.errors",
    "Unavailable": "executor.errors",
    "Guarantee": "sandboxes.guarantees",
    "RunHandle": "executor.handle",
    "RunOptions": "executor.options",
    "SessionOptions": "executor.options",
    "Entry": "executor.outcome",
    "Failure": "executor.outcome",
    "Note": "executor.outcome",
    "Outcome": "executor.outcome",
    "Timings": "executor.outcome",
    "Truncated": "executor.outcome",
    "Usage": "executor.outcome",
    "RemoteStatistics": "executor.remote.statistics",
    "RemoteSupervisor": "executor.remote.api",
    "Sandboxed": "executor.sandboxed",
    "Session": "executor.session",
    "SharedBuffer": "executor.shared",
    "Statistics": "executor.statistics",
    "Access": "executor.link.access",
    "NatsLink": "executor.link.options",
    "Limits": "protocol.limits",
    "Mount": "protocol.messages",
    "Verdict": "protocol.messages",
    "Member": "protocol.values",
    "Record": "protocol.values",
    "Image": "sandboxes.wasm.image",
}

__all__ = [  # noqa: RUF022 - in the order of a reader's interest
    "Supervisor",
    "RemoteSupervisor",
    "Session",
    "RunHandle",
    "Sandboxed",
    "CellExecutor",
    "CellFuture",
    "SharedBuffer",
    "Limits",
    "Image",
    "Mount",
    "RunOptions",
    "SessionOptions",
    "Outcome",
    "Verdict",
    "Failure",
    "Truncated",
    "Entry",
    "Note",
    "Usage",
    "Timings",
    "Record",
    "Member",
    "Guarantee",
    "Statistics",
    "RemoteStatistics",
    "NatsLink",
    "Access",
    "ExecutorError",
    "Misuse",
    "Refused",
    "SessionLost",
    "Unavailable",
    "ImageFailed",
    "LinkFailed",
    "SupervisorLost",
    "Closed",
    "GuestError",
    "ResultMismatch",
]


def _check_siblings() -> None:
    """Refuse to work with a `protocol` or `sandboxes` that is somebody else's.

    Raises:
        ImportError: one was found elsewhere than beside this package, or not at all.
    """
    import os
    import sys

    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for name in ("protocol", "sandboxes"):
        wanted = os.path.join(here, name, "__init__.py")
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ImportError(
                f"cellblock is not whole: {wanted} is missing; reinstall it", name=name, path=wanted
            ) from None
        found = getattr(sys.modules[name], "__file__", None) or f"a package named {name!r}"
        if os.path.realpath(found) != os.path.realpath(wanted):
            raise ImportError(
                f"{found} is in the way of cellblock's own package {name!r} ({wanted}); "
                "rename it, or move it off sys.path",
                name=name,
                path=found,
            )


_check_siblings()


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found: object = getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
