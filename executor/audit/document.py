"""`docs/guarantees.md`: what is promised, and the attacks that a promise is held to.

`python -m executor.audit.document` prints it. What is promised and what stands behind it is said by
`sandboxes.document`; the attacks are those of the catalogue.

Rule: nothing is decided here; a test holds the file to what `markdown` returns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from executor.audit.attack import GUARANTEES, Entry, Kind, Limit
from executor.audit.catalogue import whole
from sandboxes import document

_OPENING: Final = """
## Attacks

What `cellblock audit` holds each promise to, on the machine at hand; see [audit.md](audit.md). Each
attack is first seen to bite where its wall is absent. Some come from a guest, in every kind of
sandbox that is not named as left out; some from a cell that the guest owns, each against one wall
of the kernel at a time.
"""
_KNOWN: Final = """
Known not to hold, and said so by the audit:
"""


def markdown() -> str:
    """Return the whole document."""
    return document.markdown() + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    entries = list(whole().values())
    yield _OPENING
    yield "| guarantee | from a guest | from an owned cell | limits of ours that hold it |"
    yield "|---|---|---|---|"
    for guarantee in GUARANTEES:
        of_it = [entry for entry in entries if entry.guarantee == guarantee]
        guests = [e for e in of_it if e.attack is not None and e.attack.guest]
        limits = [w for w in Limit if any(w in e.stopped_by for e in of_it)]
        if any(e.attack is not None and e.attack.hole is not None for e in of_it):
            limits.append(Limit.NOTHING_GIVEN)
        named = ", ".join(dict.fromkeys(limits)) or "-"
        yield f"| {guarantee} | {len(guests)} | {len(of_it) - len(guests)} | {named} |"
    yield _KNOWN.rstrip("\n")
    yield ""
    yield from _known(entries)


def _known(entries: Sequence[Entry]) -> Iterator[str]:
    reasons: dict[tuple[Kind, str], list[str]] = {}
    for entry in entries:
        if entry.attack is not None:
            for kind, reason in entry.attack.not_promised.items():
                reasons.setdefault((kind, reason), []).append(entry.id)
    for (kind, reason), names in sorted(reasons.items()):
        yield f"- {kind}: {reason} ({', '.join(names)})."


if __name__ == "__main__":
    sys.stdout.write(markdown())
