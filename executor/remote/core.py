"""The decision core of a submitter: which machine's lease counts for each run, and how it ends.

    host     submit, cancel, end_session, distrust, drain
    server   enqueued, not_enqueued, gone
    machine  claim, piece, beat                              each returns actions, in order
    time     advance, again at wake_at()

    waits for a machine --claim, granted--> has a lease --the ending--> over
          ^                                     |
          +---- silent, and another claims -----+   the run begins again there

Rule 1: no clock, no file, no socket, no await; `now` is monotonic seconds and never goes back.
Rule 2: each run has exactly one ending, and one lease at most counts for it at any time. What is
        said of another lease is answered with `Stop`, and never reaches the host.
Rule 3: whatever may be lost on the way is said again until it is answered.
Rule 4: a machine is authenticated and not believed: what it must not say ends its run as crashed.
"""

from __future__ import annotations

from executor.link.wire import is_token
from executor.remote.actions import Action, Tell, ToHost
from executor.remote.book import (
    ASK,
    CANCEL,
    DRAIN,
    LOST,
    QUEUE,
    RESEND,
    SESSION,
    STOP,
    WALL,
    Book,
)
from executor.remote.claims import Claims
from executor.remote.parts import Lease, NewRun, Policy, Run, Session
from executor.remote.pieces import Cutter
from protocol.errors import ProtocolError, printable
from protocol.links import Ack, Beat, Claim, Piece
from protocol.messages import Refused, Verdict


