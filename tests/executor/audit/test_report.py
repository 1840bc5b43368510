"""What an audit found is shown whole, in every form, and with no secret in it. Pure."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from executor.audit import Report, Result, Standing, Status
from executor.audit.board import Board
from executor.audit.catalogue import load
from executor.audit.junit import to_junit
from executor.audit.page import to_html
from executor.audit.report import standing_of
from executor.audit.text import COLUMNS, to_text

HOSTILE = '<script>alert(1)</script> & "quotes" ]]>\x1b[31m'
WHOLE: tuple[Callable[[Report], str], ...] = (
    lambda report: json.dumps(report.to_plain()),
    to_html,
    to_junit,
)


def result(status: Status, name: str = "files.read_by_path", evidence: str = "seen") -> Result:
    return Result(
        name, name.partition(".")[0], "Read a file", ("CWE-22",), "wasm", status, evidence,
        "a disposable process", "the canary came out", 0.25, ("deadline",),
    )  # fmt: skip


def report(*results: Result, not_promised: str = "") -> Report:
    names = dict.fromkeys(result.guarantee for result in results)
    matrix = tuple(
        standing_of(name, "wasm", [r for r in results if r.guarantee == name], not_promised)
        for name in names
    )
    machine = {"kernel": "6.1", "user": "root"}
    return Report(machine, results, matrix, 1.5, "2026-01-01T00:00:00+00:00", (), ("wasm",))


@pytest.mark.parametrize(
    ("statuses", "standing", "ok"),
    [
        ([Status.HELD, Status.HELD], Standing.HOLDS, True),
        ([Status.HELD, Status.SKIPPED], Standing.HOLDS, True),
        ([Status.HELD, Status.NOT_PROMISED], Standing.HOLDS, True),
        ([Status.HELD, Status.BIT, Status.TOOTHLESS], Standing.BROKEN, False),
        ([Status.HELD, Status.TOOTHLESS], Standing.UNPROVEN, False),
        ([Status.HELD, Status.FAILED], Standing.UNPROVEN, False),
        ([Status.SKIPPED], Standing.NOT_AUDITED, True),
    ],
)
def test_a_guarantee_holds_only_if_every_attack_on_it_was_judged_and_held(
    statuses: list[Status], standing: Standing, ok: bool
) -> None:
    found = report(*(result(status) for status in statuses))

    assert found.matrix[0].standing is standing
    assert found.ok is ok
    assert found.broken == (("files",) if standing is Standing.BROKEN else ())


def test_what_is_not_promised_is_told_with_its_reason_and_breaks_nothing() -> None:
    found = report(result(Status.BIT), not_promised="it shares a process")

    assert found.matrix[0].standing is Standing.NOT_PROMISED
    assert found.ok
    assert "it shares a process" in to_text(found)


@pytest.mark.parametrize("form", WHOLE)
def test_every_attack_is_in_every_form_with_its_evidence(form: Callable[[Report], str]) -> None:
    found = report(*(result(status, f"files.{status.name.lower()}") for status in Status))

    text = form(found)

    for shown in found.results:
        assert shown.id in text
        assert shown.status is Status.HELD or shown.evidence in text


@pytest.mark.parametrize("status", list(Status))
def test_text_of_a_guest_is_data_in_every_form(status: Status) -> None:
    found = report(result(status, evidence=HOSTILE))

    assert json.loads(json.dumps(found.to_plain()))["results"][0]["evidence"] == HOSTILE
    assert "<script" not in to_html(found)
    clean = report(result(status, evidence=HOSTILE.replace("\x1b", "?")))
    ElementTree.fromstring(to_junit(clean))
    assert max(map(len, to_text(clean).splitlines())) <= COLUMNS


def test_the_page_fetches_nothing_runs_nothing_and_says_how_to_have_each_line_again() -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append(tag)
            self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    page = to_html(report(result(Status.HELD)))
    reader = Reader()
    reader.feed(page)

    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert all(link.startswith("#") for link in reader.links)
    assert "cellblock audit --kind wasm --attack files.read_by_path" in page


def test_a_test_for_each_attack_reaches_a_machine_that_collects_tests() -> None:
    found = report(*(result(status, f"files.{status.name.lower()}") for status in Status))

    [suite] = ElementTree.fromstring(to_junit(found))

    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["6", "1", "2", "2"]
    assert {case.get("classname") for case in suite} == {"cellblock.wasm.files"}


def test_the_table_on_a_terminal_counts_what_is_done_and_what_is_wrong() -> None:
    from executor.audit import Progress

    entries = [entry for entry in load().values() if entry.guarantee in ("cpu", "output")]
    board = Board(entries, ("wasm",), fd=-1, is_quiet=True, is_terminal=True)
    total = sum(entry.guarantee == "cpu" for entry in entries)

    board.take(Progress(result(Status.HELD, "cpu.loop"), 1, len(entries)))
    board.take(Progress(result(Status.BIT, "cpu.power"), 2, len(entries)))

    head, cpu, output, last = board.lines()
    assert head.split() == ["wasm"]
    assert f"2/{total} 1 wrong" in cpu
    assert output.startswith("output")
    assert last.endswith("cpu.power")
