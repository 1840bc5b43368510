"""What machines and submitters say to each other, and a machine's link to its own loop and host.

    submitter --Request--> work queue --> machine        one of many takes it
    machine   --Claim, Piece, Beat-->  submitter
    submitter --Grant, Deny, RequestPart, Ack, Stop, CloseSession, Request-->  machine
    machine   --Presence--> a bucket that lists machines

    link      --Hold, Submit, Cancel, EndSession, Release, Forget-->  loop
    loop      --Welcome, Resume, Hold, Pulse, and every frame of a run-->  link
    host      --Drain-->  link  --LinkReport-->  host

Rule 1: one NATS message is one frame of `protocol.frames`. Its header carries the submitter's own
        number of the run; on the pipe between link and loop it is the lease.
Rule 2: a lease is one machine's hold on one run: a number that this machine gives once. With the
        machine's name it is unique, so what belongs to a lease given up is told from the rest.
Rule 3: a run begins only with a `Grant`. The submitter alone decides which lease counts, so each
        of its runs has one outcome, however often the queue delivers it.
Rule 4: no instant crosses a machine, only what is left of a duration.
Rule 5: the rules of `protocol.messages` hold here too. Tenants are in subjects, never in bodies:
        the server's permissions bind subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from protocol.errors import RemoteProtocolError
from protocol.fields import (
    LEASE_MIN as LEASE_MIN,
    AtMost,
    Between,
    Bytes,
    Count,
    Id,
    Line,
    Microseconds,
    Milliseconds,
    Name,
)
from protocol.frames import Buffer, Frame, FrameDecoder, encode_frame
from protocol.messages import (
    KINDS,
    Cancel,
    Done,
    Drain,
    EndSession,
    Log,
    Lost,
    Output,
    Placed,
    Progress,
    Refused,
    Submit,
)
from protocol.reading import read, write
from protocol.structs import frozen

LINK_VERSION = 1
#: Runs that one machine has at hand for others.
LEASES_MAX = 1_024
#: A whole request as one frame, source, inputs and files included.
REQUEST_BYTES_MAX = 64 << 20
#: The body of a request's `Run`: the link reads it between two heartbeats.
RUN_BODY_BYTES_MAX = 256 << 10
#: What one NATS message carries at most, whatever the server would allow.
MESSAGE_BYTES_MAX = 8 << 20

#: The name of a machine or a submitter: new for each start, and a token of a subject.
Token = Annotated[str, AtMost(64)]
Lease = Annotated[int, Between(LEASE_MIN, 2**53 - 1)]
Permille = Annotated[int, Between(0, 1_000)]


# --- submitter to the work queue, or straight to the machine that has its session ---------------
@frozen
class Request:
    """Run this. `buffers[0]` is the body of its `Run`, the rest are that `Run`'s buffers.

    Where all of it is larger than one message, there are no buffers: `parts` pieces follow the
    grant, and together they are the frame of this request with its buffers.

    `session`: the submitter's number of a session, 0 for none; the run's own field is not read.
    """

    version: Annotated[int, Between(1, 65_535)]
    submitter: Token
    priority: Annotated[int, Between(-100, 100)] = 0
    session: Annotated[int, Between(0, LEASE_MIN - 1)] = 0
    parts: Annotated[int, Between(0, 65_535)] = 0
    total_bytes: Annotated[int, Between(0, REQUEST_BYTES_MAX)] = 0


# --- machine to submitter ------------------------------------------------------------------------
@frozen
class Claim:
    """May this machine run it? Answered by `Grant` or `Deny`; said again until then.

    With a `refusal` it is no question: no cell of this machine may serve such a run, or, with
    "handed_back", the machine has put a run back into the queue that it held. Answered by `Deny`.
    """

    machine: Token
    lease: Lease
    delivery: Annotated[int, Between(1, 2**53 - 1)] = 1
    refusal: Literal["", "limits", "unsupported", "invalid", "handed_back"] = ""
    detail: Line = ""


@frozen
class Piece:
    """What the loop says of a run: `buffers[0]` holds whole frames, or one part of a frame.

    The frames of a lease count from 1; `seq` is the number of the first one here. Where `parts` is
    over 1, `buffers[0]` is part `part` of frame `seq`, which is whole when all have come.
    """

    machine: Token
    lease: Lease
    seq: Id
    part: Annotated[int, Between(0, 65_535)] = 0
    parts: Annotated[int, Between(1, 65_535)] = 1


@frozen
class Beat:
    """The machine has these runs of the submitter at hand, and they live and go on."""

    machine: Token
    leases: Annotated[tuple[Lease, ...], AtMost(LEASES_MAX)] = ()


# --- submitter to machine ------------------------------------------------------------------------
@frozen
class Grant:
    """Run it: this lease counts. It may wait `queue_ms` for a cell."""

    lease: Lease
    queue_ms: Milliseconds = 7 * 24 * 3600 * 1000


@frozen
class Deny:
    """Do not run it. Take it out of the queue, or put it back for `again_ms` if that is not 0."""

    lease: Lease
    again_ms: Milliseconds = 0


@frozen
class RequestPart:
    """`buffers[0]` is part `part` of a request that was too large for one message."""

    lease: Lease
    part: Annotated[int, Between(0, 65_535)]


@frozen
class Ack:
    """Every frame of the lease up to `seq` has come. After the run's ending, the lease is over."""

    lease: Lease
    seq: Count


