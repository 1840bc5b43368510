"""What the loop says of its own lateness."""

from __future__ import annotations

from executor.loop.lateness import Lateness


def test_a_quantile_is_a_bound_that_its_share_did_not_exceed() -> None:
    lateness = Lateness()
    for _ in range(98):
        lateness.note(0.00005)
    lateness.note(0.004)
    lateness.note(0.3)

    assert lateness.quantile(0.5) == 0.0001
    assert lateness.quantile(0.99) == 0.005
    assert lateness.snapshot()["max_s"] == 0.3
    assert lateness.snapshot()["count"] == 100


def test_no_bound_is_above_the_latest_wake_up() -> None:
    lateness = Lateness()
    lateness.note(0.00001)

    assert lateness.quantile(0.99) == 0.00001


def test_an_early_wake_up_counts_as_on_time() -> None:
    lateness = Lateness()
    lateness.note(-1.0)

    assert lateness.snapshot()["max_s"] == 0.0
