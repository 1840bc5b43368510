"""What a sandbox kind behind a jail promises on a machine, as a pure function of a survey.

A guarantee is held if everything it stands on is there. What only strengthens it (for Wasm
sandboxes the kernel walls are the second wall) is listed as missing where it is, with its price and
the way to get it. Native guests have the kernel walls alone.

Rule: nothing is weakened silently. `refusal` says when cells of a kind must not be made at all.
"""

from __future__ import annotations

from typing import Literal

from protocol.fields import Kind
from protocol.structs import as_dict, frozen
from sandboxes.jail.steps import NEEDS_USER_NAMESPACE, Wall
from sandboxes.jail.survey import MOUNTS, OVERCOMMIT, PROCESS_DESCRIPTORS, Survey

#: "none": no kernel walls at all, for platforms that have none of ours; Wasm sandboxes alone.
type Strength = Literal["full", "light", "none"]
type Name = Literal[
    "state", "files", "network", "processes", "memory", "cpu", "wall_time", "output", "crash",
    "liveness", "protocol", "secrets",
]  # fmt: skip


@frozen
class Missing:
    """A wall that does not stand here.

    Args:
        wall: its name.
        reason: why it does not.
        remedy: how to get it.
    """

    wall: str
    reason: str
    remedy: str


@frozen
class Guarantee:
    """One promise.

    Args:
        name: see `Name`.
        held: it holds for every run.
        reason: what holds it, or why it does not hold.
        walls: the independent protections that stand behind it.
        missing: what would hold or strengthen it and does not stand here.
    """

    name: Name
    held: bool
    reason: str
    walls: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


EVERY_WALL = "every kernel wall"
_USERS = (
    "allow user namespaces: `sysctl user.max_user_namespaces` above 0, on Debian "
    "`kernel.unprivileged_userns_clone=1`, on Ubuntu "
    "`kernel.apparmor_restrict_unprivileged_userns=0`, in a container a seccomp profile that "
    "allows unshare and mount; or ask for the light jail by name"
)
_LINUX = "run on Linux, on x86-64 or aarch64"
_REMEDIES: dict[str, str] = dict.fromkeys(NEEDS_USER_NAMESPACE, _USERS) | {
    Wall.LANDLOCK: (
        "a kernel from 5.13 with CONFIG_SECURITY_LANDLOCK, and `landlock` in its `lsm=` list"
    ),
    Wall.SECCOMP: "a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or aarch64",
    Wall.IDENTITY: "let root change its user (CAP_SETUID and CAP_SETGID), or start as no root",
    PROCESS_DESCRIPTORS: "Linux from 5.4",
    MOUNTS: "Linux from 5.12, and user namespaces",
    OVERCOMMIT: "`sysctl vm.overcommit_memory` 0 or 1: each sandbox reserves 4 GiB it never uses",
}