class RemoteCore:
    """All runs of one submitter.

    Args:
        submitter: its name.
        policy: every number it decides by.
    """

    def __init__(self, submitter: str, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._book = Book(self._policy, submitter)
        self._timers = self._book.timers
        self._claims = Claims(self._book)
        self._cutter = Cutter(self._book)

    # --- the host --------------------------------------------------------------------------------
    def submit(self, new: NewRun, now: float) -> list[Action]:
        """Take a run."""
        book, run = self._book, Run(new, now)
        if (refused := self._refusal(new)) is not None:
            book.out.append(ToHost(new.run_id, refused))
            return book.taken()
        book.submitted += 1
        book.runs[new.run_id] = run
        self._timers.set((QUEUE, new.run_id), now + new.queue_s)
        if new.session and not new.session_new:
            session = book.sessions[new.session]
            if session.machine:
                self._book.ask(run, session.machine, now)
            else:
                session.waiting.append(new.run_id)
        else:
            if new.session:
                book.sessions[new.session] = Session(new.tenant)
            book.enqueue(run)
        return book.taken()

    def _refusal(self, new: NewRun) -> Refused | None:
        book = self._book
        if book.is_draining:
            return Refused("draining")
        if new.session and not new.session_new:
            session = book.sessions.get(new.session)
            if session is None or session.lost:
                return Refused("session_lost", session.lost if session is not None else "")
        if book.waiting >= self._policy.queue_max:
            return Refused("queue_full", f"{book.waiting} runs wait for a machine")
        return None

    def cancel(self, run_id: int, now: float) -> list[Action]:
        """Give a run up: one that waits ends at once, another when its machine has ended it."""
        book, run = self._book, self._book.runs.get(run_id)
        if run is not None and not run.is_cancelled:
            run.is_cancelled = True
            if run.lease is None:
                book.refuse(run, "cancelled")
            else:
                self._book.stop(run, now)
                self._timers.set((CANCEL, run_id), now + self._policy.cancel_s)
        return book.taken()

    def end_session(self, number: int) -> list[Action]:
        """Drop the sandbox of a session."""
        self._book.close_session(number)
        return self._book.taken()

    def distrust(self, run_id: int) -> list[Action]:
        """Let go of a run about which its machine lied, as the host alone could see."""
        run = self._book.runs.get(run_id)
        if run is not None:
            self._book.lose(run, Verdict.CRASHED, "its machine broke the protocol")
        return self._book.taken()

    def drain(self, within_s: float, now: float) -> list[Action]:
        """Take no more runs, and end those at hand in `within_s`; then say `Finished`."""
        self._book.is_draining = True
        self._timers.set((DRAIN, 0), now + within_s)
        return self._book.taken()

    def abandon(self) -> list[Action]:
        """The host is gone: free what machines have for it."""
        book = self._book
        for run_id, run in book.runs.items():
            if (lease := run.lease) is not None:
                book.revoke(lease.machine, lease.number, run.new.tenant, run_id)
        for number in list(book.sessions):
            book.close_session(number)
        return book.taken()

    # --- the server ------------------------------------------------------------------------------
    def enqueued(self, run_id: int, now: float) -> list[Action]:
        """Note that the queue has a run; it is put there again if nobody claims it for long."""
        run = self._book.runs.get(run_id)
        if run is not None:
            run.is_stored = True
        if run is not None and run.lease is None:
            wait_s = self._policy.resend_s * 2 ** min(run.attempts - 1, 16)
            self._timers.set((RESEND, run_id), now + min(wait_s, self._policy.resend_max_s))
        return self._book.taken()

    def not_enqueued(self, run_id: int, reason: str, detail: str, now: float) -> list[Action]:
        """Note that the server refuses to queue a run: `reason` is queue_full or unreachable."""
        run = self._book.runs.get(run_id)
        if run is not None and run.lease is None:
            if run.attempts > 1:  # a copy of a run that the queue may have
                self._timers.set((RESEND, run_id), now + self._policy.resend_s)
            else:
                self._book.forget_session(run, detail)
                self._book.refuse(run, reason, detail)
        return self._book.taken()

    def unreachable(self, run_id: int, detail: str) -> list[Action]:
        """Note that the server lets nobody in: a run that it never had is refused."""
        run = self._book.runs.get(run_id)
        if run is not None and run.lease is None and not run.is_stored:
            self._book.forget_session(run, detail)
            self._book.refuse(run, "unreachable", detail)
        return self._book.taken()

    def gone(self, run_id: int, now: float) -> list[Action]:
        """Note that nobody listens where a run was sent: the machine that has its session.

        A machine that reconnects is not there for a moment, so it is asked again before its session
        is given up.
        """
        run = self._book.runs.get(run_id)
        if run is not None and run.lease is None and run.new.session and not run.new.session_new:
            run.gone += 1
            if run.gone >= self._policy.gone_max:
                self._book.session_gone(run)
        return self._book.taken()

    # --- machines --------------------------------------------------------------------------------
    def claim(self, tenant: str, run_id: int, claim: Claim, now: float) -> list[Action]:
        """Answer a machine that asks for a run, or says why it cannot have it."""
        self._claims.claim(tenant, run_id, claim, now)
        return self._book.taken()

    def beat(self, tenant: str, beat: Beat, now: float) -> list[Action]:
        """Note which leases a machine still has."""
        self._claims.beat(tenant, beat, now)
        return self._book.taken()

    def piece(
        self, tenant: str, run_id: int, piece: Piece, data: bytes, now: float
    ) -> list[Action]:
        """Take what a machine's loop said of a run, and acknowledge it."""
        book, run = self._book, self._book.runs.get(run_id)
        if not is_token(piece.machine):
            return []
        if run is None or run.lease is None or run.lease.number != piece.lease:
            over = book.over.get(run_id)
            if over is not None and over[:2] == (piece.machine, piece.lease):
                book.out.append(Tell(piece.machine, tenant, Ack(piece.lease, over[2]), run_id))
            else:
                book.revoke(piece.machine, piece.lease, tenant, run_id)
            return book.taken()
        lease = run.lease
        if run.new.tenant != tenant or lease.machine != piece.machine:
            return []
        self._book.heard(run, lease, now)
        try:
            self._cutter.take(run, lease, piece, data, now)
        except ProtocolError as error:
            cause = f"machine {lease.machine} broke the protocol: {printable(str(error))}"
            book.lose(run, Verdict.CRASHED, cause)
            return book.taken()
        if run.lease is lease and lease.is_placed and self._timers.wanted((WALL, run_id)) is None:
            self._timers.set((WALL, run_id), now + run.new.wall_s + self._policy.wall_grace_s)
        if run.lease is lease:  # else the cutter has acknowledged what was the last of it
            acknowledged = Ack(lease.number, lease.next_seq - 1)
            book.out.append(Tell(lease.machine, tenant, acknowledged, run_id))
        return book.taken()

    # --- knowledge -------------------------------------------------------------------------------
    def snapshot(self) -> dict[str, int]:
        """Return what there is, and what there was."""
        book = self._book
        return {
            "runs_waiting": book.waiting,
            "runs_at_machines": len(book.runs) - book.waiting,
            "machines": len(book.leases),
            "sessions": len(book.sessions),
            "runs_submitted": book.submitted,
            "runs_ended": book.ended,
            "runs_begun_again": book.restarted,
            "runs_handed_back": book.returned,
        }

    # --- time ------------------------------------------------------------------------------------
    def wake_at(self) -> float | None:
        """Return when `advance` must be called next, None if nothing is due by time alone."""
        return self._timers.wake_at()

    def advance(self, now: float) -> list[Action]:
        """Let time pass up to `now`."""
        while (key := self._timers.pop_due(now)) is not None:
            kind, number = key
            if kind == DRAIN:
                self._drained()
            elif isinstance(number, int) and (run := self._book.runs.get(number)) is not None:
                self._due(kind, run, now)
        return self._book.taken()

    def _due(self, kind: int, run: Run, now: float) -> None:
        book, lease = self._book, run.lease
        if kind == RESEND and lease is None:
            book.enqueue(run)
        elif kind == QUEUE:
            detail = f"waited for {run.new.queue_s:.3g} s"
            self._book.forget_session(run, detail)
            book.refuse(run, "queue_timeout", detail)
        elif kind == LOST and lease is not None:
            self._silent(run, lease, now)
        elif kind == ASK and lease is None:
            session = book.sessions.get(run.new.session)
            if session is None:
                book.session_gone(run)
            else:
                book.ask(run, session.machine, now)
        elif kind == SESSION and lease is None:
            self._book.session_gone(run)
        elif kind == STOP and lease is not None:
            self._book.stop(run, now)
        elif kind == CANCEL:
            machine = lease.machine if lease is not None else "none"
            book.lose(run, Verdict.CANCELLED, f"machine {machine} did not say that it ended it")
        elif kind == WALL and lease is not None:
            cause = f"machine {lease.machine} did not end it at its deadline"
            book.lose(run, Verdict.CRASHED, cause)

    def _silent(self, run: Run, lease: Lease, now: float) -> None:
        """A machine may be lost: offer its run to others; the first to claim it has it."""
        policy, run_id = self._policy, run.new.run_id
        due_at = max(lease.heard_at, lease.granted_at) + policy.lost_s
        if due_at > now:
            self._timers.set((LOST, run_id), due_at)
            return
        if run.new.session:
            self._book.session_gone(run)
            return
        self._book.enqueue(run)
        self._timers.set((LOST, run_id), now + policy.resend_s)
        if self._timers.wanted((QUEUE, run_id)) is None:
            self._timers.set((QUEUE, run_id), now + run.new.queue_s)

    def _drained(self) -> None:
        book = self._book
        for run in list(book.runs.values()):
            if run.lease is None and not run.starts:
                book.refuse(run, "draining")
            else:
                book.lose(run, Verdict.CANCELLED, "its submitter was closed")
