"""What cannot cross is refused before anything is sent, with the way to it; or is too large."""

from __future__ import annotations

import collections
import dataclasses
import decimal
import enum
import fractions
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from protocol.errors import BudgetExceeded, ValueRefused
from protocol.values import Budget, class_name_of, decode, encode
from protocol.values.audit import HASH_DEPTH_MAX
from protocol.values.leaves import DECIMAL_DIGITS_MAX, DECIMAL_EXPONENT_MAX, FRACTION_BITS_MAX


@dataclasses.dataclass
class Row:
    handle: object


@dataclasses.dataclass(frozen=True)
class Key:
    parts: object

    def __hash__(self) -> int:
        return 0


@dataclasses.dataclass
class Named(dict[str, int]):
    name: str = ""


class Pair(NamedTuple):
    a: int


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()


def refusal(value: object, **how: Any) -> ValueRefused:
    with pytest.raises(ValueRefused) as caught:
        encode(value, root="inputs", **how)
    return caught.value


@pytest.mark.parametrize(
    ("nest", "path"),
    [
        (lambda x: x, "inputs"),
        (lambda x: {"rows": [1, 2, 3, Row(x)]}, "inputs['rows'][3].handle"),
        (lambda x: (1, {"a": (x,)}), "inputs[1]['a'][0]"),
        (lambda x: {x: 1}, "inputs.keys()[0]"),
        (lambda x: {"a": 1, (x,): 1}, "inputs.keys()[1][0]"),
        (lambda x: {(1, 2): x}, "inputs[key 0]"),
        (lambda x: {7: x}, "inputs[7]"),
        (lambda x: {x}, "inputs.element(0)"),
        (lambda x: [Row([Row(x)])], "inputs[0].handle[0].handle"),
        (lambda x: {"é\n" + "k" * 100: x}, "inputs['\\xe9\\n" + "k" * 58 + "']"),
        (lambda x: [[0] * 100_000, [[0] * 100_000, x]], "inputs[1][1]"),
    ],
)
def test_a_refusal_names_the_way_to_the_part(nest: Callable[[object], object], path: str) -> None:
    with socket.socket() as handle:
        error = refusal(nest(handle))

    assert (error.path, error.reason) == (path, "a socket")
    assert str(error) == f"{path}: a socket"


def test_the_way_to_a_part_in_a_cycle_or_deep_down_is_found_too() -> None:
    table: dict[str, Any] = {"rows": []}
    table["rows"] += [table, (table, print)]
    assert refusal(table).path == "inputs['rows'][1][1]"

    deep: Any = threading.Lock()
    for _ in range(10_000):
        deep = [deep]
    path = refusal(deep).path
    assert path.startswith("inputs[0][0]")
    assert path.endswith("[0][0]")
    assert len(path) < 1_100


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (collections.OrderedDict(a=1), "send dict(x)"),
        (collections.defaultdict(int), "send dict(x)"),
        (collections.Counter("a"), "send dict(x)"),
        (Named(name="a"), "send dict(x)"),
        (Pair(1), "send tuple(x)"),
        (Text("a"), "send str(x)"),
        (Mode.READ | Mode.WRITE, "send its int"),
        (memoryview(bytearray(8)).cast("I"), "send x.cast('B')"),
        (memoryview(bytes(8))[::2], "send x.cast('B')"),
    ],
)
def test_what_would_arrive_as_something_else_is_refused_with_a_way_out(
    value: object, hint: str
) -> None:
    for nested in (value, [value], {"a": (value,)}):
        assert hint in refusal(nested).reason


