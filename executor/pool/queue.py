"""Which waiting run comes next: priority, then tenants in turn, then first come.

A tenant's turn is a number: the tenant with the lowest is served, and its turn moves behind
those who came meanwhile (start-time fair queueing with runs of length 1). A tenant that comes new
gets the turn that is being served, so it stands before every tenant that was served already:
of 10,000 waiting runs of one tenant at most one more starts before the single run of another.

Rule 1: a pool has several lanes (any cell, any cell with room for a session, one cell alone) but
one `Turns`, so a tenant gains nothing by standing in two lanes.
Rule 2: every operation is O(log n) in the number of tenants and priorities that wait.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush, heapreplace

from executor.pool.parts import Run

#: Turns, or heap entries, that no longer matter, beside those that do, before they are dropped.
STALE_MAX = 64


class Turns:
    """Whose turn it is, over all lanes of a pool."""

    __slots__ = ("_forget_at", "_next", "_round_runs", "_served", "current", "sequence", "waiting")

    def __init__(self) -> None:
        #: The turn being served.
        self.current = 0
        #: Flows (a tenant at a priority in a lane) that wait.
        self.waiting = 0
        #: Counts arrivals; breaks ties between equal turns.
        self.sequence = 0
        self._next: dict[str, int] = {}
        self._served = 0
        self._round_runs = 1
        self._forget_at = STALE_MAX

    def __len__(self) -> int:
        return len(self._next)

    def after(self, tenant: str) -> int:
        """Return the turn that the tenant's last run left it; 0 if that does not matter now."""
        return self._next.get(tenant, 0)

    def serve(self, tenant: str) -> int:
        """Record that a run of the tenant is started; return the turn of its next one."""
        turn = self._next.get(tenant, 0)
        self._served += 1
        if turn > self.current:
            self._begin_round(turn)
        after = self._next[tenant] = self.current + 1
        if self._served > self._round_runs:
            # More were served in this turn than waited when it began: without an end to it,
            # newcomers without end would keep those who were served once waiting for ever.
            self._begin_round(self.current + 1)
        if len(self._next) > self._forget_at:
            self._next = {t: turn for t, turn in self._next.items() if turn > self.current}
            self._forget_at = 2 * len(self._next) + STALE_MAX
        return after

    def _begin_round(self, turn: int) -> None:
        self.current = turn
        self._served = 0
        self._round_runs = max(1, self.waiting)


class _Flow:
    """The waiting runs of one tenant at one priority in one lane, in order of arrival."""

    __slots__ = ("priority", "runs", "sequence", "tenant")

    def __init__(self, tenant: str, priority: int, sequence: int) -> None:
        self.tenant = tenant
        self.priority = priority
        #: That of its one valid heap entry.
        self.sequence = sequence
        # O(1) removal at both ends and in between; a plain dict scans over the holes at its front.
        self.runs: OrderedDict[int, Run] = OrderedDict()


class Lane:
    """Waiting runs that the same cells may serve."""

    __slots__ = ("_flows", "_heap", "_turns", "count")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._flows: dict[tuple[str, int], _Flow] = {}
        #: (-priority, turn, sequence, flow); the sequence is unique, so flows are never compared.
        self._heap: list[tuple[int, int, int, _Flow]] = []
        #: Runs that wait here.
        self.count = 0

    def push(self, run: Run) -> None:
        """Let the run wait behind the others of its tenant and priority."""
        key = (run.tenant, run.priority)
        flow = self._flows.get(key)
        if flow is None:
            turns = self._turns
            turns.waiting += 1
            turns.sequence += 1
            flow = self._flows[key] = _Flow(run.tenant, run.priority, turns.sequence)
            turn = max(turns.current, turns.after(run.tenant))
            heappush(self._heap, (-run.priority, turn, flow.sequence, flow))
            if len(self._heap) > 2 * len(self._flows) + STALE_MAX:
                self._heap = [entry for entry in self._heap if entry[3].sequence == entry[2]]
                heapify(self._heap)
        flow.runs[run.run_id] = run
        self.count += 1

    def remove(self, run: Run) -> None:
        """Take the run out, wherever it stands."""
        flow = self._flows[run.tenant, run.priority]
        del flow.runs[run.run_id]
        self._removed_from(flow)

    def first(self) -> tuple[int, int, int] | None:
        """Return a key that orders the next run among the lanes of a pool, None if none waits."""
        heap, turns = self._heap, self._turns
        while heap:
            priority, turn, sequence, flow = heap[0]
            if flow.sequence != sequence:
                heappop(heap)  # its runs are gone
            elif (later := turns.after(flow.tenant)) > turn:
                self._move_first(priority, later, flow)  # it was served in another lane
            else:
                return priority, turn, sequence
        return None

    def pop(self) -> Run:
        """Remove and return the next run, to be started; `first` gave a key just before."""
        priority, _, _, flow = self._heap[0]
        _, run = flow.runs.popitem(last=False)
        self._removed_from(flow)
        turn = self._turns.serve(flow.tenant)
        if flow.runs:
            self._move_first(priority, turn, flow)
        return run

    def runs(self) -> list[Run]:
        """Return all runs that wait here, by tenant and then in order of arrival."""
        return [run for flow in self._flows.values() for run in flow.runs.values()]

    def _move_first(self, priority: int, turn: int, flow: _Flow) -> None:
        self._turns.sequence += 1
        flow.sequence = self._turns.sequence
        heapreplace(self._heap, (priority, turn, flow.sequence, flow))

    def _removed_from(self, flow: _Flow) -> None:
        self.count -= 1
        if not flow.runs:
            flow.sequence = 0
            del self._flows[flow.tenant, flow.priority]
            self._turns.waiting -= 1
