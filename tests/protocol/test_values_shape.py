"""Values and depth of a JSON text are counted before it is parsed, and never too low."""

from __future__ import annotations

import json
import random
import tracemalloc

from hypothesis import given, settings, strategies as st

from protocol.values.shape import count_nodes, is_deeper

TRICKY = st.text('ab,:[]{}"\\/\n\x00é€😀', max_size=8)
JSON = st.recursive(
    st.none() | st.integers() | TRICKY,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TRICKY, inner, max_size=4),
    max_leaves=20,
)


def nodes_of(value: object) -> int:
    """Count as the budget's documentation says."""
    match value:
        case list():
            return 1 + sum(map(nodes_of, value)) if value else 2
        case dict():
            return 1 + sum(1 + nodes_of(x) for x in value.values()) if value else 2
        case _:
            return 1


def depth_of(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case _:
            return 0


@settings(max_examples=400, deadline=None)
@given(JSON, st.booleans(), st.booleans())
def test_nodes_and_depth_are_those_of_the_parsed_value(
    value: object, as_ascii: bool, is_spaced: bool
) -> None:
    separators = (" , ", " : ") if is_spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=as_ascii, separators=separators).encode()

    assert count_nodes(text, 0) == nodes_of(value)
    assert count_nodes(text, 10**9) >= nodes_of(value)
    for levels in range(depth_of(value)):
        assert is_deeper(text, levels)
    assert not is_deeper(text, depth_of(value))


@settings(max_examples=300, deadline=None)
@given(JSON, st.binary(max_size=20))
def test_what_stands_behind_a_value_cannot_make_it_look_smaller(
    value: object, behind: bytes
) -> None:
    text = json.dumps(value).encode()

    assert count_nodes(text + behind, 0) >= nodes_of(value)


def test_a_value_broken_off_is_measured_up_to_there() -> None:
    text = b'[[["]]]' + b'"],[[["'
    assert is_deeper(text, 2)
    assert count_nodes(b'["a,b",[1,2', 0) == 5


def test_quotes_at_the_edges_of_a_window_are_matched() -> None:
    chance = random.Random(1)
    value = [",[" * chance.randint(0, 9) for _ in range(200_000)]
    text = json.dumps(value, separators=(",", ":")).encode()

    assert count_nodes(text, 0) == nodes_of(value)
    assert not is_deeper(text, 1)


def test_measuring_takes_little_memory_whatever_the_text() -> None:
    for piece in (b'",",', b'",,","[[",', b"[],", b'"\\\\",', b"[", b'"', b"\\"):
        text = piece * (4_000_000 // len(piece))
        tracemalloc.start()
        try:
            count_nodes(text, 0)
            is_deeper(text, 64)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < 8 * len(text), piece
