"""The submitter's runs, sessions and leases, and what is to be done: all that its core changes.

Rule 1: a run ends in `end` alone, so it has one ending.
Rule 2: a lease that no longer counts is revoked, and what still comes of it is answered so again.
"""

from __future__ import annotations

from collections import OrderedDict

from executor.pool.timers import Timers
from executor.remote.actions import Action, Ask, Enqueue, Finished, Forget, PassOn, Tell, ToHost
from executor.remote.parts import Lease, Policy, Run, Session
from protocol.frames import Frame
from protocol.links import CloseSession, Stop
from protocol.messages import Lost, Refused, Verdict

#: Kinds of timers; each is about one run.
RESEND, QUEUE, LOST, ASK, SESSION, STOP, CANCEL, WALL, DRAIN = range(9)
_OF_RUN = (RESEND, QUEUE, LOST, ASK, SESSION, STOP, CANCEL, WALL)


class Book:
    """State of a submitter. Decides nothing."""

    def __init__(self, policy: Policy, submitter: str) -> None:
        self.policy = policy
        self.submitter = submitter
        self.timers = Timers()
        self.runs: dict[int, Run] = {}
        self.sessions: dict[int, Session] = {}
        #: Runs whose lease counts, by machine and lease.
        self.leases: dict[str, dict[int, int]] = {}
        #: The lease and the last frame of runs that have ended: what comes again is acknowledged.
        self.over: OrderedDict[int, tuple[str, int, int]] = OrderedDict()
        self.out: list[Action] = []
        self.is_draining = self._is_finished = False
        self.submitted = self.ended = self.restarted = self.returned = 0

    @property
    def waiting(self) -> int:
        """How many runs have no machine."""
        return len(self.runs) - sum(map(len, self.leases.values()))

    def taken(self) -> list[Action]:
        """Return what is to be done, and forget it."""
        if self.is_draining and not self.runs and not self._is_finished:
            self._is_finished = True
            self.timers.clear()
            self._finish()
        out, self.out = self.out, []
        return out

    # --- runs ------------------------------------------------------------------------------------
    def enqueue(self, run: Run) -> None:
        """Put a run into the queue, perhaps once more."""
        run.attempts += 1
        self.out.append(Enqueue(run.new.run_id, run.attempts))

    def end(self, run: Run, message: Refused | Lost | Frame, *, last_seq: int = 0) -> None:
        """End a run, with a word of ours or with what its machine said as its frame `last_seq`."""
        run_id = run.new.run_id
        del self.runs[run_id]
        self.ended += 1
        for kind in _OF_RUN:
            self.timers.cancel((kind, run_id))
        lease = run.lease
        if lease is not None:
            self.unbind(run)
            if last_seq:
                self.over[run_id] = (lease.machine, lease.number, last_seq)
                if len(self.over) > self.policy.over_max:
                    self.over.popitem(last=False)
            else:
                self.revoke(lease.machine, lease.number, run.new.tenant, run_id)
        if isinstance(message, Frame):
            self.out.append(PassOn(run_id, message))
        else:
            self.out.append(ToHost(run_id, message))
        self.out.append(Forget(run_id))

    def refuse(self, run: Run, reason: str, detail: str = "") -> None:
        """End a run that no guest has begun; one that a guest may have begun is lost."""
        if run.starts or (run.lease is not None and run.lease.is_placed):
            verdict = Verdict.CANCELLED if reason == "cancelled" else Verdict.CRASHED
            self.lose(
                run, verdict, f"its machine is lost, and no other took it: {detail or reason}"
            )
        else:
            self.end(run, Refused(reason, detail))  # type: ignore[arg-type]  # one of its reasons

    def lose(self, run: Run, verdict: Verdict, cause: str) -> None:
        """End a run whose guest may have begun."""
        self.end(run, Lost(verdict, cause))

    # --- leases ----------------------------------------------------------------------------------
    def bind(self, run: Run, lease: Lease) -> None:
        """Have a lease count."""
        run.lease = lease
        self.leases.setdefault(lease.machine, {})[lease.number] = run.new.run_id

    def unbind(self, run: Run) -> None:
        """Have the lease of a run count no more."""
        lease = run.lease
        if lease is None:
            return
        if lease.is_placed:
            run.starts += 1
        run.lease = None
        of_machine = self.leases[lease.machine]
        del of_machine[lease.number]
        if not of_machine:
            del self.leases[lease.machine]

    def heard(self, run: Run, lease: Lease, now: float) -> None:
        """Note that a run's machine was heard of."""
        lease.heard_at = now
        self.timers.cancel((QUEUE, run.new.run_id))

    def revoke(self, machine: str, number: int, tenant: str, run_id: int) -> None:
        """Tell a machine that one of its leases does not count."""
        self.out.append(Tell(machine, tenant, Stop(number, "revoked"), run_id))

    def stop(self, run: Run, now: float) -> None:
        """Tell a run's machine to end it; again until it has."""
        assert run.lease is not None
        stop = Stop(run.lease.number, "cancelled")
        self.out.append(Tell(run.lease.machine, run.new.tenant, stop, run.new.run_id))
        self.timers.set((STOP, run.new.run_id), now + self.policy.stop_s)

    # --- sessions --------------------------------------------------------------------------------
    def close_session(self, number: int) -> None:
        """Drop a session: whoever has it is told."""
        session = self.sessions.pop(number, None)
        if session is not None and session.machine and not session.lost:
            message = CloseSession(self.submitter, number)
            self.out.append(Tell(session.machine, session.tenant, message))

    def lose_session(self, number: int, cause: str) -> None:
        """Note that the state of a session is gone, and refuse the runs that wait for it."""
        session = self.sessions.get(number)
        if session is None or session.lost:
            return
        session.lost = cause
        waiting, session.waiting = session.waiting, []
        for run_id in waiting:
            if (run := self.runs.get(run_id)) is not None:
                self.refuse(run, "session_lost", cause)

    def ask(self, run: Run, machine: str, now: float) -> None:
        """Send a run to the machine that has its session; again until it answers."""
        run_id = run.new.run_id
        self.out.append(Ask(run_id, machine))
        self.timers.set((ASK, run_id), now + self.policy.ask_s)
        if self.timers.wanted((SESSION, run_id)) is None:
            self.timers.set((SESSION, run_id), now + self.policy.session_s)

    def session_gone(self, run: Run) -> None:
        """The machine that has the session of a run is lost, and with it the session."""
        session = self.sessions.get(run.new.session)
        machine = session.machine if session is not None else "?"
        cause = f"its machine {machine} is gone"
        self.lose_session(run.new.session, cause)
        if run.new.run_id not in self.runs:
            return
        if run.lease is not None and run.lease.is_placed:
            self.lose(run, Verdict.CRASHED, cause)
        else:
            self.refuse(run, "session_lost", cause)

    def forget_session(self, run: Run, cause: str) -> None:
        """Lose the session that a run was to begin and did not."""
        if run.new.session_new:
            self.lose_session(run.new.session, cause)

    def _finish(self) -> None:
        for number in list(self.sessions):
            self.close_session(number)
        self.out.append(Finished())