@pytest.mark.parametrize(
    "value",
    [object(), print, len, int, ValueError("x"), iter([]), (x for x in "a"), collections,
     property(), NotImplemented, collections.deque(), threading.Lock(), slice("a", None)],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_what_is_more_than_data_is_refused(value: object) -> None:
    for nested in (value, [value], ({"a": value},)):
        assert refusal(nested).reason.startswith(("a ", "an "))


def test_a_dataclass_with_a_field_that_was_never_set_is_refused() -> None:
    row = Row(1)
    del row.handle

    assert refusal([row]).reason == "a Row without a value in its field handle"


def test_an_immutable_object_that_contains_itself_is_refused() -> None:
    key = Key(None)
    object.__setattr__(key, "parts", (key,))

    assert "contains itself" in refusal(key).reason


def _decimals(text: str, low: object, high: object) -> tuple[decimal.Decimal, decimal.Decimal]:
    return decimal.Decimal(text.format(low)), decimal.Decimal(text.format(high))


@pytest.mark.parametrize(
    ("largest", "over"),
    [
        _decimals("{}", "1" * DECIMAL_DIGITS_MAX, "1" * (DECIMAL_DIGITS_MAX + 1)),
        _decimals("1E{}", DECIMAL_EXPONENT_MAX, DECIMAL_EXPONENT_MAX + 1),
        _decimals("1E-{}", DECIMAL_EXPONENT_MAX, DECIMAL_EXPONENT_MAX + 1),
        (
            fractions.Fraction(1, 2 ** (FRACTION_BITS_MAX - 1)),
            fractions.Fraction(1, 2**FRACTION_BITS_MAX),
        ),
    ],
    ids=["digits", "exponent", "small exponent", "fraction"],
)
def test_a_number_crosses_at_its_limit_and_not_one_past_it(largest: object, over: object) -> None:
    assert decode(encode(largest).body) == largest
    assert "Decimal" in refusal(over).reason or "Fraction" in refusal(over).reason


def test_a_key_crosses_at_its_depth_and_not_one_deeper() -> None:
    key: object = ()
    for _ in range(HASH_DEPTH_MAX - 1):
        key = (key,)
    assert decode(encode({key: 1}).body) == {key: 1}
    assert f"deeper than {HASH_DEPTH_MAX}" in refusal([{(key,): 1}]).reason


def test_a_key_that_could_not_be_hashed_on_the_other_side_is_refused_on_this_one() -> None:
    assert "cannot be hashed" in refusal([{Key([1]): 2}]).reason
    assert decode(encode(Key([1])).body).parts == [1]  # type: ignore[attr-defined]  # a record


# --- budgets -------------------------------------------------------------------------------------
VALUES = [
    [1, "two", {"three": [4.0, None]}],
    [(1, 2), {3: {4}}, b"x" * 70_000],
    {"a": [[], {}, ()]},
]


@pytest.mark.parametrize("value", VALUES, ids=["plain", "table", "empty"])
def test_a_value_crosses_at_each_budget_and_one_under_it_is_refused_by_both_ends(
    value: object,
) -> None:
    encoded = encode(value)
    nodes = next(n for n in range(1, 99) if _fits(value, Budget(nodes_max=n)))
    depth = next(n for n in range(1, 99) if _fits(value, Budget(depth_max=n)))
    for at, under in [
        (Budget(bytes_max=encoded.size_bytes), Budget(bytes_max=encoded.size_bytes - 1)),
        (Budget(nodes_max=nodes), Budget(nodes_max=nodes - 1)),
        (Budget(depth_max=depth), Budget(depth_max=depth - 1)),
    ]:
        assert encode(value, budget=at) == encoded
        assert decode(encoded.body, encoded.buffers, budget=at) == value
        assert isinstance(refusal(value, budget=under), BudgetExceeded)
        with pytest.raises(BudgetExceeded):
            decode(encoded.body, encoded.buffers, budget=under)


def _fits(value: object, budget: Budget) -> bool:
    try:
        encode(value, budget=budget)
    except BudgetExceeded:
        return False
    return True


@pytest.mark.parametrize(
    "make", [lambda x: [x], lambda x: (x,), lambda x: {1: x}, lambda x: {"a": x}, lambda x: Row(x)]
)
@pytest.mark.parametrize("levels", [1, 2, 9, 100])
def test_depth_is_the_number_of_containers_within_each_other(
    make: Callable[[object], object], levels: int
) -> None:
    value: object = 1
    for _ in range(levels):
        value = make(value)
    encoded = encode(value, budget=Budget(depth_max=levels))
    decode(encoded.body, budget=Budget(depth_max=levels))
    assert isinstance(refusal(value, budget=Budget(depth_max=levels - 1)), BudgetExceeded)
    with pytest.raises(BudgetExceeded):
        decode(encoded.body, budget=Budget(depth_max=levels - 1))


def test_values_and_keys_are_counted_and_text_is_not() -> None:
    for value, nodes in [(1, 1), ("a,b:[{" * 9, 1), ([1, 2], 3), ({"a": 1, "b,": 2}, 5), ([[]], 3)]:
        encode(value, budget=Budget(nodes_max=nodes))
        with pytest.raises(BudgetExceeded):
            encode(value, budget=Budget(nodes_max=nodes - 1))


def test_a_value_that_would_grow_without_end_is_refused_by_its_budget() -> None:
    class Endless:
        __dataclass_fields__ = Row.__dataclass_fields__

        def __getattr__(self, name: str) -> object:
            return Endless()

    assert isinstance(refusal(Endless(), budget=Budget(nodes_max=10_000)), BudgetExceeded)


# --- classes the decoder was given ---------------------------------------------------------------
@dataclasses.dataclass
class Strict:
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size is negative\nOK all clear")


class Color(enum.Enum):
    RED = 1


def test_a_class_that_refuses_its_fields_refuses_the_value() -> None:
    sent = Strict(1)
    sent.size = -1
    with pytest.raises(ValueRefused, match="Strict refused") as caught:
        decode(encode(sent).body, classes={class_name_of(Strict): Strict})
    assert str(caught.value).isprintable()


def test_a_class_whose_fields_or_members_are_others_refuses_the_value() -> None:
    wrong: list[tuple[object, type]] = [
        (Row(1), Strict),
        (Row(1), Color),
        (Row(1), int),
        (Color.RED, Row),
        (Color.RED, Mode),
    ]
    for value, given in wrong:
        with pytest.raises(ValueRefused):
            decode(encode(value).body, classes={class_name_of(type(value)): given})


def test_a_class_is_never_called_with_parts_that_are_not_filled_yet() -> None:
    row = Row([])
    row.handle.append(row)  # type: ignore[attr-defined]  # a list
    with pytest.raises(ValueRefused, match="cycle"):
        decode(encode(row).body, classes={class_name_of(Row): Row})
    assert decode(encode(row).body).handle[0].handle  # type: ignore[attr-defined]  # a record
