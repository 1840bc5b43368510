"""Limits: every field is checked when a limit is made, and sizes are read as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.limits import (
    FILES_BYTES_MAX,
    FUEL_MAX,
    HOST_CALLS_MAX,
    MEMORY_BYTES_MAX,
    MEMORY_BYTES_MIN,
    STREAM_BYTES_MAX,
    VALUE_BYTES_MAX,
    WALL_S_MAX,
    Limits,
    parse_bytes,
)

RANGES = [
    ("wall_s", 0.001, WALL_S_MAX, 0.0001),
    ("memory_bytes", MEMORY_BYTES_MIN, MEMORY_BYTES_MAX, 1),
    ("fuel", 1, FUEL_MAX, 1),
    ("stdout_bytes", 0, STREAM_BYTES_MAX, 1),
    ("stderr_bytes", 0, STREAM_BYTES_MAX, 1),
    ("value_bytes", 0, VALUE_BYTES_MAX, 1),
    ("host_calls", 0, HOST_CALLS_MAX, 1),
    ("files_bytes", 0, FILES_BYTES_MAX, 1),
]


@pytest.mark.parametrize(("name", "low", "high", "step"), RANGES, ids=[r[0] for r in RANGES])
def test_a_limit_takes_both_ends_of_its_range_and_nothing_beyond(
    name: str, low: float, high: float, step: float
) -> None:
    for allowed in (low, high):
        assert getattr(Limits(**{name: allowed}), name) == allowed  # type: ignore[arg-type]  # by name
    for outside in (low - step, high + step):
        with pytest.raises(ValueError, match=name):
            Limits(**{name: outside})  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("64", 64), ("64B", 64), ("1k", 1_000), ("1KiB", 1_024), ("64MB", 64_000_000),
     (" 64 MiB ", 64 << 20), ("1.5GiB", 3 << 29), ("2g", 2_000_000_000), (7, 7), (0, 0)],
)  # fmt: skip
def test_a_size_is_read_as_people_write_it(text: int | str, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MB", "64XB", "-1MB", "1e6", "64 MB please", "٣MB", -1])
def test_a_text_that_is_not_a_size_is_refused(text: int | str) -> None:
    with pytest.raises(ValueError, match=r"limits\.memory_bytes"):
        parse_bytes(text, name="limits.memory_bytes")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("wall_s", True), ("wall_s", "30"), ("memory_bytes", 1.5), ("memory_bytes", True),
     ("host_calls", 10.0), ("host_calls", True), ("fuel", "9"), ("memory_bytes", None)],
)  # fmt: skip
def test_a_limit_of_another_type_is_refused_by_name(name: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=name):
        Limits(**{name: wrong})


@pytest.mark.parametrize("wall_s", [float("inf"), float("nan")])
def test_there_is_no_unlimited_wall_time(wall_s: float) -> None:
    with pytest.raises(ValueError, match="wall_s"):
        Limits(wall_s=wall_s)


def test_a_ceiling_lowers_each_limit_and_raises_none() -> None:
    asked = Limits(wall_s=60, memory_bytes="256MiB", host_calls=5)
    ceiling = Limits(wall_s=10, memory_bytes="512MiB", host_calls=100, fuel=1_000)

    within = asked.within(ceiling)

    assert (within.wall_s, within.memory_bytes, within.host_calls) == (10, 256 << 20, 5)
    assert within.fuel == 1_000, "a ceiling on fuel counts where none was asked for"
    assert Limits(fuel=5).within(Limits()).fuel == 5


def test_limits_cannot_be_changed_after_they_were_checked() -> None:
    with pytest.raises(AttributeError):
        Limits().wall_s = 1e9  # type: ignore[misc]  # the attempt is the test
