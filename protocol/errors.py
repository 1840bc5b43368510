"""Errors of the protocol layer. Each says whose fault it was.

ProtocolError
    LocalProtocolError     our side broke a rule: a bug here
    RemoteProtocolError    the other side broke a rule: drop the connection
        FrameTooLarge
        VersionMismatch
    ValueRefused           a value cannot cross; nothing was sent
        BudgetExceeded     it could, but is larger than the budget allows
"""

from __future__ import annotations

TEXT_CHARS_MAX = 200


class ProtocolError(Exception):
    """Base of every error raised by `protocol`."""


class LocalProtocolError(ProtocolError):
    """We were asked to send something the protocol forbids in this state."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol forbids. The connection cannot be trusted further."""


class FrameTooLarge(RemoteProtocolError):
    """The peer announced a frame above the cap; its payload was never buffered."""

    def __init__(self, length_bytes: int, limit_bytes: int) -> None:
        super().__init__(length_bytes, limit_bytes)
        self.length_bytes = length_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"frame of {self.length_bytes} B is over the limit of {self.limit_bytes} B"


class VersionMismatch(RemoteProtocolError):
    """The two sides have no version of the protocol in common."""

    def __init__(self, ours: tuple[int, int], theirs: tuple[int, int]) -> None:
        super().__init__(ours, theirs)
        self.ours = ours
        self.theirs = theirs

    def __str__(self) -> str:
        return (
            f"no common protocol version: we speak {self.ours[0]} to {self.ours[1]}, "
            f"the peer {self.theirs[0]} to {self.theirs[1]}"
        )


class ValueRefused(ProtocolError):
    """A value, or a part of it, cannot cross. `path` says which part, `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BudgetExceeded(ValueRefused):
    """A value is larger, deeper or has more parts than the budget allows."""


def printable(peer_text: str) -> str:
    """Clip and escape text that a peer chose, so that it can neither flood nor forge a log."""
    return ascii(peer_text[:TEXT_CHARS_MAX])[1:-1][:TEXT_CHARS_MAX]
