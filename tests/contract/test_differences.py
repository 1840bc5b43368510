"""The page of kinds says what they do differently, and each difference is there to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Image, Supervisor
from protocol.fields import Kind
from tests.contract.differences import DIFFERENCES, Difference, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sandboxes.md"
KINDS: tuple[Kind, ...] = ("wasm", "process", "interpreter")


@pytest.fixture(scope="module")
def with_numpy() -> Iterator[Supervisor]:
    """Give a supervisor whose native guests find NumPy loaded."""
    pytest.importorskip("numpy")
    with Supervisor(Image(preload=["numpy"]), kind="process", cells=1) as started:
        yield started


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.what)
def test_a_difference_is_what_the_page_says(
    supervisor: Supervisor, kind: Kind, row: Difference, request: pytest.FixtureRequest
) -> None:
    if row.preload and kind == "process":
        supervisor = request.getfixturevalue("with_numpy")

    assert supervisor.run(row.code, **row.options).unwrap() == row.seen[kind]


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.what)
def test_a_row_tells_of_a_difference_and_why_it_is_so(row: Difference) -> None:
    assert set(row.seen) == set(row.told) == set(KINDS)
    assert len({repr(seen) for seen in row.seen.values()}) > 1
    assert row.reason


def test_the_page_has_the_table_of_the_suite() -> None:
    _, _, rest = PAGE.read_text().partition("<!-- differences -->\n")
    found, _, _ = rest.partition("<!-- end of differences -->")

    assert found == table(), "run: python -m tests.contract.differences"
