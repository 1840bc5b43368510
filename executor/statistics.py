"""A snapshot of what the supervisor knows of itself, as frozen dataclasses.

The loop sends one JSON object; `Statistics.from_json` reads it, strictly: an unknown field, a
missing one or one of another type is refused. Seconds end in `_s`, sizes in `_bytes`, both are
those of the moment the snapshot was taken; everything else is a count since the pool was made.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.pool.meters import BUCKETS_S
from protocol.errors import RemoteProtocolError, printable


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations, counted in buckets.

    Args:
        counts: how many were at most the upper end of each bucket in `Histogram.bounds_s`, and
            over the one before it; the last entry counts what was longer than all of them.
        sum_s: all of them together.
        max_s: the longest; 0 if there was none.
    """

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)
    sum_s: float = 0.0
    max_s: float = 0.0

    @property
    def bounds_s(self) -> tuple[float, ...]:
        """Upper ends of the buckets in seconds; one fewer than `counts`."""
        return BUCKETS_S

    @property
    def count(self) -> int:
        """How many durations there were."""
        return sum(self.counts)

    @property
    def mean_s(self) -> float:
        """Their mean in seconds; 0 if there was none."""
        return self.sum_s / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Return a bound in seconds that `share` of the durations did not exceed; 0 if none.

        Args:
            share: 0 to 1; 0.99 for the 99th percentile.

        Raises:
            ValueError: `share` is not 0 to 1.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share must be 0 to 1, not {share!r}")
        wanted, seen = share * self.count, 0
        for bound_s, count in zip(BUCKETS_S, self.counts, strict=False):
            seen += count
            if seen and seen >= wanted:
                return min(bound_s, self.max_s)
        return self.max_s


@dataclass(frozen=True, slots=True)
class LoopLateness:
    """How much later than planned the supervisor loop woke up, over `count` wake-ups."""

    count: int = 0
    p50_s: float = 0.0
    p99_s: float = 0.0
    max_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CellStatistics:
    """One cell that is not yet gone.

    Args:
        cell: its number, never given to another.
        state: "starting", "idle", "busy", "restocking" (has answered, not yet ready again) or
            "dying" (killed, not yet reaped).
        run_id: the run it has had at hand for longest, 0 if none.
        age_s: since it was spawned.
        runs: how many it has answered.
        sessions: how many it keeps.
        stock: warmed, never used sandboxes when it was last ready.
        heap_bytes: memory it holds for guests, by its own report when it was last ready.
        rss_bytes: its resident memory by the kernel's account, 0 if not yet looked at.
        due: why it is to be replaced ("runs", "age", "heap", "rss", "spent"), "" if it is not.
        at_hand: runs that it has at hand.
    """

    cell: int
    state: str
    run_id: int
    age_s: float
    runs: int
    sessions: int
    stock: int
    heap_bytes: int
    rss_bytes: int
    due: str
    at_hand: int = 0


