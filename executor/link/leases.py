"""What becomes of the runs that a machine has for others, from what is said of them.

    HELD -> what the loop says, in pieces -> ending -> ENDED -> Ack -> done

Rule 1: the queue hears "done" of a run only when its submitter has its ending; until then it is
        told that the run is alive here, as long as that is so.
Rule 2: a message about a lease counts only if it came on a subject of the lease's own tenant.
Rule 3: what cannot be read is dropped and counted; it never raises.
"""

from __future__ import annotations

from typing import Literal

from executor.link.admission import session_number
from executor.link.events import Action, Delivered
from executor.link.intake import Intake
from executor.link.outgoing import Outgoing
from executor.link.parts import Lease, Phase, lease_from_note
from executor.link.settings import UNHEARD_FULL_S, UNHEARD_S, Settings
from executor.link.table import Table, frame_of
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.frames import Frame
from protocol.links import (
    LINK_KINDS,
    TO_MACHINE,
    Ack,
    Beat,
    CloseSession,
    Deny,
    Forget,
    Grant,
    Hold,
    LinkMessage,
    Release,
    Request,
    RequestPart,
    Resume,
    Stop,
    decode_link,
    only_frame,
)
from protocol.messages import KINDS, Cancel, Done, EndSession, Lost, Placed, Refused
from protocol.reading import read, write

_HOLD, _RESUME, _PLACED = LINK_KINDS[Hold], LINK_KINDS[Resume], KINDS[Placed]
_ENDINGS = frozenset(KINDS[c] for c in (Done, Lost, Refused))
#: How often a lease that may not be renewed is looked at again.
LOOK_AGAIN_S = 0.5


