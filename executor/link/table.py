"""The leases of a link, and the words in which it speaks of them. Decides nothing by itself.

Rule: what is taken out of the table is taken out once, by `drop`, with all that it held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from executor.link.events import Action, Publish, TellLoop
from executor.link.parts import Lease, Owner, Phase
from executor.link.settings import BACK_S, UNHEARD_DELIVERIES_MAX, Settings
from executor.link.wire import Subjects, gone
from protocol.frames import HEADER_BYTES, Buffer, Frame, encode_frame
from protocol.links import (
    LEASE_MIN,
    LINK_KINDS,
    Beat,
    Claim,
    Forget,
    LinkMessage,
    encode_link,
)
from protocol.reading import write

type Refusal = Literal["", "limits", "unsupported", "invalid", "handed_back"]


class Table:
    """Every lease, by its number and by whose run it is.

    Args:
        settings: every name and number.
        actions: where to add what is to be done.
    """

    def __init__(self, settings: Settings, actions: list[Action]) -> None:
        self.settings = settings
        self.subjects = Subjects(settings.prefix)
        self.leases: dict[int, Lease] = {}
        self.by_owner: dict[Owner, Lease] = {}
        self._actions = actions
        self._next = LEASE_MIN
        #: Data that one message carries; 0 while there is no connection.
        self.part_bytes = 0
        #: What the requests in parts of all leases may come to take here.
        self.parts_bytes = 0
        #: Since when nobody listens, by tenant and submitter.
        self.unheard: dict[tuple[str, str], float] = {}
        #: A submitter that does not answer a claim for so long is taken for gone.
        self.answer_s = min(5.0, settings.lease_s / 2)
        self.counts = {
            "runs_begun": 0,
            "runs_ended": 0,
            "runs_given_up": 0,
            "runs_handed_back": 0,
            "runs_refused": 0,
            "messages_refused": 0,
        }

    # --- numbers and entries ---------------------------------------------------------------------
    def new_number(self) -> int:
        """Return the number of a new lease."""
        number, self._next = self._next, self._next + 1
        return number

    def begin_at(self, number: int) -> None:
        """Give no number below this one."""
        self._next = max(self._next, number)

    def add(self, lease: Lease) -> None:
        """Put a new lease in."""
        self.leases[lease.number] = self.by_owner[lease.owner] = lease
        self.parts_bytes += lease.parts_bytes

    def all(self) -> list[Lease]:
        """Return every lease; the table may change while the caller goes through them."""
        return list(self.leases.values())

    @property
    def at_hand(self) -> int:
        """How many have not ended."""
        return sum(lease.phase is not Phase.ENDED for lease in self.leases.values())

    def results_of(self, tenant: str) -> int:
        """Return how many runs of a tenant have ended without its submitters' knowledge."""
        leases = self.leases.values()
        return sum(a.phase is Phase.ENDED and a.owner.tenant == tenant for a in leases)

    # --- ways out --------------------------------------------------------------------------------
    def drop(self, lease: Lease) -> None:
        """Take a lease out."""
        self.drop_fetch(lease)
        del self.leases[lease.number]
        if self.by_owner.get(lease.owner) is lease:
            del self.by_owner[lease.owner]

    def drop_fetch(self, lease: Lease) -> None:
        """Let go of the parts of its request, and of the room for them."""
        self.parts_bytes -= lease.parts_bytes
        lease.parts_bytes, lease.fetch = 0, None

    def forget(self, lease: Lease) -> None:
        """Take a lease out of which nobody wants anything any more."""
        if lease.phase in (Phase.HELD, Phase.ENDED):
            self.tell_loop(frame_of(LINK_KINDS[Forget], lease.number, write(Forget())))
        self.drop(lease)

    def hand_back(self, lease: Lease) -> None:
        """Put a run back into the queue that this machine cannot end."""
        self.counts["runs_handed_back"] += 1
        self.tell_handed_back(lease.owner, lease.number, "its machine leaves, or lost its loop")
        self.put_back(lease.ack, 0.0)
        self.forget(lease)

    def put_back_unheard(self, lease: Lease) -> None:
        """Put a run back whose submitter does not answer; drop it if that goes on."""
        if lease.delivery >= UNHEARD_DELIVERIES_MAX:
            self.publish(lease.ack, b"+TERM")
        else:
            self.put_back(lease.ack, BACK_S[min(lease.delivery, len(BACK_S)) - 1])
        self.drop(lease)

    def put_back(self, ack: str, after_s: float) -> None:
        """Have the queue deliver a request again."""
        data = b'-NAK {"delay": %d}' % round(after_s * 1e9) if after_s else b"-NAK"
        self.publish(ack, data)

    # --- words -----------------------------------------------------------------------------------
    def send(self, lease: Lease, now: float) -> None:
        """Send what a lease has to say and may say now."""
        if self.part_bytes:
            machine, number = self.settings.machine, lease.number
            for piece, data in lease.out.pieces(machine, number, self.part_bytes, now):
                self.tell(lease.owner, piece, buffers=(data,))

    def tell_handed_back(self, owner: Owner, number: int, why: str) -> None:
        """Tell a submitter that this machine does not have its run."""
        self.tell(owner, Claim(self.settings.machine, number, 1, "handed_back", why))

    def tell(
        self,
        owner: Owner,
        message: LinkMessage,
        *,
        buffers: Sequence[Buffer] = (),
        reminder: int = 0,
    ) -> None:
        """Say something to a submitter; the server tells us of `reminder` if nobody listens."""
        subject = self.subjects.submitter(owner.submitter, owner.tenant)
        reply = ""
        if reminder:
            reply = gone(self.subjects.machine(self.settings.machine, owner.tenant), reminder)
        data = encode_link(message, owner.run, buffers)
        self._actions.append(Publish(subject, data, reply, urgent=isinstance(message, Beat)))

    def tell_loop(self, frame: Frame) -> None:
        """Say something to the loop."""
        self._actions.append(TellLoop(frame))

    def publish(self, ack: str, data: bytes) -> None:
        """Tell the queue something of a request; nothing where it has no part in it."""
        if ack:
            self._actions.append(Publish(ack, data, urgent=True))


def frame_of(kind: int, number: int, body: bytes, buffers: Sequence[Buffer] = ()) -> Frame:
    """Return a frame as a decoder would."""
    return Frame(
        kind, number, len(buffers), encode_frame(kind, number, body, buffers)[HEADER_BYTES:]
    )
