"""The page of guarantees says what the code promises, and all of it."""

from __future__ import annotations

from protocol.fields import Kind
from sandboxes import document
from sandboxes.guarantees import Guarantee, guarantees
from sandboxes.jail.steps import Wall

NATIVE: tuple[Kind, ...] = ("process", "interpreter")


def rows_of(text: str) -> list[list[str]]:
    return [line.split(" | ") for line in text.splitlines() if line[:2] == "| "]


def guarantees_by_name(kind: Kind) -> dict[str, Guarantee]:
    return {given.name: given for given in guarantees(document.COMPLETE, kind, "full")}


def test_every_guarantee_of_every_jail_and_every_wall_is_on_the_page() -> None:
    _, wasm, native, walls, _ = document.markdown().split("\n## ")

    for at, strength in enumerate(document.STRENGTHS, start=2):
        for given in guarantees(document.COMPLETE, "wasm", strength):
            [row] = [row for row in rows_of(wasm) if row[0] == f"| {given.name}"]
            assert row[at].removesuffix(" |") == ", ".join(given.walls)
    assert {f"| {wall}" for wall in Wall} <= {row[0] for row in rows_of(walls)}
    for at, kind in enumerate(NATIVE, start=1):
        for given in guarantees(document.COMPLETE, kind, "full"):
            [row] = [row for row in rows_of(native) if row[0] == f"| {given.name}"]
            assert row[at] in ((given.reason, "the same") if given.held else ("-",))
            assert row[3] == ", ".join(guarantees_by_name("process")[given.name].walls)


def test_each_guarantee_that_a_kind_lacks_is_told_with_its_reason_and_the_way_to_have_it() -> None:
    page = document.markdown()

    for kind in NATIVE:
        for given in guarantees_by_name(kind).values():
            if not given.held:
                cure = ", or ".join(missing.remedy for missing in given.missing)
                assert f"- {given.name} of {kind}: {given.reason}. To have it: {cure}." in page
