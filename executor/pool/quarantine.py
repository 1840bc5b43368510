"""Tenants whose runs crash cells again and again are refused for a while.

So a hostile tenant costs restarts at a bounded rate, and the pool's breaker, which would refuse
everybody, counts only what no tenant's run can be blamed for.
"""

from __future__ import annotations

from executor.pool.shared import TENANT, Shared
from executor.restart import RestartBudget
from protocol.structs import mutable


@mutable
class _Record:
    budget: RestartBudget
    #: Refused until then; in the past where it is not.
    until: float = float("-inf")


class Quarantine:
    """Who crashed how many cells of late. Forgets a tenant once nothing is held against it."""

    def __init__(self, shared: Shared) -> None:
        self._policy = shared.policy
        self._timers = shared.timers
        self._records: dict[str, _Record] = {}

    @property
    def active(self) -> bool:
        """True if anything is held against anybody."""
        return bool(self._records)

    def crashed(self, tenant: str, now: float) -> bool:
        """Count a crash; return True if it put the tenant into quarantine."""
        policy = self._policy
        record = self._records.get(tenant)
        if record is None:
            budget = RestartBudget(
                restarts_max=policy.quarantine_crashes, period_s=policy.quarantine_window_s
            )
            record = self._records[tenant] = _Record(budget)
        was_in = record.until > now
        if not record.budget.spend(now):
            record.until = now + policy.quarantine_s
        self._timers.set((TENANT, tenant), max(record.until, now + policy.quarantine_window_s))
        return record.until > now and not was_in

    def detail(self, tenant: str, now: float) -> str:
        """Return why the tenant's runs are refused, "" if they are not."""
        record = self._records.get(tenant)
        if record is None or record.until <= now:
            return ""
        return f"quarantined for {record.until - now:.1f} s more: its runs crashed cells repeatedly"

    def passed(self, tenant: str) -> None:
        """Forget the tenant."""
        del self._records[tenant]

    def tenants(self, now: float) -> list[str]:
        """Return the tenants whose runs are refused."""
        return sorted(t for t, record in self._records.items() if record.until > now)
