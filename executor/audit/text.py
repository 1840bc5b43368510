"""A report as text for people: the matrix, then what is wrong. Pure.

Rule: at most `COLUMNS` wide, so that a terminal does not break it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from executor.audit.attack import GUARANTEES, Kind
from executor.audit.report import Cell, Report, Standing, Status

COLUMNS: Final = 80
_NAME_COLUMNS: Final = 12
_SHOWN_MAX: Final = 40


def to_text(report: Report) -> str:
    """Return all that a person wants to know at once."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from matrix(report.matrix, report.kinds)
    yield ""
    for cell in report.matrix:
        if cell.standing in (Standing.NOT_PROMISED, Standing.UNPROVEN, Standing.BROKEN):
            yield from _wrapped(f"{cell.guarantee}, {cell.kind}: {cell.standing}: {cell.reason}")
    wrong = [r for r in report.results if r.status in _WRONG]
    for result in wrong[:_SHOWN_MAX]:
        yield from _wrapped(f"{result.status} {result.id} ({result.kind}): {result.title}")
        yield from _wrapped(f"here: {result.evidence}", "    ")
        if result.status is Status.TOOTHLESS:
            yield from _wrapped(f"{result.control}: {result.control_evidence}", "    ")
    if len(wrong) > _SHOWN_MAX:
        yield f"and {len(wrong) - _SHOWN_MAX} more; --json has them all"
    if report.without:
        yield from _wrapped(f"left out: {', '.join(report.without)}")
    count = sum(r.status is not Status.SKIPPED for r in report.results)
    held = sum(r.status is Status.HELD for r in report.results)
    yield f"{held} of {count} attacks held, in {report.seconds:.0f} s. " + _verdict(report)


_WRONG: Final = (Status.BIT, Status.TOOTHLESS, Status.FAILED)


def _verdict(report: Report) -> str:
    if report.broken:
        return f"BROKEN: {', '.join(report.broken)}."
    return "Every promise holds." if report.ok else "Not every promise is proven."


def matrix(cells: Sequence[Cell], kinds: Sequence[Kind]) -> Iterator[str]:
    """Yield the table of guarantee by kind."""
    by = {(cell.guarantee, cell.kind): cell for cell in cells}
    width = (COLUMNS - _NAME_COLUMNS) // max(1, len(kinds))
    yield f"{'guarantee':<{_NAME_COLUMNS}}" + "".join(f"{kind:<{width}}" for kind in kinds).rstrip()
    for guarantee in GUARANTEES:
        if any((guarantee, kind) in by for kind in kinds):
            shown = (_shown(by.get((guarantee, kind))) for kind in kinds)
            name = guarantee.replace("_", " ")
            yield (
                f"{name:<{_NAME_COLUMNS}}" + "".join(f"{text:<{width}}" for text in shown).rstrip()
            )


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    match cell.standing:
        case Standing.HOLDS:
            return f"holds ({cell.attacks})"
        case Standing.BROKEN:
            return f"BROKEN ({len(cell.bitten)} of {cell.attacks})"
        case _:
            return cell.standing.value


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent=indent, subsequent_indent=indent + "    ")
