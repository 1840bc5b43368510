"""A snapshot of what a submitter knows of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from protocol.errors import RemoteProtocolError, printable


@dataclass(frozen=True, slots=True)
class RemoteStatistics:
    """One submitter at one moment.

    Args:
        state: "connecting" (never connected yet), "active", "reconnecting", or "refused" (the
            servers do not let us in; it is tried again from time to time).
        cause: why it is not active.
        servers: their addresses, without secrets.
        reconnects: how often a connection that was lost was made again.
        runs_waiting: runs that no machine has.
        runs_at_machines: runs that one has.
        machines: how many have any.
        sessions: sessions that are kept.
        runs_submitted, runs_ended: since it was opened.
        runs_begun_again: how often a run was begun again because its machine was lost.
        runs_handed_back: how often a machine gave a run back unbegun.
        messages_refused: what came on our subjects and could not be read.
        isolate_restarts: how often its loop was started again.
    """

    state: str
    cause: str
    servers: str
    reconnects: int
    runs_waiting: int
    runs_at_machines: int
    machines: int
    sessions: int
    runs_submitted: int
    runs_ended: int
    runs_begun_again: int
    runs_handed_back: int
    messages_refused: int
    isolate_restarts: int = 0

    @classmethod
    def from_json(cls, body: bytes) -> RemoteStatistics:
        """Return the snapshot that a submitter sent.

        Raises:
            RemoteProtocolError: it is none.
        """
        types = {field.name: field.type for field in fields(cls)}
        wanted = types.keys() - {"isolate_restarts"}
        try:
            given = json.loads(body)
        except ValueError as error:
            raise RemoteProtocolError(f"statistics: {printable(str(error))}") from None
        if not isinstance(given, dict) or given.keys() != wanted:
            raise RemoteProtocolError("statistics: not the fields that a submitter sends")
        for name, value in given.items():
            if type(value).__name__ != types[name]:
                raise RemoteProtocolError(f"statistics: {name} is no {types[name]}")
        return cls(**given)
