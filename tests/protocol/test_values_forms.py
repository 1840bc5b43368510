"""The two forms of a value on the wire, its buffers, and how large it may be."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from protocol.errors import BudgetExceeded
from protocol.values import Budget, Encoded, Record, decode, encode, import_all
from protocol.values.flatten import BUFFERS_MAX, OUT_OF_BAND_BYTES

type Cross = Callable[..., Any]
type Same = Callable[[Any, Any], bool]


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


# --- forms ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value", [None, 1, "é", {"a": [1, 2.5, None]}, [math.inf], [[[]]], {"": {}}, 10**4_299]
)
def test_a_value_that_json_carries_exactly_is_json(value: object) -> None:
    assert json.loads(encode(value).body) == value


@pytest.mark.parametrize("make", [lambda x: [x], lambda x: {"a": x}], ids=["list", "dict"])
def test_a_value_takes_the_plain_form_up_to_its_depth_and_the_table_beyond(
    crossed: Cross, are_same: Same, make: Callable[[object], object]
) -> None:
    value: object = 1
    for _ in range(64):
        value = make(value)
    assert not encode(value).body.startswith(b"#")
    assert encode(make(value)).body.startswith(b"#")
    assert are_same(make(value), crossed(make(value)))


def test_bytes_of_64_kib_travel_out_of_band_uncopied_and_one_byte_less_does_not() -> None:
    large = b"x" * OUT_OF_BAND_BYTES
    encoded = encode({"large": large, "small": large[1:]})

    (buffer,) = encoded.buffers
    assert isinstance(buffer, memoryview)
    assert buffer.obj is large
    assert encoded.size_bytes == len(encoded.body) + OUT_OF_BAND_BYTES
    assert decode(encoded.body, [large])["large"] is large  # type: ignore[index]  # a dict


def test_more_large_buffers_than_a_frame_may_have_still_cross() -> None:
    large = [bytes([n % 256]) * OUT_OF_BAND_BYTES for n in range(BUFFERS_MAX + 2)]
    encoded = encode(large)

    assert len(encoded.buffers) == BUFFERS_MAX
    assert decode(encoded.body, encoded.buffers) == large


def test_one_large_buffer_used_twice_travels_once() -> None:
    large = b"x" * OUT_OF_BAND_BYTES
    encoded = encode([large, large])

    assert len(encoded.buffers) == 1
    assert decode(encoded.body, encoded.buffers) == [large, large]


@pytest.fixture
def digits_limit() -> Any:
    before = sys.get_int_max_str_digits()
    yield sys.set_int_max_str_digits
    sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("ours", [640, 4_300, 0])
@pytest.mark.parametrize("theirs", [640, 4_300, 0])
def test_ints_cross_whatever_limits_on_digits_both_sides_have_set(
    digits_limit: Callable[[int], None], ours: int, theirs: int
) -> None:
    for value in (10**639, -(10**640), 10**4_299, -(10**4_300), 10**9_000, (7**5_000, "a")):
        digits_limit(ours)
        encoded = encode([value])
        digits_limit(theirs)
        assert decode(encoded.body) == [value]


def test_a_million_values_cross_where_the_budget_allows(crossed: Cross) -> None:
    assert crossed([0] * 1_000_000) == [0] * 1_000_000
    pairs = [(n, n) for n in range(50_000)]
    assert crossed(pairs) == pairs


@pytest.mark.parametrize(
    ("make", "depth"),
    [
        (lambda x: [x], 100_000),
        (lambda x: (x,), 5_000),
        (lambda x: {"a": x}, 5_000),
        (lambda x: Point(1, x), 5_000),
    ],
    ids=["list", "tuple", "dict", "dataclass"],
)
def test_a_value_nested_deep_crosses_where_the_budget_allows_and_is_else_refused(
    make: Callable[[object], object], depth: int
) -> None:
    value: Any = None
    for _ in range(depth):
        value = make(value)
    encoded = encode(value, budget=Budget(depth_max=depth))
    arrived: Any = decode(encoded.body, budget=Budget(depth_max=depth))

    levels = 0
    while arrived is not None:
        match arrived:
            case Record():
                arrived = arrived.y
            case dict():
                arrived = arrived["a"]
            case _:
                (arrived,) = arrived
        levels += 1
    assert levels == depth
    with pytest.raises(BudgetExceeded, match="deeper than 1000"):
        encode(value)
    with pytest.raises(BudgetExceeded, match="deeper than 1000"):
        decode(encoded.body)


def test_all_that_is_imported_late_can_be_imported_early() -> None:
    import_all()
    assert "protocol.values.table" in sys.modules


def test_an_encoded_value_compares_by_its_bytes() -> None:
    assert Encoded(b"1") == encode(1)