#: Kernel walls behind each guarantee. `files` to `processes` are what a native guest has alone.
_KERNEL: dict[Name, tuple[Wall, ...]] = {
    "state": (Wall.IPC, Wall.HOSTNAME, Wall.CAPABILITIES, Wall.OWN_USERS, Wall.SECCOMP),
    "files": (
        Wall.ROOT,
        Wall.LANDLOCK,
        Wall.SECCOMP,
        Wall.IDENTITY,
        Wall.OWN_USERS,
        Wall.CAPABILITIES,
    ),
    "network": (
        Wall.NETWORK,
        Wall.LANDLOCK,
        Wall.SECCOMP,
        Wall.ROOT,
        Wall.OWN_USERS,
        Wall.CAPABILITIES,
    ),
    "processes": (
        Wall.PROCESSES,
        Wall.OWN_USERS,
        Wall.DUMPABLE,
        Wall.CAPABILITIES,
        Wall.NO_NEW_PRIVILEGES,
        Wall.GROUP,
        Wall.LANDLOCK,
        Wall.SECCOMP,
        Wall.ROOT,
        Wall.DESCRIPTORS,
        Wall.RLIMITS,
    ),
    "memory": (Wall.RLIMITS, Wall.SECCOMP),
    "cpu": (Wall.RLIMITS, Wall.PARENT_DEATH),
    "wall_time": (Wall.PARENT_DEATH, Wall.SECCOMP),
    "output": (),
    "crash": (Wall.DUMPABLE,),
    "liveness": (Wall.RLIMITS,),
    "protocol": (Wall.SECCOMP,),
    "secrets": (
        Wall.ENVIRONMENT,
        Wall.DESCRIPTORS,
        Wall.DUMPABLE,
        Wall.PROCESSES,
        Wall.OWN_USERS,
        Wall.ROOT,
        Wall.LANDLOCK,
        Wall.SECCOMP,
    ),
}
#: What no sandbox can replace: the supervisor ends a cell through its process descriptor.
_NEEDED: dict[Name, tuple[str, ...]] = {
    "wall_time": (PROCESS_DESCRIPTORS,),
    "cpu": (PROCESS_DESCRIPTORS,),
}
_WASM: dict[Name, str] = {
    "state": "every run has a fresh instance, unless it is part of a session",
    "files": "a guest reaches mounted directories and its own files, nothing else",
    "network": "a guest is given no sockets",
    "processes": "a guest cannot start, see or signal a process",
    "memory": "the memory of an instance is capped",
    "cpu": "a guest is interrupted at its deadline or out of fuel",
    "wall_time": "a run ends at its deadline: interrupted, or its cell is killed",
    "output": "every stream, value and message is capped twice",
    "crash": "guests run in a process of their own; its end is an outcome",
    "liveness": "the supervisor's loop never runs guest code",
    "protocol": "what a cell sends is checked, capped, and never unpickled or evaluated",
    "secrets": "a guest has no variable, descriptor or memory of the host's but what it is given",
}
_PROCESS: dict[Name, str] = _WASM | {
    "state": "every run has a fresh process, unless it is part of a session",
    "files": "a cell's file system holds its libraries and mounts, read-only where not asked for",
    "network": "a cell has no network and no call that makes a socket",
    "processes": "a cell sees no process and has no call that makes or signals one",
    "memory": "private memory is capped and shared memory refused",
    "cpu": "a cell is killed at its deadline",
    "output": "the host caps every stream, value and message, whatever a cell sends",
}
_INTERPRETER: dict[Name, str] = _PROCESS | {
    "memory": "the private memory of a cell is capped for its runs together, shared memory refused",
    "crash": "a cell's end is an outcome for each of its runs, all of one tenant",
}
_PROMISES: dict[Kind, dict[Name, str]] = {
    "wasm": _WASM,
    "process": _PROCESS,
    "interpreter": _INTERPRETER,
}
#: What runs of one tenant can do to each other where they share a process.
_SHARED_STATE = (
    "runs of one tenant share a process, where native code can read and change what is another "
    "run's; a cell never serves another tenant"
)
_OWN_PROCESS = Missing(
    "a process of its own", "cells are kept for a tenant", "kind='process', or reuse='run'"
)
_NO_WALLS = "no wall stands between a native guest and the host with jail='none'"
_WALLS_REMEDY = "jail='full' or 'light'; or kind='wasm', which has a wall of its own"
_LIGHT_GAPS: dict[Name, str] = {
    "files": "in the light jail a cell with mounts can see names and sizes of other files",
    "processes": "in the light jail the threads of one cell are not counted",
    "state": "in the light jail the machine's name can be seen",
}


def guarantees(
    survey: Survey, kind: Kind, strength: Strength, *, is_shared: bool | None = None
) -> tuple[Guarantee, ...]:
    """Return what holds for cells of a kind behind a jail of a strength on the surveyed machine.

    A cell is only made if `refusal` has no objection; this says what would hold.

    Args:
        survey: of the machine.
        kind: of sandbox.
        strength: of the jail.
        is_shared: native cells are kept for the runs of a tenant; None for what is usual: those of
            interpreters are, processes are not.
    """
    shared = kind == "interpreter" if is_shared is None else is_shared and kind != "wasm"
    found = [_guarantee(survey, kind, strength, name) for name in _KERNEL]
    if not shared:
        return tuple(found)
    return tuple(
        Guarantee(g.name, False, _SHARED_STATE, (), (_OWN_PROCESS, *g.missing))
        if g.name == "state" and g.held
        else g
        for g in found
    )


