"""Whose run is next: priority, then tenants in turn, then first come."""

from __future__ import annotations

import random
from collections import Counter

from executor.pool.events import PoolDefined
from executor.pool.parts import Run
from executor.pool.policy import Policy
from executor.pool.pool import Pool
from executor.pool.queue import STALE_MAX, Lane, Turns
from executor.pool.shared import Shared
from executor.restart import no_jitter

POOL = Pool(Shared(Policy(), no_jitter), PoolDefined(1, 1, 0, 0), 0.0)


def run(number: int, tenant: str = "", priority: int = 0) -> Run:
    return Run(number, POOL, tenant, priority, 1.0, 1.0, None, 0.0)


def lane(*runs: Run) -> Lane:
    made = Lane(Turns())
    for one in runs:
        made.push(one)
    return made


def order(of: Lane) -> list[int]:
    """Take every run out, as cells would."""
    found = []
    while of.first() is not None:
        found.append(of.pop().run_id)
    assert of.count == 0
    return found


def test_runs_of_one_tenant_come_in_the_order_of_their_arrival() -> None:
    assert order(lane(*(run(n) for n in range(5)))) == [0, 1, 2, 3, 4]


def test_a_higher_priority_goes_first_whoever_came_before() -> None:
    queue = lane(run(1, "a", 0), run(2, "b", -1), run(3, "a", 5), run(4, "b", 5))

    assert order(queue) == [3, 4, 1, 2]


def test_tenants_of_equal_priority_take_turns() -> None:
    queue = lane(*(run(n, "a") for n in range(3)), *(run(n, "b") for n in range(10, 13)))

    assert order(queue) == [0, 10, 1, 11, 2, 12]


def test_a_tenant_that_comes_late_stands_before_all_who_were_served_already() -> None:
    queue = lane(*(run(n, "a") for n in range(100)), *(run(n, "b") for n in range(100, 200)))
    for _ in range(20):
        queue.first()
        queue.pop()

    queue.push(run(500, "late"))

    assert 500 in order(queue)[:2]


def test_a_tenant_that_always_has_one_run_waiting_does_not_get_more_than_its_share() -> None:
    queue = lane(*(run(n, "many") for n in range(100)))
    served = []
    for number in range(1_000, 1_100):
        if number % 2 or queue.count == 0 or not any(r.tenant == "one" for r in queue.runs()):
            queue.push(run(number, "one"))
        queue.first()
        served.append(queue.pop().tenant)

    assert abs(served.count("one") - served.count("many")) <= 10


def test_newcomers_without_end_do_not_keep_those_who_were_served_once_waiting_for_ever() -> None:
    queue = lane(*(run(n, "patient") for n in range(1_000)))
    served: list[str] = []
    for number in range(1_000):
        if not served or served[-1] != "patient":
            queue.push(run(10_000 + number, f"new{number}"))
        queue.first()
        served.append(queue.pop().tenant)

    assert served.count("patient") >= 300


def test_a_tenant_gains_nothing_by_standing_in_two_lanes() -> None:
    turns = Turns()
    lanes = Lane(turns), Lane(turns)
    for number in range(100):
        for one in lanes:
            one.push(run(number, "two"))
        lanes[0].push(run(1_000 + number, "one"))
    served = []
    for _ in range(90):
        first = [(key, one) for one in lanes if (key := one.first()) is not None]
        served.append(min(first, key=lambda found: found[0])[1].pop().tenant)

    assert served.count("one") == served.count("two") == 45


def test_a_removed_run_is_not_served_and_the_others_keep_their_order() -> None:
    runs = [run(n, "ab"[n % 2]) for n in range(6)]
    queue = lane(*runs)

    queue.remove(runs[0])
    queue.remove(runs[3])
    queue.remove(runs[5])

    assert sorted(r.run_id for r in queue.runs()) == [1, 2, 4]
    assert order(queue) in ([1, 2, 4], [2, 1, 4])


def test_removed_runs_leave_no_trace_even_where_nothing_is_served() -> None:
    queue = lane(run(0, "first"))
    for number in range(1, 5_000):
        one = run(number, f"t{number}")
        queue.push(one)
        queue.remove(one)

    assert len(queue._heap) <= STALE_MAX + 4
    assert queue.count == 1


def test_tenants_without_number_are_forgotten() -> None:
    turns = Turns()
    queue = Lane(turns)
    for number in range(5_000):
        queue.push(run(number, f"t{number}"))
        queue.first()
        queue.pop()

    assert len(turns) <= 2 * STALE_MAX


def test_no_single_run_is_passed_by_two_runs_of_one_tenant_however_many_tenants_there_are() -> None:
    for seed in range(10):
        rng = random.Random(seed)
        queue = lane(*(run(n, f"t{n % 200}") for n in range(1_000)))
        singles = dict[int, Counter[str]]()
        for number in range(1_000, 2_500):
            if rng.random() < 0.4:
                queue.push(run(number, f"single{number}"))
                singles[number] = Counter()
            if seed % 2:
                queue._turns._forget_at = 0  # as after many other tenants
            assert queue.first() is not None
            served = queue.pop()
            singles.pop(served.run_id, None)
            for passed_by in singles.values():
                passed_by[served.tenant] += 1
                assert passed_by[served.tenant] <= 1


def test_any_mixture_serves_each_run_once_and_priority_always_wins() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        queue, waiting = Lane(Turns()), dict[int, Run]()
        for number in range(400):
            if rng.random() < 0.55:
                one = run(number, rng.choice("aaaabbcd"), rng.choice((0, 0, 0, 1, -1)))
                queue.push(one)
                waiting[number] = one
            elif waiting and rng.random() < 0.3:
                one = waiting.pop(rng.choice([*waiting]))
                queue.remove(one)
            elif waiting:
                assert queue.first() is not None
                one = queue.pop()
                assert waiting.pop(one.run_id) is one
                assert one.priority >= max([r.priority for r in waiting.values()], default=-9)
            assert queue.count == len(waiting)
            assert (queue.first() is None) == (not waiting)
        assert sorted(order(queue)) == sorted(waiting)
