"""Whether an attack bit: what was seen from outside, against what must not be.

Rule 1: evidence never quotes what a guest said, which may be anything that the host has; it names
        what came out, and the error that ended the guest.
Rule 2: pure but for looking at the targets; the same judge looks at a sandbox and at a control.
"""

from __future__ import annotations

from typing import Final, assert_never

from executor.audit.attack import CLAIM, Attack, Harm
from executor.audit.targets import Targets
from protocol.structs import field, frozen

#: How much later than its deadline a run may end before it counts as missed. Cells are killed
#: 0.15 s after the deadline; the rest is for a machine whose cores are all busy.
LATE_S: Final = 1.0
#: How much later than planned a heartbeat may come before it counts as missed.
BEAT_LATE_S: Final = 0.5
#: Of the heartbeats and deadlines of one attack, the share that may be missed.
MISSED_SHARE: Final = 0.2
#: Of what an attack goes for, the share that counts as taken.
TAKEN_SHARE: Final = 0.75


@frozen
class Seen:
    """What came out, and what was measured meanwhile.

    Args:
        text: everything that came out of the guest, or of the second one where there are two.
        verdict: how the run ended, in a word.
        error: class and text of what ended the guest, if it was an error.
        stream_bytes: of each stream or sort of output, how much came out.
        outlived: it was still at hand when the time of its deadline and `LATE_S` was over.
        broke: what of the host's suffered, "" if nothing did.
        held_bytes: how much more memory the guest's process held than before.
        grew_bytes: how much more memory the host held at its highest.
        beats, missed: heartbeats and deadlines in all, and those that were missed.
    """

    text: str = ""
    verdict: str = ""
    error: str = ""
    stream_bytes: dict[str, int] = field(default_factory=dict)
    outlived: bool = False
    broke: str = ""
    held_bytes: int = 0
    grew_bytes: int = 0
    beats: int = 0
    missed: int = 0


@frozen
class Finding:
    """Whether it bit, and what shows it; the evidence has no secret in it."""

    bit: bool
    evidence: str


def judge(attack: Attack, seen: Seen, targets: Targets) -> Finding:
    """Return whether an attack bit."""
    bit, what = _look(attack, seen, targets)
    if not bit:
        what = f"no harm ({what})"
    parts = [what, f"the run ended as {seen.verdict}" if seen.verdict else "", seen.error]
    return Finding(bit, targets.hide("; ".join(part for part in parts if part)))


def _look(attack: Attack, seen: Seen, targets: Targets) -> tuple[bool, str]:
    match attack.harm:
        case Harm.SECRET:
            name = targets.leaked_in(seen.text)
            return bool(name), f"{name} came out" if name else "no secret came out"
        case Harm.CHANGED:
            changes = targets.changes()
            return bool(changes), f"changed: {', '.join(changes)}" if changes else "nothing changed"
        case Harm.HEARD:
            heard = targets.heard()
            return heard, "a listener was spoken to" if heard else "no listener heard anything"
        case Harm.SENTINEL:
            harmed = targets.sentinel_harmed()
            return harmed, "the sentinel suffered" if harmed else "the sentinel is as it was"
        case Harm.CLAIMED:
            claimed = CLAIM in seen.text
            return claimed, "the guest got it" if claimed else "the guest did not get it"
        case Harm.EXCESS:
            over = [
                f"{n:,} bytes of {name}"
                for name, n in seen.stream_bytes.items()
                if n > _cap(attack, name)
            ]
            return bool(over), ", ".join(over) if over else "all within its limit"
        case Harm.OUTLIVED:
            return seen.outlived, (
                f"at hand {LATE_S:g} s after its deadline" if seen.outlived else "it ended in time"
            )
        case Harm.HELD:
            much = seen.held_bytes >= attack.taken_bytes * TAKEN_SHARE
            return much, f"its process held {seen.held_bytes >> 20} MiB more"
        case Harm.GREW:
            much = seen.grew_bytes >= attack.taken_bytes * TAKEN_SHARE
            return much, f"the host grew by {seen.grew_bytes >> 20} MiB"
        case Harm.BROKE:
            return bool(seen.broke), seen.broke or "the host and the next run are well"
        case Harm.LATE:
            late = not seen.beats or seen.missed > seen.beats * MISSED_SHARE
            return late, f"{seen.missed} of {seen.beats} heartbeats and deadlines missed"
        case _:
            assert_never(attack.harm)


def _cap(attack: Attack, name: str) -> int:
    return int(attack.limits.get(name, 1 << 62))
