"""What the submitter's core keeps of runs, leases and sessions, and the numbers it decides by."""

from __future__ import annotations

from protocol.conversation import Caps, RunConversation
from protocol.structs import field, frozen, mutable


@frozen
class Policy:
    """Every number the submitter's core decides by.

    Args:
        queue_max: runs that may wait for a machine; one more is refused.
        alive_s: a machine that was heard of a run within this keeps it, whoever else claims it. A
            machine says so twice a second.
        lost_s: a run whose machine says nothing of it for this long is put into the queue again.
        resend_s: a run that nobody claimed for this long is put there again; then for twice as
            long, and so on up to `resend_max_s`. Copies do no harm: one lease alone counts.
        ask_s: a request for a session is said again this often until its machine answers.
        session_s: a session is lost if its machine does not answer for this long.
        gone_max: it is also lost if the server says so often that nobody listens there.
        stop_s: a cancel is said again this often until the run's ending comes.
        cancel_s: a cancelled run ends here if its machine does not end it within this.
        again_ms: how long a request that is not to be run now stays with the queue.
        starts_max: a run that so many machines began and none ended is given up.
        refusals_max: a run that so many claims refuse is given up.
        returns_max: a run that so many machines give back unbegun is given up.
        wall_grace_s: a machine that has not ended a run so long after its deadline is not believed.
        over_max: runs that have ended and are remembered, to answer what comes late.
    """

    queue_max: int = 1_000
    alive_s: float = 3.0
    lost_s: float = 15.0
    resend_s: float = 60.0
    resend_max_s: float = 3_600.0
    ask_s: float = 1.0
    session_s: float = 10.0
    gone_max: int = 3
    stop_s: float = 0.5
    cancel_s: float = 5.0
    again_ms: int = 1_000
    starts_max: int = 5
    refusals_max: int = 3
    returns_max: int = 20
    wall_grace_s: float = 60.0
    over_max: int = 20_000


@frozen
class NewRun:
    """A run as the host submits it.

    Args:
        run_id: the host's number of it.
        tenant: on whose behalf.
        wall_s: its deadline, from the moment a cell begins it.
        queue_s: how long it may wait for a machine and a cell.
        session: 0 for none.
        session_new: the run begins its session.
        caps: how much may be said of it.
        frame_bytes_max: the largest frame that may be said of it.
    """

    run_id: int
    tenant: str
    wall_s: float
    queue_s: float
    session: int
    session_new: bool
    caps: Caps
    frame_bytes_max: int


@mutable
class Lease:
    """One machine's hold on a run, as long as it counts."""

    machine: str
    number: int
    heard_at: float
    granted_at: float
    conversation: RunConversation
    #: The number of the next frame.
    next_seq: int = 1
    #: Parts of that frame that have come.
    parts: list[bytes] = field(default_factory=list)
    parts_bytes: int = 0
    is_placed: bool = False
    #: A beat of its machine named it.
    was_in_beat: bool = False


@mutable
class Run:
    """One run that has not ended. Without a lease it waits for a machine."""

    new: NewRun
    submitted_at: float
    lease: Lease | None = None
    #: How often it was put into the queue, begun by a machine, given back by one.
    attempts: int = 0
    starts: int = 0
    returns: int = 0
    #: Machines that refused it.
    refusals: list[str] = field(default_factory=list)
    is_cancelled: bool = False
    #: The queue had it at least once.
    is_stored: bool = False
    #: How often the server said that nobody listens where its session is.
    gone: int = 0


@mutable
class Session:
    """A session, from the submission of its first run."""

    tenant: str
    #: "" until a machine was granted its first run.
    machine: str = ""
    #: Why it is lost; "" if it is not.
    lost: str = ""
    #: Runs that came before there was a machine.
    waiting: list[int] = field(default_factory=list)