@dataclass(frozen=True, slots=True)
class BreakerStatistics:
    """Whether a pool starts cells.

    Args:
        state: "closed" (it does), "open" (it waits, and refuses runs) or "half_open" (it
            tries one).
        cause: why it is not closed.
        failures: starts in a row that failed.
        retry_in_s: until the next start may be tried.
    """

    state: str
    cause: str
    failures: int
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """One pool.

    Args:
        pool: its number.
        cells_max: cells that run guests at the same time, at most.
        slots: runs that each of them has at hand, at most.
        spares: cells kept ready beside them.
        queue_max: runs that may wait.
        cells_wanted: cells it wants alive now; falls when it idles.
        cells_by_state: how many cells are in each state of `CellStatistics.state`.
        cells: each of them.
        sessions: sessions that are kept or wait for a cell.
        queued: runs that wait.
        queued_by_tenant: the same by tenant, longest queues first, at most 1,000 tenants.
        utilisation: share of all slots that ran guests, 0 to 1, over about the last 10 s.
        busy_s: seconds that guests ran, all slots together.
        breaker: whether cells are started.
        submitted: runs asked for; ended, refused, lost, waiting or at hand by now.
        ended: runs that their cell answered.
        refused: runs that never began, by reason.
        lost: runs that ended without an answer of their cell, by verdict.
        spawned: cells that were started.
        kills: cells we killed, by reason: "timeout", "cancelled", "memory", "crash" (a broken
            promise), "not_ready", "idle", "drained", "used" (a cell of single use had served its
            run), or why they were due.
        crashes: cells that ended or failed by themselves, by the state they were in.
        breaker_opened: how often the breaker opened.
        queue_wait: from submission to the start on a cell.
        cell_start: from the spawning of a cell to its first ready message.
        run: from the start of a run to its ending.
    """

    pool: int
    cells_max: int
    spares: int
    queue_max: int
    cells_wanted: int
    cells_by_state: Mapping[str, int]
    cells: tuple[CellStatistics, ...]
    sessions: int
    queued: int
    queued_by_tenant: Mapping[str, int]
    utilisation: float
    busy_s: float
    breaker: BreakerStatistics
    submitted: int
    ended: int
    refused: Mapping[str, int]
    lost: Mapping[str, int]
    spawned: int
    kills: Mapping[str, int]
    crashes: Mapping[str, int]
    breaker_opened: int
    queue_wait: Histogram
    cell_start: Histogram
    run: Histogram
    slots: int = 1


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """What a machine's link to others said of itself, at most a second ago.

    Args:
        machine: the name of this machine, as others see it.
        state: "connecting", "active", "paused" (connected, and takes nothing: see `cause`),
            "reconnecting", "draining", "closed" or "given_up".
        cause: why it is not active; "" if it is.
        leases: runs of others at hand, those included whose results are still on the way.
        held_bytes: results and output that their submitters do not have yet.
        reconnects: connections that took the place of one that was lost.
        restarts: isolates that took the place of one that ended.
        loop_silences: how often the supervisor's loop was silent for too long.
        loop_silent_s: since the loop last spoke.
        runs_begun: runs of others that were given to the loop.
        runs_ended: runs whose submitter has the result.
        runs_given_up: runs that their submitters took away, as this machine was silent or slow.
        runs_handed_back: runs put back into the queue, when draining or without a loop.
        runs_refused: runs that ask for what this machine does not grant.
        messages_refused: messages that nobody of ours sends.
        late_p50_s, late_p99_s, late_max_s: how much later than planned the link woke up.
        up_s: since its isolate began.
    """

    machine: str
    state: str
    cause: str = ""
    leases: int = 0
    held_bytes: int = 0
    reconnects: int = 0
    restarts: int = 0
    loop_silences: int = 0
    loop_silent_s: float = 0.0
    runs_begun: int = 0
    runs_ended: int = 0
    runs_given_up: int = 0
    runs_handed_back: int = 0
    runs_refused: int = 0
    messages_refused: int = 0
    late_p50_s: float = 0.0
    late_p99_s: float = 0.0
    late_max_s: float = 0.0
    up_s: float = 0.0

    @classmethod
    def from_report(
        cls, report: Mapping[str, Any], *, machine: str, restarts: int
    ) -> LinkStatistics:
        """Return what an isolate's report says; what it says beyond that is left out."""
        known = {name: report[name] for name in cls.__slots__ if name in report}
        return cls(**known | {"machine": machine, "restarts": restarts})


@dataclass(frozen=True, slots=True)
class Statistics:
    """The whole supervisor.

    Args:
        draining: it takes nothing new.
        quarantined: tenants whose runs are refused because they crash cells, at most 1,000.
        pools: each pool, in the order they were defined.
        loop_lateness: how late the loop was.
        isolate_restarts: loops that took the place of one that ended; everything else here is
            counted since the last of them.
        link: the link to other machines; None where there is none.
    """

    draining: bool
    quarantined: tuple[str, ...]
    pools: tuple[PoolStatistics, ...]
    loop_lateness: LoopLateness = field(default_factory=LoopLateness)
    isolate_restarts: int = 0
    link: LinkStatistics | None = None

    @classmethod
    def from_json(cls, text: bytes) -> Statistics:
        """Return the snapshot that a loop sent.

        Raises:
            RemoteProtocolError: it is not JSON, or not that of a snapshot; the text names the part.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise RemoteProtocolError("statistics: not JSON") from None
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: object) -> Statistics:
        """Return the snapshot from what `to_dict` or a loop's JSON gives.

        Raises:
            RemoteProtocolError: it is not that of a snapshot; the text names the part.
        """
        found: Statistics = _read(cls, data, "statistics")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return a copy as plain dicts, lists, texts and numbers, as JSON takes them."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, dict) else value


def _read(kind: Any, data: object, path: str) -> Any:
    """Return `data` as `kind`: a dataclass of this file, or one of its field types."""
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        return None if data is None else _read(typing.get_args(kind)[0], data, path)
    if dataclasses.is_dataclass(kind):
        return _read_fields(kind, data, path)
    if origin is tuple and isinstance(data, list):
        item = typing.get_args(kind)[0]
        return tuple(_read(item, value, f"{path}[{i}]") for i, value in enumerate(data))
    if origin is Mapping and isinstance(data, dict):
        return {
            name: _read(int, value, f"{path}.{printable(name)}") for name, value in data.items()
        }
    if kind is float and isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    if kind in {int, str, bool} and type(data) is kind:
        return data
    raise RemoteProtocolError(f"{path}: not a {getattr(kind, '__name__', kind)}")


def _read_fields(kind: Any, data: object, path: str) -> Any:
    if not isinstance(data, dict):
        raise RemoteProtocolError(f"{path}: not an object")
    types = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in data:
        if name not in fields:
            raise RemoteProtocolError(f"{path}.{printable(name)}: not a field of it")
    values = {}
    for name, f in fields.items():
        if name in data:
            values[name] = _read(types[name], data[name], f"{path}.{name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise RemoteProtocolError(f"{path}.{name}: missing")
    return kind(**values)