class Leases:
    """Every lease of one link.

    Args:
        settings: every name and number.
        actions: where to add what is to be done.
    """

    def __init__(self, settings: Settings, actions: list[Action]) -> None:
        self._table = Table(settings, actions)
        self._intake = Intake(self._table)
        #: Those that the loop said are alive, when it last spoke.
        self.living: frozenset[int] = frozenset()
        #: How long an ending waits for a submitter that listens and acknowledges nothing.
        self._patience_s = UNHEARD_S

    @property
    def at_hand(self) -> int:
        """How many have not ended."""
        return self._table.at_hand

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._table.leases)

    @property
    def counts(self) -> dict[str, int]:
        """What became of all that there were."""
        return self._table.counts

    def wake_at(self) -> float | None:
        """Return when `advance` has something to do."""
        times = [lease.due_at() for lease in self._table.leases.values()]
        times += [since + UNHEARD_S for since in self._table.unheard.values()]
        times += [self._quiet_until(lease) for lease in self._table.leases.values()]
        return min((at for at in times if at is not None), default=None)

    def _quiet_until(self, lease: Lease) -> float | None:
        return None if lease.quiet_since is None else lease.quiet_since + self._patience_s

    # --- from the queue and from submitters ------------------------------------------------------
    def deliver(self, event: Delivered, now: float, *, takes: bool) -> None:
        """Take a request from the queue, or put it back if this machine takes none now."""
        self._intake.deliver(event, now, takes=takes)

    def hear(self, subject: str, data: bytes, now: float, *, takes: bool) -> None:
        """Take what a submitter said to this machine."""
        try:
            tenant = self._table.subjects.tenant_in(subject)
            frame = only_frame(data, TO_MACHINE)
            message, buffers = decode_link(frame)
            match message:
                case Request():
                    self._intake.take_direct(tenant, frame, message, buffers, now, takes=takes)
                case CloseSession(submitter, session):
                    self._end_session(tenant, submitter, session)
                case _:
                    self._take(tenant, message, buffers, now)
        except (ProtocolError, ValueError):
            self._table.counts["messages_refused"] += 1

    def _take(
        self, tenant: str, message: LinkMessage, buffers: list[memoryview], now: float
    ) -> None:
        if not isinstance(message, Grant | Deny | RequestPart | Ack | Stop):
            raise RemoteProtocolError("a message that no submitter sends")
        lease = self._table.leases.get(message.lease)
        if lease is None or lease.owner.tenant != tenant:
            return
        self._table.unheard.pop(lease.owner[:2], None)
        match message:
            case Grant():
                self._intake.granted(lease, message, now)
            case Deny(_, again_ms):
                self._intake.denied(lease, again_ms / 1_000)
            case RequestPart(_, part):
                self._intake.take_part(lease, part, buffers, now)
            case Ack(_, seq):
                self._acknowledged(lease, seq, now)
            case Stop(_, reason):
                self._stop(lease, reason, now)

    def _end_session(self, tenant: str, submitter: str, session: int) -> None:
        serving = self._table.settings.serving
        for pool in sorted(set(serving.pools) - {0}):
            number = session_number(serving.session_key, tenant, submitter, session, pool)
            self._table.tell_loop(Frame(KINDS[EndSession], 0, 0, write(EndSession(number))))

    def _acknowledged(self, lease: Lease, seq: int, now: float) -> None:
        if not lease.out.acknowledged(seq, now):
            return
        if lease.phase is Phase.ENDED:
            lease.quiet_since = now
        body = write(Release(seq))
        self._table.tell_loop(frame_of(LINK_KINDS[Release], lease.number, body))
        if lease.phase is Phase.ENDED and lease.out.is_empty:
            self._table.counts["runs_ended"] += 1
            self._table.publish(lease.ack, b"+ACK")
            self._table.drop(lease)
        else:
            self._table.send(lease, now)

    def _stop(self, lease: Lease, reason: Literal["cancelled", "revoked"], now: float) -> None:
        if reason == "revoked":
            # The queue is not told: another machine may have the run by now.
            self._table.counts["runs_given_up"] += 1
            self._table.forget(lease)
        elif lease.phase is Phase.HELD:
            self._table.tell_loop(frame_of(KINDS[Cancel], lease.number, write(Cancel())))
        elif lease.phase is Phase.FETCHING:
            self._table.drop_fetch(lease)
            lease.claim = lease.claim_at = lease.answer_by = None
            body = write(Refused("cancelled"))
            self._said(lease, frame_of(KINDS[Refused], lease.number, body), now)

    # --- from the loop ---------------------------------------------------------------------------
    def welcome(self, next_lease: int) -> None:
        """Note which numbers were given before this link began."""
        self._table.begin_at(next_lease)

    def loop_said(self, frame: Frame, now: float) -> None:
        """Take a frame about a lease."""
        lease = self._table.leases.get(frame.run_id)
        if frame.kind == _HOLD:
            if lease is None:
                _, buffers = frame.split()
                self._table.add(lease_from_note(frame.run_id, bytes(buffers[0]), now))
        elif lease is None:
            body = write(Forget())
            self._table.tell_loop(frame_of(LINK_KINDS[Forget], frame.run_id, body))
        elif frame.kind == _RESUME:
            body, _ = frame.split()
            lease.out = Outgoing(read(Resume, body).seq)
            lease.is_placed = lease.out.acked > 0
        else:
            self._said(lease, frame, now)

    def _said(self, lease: Lease, frame: Frame, now: float) -> None:
        lease.out.add(frame)
        lease.is_placed = lease.is_placed or frame.kind == _PLACED
        if frame.kind in _ENDINGS:
            lease.phase = Phase.ENDED
            lease.quiet_since = now
        self._table.send(lease, now)

    def loop_lost(self) -> None:
        """Give back what the loop had; results that are here already stay."""
        self.living = frozenset()
        for lease in self._table.all():
            if lease.phase is Phase.HELD:
                self._table.hand_back(lease)

    # --- the connection --------------------------------------------------------------------------
    def connected(self, part_bytes: int, now: float) -> None:
        """Say again what may not have arrived."""
        self._table.part_bytes = part_bytes
        for lease in self._table.all():
            lease.out.start_over()
            if lease.renew_at is not None:
                lease.renew_at = now
            if lease.quiet_since is not None:
                lease.quiet_since = now
            if lease.claim is not None and lease.phase is not Phase.HELD:
                lease.claim_at = now
                lease.answer_by = now + self._table.answer_s
            self._table.send(lease, now)

    def disconnected(self) -> None:
        """Note that nothing can be said for now."""
        self._table.part_bytes = 0

    def unheard(self, number: int, tenant: str, now: float) -> None:
        """Note that nobody listens to what is said of a lease."""
        lease = self._table.leases.get(number)
        if lease is None or lease.owner.tenant != tenant:
            return
        if lease.phase is Phase.CLAIMING:
            self._table.put_back_unheard(lease)
        else:
            self._table.unheard.setdefault(lease.owner[:2], now)

    # --- time ------------------------------------------------------------------------------------
    def advance(self, now: float, *, renews: bool, is_full: bool = False) -> None:
        """Do what is due, while connected.

        Args:
            now: monotonic seconds.
            renews: the loop has spoken lately.
            is_full: the loop takes no more before submitters take what waits for them.
        """
        table = self._table
        self._patience_s = UNHEARD_FULL_S if is_full else UNHEARD_S
        for lease in table.all():
            quiet_until = self._quiet_until(lease)
            if quiet_until is not None and quiet_until <= now:
                table.publish(lease.ack, b"+TERM")
                table.forget(lease)
                continue
            if lease.answer_by is not None and lease.answer_by <= now:
                table.put_back_unheard(lease)
                continue
            if lease.claim_at is not None and lease.claim_at <= now:
                self._intake.ask(lease, now)
            if lease.out.resend_at is not None and lease.out.resend_at <= now:
                lease.out.start_over()
                table.send(lease, now)
            if lease.renew_at is not None and lease.renew_at <= now:
                self._renew(lease, now, renews=renews)
        for key in [key for key, since in table.unheard.items() if now - since >= UNHEARD_S]:
            del table.unheard[key]
            for lease in table.all():
                if lease.owner[:2] == key:
                    table.publish(lease.ack, b"+TERM")
                    table.forget(lease)

    def _renew(self, lease: Lease, now: float, *, renews: bool) -> None:
        if lease.phase is not Phase.HELD or (renews and lease.number in self.living):
            lease.renew_at = now + self._table.settings.lease_s / 4
            self._table.publish(lease.ack, b"+WPI")
        else:
            lease.renew_at = now + LOOK_AGAIN_S

    def beat(self) -> None:
        """Tell every submitter which of its runs live here."""
        lists: dict[tuple[str, str], list[Lease]] = {}
        for lease in self._table.leases.values():
            is_alive = lease.number in self.living
            if is_alive or lease.phase in (Phase.FETCHING, Phase.ENDED):
                lists.setdefault(lease.owner[:2], []).append(lease)
        machine = self._table.settings.machine
        for leases in lists.values():
            beat = Beat(machine, tuple(lease.number for lease in leases))
            self._table.tell(leases[0].owner, beat, reminder=leases[0].number)

    # --- the end ---------------------------------------------------------------------------------
    def hand_back_waiting(self) -> None:
        """Put back what no cell has begun."""
        for lease in self._table.all():
            if lease.phase is not Phase.ENDED and not lease.is_placed:
                self._table.hand_back(lease)

    def hand_back_all(self) -> None:
        """Put back what has not ended."""
        for lease in self._table.all():
            if lease.phase is not Phase.ENDED:
                self._table.hand_back(lease)

    def forget_all(self) -> None:
        """End every run here: nobody can be told of it."""
        for lease in self._table.all():
            self._table.forget(lease)
