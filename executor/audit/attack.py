"""What an attack is: data. One file each, `attacks/<guarantee>/<name>.py`, with `ATTACK` in it.

The docstring of the file says what is tried. The guest's source is text that is shipped to the
guest; it finds what it may attack in the global `target` (see `executor.audit.targets`).

Rule 1: harm is judged from outside; what the guest says of itself counts only as `Harm.SECRET`,
        where it says what it cannot know, and as `Harm.CLAIMED`, where only it can see the harm.
Rule 2: each attack has a positive control, which follows from its form (see `Control`). What does
        not bite there proves nothing, and is never counted as held.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from executor.guarantees import NAMES
from protocol.structs import field, frozen
from sandboxes.jail.steps import Wall

type Kind = Literal["wasm", "process", "interpreter"]

KINDS: Final[tuple[Kind, ...]] = ("wasm", "process", "interpreter")
#: Every promise: what attacks are grouped by.
GUARANTEES: Final = NAMES
#: What the guest prints to claim that it got what it must not get.
CLAIM: Final = "ATTACK-BIT"


class Harm(enum.StrEnum):
    """How harm shows, from outside."""

    SECRET = "secret"  # noqa: S105 - something that only the host or another run knows came out
    CHANGED = "changed"  # a canary of the host's is not as it was
    HEARD = "heard"  # a listener of the host's was spoken to
    SENTINEL = "sentinel"  # a process of the host's is dead, stopped, or not as it was
    CLAIMED = "claimed"  # the guest says so
    EXCESS = "excess"  # more came out than a limit allows
    OUTLIVED = "outlived"  # the run went on after its deadline
    HELD = "held"  # the guest's process held more memory than the guest's limit
    GREW = "grew"  # the host's own memory grew
    BROKE = "broke"  # the supervisor, a neighbour or the next run suffered
    LATE = "late"  # heartbeats or deadlines were missed


class Limit(enum.StrEnum):
    """Walls of ours that are no walls of the kernel's, by the name that leaves them out."""

    DEADLINE = "deadline"
    FUEL = "fuel"
    MEMORY = "memory limit"
    STREAMS = "output limits"
    VALUE = "value limit"
    FILES = "files limit"
    CALLS = "host call limit"
    FRESH = "fresh sandbox"
    READ_ONLY = "read-only mounts"
    NOTHING_GIVEN = "nothing given"
    ISOLATE = "isolate of its own"


class Control(enum.StrEnum):
    """Where an attack has to bite."""

    NATIVE = "native"  # a disposable process that runs the same source: no sandbox
    CARELESS = "careless"  # the same, and the host believes what comes out
    WITHOUT = "without"  # the same sandbox, with the walls of `Attack.walls` left out
    OPENED = "opened"  # the same sandbox, with a hole that a host could make by mistake
    RECEIVER = "receiver"  # a host that reads frames and checks nothing
    LOOP = "loop"  # a heartbeat that shares its interpreter with the guest
    DOWN = "down"  # a cell without the walls of the kernel that the attack names


@frozen
class Hole:
    """What a careless host might hand to a guest; the control of attacks on what it hands over.

    Args:
        functions: host functions that believe their arguments.
        env: give the guest the host's variable.
        mount: "" or the mode of a mount of the canary's own directory.
    """

    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    env: bool = False
    mount: Literal["", "ro", "rw"] = ""


@frozen
class Attack:
    """One attack.

    Args:
        harm: how it shows that it bit.
        references: public weaknesses of this sort: CWE numbers, CVEs of other sandboxes.
        guest: source of the guest; run as a script, or for the value of `result` where that is set.
        then: source of a second guest that runs afterwards; harm is looked for in what it gives.
        kinds: of sandbox that it applies to.
        walls: limits of ours that hold it; with one of them left out it bites.
        limits: of its run, as fields of `Limits`, where they differ from the usual ones.
        options: of its run, as for `Supervisor.run`.
        mount: a directory with a file, given "ro" or "rw" where `target["mount"]` says.
        careless: it is aimed at what the host does with what comes out.
        hole: the mistake of a host's that it would use.
        lies: what a cell sends about its run; see `executor.audit.lies`.
        times: how often it says all of that.
        alone: nothing else may run meanwhile, as the host itself is measured.
        tenant: of the second guest, where it is another one than that of the first.
        needs: "ipv6" where the machine has to have it.
        taken_bytes: for `Harm.HELD` and `Harm.GREW`, how much it goes for.
        not_promised: by kind, why it is not held there, where that is known and said.
    """

    harm: Harm
    references: tuple[str, ...] = ()
    guest: str = ""
    then: str = ""
    kinds: tuple[Kind, ...] = KINDS
    walls: tuple[Limit, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""
    mount: Literal["", "ro", "rw"] = ""
    careless: bool = False
    hole: Hole | None = None
    lies: tuple[bytes, ...] = ()
    times: int = 1
    alone: bool = False
    tenant: str = ""
    needs: Literal["", "ipv6"] = ""
    taken_bytes: int = 0
    not_promised: Mapping[Kind, str] = field(default_factory=dict)

    @property
    def control(self) -> Control:
        """Where it has to bite."""
        if self.lies:
            return Control.RECEIVER
        if self.hole is not None:
            return Control.OPENED
        if self.walls:
            return Control.WITHOUT
        if self.harm is Harm.LATE:
            return Control.LOOP
        return Control.CARELESS if self.careless else Control.NATIVE


@frozen
class Entry:
    """An attack with its name, or a probe of the jail's that was adopted as one.

    Args:
        id: guarantee and name, such as "files.read_by_path".
        guarantee: one of `GUARANTEES`.
        title: what it tries, in one line.
        attack: the attack; None for a probe.
        probe: name of the probe; "" for an attack of a guest's.
        stopped_by: the walls that hold it.
        origin: the file that it is from.
    """

    id: str
    guarantee: str
    title: str
    attack: Attack | None
    probe: str = ""
    stopped_by: tuple[Limit | Wall, ...] = ()
    origin: str = ""

    @property
    def control(self) -> Control:
        """Where it has to bite."""
        return Control.DOWN if self.attack is None else self.attack.control

    @property
    def references(self) -> tuple[str, ...]:
        """Public weaknesses of this sort."""
        return ("CWE-693",) if self.attack is None else self.attack.references

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of sandbox that it applies to."""
        return KINDS if self.attack is None else self.attack.kinds
