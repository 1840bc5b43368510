"""What the submitter's core tells its shell to do. The failure of an action is no event unless it
says so: what matters is said again until it is answered.

Named tuples for the reason given in `executor.pool.events`.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol.frames import Frame
from protocol.links import LinkMessage
from protocol.messages import Lost, Placed, Refused


class Enqueue(NamedTuple):
    """Put the run into the queue. Answer with `enqueued` or `not_enqueued`."""

    run_id: int
    #: How often it was put there, this time included.
    attempt: int


class Ask(NamedTuple):
    """Send the run straight to a machine, which has its session."""

    run_id: int
    machine: str


class SendParts(NamedTuple):
    """Send a machine the parts of a request, if it is larger than one message."""

    run_id: int
    machine: str
    lease: int


class Tell(NamedTuple):
    """Say something to a machine."""

    machine: str
    tenant: str
    message: LinkMessage
    run_id: int = 0


class ToHost(NamedTuple):
    """Say something of our own to the host."""

    run_id: int
    message: Placed | Refused | Lost


class PassOn(NamedTuple):
    """Pass on to the host, as it came, what a machine's loop said of a run."""

    run_id: int
    frame: Frame


class NoteDropped(NamedTuple):
    """Tell the host that output or entries of a run were left out on their way."""

    run_id: int
    output_bytes: int
    entries: int


class Forget(NamedTuple):
    """The run is over: nothing of its request is needed any more."""

    run_id: int


class Finished(NamedTuple):
    """A drain is over: every run has its ending."""


type Action = Enqueue | Ask | SendParts | Tell | ToHost | PassOn | NoteDropped | Forget | Finished
