"""The page of guarantees says what the code promises and what attacks there are, and all of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from executor.audit import document
from executor.audit.catalogue import adopted, load
from executor.guarantees import NAMES
from sandboxes.document import COMPLETE
from sandboxes.guarantees import guarantees

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guarantees.md"


def test_the_page_is_what_the_code_promises_and_attacks_now() -> None:
    assert PAGE.read_text() == document.markdown(), (
        "run: python -m executor.audit.document > docs/guarantees.md"
    )


def test_every_promise_is_on_the_page_with_all_of_its_attacks() -> None:
    attacks = document.markdown().partition("\n## Attacks")[2]
    rows = {line.split(" | ")[0][2:]: line.split(" | ") for line in attacks.splitlines()}
    counted = Counter(e.guarantee for e in [*load().values(), *adopted().values()])

    assert tuple(given.name for given in guarantees(COMPLETE, "wasm", "full")) == NAMES
    for name in NAMES:
        assert int(rows[name][1]) + int(rows[name][2]) == counted[name]