@frozen
class Stop:
    """Give up the run. "cancelled": its ending is still wanted; "revoked": nothing of it is."""

    lease: Lease
    reason: Literal["cancelled", "revoked"]


@frozen
class CloseSession:
    """Drop the sandbox kept for one of the submitter's sessions."""

    submitter: Token
    session: Annotated[int, Between(1, LEASE_MIN - 1)]


# --- machine to everybody ------------------------------------------------------------------------
#: Where a link is; see `executor.link.core`.
State = Literal["connecting", "active", "paused", "reconnecting", "draining", "closed", "given_up"]


@frozen
class Presence:
    """One machine, as it says itself every `beat_ms`. It is gone when its entry is."""

    version: Annotated[int, Between(1, 65_535)]
    machine: Token
    host: Name
    pid: Count
    state: State
    cause: Line
    queue: Name
    cells: Count
    busy: Count
    queued: Count
    leases: Count
    load: Permille
    beat_ms: Milliseconds
    late_p50_us: Microseconds
    late_p99_us: Microseconds
    late_max_us: Microseconds
    loop_silent_ms: Milliseconds
    runs_ended: Count
    runs_given_up: Count
    up_ms: Count


# --- link and loop -------------------------------------------------------------------------------
@frozen
class Hold:
    """What a link must know of a lease: `buffers[0]`, at most 4 KiB, which the loop never reads.

    The link sends it ahead of a lease's `Submit`; the loop gives it to the next link.
    """


@frozen
class Resume:
    """Ahead of what a lease has to say to a new link: the number of the last frame released."""

    seq: Count


@frozen
class Release:
    """The submitter has every frame of the lease up to `seq`; with its ending the lease is over."""

    seq: Count


@frozen
class Forget:
    """Nobody wants anything of the lease any more: end its run, if it goes on, and say nothing."""


@frozen
class Dropped:
    """What was left out here of what the run said, because too much waited for its submitter."""

    output_bytes: Count = 0
    entries: Count = 0


@frozen
class Welcome:
    """First message of the loop to a link. No lease from `next_lease` on was ever given."""

    next_lease: Lease


@frozen
class Pulse:
    """The loop lives, and so do these leases: queued, at hand before their deadline, or ended.

    Said twice a second; a lease that is not among them is no longer renewed.
    """

    leases: Annotated[tuple[Lease, ...], AtMost(LEASES_MAX)]
    cells: Count
    busy: Count
    queued: Count
    load: Permille
    held_bytes: Bytes
    is_full: bool = False


