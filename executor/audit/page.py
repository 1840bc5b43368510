"""A report as one page of HTML that stands alone: for a security reviewer to file. Pure.

Rule 1: no script, nothing fetched; all text is escaped.
Rule 2: readable on a telephone: nothing is wider than 320 pixels without wrapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from executor.audit.attack import GUARANTEES, Kind
from executor.audit.report import Cell, Report, Result, Standing, Status

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --page: #fff;
  --good: #1a7f37; --bad: #cf222e; --warn: #9a6700; --panel: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d;
  --page: #0d1117; --good: #3fb950; --bad: #ff7b72; --warn: #d29922; --panel: #161b22; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.verdict { border-left: .4rem solid; padding: .6rem .8rem; background: var(--panel); }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th:first-child { width: 9rem; } a { color: inherit; }
th, td { text-align: left; vertical-align: top; padding: .35rem .5rem .35rem 0;
  border-bottom: 1px solid var(--line); }
details { border-bottom: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; }
dl { margin: .4rem 0 .6rem 1rem; } dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0 0 .4rem; } code { font: .9em/1.4 ui-monospace, monospace; }
@media (max-width: 40rem) { table.facts, table.facts tbody, table.facts tr, table.facts th,
  table.facts td { display: block; width: 100%; border: 0; padding: 0; }
  table.facts tr { border-bottom: 1px solid var(--line); padding: .35rem 0; }
  table.matrix { font-size: .85rem; } }
@media print { details { break-inside: avoid; } }
"""
_COLOUR: Final = {
    Standing.HOLDS: "good",
    Standing.BROKEN: "bad",
    Standing.UNPROVEN: "warn",
    Standing.NOT_PROMISED: "soft",
    Standing.NOT_AUDITED: "soft",
    Status.HELD: "good",
    Status.BIT: "bad",
    Status.TOOTHLESS: "warn",
    Status.FAILED: "warn",
    Status.SKIPPED: "soft",
}
#: Open from the start: what a reader has to look at.
_OPEN: Final = (Status.BIT, Status.TOOTHLESS, Status.FAILED)


def to_html(report: Report) -> str:
    """Return the page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Isolation audit, {escape(report.began)}</title>"
    yield f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Isolation audit</h1>"
    yield from _verdict(report)
    yield '<h2 id="matrix">Guarantees</h2>'
    yield from _matrix(report)
    yield '<h2 id="machine">Machine</h2>\n<table class="facts">'
    for name, value in report.machine.items():
        yield f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
    yield "</table>"
    yield '<h2 id="reading">How to read this</h2>'
    yield f"<p>{_READING}</p>"
    for guarantee in GUARANTEES:
        results = [result for result in report.results if result.guarantee == guarantee]
        if results:
            yield f'<h2 id="{guarantee}">{_named(guarantee)}</h2>'
            for result in results:
                yield from _attack(result, report)
    yield "</body>\n</html>"


_READING: Final = (
    "Each attack was run twice: where its wall is absent, in a process that is thrown away, and on "
    "the sandboxes as they are configured on this machine. One that does not bite in the first "
    "place is called toothless and proves nothing. Harm is judged from outside the sandbox. Every "
    "line can be had again by the command below it."
)


def _verdict(report: Report) -> Iterator[str]:
    colour = "good" if report.ok else "bad" if report.broken else "warn"
    if report.broken:
        text = f"Broken: {', '.join(map(_named, report.broken))}"
    else:
        text = "Every promise holds" if report.ok else "Not every promise is proven"
    count = sum(result.status is not Status.SKIPPED for result in report.results)
    held = sum(result.status is Status.HELD for result in report.results)
    yield f'<p class="verdict {colour}"><strong>{escape(text)}</strong></p>'
    said = f"{held} of {count} attacks held, in {report.seconds:.0f} s, begun {report.began}."
    if report.without:
        said += f" Left out on purpose: {', '.join(report.without)}."
    yield f'<p class="soft">{escape(said)}</p>'


def _matrix(report: Report) -> Iterator[str]:
    by: dict[tuple[str, Kind], Cell] = {(c.guarantee, c.kind): c for c in report.matrix}
    heads = "".join(f"<th>{escape(kind)}</th>" for kind in report.kinds)
    yield f'<table class="matrix"><tr><th>guarantee</th>{heads}</tr>'
    for guarantee in GUARANTEES:
        cells = [by.get((guarantee, kind)) for kind in report.kinds]
        if any(cells):
            row = "".join(f"<td>{_cell(cell)}</td>" for cell in cells)
            link = f'<a href="#{guarantee}">{_named(guarantee)}</a>'
            yield f"<tr><th>{link}</th>{row}</tr>"
    yield "</table>"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return '<span class="soft">-</span>'
    colour = _COLOUR[cell.standing]
    reason = escape(cell.reason)
    return f'<strong class="{colour}">{escape(cell.standing)}</strong><br><small>{reason}</small>'


def _attack(result: Result, report: Report) -> Iterator[str]:
    is_open = " open" if result.status in _OPEN else ""
    colour = _COLOUR.get(result.status, "soft")
    name = escape(f"{result.id}.{result.kind}")
    yield f'<details id="{name}"{is_open}><summary><strong class="{colour}">'
    yield f"{escape(result.status)}</strong> {escape(result.title)} "
    yield f'<span class="soft">({escape(result.kind)})</span></summary><dl>'
    facts = {
        "here": result.evidence,
        f"control: {result.control}": result.control_evidence,
        "walls": ", ".join(result.walls),
        "references": ", ".join(result.references),
        "took": f"{result.seconds:.2f} s",
    }
    for fact, value in facts.items():
        if value:
            yield f"<dt>{escape(fact)}</dt><dd>{escape(value)}</dd>"
    command = f"cellblock audit --kind {result.kind} --attack {result.id}"
    command += "".join(f" --without '{wall}'" for wall in report.without)
    yield f"<dt>again</dt><dd><code>{escape(command)}</code></dd></dl></details>"


def _named(guarantee: str) -> str:
    return guarantee.replace("_", " ")
