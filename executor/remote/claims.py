"""Which machine's lease counts for a run: claims, and the beats by which leases live. No I/O.

    nobody has it              granted
    the same lease asks again  granted again: our answer was lost
    another machine has it     denied while that one is heard of, else taken from it
    refused                    left to others, until too many have refused

Rule 1: a request is taken out of the queue only if its run is over, or for a copy of it.
Rule 2: a machine's word about its own leases is believed: what it names lives, what it names no
        more is given up.
"""

from __future__ import annotations

from executor.link.wire import is_token
from executor.remote.actions import SendParts, Tell
from executor.remote.book import ASK, LOST, QUEUE, RESEND, SESSION, WALL, Book
from executor.remote.parts import Lease, Run, Session
from protocol.conversation import RunConversation
from protocol.errors import printable
from protocol.links import Beat, Claim, Deny, Grant
from protocol.messages import KINDS, Submit, Verdict

_SUBMIT = KINDS[Submit]


class Claims:
    """Grants leases and takes them back."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._policy = book.policy
        self._timers = book.timers

    def claim(self, tenant: str, run_id: int, claim: Claim, now: float) -> None:
        """Answer a machine that asks for a run, or says why it cannot have it."""
        book, run = self._book, self._book.runs.get(run_id)
        if not is_token(claim.machine):
            return
        again_ms = 0
        if run is None:
            self._deny(tenant, run_id, claim, 0)
            return
        if run.new.tenant != tenant:
            return
        lease = run.lease
        if lease is not None and (lease.machine, lease.number) == (claim.machine, claim.lease):
            if not claim.refusal:
                self._grant(run, lease, now)  # our answer was lost
                return
            book.unbind(run)
            lease = None
        if lease is not None and now - lease.heard_at < self._policy.alive_s:
            # The first delivery of a message that is not the one which the lease came by.
            again_ms = 0 if claim.delivery == 1 else self._policy.again_ms
        elif claim.refusal:
            again_ms = self._refused_by(run, claim, now)
        elif self._may_have(run, claim.machine):
            if lease is not None:
                self._move_from(run, lease, claim.machine)
            if run.new.run_id in book.runs:
                self._grant(run, self._new_lease(run, claim, now), now)
                return
        self._deny(tenant, run_id, claim, again_ms)

    def beat(self, tenant: str, beat: Beat, now: float) -> None:
        """Note which leases a machine still has."""
        book = self._book
        if not is_token(beat.machine):
            return
        ours, named = book.leases.get(beat.machine, {}), set(beat.leases)
        for number in beat.leases:
            known = ours.get(number)
            if known is None:
                # Of a run that has ended here, was moved, or was an earlier submitter's loop's.
                book.revoke(beat.machine, number, tenant, 0)
                continue
            alive = book.runs[known]
            if alive.new.tenant == tenant and alive.lease is not None:
                alive.lease.was_in_beat = True
                book.heard(alive, alive.lease, now)
        for run_id in [run_id for number, run_id in ours.items() if number not in named]:
            run = book.runs.get(run_id)
            if run is None or run.lease is None or run.new.tenant != tenant:
                continue
            if run.lease.was_in_beat:
                run.lease.heard_at = float("-inf")  # given up: whoever claims it next has it
                if run.new.session:
                    book.session_gone(run)

    # --- leases ----------------------------------------------------------------------------------
    def _new_lease(self, run: Run, claim: Claim, now: float) -> Lease:
        conversation = RunConversation(run.new.run_id, caps=run.new.caps)
        conversation.send(_SUBMIT, run.new.run_id)
        lease = Lease(claim.machine, claim.lease, now, now, conversation)
        self._book.bind(run, lease)
        timers, run_id = self._timers, run.new.run_id
        for kind in (RESEND, ASK, SESSION, WALL):
            timers.cancel((kind, run_id))
        timers.set((LOST, run_id), now + self._policy.lost_s)
        number = run.new.session
        if number and run.new.session_new:
            session = self._book.sessions.setdefault(number, Session(run.new.tenant))
            session.machine = claim.machine
            waiting, session.waiting = session.waiting, []
            for waiter in waiting:
                if (later := self._book.runs.get(waiter)) is not None:
                    self._book.ask(later, claim.machine, now)
        return lease

    def _grant(self, run: Run, lease: Lease, now: float) -> None:
        out, tenant, run_id = self._book.out, run.new.tenant, run.new.run_id
        left_s = max(0.0, run.submitted_at + run.new.queue_s - now)
        self._timers.cancel((QUEUE, run_id))  # from here on its machine counts
        queue_ms = round((left_s if not run.starts else run.new.queue_s) * 1_000)
        out.append(Tell(lease.machine, tenant, Grant(lease.number, queue_ms), run_id))
        out.append(SendParts(run_id, lease.machine, lease.number))
        if run.is_cancelled:
            self._book.stop(run, now)

    def _may_have(self, run: Run, machine: str) -> bool:
        """Return whether a run may go to this machine: that of a session to one alone."""
        if run.is_cancelled:
            return False
        if run.new.session and not run.new.session_new:
            session = self._book.sessions.get(run.new.session)
            return session is not None and session.machine == machine
        return True

    def _move_from(self, run: Run, lease: Lease, machine: str) -> None:
        """Take a run from a machine that is silent, or give it up if it has lost too many."""
        book = self._book
        book.unbind(run)
        book.revoke(lease.machine, lease.number, run.new.tenant, run.new.run_id)
        book.restarted += lease.is_placed
        if run.starts >= self._policy.starts_max:
            cause = (
                f"{run.starts} machines were lost while they ran it; the last was {lease.machine}"
            )
            book.lose(run, Verdict.CRASHED, cause)

    def _refused_by(self, run: Run, claim: Claim, now: float) -> int:
        """Take a machine's refusal; return for how long the run is to stay in the queue."""
        book, detail = self._book, printable(claim.detail) or claim.refusal
        if run.new.session and not run.new.session_new:
            if claim.refusal == "handed_back" and not run.starts:
                # It has no room now, but it is there: it is asked again before long.
                self._timers.set((ASK, run.new.run_id), now + self._policy.ask_s)
                self._timers.set((SESSION, run.new.run_id), now + self._policy.session_s)
            else:
                book.session_gone(run)
            return 0
        if claim.refusal == "handed_back":
            run.returns += 1
            book.returned += 1
            is_last = run.returns > self._policy.returns_max
            self._timers.set((RESEND, run.new.run_id), now + self._policy.lost_s)
        else:
            is_last = claim.refusal == "invalid" or claim.machine in run.refusals
            run.refusals.append(claim.machine)
            is_last = is_last or len(run.refusals) >= self._policy.refusals_max
        if is_last:
            book.forget_session(run, detail)
            book.refuse(run, "unsupported", detail)
        return 0 if is_last else self._policy.again_ms

    def _deny(self, tenant: str, run_id: int, claim: Claim, again_ms: int) -> None:
        answer = Deny(claim.lease, again_ms)
        self._book.out.append(Tell(claim.machine, tenant, answer, run_id))
