"""Each key is called once, at the moment that was wanted last, and never early."""

from __future__ import annotations

import random

from executor.pool.timers import STALE_MAX, Key, Timers


def due(timers: Timers, now: float) -> list[Key]:
    found = []
    while (key := timers.pop_due(now)) is not None:
        found.append(key)
    return found


def test_keys_are_called_in_the_order_of_their_moments() -> None:
    timers = Timers()
    for at in (3.0, 1.0, 2.0):
        timers.set((0, int(at)), at)

    assert timers.wake_at() == 1.0
    assert due(timers, 2.5) == [(0, 1), (0, 2)]
    assert due(timers, 3.0) == [(0, 3)]
    assert timers.wake_at() is None


def test_a_moment_is_due_when_it_is_reached_and_not_before() -> None:
    timers = Timers()
    timers.set((0, 1), 5.0)

    assert due(timers, 4.999) == []
    assert due(timers, 5.0) == [(0, 1)]


def test_a_later_wish_replaces_an_earlier_one() -> None:
    timers = Timers()
    timers.set((0, 1), 1.0)
    timers.set((0, 1), 2.0)

    assert timers.wake_at() == 2.0
    assert due(timers, 1.5) == []
    assert due(timers, 9.0) == [(0, 1)]


def test_an_earlier_wish_replaces_a_later_one() -> None:
    timers = Timers()
    timers.set((0, 1), 2.0)
    timers.set((0, 1), 1.0)

    assert due(timers, 1.0) == [(0, 1)]
    assert due(timers, 9.0) == []


def test_a_cancelled_key_is_not_called_and_can_be_set_again() -> None:
    timers = Timers()
    timers.set((0, 1), 1.0)
    timers.cancel((0, 1))
    timers.cancel((0, 2))
    assert timers.wake_at() is None

    timers.set((0, 1), 1.0)

    assert due(timers, 1.0) == [(0, 1)]


def test_deadlines_of_a_week_that_are_cancelled_at_once_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set((0, number), 604_800.0)
        timers.cancel((0, number))

    assert len(timers._heap) <= STALE_MAX + 1
    timers.check()


def test_any_order_of_wishes_calls_what_a_plain_table_would() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        timers, table, now = Timers(), dict[Key, float](), 0.0
        for _ in range(500):
            key = (rng.randint(0, 1), rng.randint(0, 9))
            draw = rng.random()
            if draw < 0.5:
                table[key] = now + rng.choice((0.0, 0.5, 1.0, 5.0))
                timers.set(key, table[key])
            elif draw < 0.7:
                table.pop(key, None)
                timers.cancel(key)
            else:
                now += rng.choice((0.0, 0.2, 1.0))
                called = due(timers, now)
                expected = sorted(at for at in table.values() if at <= now)
                assert [table.pop(key) for key in called] == expected
            timers.check()
            assert timers.wake_at() == min(table.values(), default=None)
            assert len(timers) == len(table)
