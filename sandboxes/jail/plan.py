"""From a wish to ordered steps, without touching the system.

A plan is data, so its order can be read, logged and tested on a machine that could not carry it
out. `sandboxes.jail.enter` carries it out and adds no decision of its own.

There are two plans: what a zygote does once, and what each cell does after it was forked. Every
step says in `because` what forces its place.

Rule: a wall is left out only if it is named in `without`, which tests and audits alone do.
"""

from __future__ import annotations

import copy
from typing import Literal

from protocol.structs import frozen
from sandboxes.jail.filters import Files, Kind
from sandboxes.jail.landlock import PathRule
from sandboxes.jail.namespaces import Namespace
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind
from sandboxes.jail.steps import (
    HOSTNAME,
    NEEDS_USER_NAMESPACE,
    NICE,
    SCRATCH,
    BecomeFirst,
    BecomeUser,
    ClearEnvironment,
    DieWithParent,
    DropCapabilities,
    EmptyRoot,
    EnterNamespaces,
    FilterCalls,
    GiveUpPrivileges,
    GoFirstWithoutMemory,
    HideMemory,
    KeepDescriptors,
    KeepHostMounts,
    LeaveUsers,
    LimitResources,
    LowerPriority,
    NameHost,
    NewGroup,
    OwnRoot,
    RestrictFiles,
    Step,
    Wall,
    YieldTogether,
)

type Strength = Literal["full", "light"]


@frozen
class Jail:
    """What must hold round all cells of one zygote.

    Args:
        kind: of sandbox.
        strength: "full", or "light" where user namespaces are not to be had.
        uid: whom a root zygote becomes; 0 if the zygote is no root to begin with.
        libraries: directories that every cell may read; none lies in another.
        host_files: cells may be given mounts; otherwise not even the zygote can make one.
        without: walls left out, for tests and audits.

    Raises:
        ValueError: `without` drops a wall that another one stands on.
    """

    kind: Kind = "wasm"
    strength: Strength = "full"
    uid: int = 0
    libraries: tuple[str, ...] = ()
    host_files: bool = False
    without: frozenset[Wall] = frozenset()

    def __post_init__(self) -> None:
        """Check that the walls that are left hold each other up."""
        for wall, needed in _STANDS_ON:
            if self.has(wall) and not self.has(needed):
                raise ValueError(f"the wall {wall.value!r} needs {needed.value!r}")

    def has(self, wall: Wall) -> bool:
        """Return whether a wall stands in this jail."""
        if wall in self.without or (wall is Wall.IDENTITY and not self.uid):
            return False
        return self.strength == "full" or wall not in NEEDS_USER_NAMESPACE


@frozen
class CellWish:
    """What differs between the cells of one zygote.

    Args:
        resources: its limits.
        nice: its niceness, 0 to 19.
        writable_tmpfs_bytes: size of a private scratch directory at `SCRATCH`; 0 for none.
        binds: directories and files of the host it sees.
    """

    resources: Resources
    nice: int = NICE
    writable_tmpfs_bytes: int = 0
    binds: tuple[Bind, ...] = ()

    def files(self, jail: Jail) -> Files:
        """Return which calls about files such a cell needs."""
        if self.writable_tmpfs_bytes or any(bind.writable for bind in self.binds):
            return "own" if jail.has(Wall.ROOT) else "write"
        return "read" if self.binds or jail.libraries else "none"


#: A wall, and the wall without which the kernel refuses it.
_STANDS_ON = (
    (Wall.LANDLOCK, Wall.NO_NEW_PRIVILEGES),
    (Wall.SECCOMP, Wall.NO_NEW_PRIVILEGES),
    *((wall, Wall.USERS) for wall in NEEDS_USER_NAMESPACE - {Wall.USERS}),
)
_NAMESPACES = (
    (Wall.USERS, Namespace.USERS),
    (Wall.ROOT, Namespace.MOUNTS),
    (Wall.NETWORK, Namespace.NETWORK),
    (Wall.IPC, Namespace.IPC),
    (Wall.HOSTNAME, Namespace.HOSTNAME),
    (Wall.CGROUPS, Namespace.CGROUPS),
)


def zygote_plan(jail: Jail) -> tuple[Step, ...]:
    """Return what the zygote does once, after it has preloaded, in order.

    The zygote always is the first of a process namespace in the full jail, so that its end is the
    end of all its cells; leaving out `Wall.PROCESSES` puts cells into that namespace, not outside.

    Source: credentials(7), user_namespaces(7), pid_namespaces(7).
    """
    steps: list[Step] = [ClearEnvironment(), GoFirstWithoutMemory(), YieldTogether(NICE)]
    steps.append(BecomeUser(jail.uid))
    if jail.has(Wall.USERS):
        namespaces = Namespace.PROCESSES
        for wall, namespace in _NAMESPACES:
            if jail.has(wall):
                namespaces |= namespace
        steps += [EnterNamespaces(namespaces), DieWithParent(), BecomeFirst()]
    steps += [DieWithParent(), NameHost(HOSTNAME)]
    if jail.host_files:
        steps.append(KeepHostMounts())
    steps += [EmptyRoot(tuple(Bind(path, path) for path in jail.libraries))]
    return tuple(step for step in steps if _stands(step, jail))


def cell_plan(jail: Jail, wish: CellWish) -> tuple[Step, ...]:
    """Return what a cell does after it was forked, in order.

    Source: seccomp(2) and landlock(7) for no-new-privileges first; prctl(2) for the parent-death
    signal after changes of user; setrlimit(2) and user_namespaces(7) for the count of threads.

    Raises:
        ValueError: the light jail cannot give what is wished for.
    """
    if jail.strength == "light":
        if wish.writable_tmpfs_bytes:
            raise ValueError("a scratch directory needs the full jail")
        if any(bind.source != bind.target for bind in wish.binds):
            raise ValueError("in the light jail a mount keeps its path")
    steps: list[Step] = [KeepDescriptors(), NewGroup()]
    if wish.binds or wish.writable_tmpfs_bytes:
        steps.append(OwnRoot(wish.binds, wish.writable_tmpfs_bytes, jail.libraries))
    resources = wish.resources
    if not jail.has(Wall.OWN_USERS):
        # The count would be that of all the user's threads on this machine: no limit of a cell's.
        resources = copy.replace(resources, threads_max=None)
    steps += [
        LeaveUsers(),
        LimitResources(resources),
        LowerPriority(wish.nice),
        DieWithParent(),
        DropCapabilities(),
        HideMemory(),
        GiveUpPrivileges(),
        RestrictFiles(_path_rules(jail, wish)),
        FilterCalls(jail.kind, wish.files(jail)),
    ]
    return tuple(step for step in steps if _stands(step, jail))


def _stands(step: Step, jail: Jail) -> bool:
    if isinstance(step, BecomeFirst):  # see `zygote_plan`: it goes with the user namespace
        return jail.has(Wall.USERS)
    return jail.has(step.wall)


def _path_rules(jail: Jail, wish: CellWish) -> tuple[PathRule, ...]:
    rules = [PathRule(path, optional=True) for path in jail.libraries]
    rules += [PathRule(bind.target, bind.writable) for bind in wish.binds]
    if wish.writable_tmpfs_bytes:
        rules.append(PathRule(SCRATCH, writable=True))
    return tuple(rules)
