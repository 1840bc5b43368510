"""A service that lets its users' scripts read reports: written in a hurry, then with care.

The audit finds what is wrong with the first version: see `conftest.py` and `README.md`.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from executor import Supervisor

HERE = pathlib.Path(__file__).resolve().parent
REPORTS = HERE / "reports"
SETTINGS = HERE / "settings.ini"


# --- in a hurry ----------------------------------------------------------------------------------
def read_report(name: str) -> str:
    """Return a report. The name may lead anywhere."""
    return (REPORTS / name).read_text()


def in_a_hurry() -> dict[str, Any]:
    """What each run is given: a function that believes its argument, and all of the project."""
    return {"functions": [read_report], "mounts": [f"{HERE}:/project"]}


# --- with care -----------------------------------------------------------------------------------
def read_named_report(name: str) -> str:
    """Return a report that is there, by its plain name."""
    known = {path.name: path for path in REPORTS.iterdir()}
    if name not in known:
        raise FileNotFoundError("no such report")
    return known[name].read_text()


def with_care() -> dict[str, Any]:
    """What each run is given: reports by name, and the reports alone, to read."""
    return {"functions": {"read_report": read_named_report}, "mounts": [f"{REPORTS}:/reports:ro"]}


def given() -> dict[str, Any]:
    """What each run is given."""
    return with_care() if os.environ.get("CARE") else in_a_hurry()


def make_supervisor() -> Supervisor:
    """Return what runs the users' scripts."""
    return Supervisor(cells=1, limits={"wall_s": 10})
