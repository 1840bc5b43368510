"""What a run of `python -m bench` found, as data, and as the Markdown of `bench/RESULTS.md`.

Rule: nothing is left out in silence. Who took no part, and what failed, stands in the notes of its
section; a goal that was missed stands in the table of goals with its figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench import measure


@dataclass(frozen=True, slots=True)
class Table:
    """A table: column heads, and rows of text as wide."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plot:
    """What to draw.

    Args:
        name: of its file, without the ending.
        title: what the reader looks at.
        unit: what the values count.
        series: for each line or colour, by name, values by label or by x.
        lines: draw lines over an x that grows tenfold, not bars beside labels.
    """

    name: str
    title: str
    unit: str
    series: Mapping[str, Mapping[str, float] | Mapping[float, float]]
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that was to be reached: a text, the figure, and whether it was."""

    text: str
    found: str
    met: bool


@dataclass(slots=True)
class Section:
    """What one measurement found."""

    title: str
    about: str
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the section as Markdown."""
        parts = [f"## {self.title}", self.about]
        parts += [measure.lined_up(table.heads, table.rows) for table in self.tables]
        parts += [f"![{plot.title}](plots/{plot.name}.png)" for plot in self.plots]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in dict.fromkeys(self.notes)))
        return "\n\n".join(parts)


@dataclass(slots=True)
class Report:
    """All of a run.

    Args:
        machine: processor, system and versions, a line each.
        loads: load of the machine at the start and after each measurement, by its name.
        is_quick: few samples were taken.
    """

    machine: Sequence[str]
    is_quick: bool
    loads: dict[str, float] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    spent_s: float = 0.0

    def markdown(self) -> str:
        """Return the page."""
        loads = ", ".join(f"{name} {load:.1f}" for name, load in self.loads.items())
        head = [
            "# Results",
            "Written by `python -m bench`; [README.md](README.md) says how to read it.",
            "\n".join(f"- {line}" for line in [*self.machine, f"load of the machine: {loads}"]),
            f"Taken in {self.spent_s / 60:.1f} minutes.",
        ]
        if self.is_quick:
            head.append("**A quick run: too few samples to quote.**")
        if goals := [goal for section in self.sections for goal in section.goals]:
            rows = [[goal.text, goal.found, "yes" if goal.met else "no"] for goal in goals]
            head += ["## Goals", measure.lined_up(["", "found", "met"], rows)]
        return "\n\n".join([*head, *(section.markdown() for section in self.sections)]) + "\n"
