"""How a run comes to this machine: offered, claimed, granted, fetched, given to the loop.

    queue, or the submitter of a session -> CLAIMING -> Grant -> [FETCHING ->] HELD
                                               |  Deny, no answer: back into the queue, or out

Rule 1: nothing is given to the loop that its submitter has not granted and `admission` not read.
Rule 2: a request that this machine will not run is refused with a reason, to its submitter.
"""

from __future__ import annotations

from executor.link.admission import Refused, admit
from executor.link.events import Delivered
from executor.link.outgoing import Outgoing
from executor.link.parts import Fetch, Lease, Owner, Phase
from executor.link.settings import BACK_S, CLAIM_EVERY_S, FETCH_BYTES_MAX, RESULTS_MAX
from executor.link.table import Refusal, Table, frame_of
from executor.link.wire import is_token
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.frames import BUFFERS_MAX, Frame
from protocol.links import (
    LEASE_MIN,
    LEASES_MAX,
    LINK_KINDS,
    REQUEST_BYTES_MAX,
    TO_QUEUE,
    Claim,
    Grant,
    Hold,
    Request,
    decode_link,
    only_frame,
)
from protocol.messages import KINDS
from protocol.reading import write

DETAIL_CHARS_MAX = 4_096


class Intake:
    """Takes runs for a table of leases."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # --- offers ----------------------------------------------------------------------------------
    def deliver(self, event: Delivered, now: float, *, takes: bool) -> None:
        """Take a request from the queue, or put it back if this machine takes none now."""
        table = self._table
        try:
            tenant = table.subjects.tenant_in(event.subject)
            frame = only_frame(event.data, TO_QUEUE)
            request, buffers = decode_link(frame)
            if not isinstance(request, Request) or not _is_sound(frame, request):
                raise RemoteProtocolError("a request that nobody of ours sends")
        except (ProtocolError, ValueError):
            table.counts["messages_refused"] += 1
            table.publish(event.ack, b"+TERM")
            return
        owner = Owner(tenant, request.submitter, frame.run_id)
        known = table.by_owner.get(owner)
        if known is not None:  # it was silent for too long, or was published twice
            known.ack, known.delivery = event.ack, event.delivery
            known.renew_at = now
        elif takes and self._has_room(tenant, request):
            self._open(owner, event.ack, event.delivery, request, buffers, now)
        else:  # not at once: the queue would give it to this machine again, and again
            table.put_back(event.ack, BACK_S[0])

    def take_direct(
        self,
        tenant: str,
        frame: Frame,
        request: Request,
        buffers: list[memoryview],
        now: float,
        *,
        takes: bool,
    ) -> None:
        """Take a run of a session that this machine keeps, straight from its submitter.

        Raises:
            RemoteProtocolError: it is one that belongs into the queue.
        """
        table = self._table
        if not _is_sound(frame, request) or not request.session:
            raise RemoteProtocolError("a request that belongs into the queue")
        owner = Owner(tenant, request.submitter, frame.run_id)
        known = table.by_owner.get(owner)
        if known is not None:
            if known.phase is Phase.CLAIMING:
                self.ask(known, now)
        elif takes and self._has_room(tenant, request) and table.at_hand < table.settings.slots:
            self._open(owner, "", 1, request, buffers, now)
        else:
            table.tell_handed_back(owner, table.new_number(), "its machine takes no runs now")

    def _has_room(self, tenant: str, request: Request) -> bool:
        table = self._table
        return (
            table.parts_bytes + request.total_bytes <= FETCH_BYTES_MAX
            and len(table.leases) < LEASES_MAX
            and table.results_of(tenant) < RESULTS_MAX
        )

    def _open(
        self,
        owner: Owner,
        ack: str,
        delivery: int,
        request: Request,
        buffers: list[memoryview],
        now: float,
    ) -> None:
        table = self._table
        lease = Lease(table.new_number(), owner, ack, delivery, Phase.CLAIMING, Outgoing())
        lease.request, lease.buffers = request, buffers
        lease.parts_bytes = request.total_bytes
        lease.renew_at = now + table.settings.lease_s / 4 if ack else None
        table.add(lease)
        refusal: Refusal = ""
        detail = ""
        if not request.parts:
            try:
                self._admit(lease)
            except Refused as refused:
                refusal, detail = refused.refusal, refused.detail
        self._claim(lease, refusal, detail, now)

    # --- claims ----------------------------------------------------------------------------------
    def _claim(self, lease: Lease, refusal: Refusal, detail: str, now: float) -> None:
        """Ask the submitter, or tell it no, until it answers or the time for that is over."""
        table = self._table
        table.counts["runs_refused"] += bool(refusal)
        if refusal:
            table.drop_fetch(lease)
        lease.phase = Phase.CLAIMING
        machine, delivery = table.settings.machine, max(1, lease.delivery)
        text = detail[:DETAIL_CHARS_MAX]
        lease.claim = Claim(machine, lease.number, delivery, refusal, text)
        lease.answer_by = now + table.answer_s
        self.ask(lease, now)

    def ask(self, lease: Lease, now: float) -> None:
        """Say a claim, for the first time or again."""
        if lease.claim is not None:
            lease.claim_at = now + CLAIM_EVERY_S
            self._table.tell(lease.owner, lease.claim, reminder=lease.number)

    def granted(self, lease: Lease, grant: Grant, now: float) -> None:
        """Take the run that a claim was about."""
        request, claim = lease.request, lease.claim
        if lease.phase is not Phase.CLAIMING or request is None or claim is None or claim.refusal:
            return
        lease.queue_ms = grant.queue_ms
        lease.answer_by = None
        if request.parts:
            lease.phase = Phase.FETCHING
            lease.fetch = Fetch([None] * request.parts, request.parts, request.total_bytes)
            lease.answer_by = now + self._table.answer_s
        else:
            self._submit(lease, now)

    def denied(self, lease: Lease, again_s: float) -> None:
        """Leave the run that a claim was about."""
        if lease.phase is Phase.CLAIMING:
            if again_s:
                self._table.put_back(lease.ack, again_s)
            else:
                self._table.publish(lease.ack, b"+TERM")
            self._table.drop(lease)

    # --- requests in parts -----------------------------------------------------------------------
    def take_part(self, lease: Lease, part: int, buffers: list[memoryview], now: float) -> None:
        """Take a part of a request.

        Raises:
            RemoteProtocolError: the request has no such part.
        """
        fetch = lease.fetch
        if lease.phase is not Phase.FETCHING or fetch is None:
            return
        if part >= len(fetch.parts) or len(buffers) != 1:
            raise RemoteProtocolError("a part that the request does not have")
        if fetch.parts[part] is not None:
            return
        fetch.parts[part] = bytes(buffers[0])
        fetch.missing -= 1
        fetch.total_left -= buffers[0].nbytes
        lease.claim_at = now + CLAIM_EVERY_S
        lease.answer_by = now + self._table.answer_s
        if fetch.total_left < 0:
            self._claim(lease, "invalid", "its parts are more than it said", now)
        elif not fetch.missing:
            self._join(lease, b"".join(part for part in fetch.parts if part is not None), now)

    def _join(self, lease: Lease, data: bytes, now: float) -> None:
        try:
            request, buffers = decode_link(only_frame(data, TO_QUEUE, REQUEST_BYTES_MAX))
            if not isinstance(request, Request) or request.parts:
                raise RemoteProtocolError("a request in parts that holds parts")
        except ProtocolError as error:
            self._claim(lease, "invalid", str(error), now)
            return
        lease.fetch = None
        lease.request = request.__replace__(submitter=lease.owner.submitter)
        lease.buffers = buffers
        self._submit(lease, now)

    # --- to the loop -----------------------------------------------------------------------------
    def _admit(self, lease: Lease) -> tuple[Frame, Frame]:
        """Return the frames with which the loop takes the run.

        Raises:
            Refused: this machine will not run it.
        """
        assert lease.request is not None
        submit, buffers = admit(
            lease.request,
            lease.buffers,
            self._table.settings.serving,
            tenant=lease.owner.tenant,
            queue_ms=lease.queue_ms,
        )
        if len(buffers) > BUFFERS_MAX:
            raise Refused("invalid", "too many buffers")
        hold = frame_of(LINK_KINDS[Hold], lease.number, write(Hold()), [lease.note()])
        return hold, frame_of(KINDS[type(submit)], lease.number, write(submit), buffers)

    def _submit(self, lease: Lease, now: float) -> None:
        try:
            frames = self._admit(lease)
        except Refused as refused:
            self._claim(lease, refused.refusal, refused.detail, now)
            return
        lease.phase = Phase.HELD
        self._table.drop_fetch(lease)
        lease.request, lease.buffers, lease.claim = None, [], None
        lease.claim_at = lease.answer_by = None
        self._table.counts["runs_begun"] += 1
        for frame in frames:
            self._table.tell_loop(frame)


def _is_sound(frame: Frame, request: Request) -> bool:
    has_body = frame.buffer_count > 0
    return (
        0 < frame.run_id < LEASE_MIN
        and is_token(request.submitter)
        and has_body == (request.parts == 0)
        and (request.parts > 0) == (request.total_bytes > 0)
    )
