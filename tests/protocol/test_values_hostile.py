"""Bodies that no encoder wrote end as errors of the protocol, in bounded memory and steps."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from protocol.errors import BudgetExceeded, ProtocolError, RemoteProtocolError
from protocol.values import Budget, decode, encode
from protocol.values.audit import HASH_DEPTH_MAX
from protocol.values.build import COLLISIONS_FOR_KEY, COLLISIONS_FREE
from protocol.values.leaves import DECIMAL_DIGITS_MAX, FRACTION_BITS_MAX

#: All multiples of it have one hash.
MODULUS = 2**61 - 1


def table(nodes: list[Any], root: Any = None, shells: list[Any] | None = None) -> bytes:
    shells = shells or []
    found = [len(shells) + len(nodes) - 1] if root is None else root
    return b"#" + json.dumps([found, shells, nodes]).encode()


def refused(body: bytes, *buffers: bytes, **how: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(body, buffers, **how)


@pytest.mark.parametrize(
    "body",
    [b"", b"nul", b"[1,]", b"[", b"{1:2}", b"'a'", b"\xff", b'"\xed\xa0\x80"', b'"\x00"', b"1 2",
     b"\xef\xbb\xbf1", b"9" * 4_301, b"[" * 64, b"#", b"#1", b"#[]", b"#[[0],[]]", b"#[[0],{},[]]",
     b"#[[0],[],[]]", b"#[0,[],[]]", b"#[[0],[],[],[]]", b"#[[[[[[0]]]]],[],[]]", b"##"],
    ids=repr,
)  # fmt: skip
def test_a_body_that_is_neither_json_nor_a_table_is_refused(body: bytes) -> None:
    refused(body)


@pytest.mark.parametrize(
    "row",
    [
        None, 1, "list", {}, [], [1], [None], ["unknown"], ["list"], ["list", 1],
        ["list", [], []], ["list", {}], ["list", [[]]], ["list", [[0]]], ["list", [{}]],
        ["dict", []], ["dict", {"a": []}], ["dict&", {"a": {}}], ["pairs", [1]], ["pairs&", [1]],
        ["tuple", {"a": 1}], ["list&", [[1]]], ["list&", [[-1]]], ["list&", [[0]]],
        ["list&", [[0, 0]]], ["list&", [["0"]]], ["list&", [[0.0]]], ["list&", [[True]]],
        ["list&", [[[0]]]], ["set", [1, 1.0]], ["set", [1, True]], ["pairs", [1, 2, 1, 3]],
        ["frozenset", [0, False]], ["record", "A", "frozen"], ["record", "A", "frozen", []],
        ["record", 1, "frozen", {}], ["record", "A", "other", {}], ["record", "A", [], {}],
        ["record", "A\n", "frozen", {}], ["record", "A" * 1_025, "frozen", {}],
        ["record", "A", "frozen", {"a b": 1}], ["record", "A", "frozen", {"": 1}],
        ["member", "A"], ["member", "A", 1], ["member", "A", "x\n"], ["int", 1], ["int", "0x1"],
        ["int", "1_0"], ["int", " 1"], ["int", "--1"], ["int", ""], ["int", "٣"], ["int", "g"],
        ["str", "zz"], ["str", "ff"], ["str", 1], ["complex", 1, 2], ["complex", 1.0],
        ["complex", 1.0, True], ["range", 0, 1, 0], ["range", 0, 1, True], ["range", 0, 1.0, 1],
        ["slice", 1, 2, "3"], ["ellipsis", 1], ["date", 0, 1, 1], ["date", 2024, 2, 30],
        ["date", 1, 1, 1.0], ["date", 10**9, 1, 1], ["time", 24, 0, 0, 0, 0, None],
        ["time", 0, 0, 0, 0, 2, None], ["time", 0, 0, 0, 0, 0, "UTC"],
        ["time", 0, 0, 0, 0, True, None], ["datetime", 1, 1, 1, 0, 0, 0, 0, 0, 5],
        ["datetime", 1, 1, 1, 0, 0, 0, 0, 0], ["timedelta", 10**18, 0, 0],
        ["timedelta", 10**10, 0, 0], ["timedelta", 0.5, 0, 0], ["timezone", 1, 0, 0, None],
        ["timezone", 0, 0, 0, 5], ["zoneinfo", "../UTC"], ["zoneinfo", "/etc/passwd"],
        ["zoneinfo", ""], ["zoneinfo", "a" * 65], ["zoneinfo", 1], ["decimal", "x"],
        ["decimal", 1], ["decimal", "1" * (DECIMAL_DIGITS_MAX + 1)], ["decimal", "1E999999999"],
        ["decimal", "1E-999999999"], ["decimal", "1" * 100_000], ["fraction", "1", "0"],
        ["fraction", "1", "-2"], ["fraction", "f" * FRACTION_BITS_MAX, "1"], ["fraction", 1, 2],
        ["uuid", "0"], ["uuid", "-" + "0" * 31], ["uuid", "0" * 33], ["uuid", 1],
        ["posix_path", 1], ["windows_path", None], ["bytes", "a"], ["bytes", "YQ"],
        ["bytes", "YQ==="], ["bytes", "YQ==\n"], ["bytes", 1], ["bytes@", 0], ["bytes@", -1],
        ["bytes@", "0"], ["view@", 9],
    ],
    ids=lambda row: repr(row)[:40],
)  # fmt: skip
def test_a_row_that_no_encoder_writes_is_refused(row: Any) -> None:
    refused(table([row]))
    refused(table([row, ["tuple", [1]]]))


def test_a_zone_that_is_not_known_here_is_refused_as_a_value() -> None:
    for key in ("No/Such", "America"):
        with pytest.raises(ProtocolError, match="not known"):
            decode(table([["zoneinfo", key]]))


@pytest.mark.parametrize(
    "shell",
    [["tuple&", [[0]]], ["frozenset", []], ["int", "1"], ["bytearray", ""],
     ["record", "A", "frozen", {"a": [0]}], ["set&", [[0]]], ["pairs&", [[0], 1]], ["list&", [[2]]],
     ["set&", [[1]]]],
    ids=lambda shell: str(shell[0]),
)  # fmt: skip
def test_a_shell_that_cannot_be_filled_is_refused(shell: Any) -> None:
    refused(table([["tuple&", [[0]]]], [0], [shell]))


def test_a_node_may_not_refer_to_itself_or_to_a_later_one() -> None:
    refused(table([["tuple&", [[0]]]]))
    refused(table([["tuple&", [[1]]], ["tuple", []]]))
    refused(table([["tuple", []]], root=[1]))
    refused(table([["tuple", []]], root=[-1]))


def test_a_table_nested_deeper_than_rows_are_is_refused_before_it_is_parsed() -> None:
    deep = b"[" * 3_000 + b"]" * 3_000
    with pytest.raises(RemoteProtocolError, match="not a table"):
        decode(b'#[[0],[],[["list",[' + deep + b"]]]]")


@pytest.mark.parametrize("reference", [[True], [0.0], ["0"], [None], [], [0, 0], [[0]], {"0": 0}])
def test_a_reference_is_one_number_and_nothing_like_it(reference: Any) -> None:
    rows: list[Any] = [["tuple", []], ["tuple", []]]
    assert decode(table([*rows, ["list&", [[0]]]])) == [()]
    refused(table([*rows, ["list&", [reference]]]))
    refused(table(rows, root=reference))


def test_a_buffer_is_used_once_and_never_where_there_is_none() -> None:
    assert decode(table([["bytes@", 0]]), [b"abc"]) == b"abc"
    refused(table([["bytes@", 0], ["bytes@", 0]]), b"abc")
    refused(table([["bytearray@", 1]]), b"abc")
    refused(table([["view@", True]]), b"abc", b"def")


def test_a_record_shell_of_unhashable_kind_is_no_key() -> None:
    refused(table([], [0], [["pairs&", [[1], 1]], ["record", "A", "mutable", {"a": [0]}]]))
    assert decode(table([], [0], [["pairs&", [[1], 1]], ["record", "A", "identity", {"a": [0]}]]))


# --- what costs more than it looks ---------------------------------------------------------------
@pytest.mark.parametrize("row", ["set", "frozenset", "pairs"])
def test_keys_of_one_hash_are_taken_in_small_numbers_alone(row: str) -> None:
    most = next(n for n in range(1_000) if n * n > COLLISIONS_FREE + COLLISIONS_FOR_KEY * n) - 1
    for count in (most, most + 1, 20_000):
        keys = [n * MODULUS for n in range(1, count + 1)]
        items = [x for key in keys for x in (key, 0)] if row == "pairs" else keys
        if count == most:
            assert len(decode(table([[row, items]]))) == count  # type: ignore[arg-type]  # sized
        else:
            refused(table([[row, items]]))


def test_keys_of_one_hash_are_found_in_every_type_that_hashes_like_an_int() -> None:
    numbers = [n * MODULUS for n in range(1, 2_000)]
    for rows in (
        [["tuple", [n]] for n in numbers],
        [["decimal", str(n)] for n in numbers],
        [["fraction", f"{n:x}", "1"] for n in numbers],
        [["frozenset", [n]] for n in numbers],
        [["int", f"{n:x}"] for n in numbers],
    ):
        refused(table([*rows, ["set&", [[n] for n in range(len(rows))]]]))


def test_powers_of_two_as_floats_share_few_hashes_and_are_taken() -> None:
    values = {2.0**n for n in range(-1_000, 1_000)}
    assert decode(encode(values).body) == values


def test_a_key_that_is_small_but_takes_ages_to_hash_is_refused() -> None:
    doubled: list[Any] = [["tuple", []], *(["tuple&", [[n], [n]]] for n in range(40))]
    assert decode(table(doubled)) is not None, "as a value it is small"
    for row in (["set&", [[40]]], ["pairs&", [[40], 1]], ["frozenset&", [[40]]]):
        with pytest.raises(BudgetExceeded):
            decode(table([*doubled, row]))
    records = [["record", "A", "frozen", {"a": [n], "b": [n]}] for n in range(40)]
    with pytest.raises(BudgetExceeded):
        decode(table([["tuple", []], *records, ["set&", [[40]]]]))
    many: list[Any] = [["set&", [[20]]]] * 100
    with pytest.raises(BudgetExceeded):
        decode(table([*doubled[:21], *many]))


def test_a_key_nested_deeper_than_the_hash_function_can_bear_is_refused() -> None:
    for depth in (HASH_DEPTH_MAX, HASH_DEPTH_MAX + 1, 100_000):
        rows: list[Any] = [["tuple", []], *(["tuple&", [[n]]] for n in range(depth - 1))]
        body = table([*rows, ["set&", [[depth - 1]]]])
        if depth == HASH_DEPTH_MAX:
            assert len(decode(body)) == 1  # type: ignore[arg-type]  # a set
        else:
            refused(body, budget=Budget(depth_max=200_000))


def test_a_key_with_parts_that_can_change_is_refused_however_it_is_wrapped() -> None:
    for inner in (["list", []], ["dict", {}], ["set", []], ["bytearray", ""], ["pairs", []],
                  ["record", "A", "mutable", {}]):  # fmt: skip
        refused(table([inner, ["tuple&", [[0]]], ["set&", [[1]]]]))
        refused(table([inner, ["record", "A", "frozen", {"a": [0]}], ["pairs&", [[1], 1]]]))
    refused(table([["decimal", "sNaN"], ["set&", [[0]]]]))


@pytest.mark.parametrize(
    ("make", "budget"),
    [
        (lambda n: b"[" + b"[]," * n + b"[]]", Budget(nodes_max=10_000)),
        (lambda n: b"[" + b'{"a":1},' * n + b"{}]", Budget(nodes_max=10_000)),
        (lambda n: b"[" * n + b"]" * n, Budget()),
        (lambda n: b'{"a":' * n + b"1" + b"}" * n, Budget()),
        (lambda n: b'#[[0],[],[["list",[' + b"0," * n + b"0]]]]", Budget(nodes_max=10_000)),
        (lambda n: b"#[[0],[],[" + b'["list",[]],' * n + b"[]]]", Budget(nodes_max=10_000)),
        (lambda n: b"#" + b"[" * n, Budget()),
        (lambda n: b'"' + b"x" * n, Budget(bytes_max=10_000)),
        (lambda n: b"[" + b'",",' * n, Budget(nodes_max=10_000)),
    ],
)
def test_a_body_over_its_budget_is_refused_before_it_fills_memory(
    make: Callable[[int], bytes], budget: Budget
) -> None:
    body = make(500_000)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            decode(body, budget=budget)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 8 * len(body) + (1 << 20)


# --- at random -----------------------------------------------------------------------------------
def survives(body: bytes, buffers: list[bytes]) -> bool:
    """Decode with small budgets; anything but a value or an error of ours fails the test."""
    try:
        value = decode(body, buffers, budget=Budget(1 << 20, 20_000, 100))
    except ProtocolError as error:
        assert len(str(error)) < 1_000  # noqa: PT017 - both ways are fine, this one is checked
        return False
    encode(value)
    return True


SEEDS: list[Any] = [
    {"a": [1, 2.5, None, "x"]}, (1, (2, {3: {4, 5}})), [b"abc", bytearray(b"d"), ...],
    [2**70, "\ud800", 1j, range(3), slice(1)], {(1, "a"): frozenset({(2,)})},
]  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_values_damaged_at_random_end_as_a_value_or_an_error_of_the_protocol(seed: int) -> None:
    chance = random.Random(seed)
    loop: list[Any] = [{"k": (1,)}]
    loop[0]["self"] = loop
    bodies = [encode(value).body for value in [*SEEDS, loop, [loop, *SEEDS]]]
    outcomes = set()
    for _ in range(600):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body) + 1)
            match chance.randrange(3):
                case 0:
                    body[at : at + 1] = chance.choice(b'#[]{}",:0123456789-.eE\\nul\xff').to_bytes()
                case 1:
                    del body[at : at + chance.randint(1, 6)]
                case 2:
                    other = chance.choice(bodies)
                    start = chance.randrange(len(other))
                    body[at:at] = other[start : start + chance.randint(1, 30)]
        outcomes.add(survives(bytes(body), [b"x"]))

    assert outcomes == {True, False}, "damage that always or never shows proves little"


OPERATIONS = [
    "list", "list&", "tuple&", "dict", "dict&", "pairs&", "set", "set&", "frozenset&", "record",
    "member", "int", "str", "complex", "range", "slice", "date", "time", "datetime", "timedelta",
    "timezone", "zoneinfo", "decimal", "fraction", "uuid", "posix_path", "bytes", "bytes@", "view",
]  # fmt: skip
ITEM = (
    st.none() | st.booleans() | st.integers(-3, 30) | st.floats() | st.integers()
    | st.sampled_from(["", "a", "1", "ff", "YQ==", "UTC", "frozen", "identity", "Europe/Berlin"])
    | st.integers(-1, 8).map(lambda n: [n])
)  # fmt: skip
FIELDS = st.dictionaries(st.sampled_from(["a", "b", "c d"]), ITEM, max_size=3)
ROW = st.builds(
    lambda op, rest: [op, *rest],
    st.sampled_from(OPERATIONS),
    st.lists(ITEM | FIELDS | st.lists(ITEM, max_size=4), max_size=9)
    | st.lists(st.lists(ITEM, max_size=6), min_size=1, max_size=1)
    | st.tuples(FIELDS).map(list)
    | st.tuples(st.just("C"), st.sampled_from(["frozen", "identity", "mutable"]), FIELDS).map(list),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(ROW, max_size=5), st.lists(ROW, max_size=3), st.integers(0, 7))
def test_any_table_ends_as_a_value_or_an_error_of_the_protocol(
    nodes: list[Any], shells: list[Any], root: int
) -> None:
    survives(table(nodes, [root], shells), [b"buffer"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_end_as_a_value_or_an_error_of_the_protocol(body: bytes, marked: bool) -> None:
    survives(b"#" + body if marked else body, [])
