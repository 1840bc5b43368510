"""Values arrive with their types and all their parts."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from protocol.values import Member, encode
from protocol.values.flatten import OUT_OF_BAND_BYTES

type Cross = Callable[..., Any]
type Same = Callable[[Any, Any], bool]

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
EXAMPLES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63,
    -(2**64),
    10**639,
    10**640,
    10**4_299,
    10**5_000,
    -(10**5_000),
    0.0,
    -0.0,
    1.5,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    math.nan,
    0j,
    complex(-0.0, math.nan),
    complex(math.inf, -0.0),
    "",
    "text",
    "\x00\x1f\x7f\u2028é😀",
    "#",
    "\ud800",
    "\ude00\ud800",
    "\ud83d\ude00",
    ["\udfff", "plain"],
    {"\ud800": "\udc00"},
    b"",
    b"\x00\xff",
    bytearray(b"abc"),
    b"x" * OUT_OF_BAND_BYTES,
    bytearray(b"y" * OUT_OF_BAND_BYTES),
    [],
    (),
    {},
    set(),
    frozenset(),
    [[]],
    ((),),
    [1, [2, [3, None]]],
    (1, (2, (3,))),
    {"a": {"b": [1]}},
    {1: 2, "1": 3, None: 4},
    {(1, ("a", 2.5)): [1], frozenset({1, 2}): 2, b"k": 3, 1.5: 4, True: 5},
    {1, "a", None, 2.5, (1, 2)},
    frozenset({frozenset({1}), (frozenset(),)}),
    range(5),
    range(10**30, 0, -7),
    slice(None),
    slice(1, -1, 2),
    ...,
    [..., {"a": ...}],
    dt.date(1, 1, 1),
    dt.date.max,
    dt.time.max,
    dt.time(1, 2, 3, 4, fold=1),
    dt.time(1, tzinfo=dt.UTC),
    dt.datetime(1, 1, 1),  # noqa: DTZ001 - a naive one is meant
    dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
    dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, microseconds=1), "odd")),
    dt.timedelta.min,
    dt.timedelta.max,
    dt.timedelta(-1, 5, 7),
    dt.UTC,
    dt.timezone(dt.timedelta(0), "Z"),
    BERLIN,
    decimal.Decimal("1.00"),
    decimal.Decimal("-0E+5"),
    decimal.Decimal("NaN123"),
    decimal.Decimal("-sNaN"),
    decimal.Decimal("-Infinity"),
    decimal.Decimal("1E-99999"),
    fractions.Fraction(-1, 3),
    fractions.Fraction(0),
    uuid.UUID(int=0),
    uuid.UUID(int=2**128 - 1),
    pathlib.PurePosixPath("/a/b"),
    pathlib.PureWindowsPath("C:/a"),
    pathlib.PurePosixPath("\udc80"),
    Member("app.Color", "RED"),
    {float("nan"): 1, float("nan"): 2},
    {"rows": [(1, "a", b"x"), (2, "b", None)]},
    [{1: "a"}, {2: "b"}],
]


@pytest.mark.parametrize(
    "value",
    EXAMPLES,
    ids=lambda v: f"{type(v).__name__}-{repr(v)[:20]!a}" if not isinstance(v, int) else "int",
)
def test_a_value_arrives_with_its_type_and_all_its_parts(
    crossed: Cross, are_same: Same, value: object
) -> None:
    arrived = crossed(value)

    assert are_same(value, arrived)
    assert encode(value) == encode(value), "the same value gives the same bytes"


def test_the_comparison_these_tests_rest_on_sees_the_differences_that_matter(
    are_same: Same,
) -> None:
    shared: list[object] = []
    for a, b in [
        (0.0, -0.0),
        (1, True),
        (1, 1.0),
        ((), []),
        (b"", bytearray()),
        ([[], []], [shared, shared]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
        (dt.time(1), dt.time(1, fold=1)),
        ("a", "b"),
        ([1], [1, 2]),
        (0j, complex(-0.0, 0)),
    ]:
        assert not are_same(a, b), (a, b)


@pytest.mark.parametrize("data", [b"abc", b"x" * OUT_OF_BAND_BYTES])
def test_a_memoryview_arrives_as_a_view_that_cannot_be_written_to(
    crossed: Cross, data: bytes
) -> None:
    arrived = crossed(memoryview(bytearray(data)))

    assert type(arrived) is memoryview
    assert arrived == data
    assert arrived.readonly


HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.fractions()
    | st.decimals(allow_nan=False).filter(lambda d: abs(d.adjusted()) < 10_000)
    | st.text(st.characters(categories=["Cs"]), max_size=3),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
VALUES = st.recursive(
    HASHABLE | st.floats() | st.complex_numbers() | st.binary().map(bytearray) | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.lists(inner, min_size=1, max_size=2).map(lambda x: [x, x])
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_any_value_of_the_carried_types_arrives_as_it_left(
    crossed: Cross, are_same: Same, value: object
) -> None:
    arrived = crossed(value)

    assert are_same(value, arrived)
    assert are_same(value, crossed(arrived)), "what arrived can be sent on"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)), max_size=20))
def test_any_graph_of_lists_dicts_sets_and_tuples_keeps_its_shape(
    crossed: Cross, are_same: Same, edges: list[tuple[int, int, int]]
) -> None:
    nodes: list[Any] = [[], {}, [], {}, bytearray(b"x"), []]
    for source, target, kind in edges:
        reached: Any = nodes[target]
        part = (reached, (reached,), [reached], {"deep": reached}, (1, (2, [reached])))[kind]
        match nodes[source]:
            case list() as holder:
                holder.append(part)
            case dict() as holder:
                holder[str(len(holder))] = part
    assert are_same(nodes, crossed(nodes))