# --- link and host -------------------------------------------------------------------------------
@frozen
class LinkReport:
    """What the link is about; `buffers[0]` is a JSON object described in `executor.link.report`."""

    state: State
    cause: Line = ""


type LinkMessage = (
    Request | Claim | Piece | Beat | Grant | Deny | RequestPart | Ack | Stop | CloseSession
    | Presence | Hold | Resume | Release | Forget | Dropped | Welcome | Pulse | LinkReport
)  # fmt: skip

#: As `protocol.messages.KINDS`, whose numbers are all below these.
LINK_KINDS: dict[type, int] = {
    Request: 64,
    Claim: 65,
    Piece: 66,
    Beat: 67,
    Grant: 68,
    Deny: 69,
    RequestPart: 70,
    Ack: 71,
    Stop: 72,
    CloseSession: 73,
    Presence: 80,
    Hold: 96,
    Resume: 97,
    Release: 98,
    Forget: 99,
    Dropped: 100,
    Welcome: 101,
    Pulse: 102,
    LinkReport: 112,
}
LINK_CLASSES: dict[int, type] = {kind: cls for cls, kind in LINK_KINDS.items()}

#: Who may send what over NATS.
TO_QUEUE = frozenset({LINK_KINDS[Request]})
TO_MACHINE = frozenset(
    LINK_KINDS[c] for c in (Request, Grant, Deny, RequestPart, Ack, Stop, CloseSession)
)
TO_SUBMITTER = frozenset(LINK_KINDS[c] for c in (Claim, Piece, Beat))
#: What a `Piece` holds: frames of the run as the loop sent them, and what had to be left out.
IN_PIECES = frozenset(KINDS[c] for c in (Placed, Output, Log, Progress, Done, Lost, Refused)) | {
    LINK_KINDS[Dropped]
}


#: Who may send what on the pipes of a link.
LINK_SENDS_LOOP = frozenset(KINDS[c] for c in (Submit, Cancel, EndSession)) | frozenset(
    LINK_KINDS[c] for c in (Hold, Release, Forget)
)
LOOP_SENDS_LINK = IN_PIECES | {LINK_KINDS[c] for c in (Welcome, Hold, Resume, Pulse)}
HOST_SENDS_LINK = frozenset({KINDS[Drain]})
LINK_SENDS_HOST = frozenset({LINK_KINDS[LinkReport]})


def encode_link(message: LinkMessage, run_id: int = 0, buffers: Sequence[Buffer] = ()) -> bytes:
    """Return the frame of `message`.

    Raises:
        LocalProtocolError: a field breaks its declaration, or the frame is over a cap.
    """
    return encode_frame(LINK_KINDS[type(message)], run_id, write(message), buffers)


def decode_link(frame: Frame) -> tuple[LinkMessage, list[memoryview]]:
    """Return the message in `frame` and the buffers behind it.

    Raises:
        RemoteProtocolError: an unknown kind, lengths that do not add up, or a bad body.
    """
    cls = LINK_CLASSES.get(frame.kind)
    if cls is None:
        raise RemoteProtocolError(f"frame: unknown kind {frame.kind}")
    body, buffers = frame.split()
    return read(cls, body), buffers


def only_frame(data: Buffer, kinds: frozenset[int], limit_bytes: int = MESSAGE_BYTES_MAX) -> Frame:
    """Return the one frame that a NATS message must be.

    Raises:
        RemoteProtocolError: it is not one whole frame, of a kind that is spoken here.
    """
    frames = list(FrameDecoder(limit_bytes=limit_bytes, kinds=kinds).feed(data))
    if len(frames) != 1 or len(frames[0].encode()) != len(data):
        raise RemoteProtocolError("message: not one whole frame")
    return frames[0]
