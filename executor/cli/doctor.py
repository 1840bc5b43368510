"""`cellblock doctor`: what this machine gives, what is missing, what that costs, how to get it.

Rule 1: `examine` looks, `to_text` and `to_plain` lay out; they are pure, so that what they say of a
        machine can be tested on another.
Rule 2: a jail counts as working if the survey has no objection and a run in it, where one can be
        tried without building anything, ended well.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from executor.cli import verdicts
from executor.cli.commands import describe, no_words, say
from executor.cli.flags import JSON, Parsed
from executor.cli.version import VERSION
from protocol.fields import Kind
from protocol.structs import as_dict, field, frozen
from sandboxes.guarantees import (
    Guarantee,
    Strength,
    costs,
    guarantees,
    refusal,
    remedy,
    to_plain as promise,
)
from sandboxes.jail.survey import OVERCOMMIT, Survey

if TYPE_CHECKING:
    from executor.isolate import IsolateKind

NOT_WORKING: Final = 1
COLUMNS: Final = 80
STRENGTHS: Final[tuple[Strength, ...]] = ("full", "light", "none")
#: Kinds of sandbox that have the kernel walls alone, and the jails that give them some.
NATIVE: Final[tuple[Kind, ...]] = ("process", "interpreter")
WALLED: Final[tuple[Strength, ...]] = ("full", "light")
ISOLATES: Final[tuple[IsolateKind, ...]] = ("interpreter", "process", "inline")
_IMAGE: Final = {
    "ready": "ready",
    "built": "built; compiled at the first start, in some seconds",
    "missing": "missing; built at the first start, or by: cellblock image build",
}
_COSTS_ROOM: Final = "room for sandboxes, as each reserves 4 GiB of addresses"


@frozen
class Examined:
    """All that was found out.

    Args:
        survey: the walls.
        python, wasmtime: versions; `wasmtime` is "" if it is not installed.
        problems: what keeps any run from starting, whatever the jail.
        base_image: see `sandboxes.wasm.image.state_of`; "unknown" where that failed.
        no_isolates: kinds that cannot be started, and why.
        runs: how a run in each jail ended, "ok" or the reason; absent where none was tried.
        native: the same for each kind of native sandbox, by kind.
    """

    survey: Survey
    python: str
    wasmtime: str
    problems: tuple[str, ...]
    base_image: str
    no_isolates: Mapping[IsolateKind, str]
    runs: Mapping[Strength, str]
    native: Mapping[Kind, Mapping[Strength, str]] = field(default_factory=dict)

    def works(self, strength: Strength, kind: Kind = "wasm") -> bool:
        """Return whether runs in a jail of this strength can be had here."""
        is_refused = refusal(self.survey, kind, strength) is not None
        ended = self.ended(strength, kind)
        return not self.problems and not is_refused and ended in (None, "ok")

    def ended(self, strength: Strength, kind: Kind = "wasm") -> str | None:
        """Return how a run ended; None where none was tried."""
        return (self.runs if kind == "wasm" else self.native.get(kind, {})).get(strength)


def doctor(parsed: Parsed) -> int:
    """Examine this machine and print what was found."""
    no_words(parsed, "doctor")
    examined = examine()
    if parsed.on(JSON.name):
        say(json.dumps(to_plain(examined)) + "\n")
    else:
        say(to_text(examined))
    return verdicts.OK if examined.works("full") else NOT_WORKING


# --- looking -------------------------------------------------------------------------------------
def examine() -> Examined:
    """Look at this machine. Takes about a second; changes and builds nothing."""
    import platform

    from executor.isolate import unavailable
    from sandboxes.errors import ImageError
    from sandboxes.jail.survey import look
    from sandboxes.wasm import binding, image, keys

    survey = look()
    problems, wasmtime, base_image = [], "", "unknown"
    try:
        wasmtime = keys.installed_version("wasmtime")
        binding.library_path()
    except ImageError as error:
        problems.append(describe(error))
    try:
        base_image = image.state_of()
    except ImageError as error:
        problems.append(describe(error))
    can_run = base_image == "ready" and not problems
    runs: dict[Strength, str] = {
        strength: _run_in(strength)
        for strength in STRENGTHS
        if can_run and refusal(survey, "wasm", strength) is None
    }
    native: dict[Kind, dict[Strength, str]] = {
        kind: {
            strength: _run_in(strength, kind)
            for strength in WALLED
            if not problems and refusal(survey, kind, strength) is None
        }
        for kind in NATIVE
    }
    python = platform.python_version()
    return Examined(
        survey, python, wasmtime, tuple(problems), base_image, unavailable(), runs, native
    )


def _run_in(strength: Strength, kind: Kind = "wasm") -> str:
    from executor import Supervisor

    try:
        with Supervisor(kind=kind, cells=1, isolate="inline", jail=strength) as supervisor:
            outcome = supervisor.run("6 * 7", limits={"wall_s": 20})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        return describe(error)
    return "ok" if outcome.value == 42 else f"ended as {outcome.verdict}"


# --- laying out ----------------------------------------------------------------------------------
def to_plain(examined: Examined) -> dict[str, object]:
    """Return what was found as JSON-able values."""
    survey = examined.survey
    walls = []
    for finding in survey.findings:
        wall = as_dict(finding)
        if not finding.present:
            wall |= {"costs": list(costs(finding.name)), "remedy": remedy(survey, finding.name)}
        walls.append(wall)
    return {
        "full_jail_works": examined.works("full"),
        "cellblock": VERSION,
        "python": examined.python,
        "wasmtime": examined.wasmtime or None,
        "platform": survey.platform,
        "machine": survey.machine,
        "kernel": survey.kernel,
        "is_root": survey.is_root,
        "problems": list(examined.problems),
        "base_image": examined.base_image,
        "isolates": {kind: examined.no_isolates.get(kind) for kind in ISOLATES},
        "jails": _jails(examined, "wasm"),
        "walls": walls,
        "guarantees": _promises(survey, "wasm"),
        "native": {
            kind: {"jails": _jails(examined, kind), "guarantees": _promises(survey, kind)}
            for kind in NATIVE
        },
    }


def _jails(examined: Examined, kind: Kind) -> dict[str, object]:
    jails: dict[str, object] = {}
    for strength in STRENGTHS if kind == "wasm" else WALLED:
        missing = refusal(examined.survey, kind, strength)
        jails[strength] = {
            "works": examined.works(strength, kind),
            "refusal": None if missing is None else as_dict(missing),
            "run": examined.ended(strength, kind),
        }
    return jails


def _promises(survey: Survey, kind: Kind) -> dict[str, object]:
    strengths = STRENGTHS if kind == "wasm" else WALLED
    return {s: [promise(g) for g in guarantees(survey, kind, s)] for s in strengths}


def to_text(examined: Examined) -> str:
    """Return what was found as text for people, at most `COLUMNS` wide."""
    return "\n".join(_lines(examined)) + "\n"


def _lines(examined: Examined) -> Iterator[str]:
    survey = examined.survey
    yield from _row("cellblock", VERSION, 0)
    user = "root" if survey.is_root else "no root"
    yield from _row("machine", f"{survey.platform} {survey.kernel}, {survey.machine}, {user}", 0)
    yield from _row("python", examined.python, 0)
    yield from _row("wasmtime", examined.wasmtime or "not installed", 0)
    yield from _row("base image", _IMAGE.get(examined.base_image, examined.base_image), 0)
    isolates = [kind for kind in ISOLATES if kind not in examined.no_isolates]
    yield from _row("isolates", ", ".join(isolates), 0)
    for kind, reason in examined.no_isolates.items():
        yield from _row("", f"no {kind}: {reason}", 0)
    for problem in examined.problems:
        yield from _row("problem", problem, 0)
    yield from ("", "Jails")
    for strength in STRENGTHS:
        yield from _row(strength, _jail(examined, strength))
    for native in NATIVE:
        yield from ("", f"Jails for --kind {native}")
        for strength in WALLED:
            yield from _row(strength, _jail(examined, strength, native))
    yield from ("", "Walls")
    yield from _walls(survey)
    best = next((s for s in STRENGTHS if examined.works(s)), None)
    if best is not None:
        yield from ("", f"Promised of runs, jail={best}")
        for guarantee in guarantees(survey, "wasm", best):
            yield from _promise(guarantee)
        yield from _differences(survey, best)
    yield ""
    yield "The full jail works." if examined.works("full") else "The full jail does not work here."


def _differences(survey: Survey, strength: Strength) -> Iterator[str]:
    """Yield what is promised otherwise of native runs."""
    of_wasm = guarantees(survey, "wasm", strength)
    for kind in NATIVE:
        yield from ("", f"Otherwise for --kind {kind}")
        for usual, other in zip(of_wasm, guarantees(survey, kind, strength), strict=True):
            if (usual.held, usual.reason) != (other.held, other.reason):
                yield from _promise(other)


def _promise(guarantee: Guarantee) -> Iterator[str]:
    text = guarantee.reason if guarantee.held else f"NOT HELD: {guarantee.reason}"
    yield from _row(guarantee.name.replace("_", " "), text)


def _jail(examined: Examined, strength: Strength, kind: Kind = "wasm") -> str:
    missing = refusal(examined.survey, kind, strength)
    if missing is not None:
        return f"cannot be made: {missing.wall}: {missing.reason}"
    if examined.problems:
        return "no run can be started: " + examined.problems[0]
    ended = examined.ended(strength, kind)
    if ended is None:
        reason = ", as the base image is not ready" if kind == "wasm" else ""
        return f"can be made; a run was not tried{reason}"
    return "works: a run in it ended well" if ended == "ok" else f"a run in it failed: {ended}"


def _walls(survey: Survey) -> Iterator[str]:
    present = [finding.name for finding in survey.findings if finding.present]
    yield from _row("standing", ", ".join(present) or "none")
    if not survey.findings:
        yield from _row("missing", "all of them")
        yield from _row("remedy", remedy(survey, ""))
    missing = [finding for finding in survey.findings if not finding.present]
    cures = [remedy(survey, finding.name) for finding in missing]
    for finding, cure, next_cure in zip(missing, cures, [*cures, ""][1:], strict=True):
        yield from _row("missing", f"{finding.name}: {finding.detail or 'it does not work here'}")
        lost = ", ".join(name.replace("_", " ") for name in costs(finding.name))
        if finding.name == OVERCOMMIT:
            lost = _COSTS_ROOM
        yield from _row("", f"weakens: {lost}" if lost else "weakens no guarantee by itself")
        if cure != next_cure:  # else it stands below the next one
            yield from _row("remedy", cure)


def _row(name: str, text: str, indent: int = 2) -> Iterator[str]:
    """Yield a name and a text in two columns, the text on as many lines as it needs."""
    begin = " " * indent
    first = f"{begin}{name:<{12 - indent}}"
    yield from textwrap.wrap(
        " ".join(text.split()) or "-", COLUMNS, initial_indent=first, subsequent_indent=" " * 12
    )
