"""What a submitter is told when it is started. Plain values, as they cross interpreters."""

from __future__ import annotations

import json
from typing import Any

from protocol.structs import as_dict, frozen


@frozen
class RemoteOptions:
    """What one submitter is.

    Args:
        access_json: where the servers are, and who we are to them; see `executor.link.access`.
        submitter: its name.
        prefix, queue: of the subjects.
        queue_max: runs that may wait for a machine.
        repeats: a run whose machine is lost begins again on another one; else it ends as crashed.
        paths: where libraries are found.
        answer_within_s: a question about the connection waits so long for one.
        spool_path: the host's spool folder.
    """

    access_json: str
    submitter: str
    prefix: str
    queue: str
    queue_max: int
    repeats: bool
    paths: tuple[str, ...]
    answer_within_s: float
    spool_path: str = ""

    def to_json(self) -> str:
        """Return the options as text; secrets are in it."""
        return json.dumps(as_dict(self))

    @classmethod
    def from_json(cls, text: str) -> RemoteOptions:
        """Return what `to_json` wrote."""
        given: dict[str, Any] = json.loads(text)
        return cls(**given | {"paths": tuple(given["paths"])})
