"""Starts a submitter in its isolate and hands back the host's end of the pipe.

Which isolates there are is `executor.isolate`'s to say; the submitter's code does not know in which
of them it runs.
"""

from __future__ import annotations

import importlib.util
import os

from executor.isolate import Connection, IsolateKind, launch
from executor.loop.spool import clear_spool, make_spool
from executor.remote.options import RemoteOptions

_MODULE = "executor.remote.shell"


def start(kind: IsolateKind, options: RemoteOptions, *, spool_path: str | None) -> Connection:
    """Start a submitter.

    Args:
        kind: where it runs.
        options: what it is; its spool folder is filled in.
        spool_path: the spool folder of one that ended, to go on with; None for a new one.

    Raises:
        OSError: the system refuses a socket, a folder or a process.
    """
    if spool_path is None:
        spool_path = make_spool()
    else:
        clear_spool(spool_path)
    filled = options.__replace__(spool_path=spool_path)
    ours, wait = launch(kind, _MODULE, filled.to_json())
    return Connection(ours, spool_path, wait)


def library_paths() -> tuple[str, ...] | None:
    """Return where nats-py was found, for an isolate that looks nowhere; None if it is missing."""
    found = importlib.util.find_spec("nats")
    if found is None or found.origin is None:
        return None
    return (os.path.dirname(os.path.dirname(found.origin)),)
