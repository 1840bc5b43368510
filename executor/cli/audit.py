"""`cellblock audit`: attacks the sandboxes of this machine, shows how it goes and what was found.

Rule 1: standard output has what was found and nothing else; how it goes is on standard error, as a
        table that changes where that is a terminal, else as a line for each guarantee that is done.
Rule 2: a file that cannot be written is found out before the first attack.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import TYPE_CHECKING, Final, cast

from executor.audit.attack import KINDS
from executor.cli import verdicts
from executor.cli.commands import no_words, say
from executor.cli.flags import (
    ATTACK,
    ATTACKS,
    AUDITED,
    HTML,
    JAIL,
    JSON,
    JUNIT,
    LIST,
    ONLY,
    QUIET,
    WITHOUT,
    Given,
    Parsed,
    UsageError,
)
from executor.cli.screen import STDERR_FD
from executor.errors import Misuse

if TYPE_CHECKING:
    from executor.audit.attack import Entry, Kind
    from executor.audit.report import Report

BROKEN: Final = 1
_JAILS: Final = ("full", "light", "none")


def audit(parsed: Parsed) -> int:
    """Obey `cellblock audit` and return its exit code."""
    no_words(parsed, "audit")
    try:
        return _audit(parsed)
    except Misuse as error:
        raise UsageError(f"--{error.argument}: {error.problem}") from None


def _audit(parsed: Parsed) -> int:
    from executor.audit.auditing import audit as run, select
    from executor.audit.board import Board
    from executor.audit.configuration import Configuration

    kinds = _kinds(parsed.last(AUDITED.name))
    only = _names(parsed.last(ONLY.name))
    attacks = [given.text for given in parsed.all(ATTACK.name)]
    folder = parsed.last(ATTACKS.name)
    folders = [] if folder is None else [pathlib.Path(folder.text)]
    entries = select(only=only, attacks=attacks, folders=folders)
    if parsed.on(LIST.name):
        say(_listed(entries, as_json=parsed.on(JSON.name)))
        return verdicts.OK
    files = {name: _writable(parsed.last(name)) for name in (HTML.name, JUNIT.name)}
    board = Board(entries.values(), kinds, fd=STDERR_FD, is_quiet=parsed.on(QUIET.name))
    with board:
        report = run(
            kinds,
            only=only,
            attacks=attacks,
            folders=folders,
            configuration=Configuration(jail=_jail(parsed.last(JAIL.name))),
            without=[given.text for given in parsed.all(WITHOUT.name)],
            progress=board.take,
        )
    _write(report, files[HTML.name], files[JUNIT.name])
    if parsed.on(JSON.name):
        say(json.dumps(report.to_plain()) + "\n")
    else:
        from executor.audit.text import to_text

        say(to_text(report))
    return verdicts.OK if report.ok else BROKEN


def _kinds(given: Given | None) -> tuple[Kind, ...]:
    if given is None:
        return ("wasm",)
    if given.text == "all":
        return KINDS
    names = _names(given)
    for name in names:
        if name not in KINDS:
            raise UsageError(f"--kind must be {', '.join(KINDS)} or all, not {name[:40]!r}")
    return cast("tuple[Kind, ...]", tuple(dict.fromkeys(names)))


def _names(given: Given | None) -> list[str]:
    if given is None:
        return []
    return [name.strip().replace("-", "_") for name in given.text.split(",") if name.strip()]


def _jail(given: Given | None) -> str | None:
    if given is not None and given.text not in _JAILS:
        raise UsageError(f"--jail must be {', '.join(_JAILS)}, not {given.text[:40]!r}")
    return None if given is None else given.text


def _writable(given: Given | None) -> str:
    """Return the path to write to, "" for none; it can be written, or this raises."""
    if given is None:
        return ""
    try:
        os.close(os.open(given.text, os.O_WRONLY | os.O_CREAT, 0o644))
    except OSError as error:
        problem = f"cannot write {given.text[:200]!r}: {error.strerror}"
        raise UsageError(f"{given.origin} {problem}") from None
    return given.text


def _write(report: Report, html_path: str, junit_path: str) -> None:
    if html_path:
        from executor.audit.page import to_html

        pathlib.Path(html_path).write_text(to_html(report), encoding="utf-8")
    if junit_path:
        from executor.audit.junit import to_junit

        pathlib.Path(junit_path).write_text(to_junit(report), encoding="utf-8")


def _listed(entries: dict[str, Entry], *, as_json: bool) -> str:
    if as_json:
        return json.dumps([_described(entry) for entry in entries.values()]) + "\n"
    width = max(map(len, entries), default=0)
    return "".join(f"{name:<{width}}  {entry.title}\n" for name, entry in entries.items())


def _described(entry: Entry) -> dict[str, object]:
    from executor.audit.report import control_name

    return {
        "id": entry.id,
        "guarantee": entry.guarantee,
        "title": entry.title,
        "kinds": list(entry.kinds),
        "references": list(entry.references),
        "control": control_name(entry),
        "walls": [wall.value for wall in entry.stopped_by],
    }
