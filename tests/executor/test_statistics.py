"""The statistics say what happened, survive JSON, and are read strictly."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest

from executor.pool import DrainAsked, MemorySeen, PoolDefined, RunCancelled
from executor.pool.meters import BUCKETS_S
from executor.statistics import Histogram, LoopLateness, Statistics
from protocol.errors import RemoteProtocolError
from tests.executor.pool.world import STEADY, World


def taken(world: World) -> Statistics:
    return Statistics.from_json(json.dumps(world.core.statistics(world.now)).encode())


def eventful() -> World:
    world = World(dataclasses.replace(STEADY, quarantine_crashes=0))
    world.do(PoolDefined(1, 2, 1, 3, rss_bytes_max=10_000))
    world.after(0.25)
    world.all_ready()
    crashed = world.submit("x")
    world.crash(world.cell_of(crashed))
    world.all_ready()
    cancelled = world.submit("a")
    world.do(RunCancelled(cancelled))
    world.after(STEADY.cancel_grace_s)
    world.all_ready()
    ended = world.submit("a", session=5)
    world.after(0.3)
    world.end(ended)
    for tenant in ("a", "b", "a", "c", "a", "b"):
        world.submit(tenant)
    world.do(MemorySeen(world.in_state("busy")[0], 7_000))
    return world


def test_a_snapshot_says_what_runs_and_cells_did() -> None:
    statistics = taken(eventful())
    (pool,) = statistics.pools

    assert not statistics.draining
    assert statistics.quarantined == ("x",)
    assert (pool.pool, pool.cells_max, pool.spares, pool.queue_max) == (1, 2, 1, 3)
    assert pool.cells_by_state == {
        "starting": 0,
        "idle": 1,
        "busy": 2,
        "restocking": 0,
        "dying": 1,
    }
    assert pool.queued_by_tenant == {"a": 2, "c": 1}
    assert (pool.submitted, pool.ended, pool.queued, pool.spawned) == (9, 1, 3, 5)
    assert pool.refused == {"queue_full": 1}
    assert pool.lost == {"crashed": 1, "cancelled": 1}
    assert pool.kills == {"cancelled": 1}
    assert pool.crashes == {"busy": 1}
    assert pool.sessions == 1
    assert pool.cell_start.count == 5
    assert pool.cell_start.max_s == 0.25
    assert pool.run.count == 3
    assert pool.queue_wait.count == 5
    assert max(cell.rss_bytes for cell in pool.cells) == 7_000
    assert sorted(cell.state for cell in pool.cells) == ["busy", "busy", "dying", "idle"]


def test_every_run_is_accounted_for() -> None:
    world = eventful()
    for step in range(50):
        world.submit("abc"[step % 3], session=step % 4)
        for cell in world.in_state("busy")[: step % 2]:
            world.end(world.cells[cell].run)
        (pool,) = taken(world).pools
        over = pool.ended + sum(pool.refused.values()) + sum(pool.lost.values())
        assert pool.submitted == over + pool.queued + pool.cells_by_state["busy"]


def test_utilisation_rises_with_work_and_falls_without() -> None:
    world = World()
    world.pool(2)
    run = world.submit(wall_s=1_000.0)
    world.after(100.0)
    (half,) = taken(world).pools
    other = world.submit(wall_s=1_000.0)
    world.all_ready()
    world.after(100.0)
    (whole,) = taken(world).pools
    world.end(run)
    world.end(other)
    world.after(40.0)
    (rest,) = taken(world).pools

    assert half.utilisation == pytest.approx(0.5, abs=0.01)
    assert whole.utilisation == pytest.approx(1.0, abs=0.01)
    assert rest.utilisation == pytest.approx(0.0, abs=0.03)
    assert rest.busy_s == pytest.approx(300.0)


def test_a_snapshot_survives_json_and_pickle() -> None:
    statistics = dataclasses.replace(
        taken(eventful()), loop_lateness=LoopLateness(9, 0.001, 0.002, 0.003)
    )

    assert Statistics.from_json(json.dumps(statistics.to_dict()).encode()) == statistics
    assert pickle.loads(pickle.dumps(statistics)) == statistics


def test_a_draining_supervisor_says_so() -> None:
    world = World()
    world.pool(1)
    world.do(DrainAsked(5.0))

    assert taken(world).draining


def test_a_thousand_tenants_are_listed_the_longest_queues_first_and_no_more() -> None:
    world = World()
    world.pool(1, queue=3_000, ready=False)
    world.core.check = lambda: None  # type: ignore[method-assign] # reads 1,200 runs each step
    world._check = lambda: None  # type: ignore[method-assign]
    for number in range(1_100):
        world.submit(f"t{number:04}")
    for _ in range(3):
        world.submit("t1099")

    listed = taken(world).pools[0].queued_by_tenant

    assert len(listed) == 1_000
    assert next(iter(listed.items())) == ("t1099", 4)


def test_a_quantile_is_a_bound_that_its_share_did_not_exceed() -> None:
    counts = [0] * (len(BUCKETS_S) + 1)
    counts[BUCKETS_S.index(0.001)] = 98
    counts[BUCKETS_S.index(0.5)] = 2
    histogram = Histogram(tuple(counts), sum_s=1.0, max_s=0.4)

    assert histogram.quantile(0.5) == histogram.quantile(0.98) == 0.001
    assert histogram.quantile(0.99) == 0.4
    assert histogram.mean_s == 0.01
    assert len(histogram.bounds_s) == len(histogram.counts) - 1


def test_a_histogram_of_nothing_is_zero() -> None:
    assert Histogram().quantile(0.99) == Histogram().mean_s == 0.0


@pytest.mark.parametrize("share", [-0.01, 1.01])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Histogram().quantile(share)


def spoiled(path: tuple[str | int, ...], value: object) -> bytes:
    data: Any = taken(eventful()).to_dict()
    at = data
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "statistics: not an object"),
        (spoiled(("draining",), None), "statistics.draining: missing"),
        (spoiled(("draining",), 1), "statistics.draining: not a bool"),
        (spoiled(("more",), 1), "statistics.more: not a field"),
        (spoiled(("pools", 0, "queued"), True), r"statistics.pools\[0\].queued: not a int"),
        (spoiled(("pools", 0, "busy_s"), "1"), r"statistics.pools\[0\].busy_s: not a float"),
        (spoiled(("pools", 0, "lost"), {"x": "y"}), r"statistics.pools\[0\].lost.x: not a int"),
        (spoiled(("pools", 0, "cells"), {}), r"statistics.pools\[0\].cells: not a tuple"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_a_snapshot_is_refused_with_the_part_that_is_not(
    text: bytes, part: str
) -> None:
    with pytest.raises(RemoteProtocolError, match=part):
        Statistics.from_json(text)
