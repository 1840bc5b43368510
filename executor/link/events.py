"""What a link's shell tells its core, and what the core tells the shell. Times travel beside them.

Rule: a shell carries actions out in their order, and the failure of one is an event.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol.frames import Frame


# --- events: why the core is woken ---------------------------------------------------------------
class Connected(NamedTuple):
    """There is a connection; streams, bucket and subscriptions are there and as they should be."""

    max_payload_bytes: int


class ConnectFailed(NamedTuple):
    """There is none. `is_final` where trying again cannot help before somebody has changed it."""

    cause: str
    is_final: bool = False


class Disconnected(NamedTuple):
    """The connection ended."""

    cause: str


class Delivered(NamedTuple):
    """The queue gave a request, as an answer to a pull; to be acknowledged on `ack`."""

    subject: str
    data: bytes
    ack: str
    delivery: int


class PullEnded(NamedTuple):
    """The queue gives nothing more for a pull; `is_early` if its time was not yet over."""

    pull: int
    is_early: bool = False


class Heard(NamedTuple):
    """A submitter said something to this machine."""

    subject: str
    data: bytes


class NobodyListens(NamedTuple):
    """The server says that no submitter took what was said about a lease.

    It says so on a subject of the lease's tenant, where that tenant's callers may speak, too.
    """

    lease: int
    tenant: str


class LoopUp(NamedTuple):
    """There is a pipe to a loop, which will say `Welcome`."""


class LoopLost(NamedTuple):
    """The pipe to the loop ended."""


class LoopSaid(NamedTuple):
    """A frame of the loop."""

    frame: Frame


class DrainAsked(NamedTuple):
    """Leave: take nothing new, finish what goes on within `within_s`, then end."""

    within_s: float


class TimePassed(NamedTuple):
    """The moment of `wake_at` has come, or nearly so."""


type Event = (
    Connected
    | ConnectFailed
    | Disconnected
    | Delivered
    | PullEnded
    | Heard
    | NobodyListens
    | LoopUp
    | LoopLost
    | LoopSaid
    | DrainAsked
    | TimePassed
)


# --- actions -------------------------------------------------------------------------------------
class Connect(NamedTuple):
    """Connect, with credentials read anew; answer with `Connected` or `ConnectFailed`."""


class Disconnect(NamedTuple):
    """Send what is to be sent, briefly, and close the connection."""


class Publish(NamedTuple):
    """Send a message. Those that are `urgent` overtake the others: leases and heartbeats."""

    subject: str
    data: bytes
    reply: str = ""
    urgent: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class Pull(NamedTuple):
    """Ask the queue for up to `batch` requests within `expires_s`."""

    pull: int
    batch: int
    expires_s: float


class TellLoop(NamedTuple):
    """Send a frame to the loop."""

    frame: Frame


class Report(NamedTuple):
    """Tell the host where the link is."""

    state: str
    cause: str
    details: dict[str, object]


class Exit(NamedTuple):
    """The link is over."""


type Action = Connect | Disconnect | Publish | Pull | TellLoop | Report | Exit
