"""What an audit found: frozen, plain, and with no secret in it.

A guarantee of a kind
    holds          every attack on it was seen to bite without its wall, and did not bite here
    broken         one bit
    unproven       none bit, but one could not be judged, or did not bite where it has to
    not promised   it is known not to hold here, and why
    not audited    no attack on it was chosen
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

from executor.audit.attack import GUARANTEES, Entry, Kind
from protocol.structs import as_dict, field, frozen


class Status(enum.StrEnum):
    """What came of one attack on one kind."""

    HELD = "held"
    BIT = "bit"
    TOOTHLESS = "toothless"  # it did not bite where its wall is absent
    FAILED = "failed"  # it could not be run
    SKIPPED = "skipped"  # this machine, or this configuration, has nothing that it could attack
    NOT_PROMISED = "not promised"


class Standing(enum.StrEnum):
    """What is said of one guarantee of one kind."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNPROVEN = "unproven"
    NOT_PROMISED = "not promised"
    NOT_AUDITED = "not audited"


@frozen
class Result:
    """What came of one attack on one kind.

    Args:
        id, guarantee, title, references: of the attack.
        kind: of sandbox.
        status: what came of it.
        evidence: what was seen here.
        control: where it had to bite.
        control_evidence: what was seen there.
        seconds: both together.
        walls: what stops it.
    """

    id: str
    guarantee: str
    title: str
    references: tuple[str, ...]
    kind: Kind
    status: Status
    evidence: str
    control: str
    control_evidence: str
    seconds: float
    walls: tuple[str, ...] = ()


@frozen
class Cell:
    """One guarantee of one kind, with the reason and the attacks that decide it."""

    guarantee: str
    kind: Kind
    standing: Standing
    reason: str
    attacks: int
    bitten: tuple[str, ...] = ()


@frozen
class Report:
    """All of an audit.

    Args:
        machine: what it was taken on, by name.
        results: of every attack on every kind.
        matrix: guarantee by kind.
        seconds: how long it took.
        began: when, as ISO 8601 in UTC.
        without: walls that were left out.
    """

    machine: dict[str, str]
    results: tuple[Result, ...]
    matrix: tuple[Cell, ...]
    seconds: float
    began: str
    without: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """True if no guarantee is broken or unproven."""
        return not any(
            cell.standing in (Standing.BROKEN, Standing.UNPROVEN) for cell in self.matrix
        )

    @property
    def broken(self) -> tuple[str, ...]:
        """The guarantees that are broken, of any kind, in their order."""
        broken = {cell.guarantee for cell in self.matrix if cell.standing is Standing.BROKEN}
        return tuple(name for name in GUARANTEES if name in broken)

    def result(self, attack_id: str, kind: Kind | None = None) -> Result:
        """Return what came of an attack.

        Raises:
            KeyError: it was not run.
        """
        for result in self.results:
            if result.id == attack_id and kind in (None, result.kind):
                return result
        raise KeyError(attack_id)

    def to_plain(self) -> dict[str, Any]:
        """Return all of it as JSON-able values."""
        return {
            "ok": self.ok,
            "machine": dict(self.machine),
            "kinds": list(self.kinds),
            "without": list(self.without),
            "began": self.began,
            "seconds": round(self.seconds, 3),
            "matrix": [_plain(cell) for cell in self.matrix],
            "results": [_plain(result) for result in self.results],
        }


def _plain(value: object) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, found in as_dict(value).items():
        shown[name] = list(found) if isinstance(found, tuple) else found
    if "seconds" in shown:
        shown["seconds"] = round(shown["seconds"], 3)
    return shown


def standing_of(
    guarantee: str,
    kind: Kind,
    results: Iterable[Result],
    not_promised: str,
) -> Cell:
    """Return what is said of a guarantee, after all attacks on it.

    Args:
        guarantee: its name.
        kind: of sandbox.
        results: of the attacks on it, of this kind.
        not_promised: why it is not promised, "" if it is.
    """
    judged = [r for r in results if r.status is not Status.SKIPPED]
    by = {status: [r for r in judged if r.status is status] for status in Status}
    bitten = tuple(r.id for r in by[Status.BIT])
    count = len(judged)
    if not_promised:
        return Cell(guarantee, kind, Standing.NOT_PROMISED, not_promised, count, bitten)
    if bitten:
        reason = f"{len(bitten)} of {count} attacks bit: {', '.join(bitten[:5])}"
        return Cell(guarantee, kind, Standing.BROKEN, reason, count, bitten)
    unsure = [*by[Status.FAILED], *by[Status.TOOTHLESS]]
    if unsure:
        reason = (
            f"{len(unsure)} of {count} attacks prove nothing: {unsure[0].id} ({unsure[0].status})"
        )
        return Cell(guarantee, kind, Standing.UNPROVEN, reason, count)
    if not by[Status.HELD]:
        return Cell(guarantee, kind, Standing.NOT_AUDITED, "no attack on it was run", 0)
    aside = len(by[Status.NOT_PROMISED])
    reason = f"{count - aside} attacks held" + (f", {aside} not promised" if aside else "")
    return Cell(guarantee, kind, Standing.HOLDS, reason, count)


def control_name(entry: Entry) -> str:
    """Return where an attack has to bite, in words."""
    return _CONTROLS[entry.control.value]


_CONTROLS = {
    "native": "a disposable process without a sandbox",
    "careless": "a disposable process whose host believes what comes out",
    "without": "the same sandbox without the walls named",
    "opened": "the same sandbox with the hole that a careless host makes",
    "receiver": "a disposable host that checks nothing of what a cell sends",
    "loop": "a disposable loop that runs the guest itself",
    "down": "a cell without the walls named",
}
