"""What the core keeps for a lease and for a pull. Data alone; the core decides."""

from __future__ import annotations

import enum
import json
from typing import NamedTuple

from executor.link.outgoing import Outgoing
from protocol.errors import RemoteProtocolError
from protocol.links import Claim, Request
from protocol.structs import field, mutable


class Phase(enum.Enum):
    """Where a lease is."""

    CLAIMING = "claiming"  # its submitter was asked whether this machine may run it
    FETCHING = "fetching"  # it may, and the rest of the request is on its way
    HELD = "held"  # the loop has it
    ENDED = "ended"  # its ending is on the way to its submitter


class Owner(NamedTuple):
    """Whose run it is; `run` is the submitter's own number."""

    tenant: str
    submitter: str
    run: int


@mutable
class Fetch:
    """A request that comes in parts."""

    parts: list[bytes | None]
    missing: int
    total_bytes: int
    total_left: int = 0

    def __post_init__(self) -> None:
        """Begin with all of it to come."""
        self.total_left = self.total_bytes


@mutable
class Lease:
    """One run of somebody else's, from the queue until its submitter has its ending."""

    number: int
    owner: Owner
    #: Where the queue wants to hear of it; "" for a run that came straight from its submitter.
    ack: str
    delivery: int
    phase: Phase
    out: Outgoing
    #: What is asked, until the loop has it.
    request: Request | None = None
    buffers: list[memoryview] = field(default_factory=list)
    fetch: Fetch | None = None
    #: Kept free for a request in parts, from its offer until the loop has it.
    parts_bytes: int = 0
    #: How long it may wait for a cell, as its submitter granted it.
    queue_ms: int = 0
    #: What its submitter was asked, or told; said again at `claim_at`, and given up at `answer_by`.
    claim: Claim | None = None
    claim_at: float | None = None
    answer_by: float | None = None
    #: When the queue is told again that it is alive here; None where the queue has no part in it.
    renew_at: float | None = None
    #: Since when its ending waits, and its submitter has acknowledged nothing; None before it.
    quiet_since: float | None = None
    is_placed: bool = False

    def note(self) -> bytes:
        """Return what the next link must know of it."""
        return json.dumps([*self.owner, self.ack, self.delivery]).encode()

    def due_at(self) -> float | None:
        """Return when something is to be done about it."""
        times = (self.claim_at, self.answer_by, self.renew_at, self.out.resend_at)
        return min((at for at in times if at is not None), default=None)


def lease_from_note(number: int, note: bytes, now: float) -> Lease:
    """Return a lease that an earlier link began.

    Raises:
        RemoteProtocolError: the note is none of ours.
    """
    try:
        tenant, submitter, run, ack, delivery = json.loads(note)
    except (ValueError, TypeError):
        raise RemoteProtocolError("a lease whose note cannot be read") from None
    owner = Owner(tenant, submitter, run)
    lease = Lease(number, owner, ack, delivery, Phase.HELD, Outgoing())
    lease.renew_at = now if ack else None
    return lease


@mutable
class Asked:
    """A pull that the queue has not answered in full."""

    left: int
    until: float
