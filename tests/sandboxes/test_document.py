"""The page of guarantees says what the code promises, and all of it."""

from __future__ import annotations

from pathlib import Path

from sandboxes import document
from sandboxes.guarantees import guarantees
from sandboxes.jail.steps import Wall

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"


def test_the_page_is_what_the_code_promises_now() -> None:
    assert PAGE.read_text() == document.markdown(), (
        "run: python -m sandboxes.document > docs/guarantees.md"
    )


def test_every_guarantee_of_every_jail_and_every_wall_is_on_the_page() -> None:
    rows = [line.split(" | ") for line in document.markdown().splitlines() if line[:2] == "| "]

    for at, strength in enumerate(document.STRENGTHS, start=2):
        for given in guarantees(document.COMPLETE, "wasm", strength):
            [row] = [row for row in rows if row[0] == f"| {given.name}"]
            assert row[at].removesuffix(" |") == ", ".join(given.walls)
    assert {f"| {wall}" for wall in Wall} <= {row[0] for row in rows}
