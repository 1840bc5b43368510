"""`python -m bench` measures for real, and a report says what took no part and what failed."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bench import __main__ as command, contestants, measurements, plots
from bench.contest import Contest
from bench.contestants.base import Call, Contestant
from bench.contestants.cellblock import Cellblock
from bench.report import Section

OTHERS = ",".join(one.name for one in contestants.ALL if one.name != "cellblock")


class Failing(Contestant):
    """Is here, and fails at everything."""

    name = "failing"

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return "failing 1"

    def fresh(self, places: int) -> AbstractContextManager[Call]:
        raise OSError("no luck")


def rows_of(page: str) -> dict[str, list[str]]:
    """Return the rows of all tables by their first column."""
    rows = [line.strip("| ").split("|") for line in page.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


def test_a_quick_run_writes_a_report_with_figures_that_were_measured(tmp_path: Path) -> None:
    arguments = ["--quick", "--only", "deadlines", "--without", OTHERS, "--out", str(tmp_path)]

    assert command.main(arguments) == 0

    page = (tmp_path / "RESULTS.md").read_text()
    ended_ms, _, usable_ms, _, kept, ratio, runs = map(str, rows_of(page)["cellblock"])
    assert float(ended_ms) < float(usable_ms)
    assert (kept, ratio, runs) == ("3 of 3", "1.00", "3")
    assert "too few samples to quote" in page
    assert re.search(r"a sleep of 60 s ends within 20 ms .*p99 \d+\.\d ms late", page)
    assert "- pyeryx: left out" in page
    if not plots.missing():
        assert (tmp_path / "plots" / "deadlines.png").read_bytes().startswith(b"\x89PNG")


def test_a_contestant_that_fails_is_noted_and_costs_no_other() -> None:
    contest = Contest([Cellblock(), Failing()], is_quick=True)

    section = measurements.ALL["fresh"](contest)

    assert "failing failed: OSError: no luck" in section.markdown()
    assert float(rows_of(section.markdown())["cellblock"][0]) > 0


def test_a_measurement_that_fails_is_noted_and_costs_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(contest: Contest) -> Section:
        raise ZeroDivisionError("by hand")

    def succeed(contest: Contest) -> Section:
        return Section("Well", "It went well.")

    monkeypatch.setattr(measurements, "ALL", {"bad": fail, "good": succeed})

    assert command.main(["--quick", "--without", OTHERS, "--out", str(tmp_path)]) == 1

    page = (tmp_path / "RESULTS.md").read_text()
    assert "- bad failed: ZeroDivisionError: by hand" in page
    assert "It went well." in page


def test_a_name_that_is_not_known_is_refused() -> None:
    with pytest.raises(SystemExit, match="'speeed' is none of fresh, speed"):
        command.main(["--only", "speeed"])


@pytest.mark.parametrize("path", sorted((Path(command.HOME) / "programs").glob("*.py")), ids=str)
def test_there_is_a_measured_program_that_prints_something(path: Path) -> None:
    printed = contestants.ALL[2].programs()

    with printed as run:
        assert run(path.read_text()).strip()


def test_there_are_as_many_programs_as_promised() -> None:
    assert len(list((Path(command.HOME) / "programs").glob("*.py"))) >= 15