def refusal(survey: Survey, kind: Kind, strength: Strength) -> Missing | None:
    """Return the first reason why such cells cannot be made here, `None` if they can.

    Whoever asks for cells raises it; a weaker jail is never taken instead. Native cells without a
    jail are made where that is asked for by name, and are promised nothing.
    """
    if strength == "none":
        return None
    if not survey.platform.startswith("linux"):
        return Missing(EVERY_WALL, f"not available on {survey.platform}", _LINUX)
    for wall in _walls_of(survey, strength):
        if not survey.has(wall):
            return _missing(survey, wall)
    return None


def to_plain(guarantee: Guarantee) -> dict[str, object]:
    """Return a guarantee as JSON-able values."""
    missing = [as_dict(wall) for wall in guarantee.missing]
    return as_dict(guarantee) | {"walls": list(guarantee.walls), "missing": missing}


def remedy(survey: Survey, wall: str) -> str:
    """Return how to get a wall that is missing."""
    if not survey.platform.startswith("linux"):
        return _LINUX
    return _REMEDIES.get(wall, "this kernel, or the container around us, refuses it")


def costs(wall: str) -> tuple[Name, ...]:
    """Return the guarantees that stand on a wall or a thing of the survey."""
    named = [name for name, walls in _KERNEL.items() if wall in walls]
    named += [name for name, needed in _NEEDED.items() if wall in needed]
    if wall == MOUNTS:
        named.append("files")
    if wall in (Wall.USERS, Wall.CGROUPS):
        named += ["files", "network", "processes"]  # the other namespaces stand on it
    return tuple(dict.fromkeys(named))


def _guarantee(survey: Survey, kind: Kind, strength: Strength, name: Name) -> Guarantee:
    standing = [] if strength == "none" else _walls_of(survey, strength)
    behind = [wall for wall in _KERNEL[name] if wall in standing and survey.has(wall)]
    wanted = [wall for wall in _KERNEL[name] if wall is not Wall.IDENTITY or survey.is_root]
    absent = [_missing(survey, wall) for wall in wanted if wall not in behind]
    needed = [_missing(survey, thing) for thing in _NEEDED.get(name, ()) if not survey.has(thing)]
    walls = (*(("wasm",) if kind == "wasm" else ()), *(wall.value for wall in behind))
    promise = _PROMISES[kind][name]
    if strength == "none" and kind != "wasm":
        none = Missing(EVERY_WALL, "left out: a native guest has no other wall", _WALLS_REMEDY)
        return Guarantee(name, False, _NO_WALLS, (), (none,))
    if needed:
        return Guarantee(
            name, False, f"{needed[0].wall}: {needed[0].reason}", walls, (*needed, *absent)
        )
    objection = refusal(survey, kind, strength)
    if objection is not None and kind != "wasm":
        reason = f"no native cell is made: {objection.wall}: {objection.reason}"
        return Guarantee(name, False, reason, (), tuple(absent))
    if strength == "light" and name in _LIGHT_GAPS and (kind != "wasm" or name != "state"):
        promise = f"{promise}; {_LIGHT_GAPS[name]}"
    return Guarantee(name, True, promise, walls, tuple(absent))


def _walls_of(survey: Survey, strength: Strength) -> list[Wall]:
    """Return the walls that a jail of a strength has for this user, in the order they go up."""
    return [
        wall
        for wall in Wall
        if (strength == "full" or wall not in NEEDS_USER_NAMESPACE)
        and (wall is not Wall.IDENTITY or survey.is_root)
    ]


def _missing(survey: Survey, wall: str) -> Missing:
    finding = survey.find(wall)
    reason = finding.detail or "it does not work here"
    if finding.present:
        reason = "left out of a jail of this strength"
    return Missing(str(wall), reason, remedy(survey, wall))
