"""From a wish to ordered steps, without touching the system.

A plan is data, so its order can be read, logged and tested on a machine that could not carry it
out. `sandboxes.jail.enter` carries it out and adds no decision of its own.

There are two plans: what a zygote does once, and what each cell does after it was forked. Every
step says in `because` what forces its place.

Rule: a wall is left out only if it is named in `without`, which tests and audits alone do.
"""

from __future__ import annotations

import copy
import enum
from typing import Literal

from protocol.structs import frozen
from sandboxes.jail.filters import Files, Kind
from sandboxes.jail.landlock import PathRule
from sandboxes.jail.namespaces import Namespace
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind

type Strength = Literal["full", "light"]

#: Where a cell finds its scratch directory, if it has one.
SCRATCH = "/scratch"
HOSTNAME = "cell"


class Wall(enum.StrEnum):
    """One protection each, by the name that doctor, guarantees and probes use."""

    ENVIRONMENT = "environment"
    DESCRIPTORS = "descriptors"
    SESSION = "session"
    IDENTITY = "identity"
    USERS = "user namespace"
    NETWORK = "network namespace"
    IPC = "ipc namespace"
    HOSTNAME = "host name namespace"
    CGROUPS = "cgroup namespace"
    PROCESSES = "process namespace"
    ROOT = "empty root"
    OWN_USERS = "user namespace of its own"
    RLIMITS = "resource limits"
    PARENT_DEATH = "parent death"
    CAPABILITIES = "no capabilities"
    DUMPABLE = "hidden memory"
    NO_NEW_PRIVILEGES = "no new privileges"
    LANDLOCK = "landlock"
    SECCOMP = "system call filter"


#: Walls of `full` that `light` does without: all that needs a user namespace.
NEEDS_USER_NAMESPACE = frozenset(
    {
        Wall.USERS,
        Wall.NETWORK,
        Wall.IPC,
        Wall.HOSTNAME,
        Wall.CGROUPS,
        Wall.PROCESSES,
        Wall.ROOT,
        Wall.OWN_USERS,
    }
)


# --- steps ---------------------------------------------------------------------------------------
@frozen
class ClearEnvironment:
    """Remove all variables."""

    wall = Wall.ENVIRONMENT
    because = "after preloading, whose libraries may have set some"


@frozen
class KeepDescriptors:
    """Close all descriptors but those the process was given."""

    wall = Wall.DESCRIPTORS
    because = "first of the cell's steps: nothing inherited outlives this point"


@frozen
class NewSession:
    """Lead a session and process group."""

    wall = Wall.SESSION
    because = "before the filter, which has no setsid"


@frozen
class BecomeUser:
    """Stop being root."""

    uid: int
    wall = Wall.IDENTITY
    because = "before the user namespace: made by root, its users count as root outside"


@frozen
class EnterNamespaces:
    """Move into new namespaces."""

    namespaces: Namespace
    wall = Wall.USERS
    because = "while the process has one thread, as a user namespace demands"


@frozen
class BecomeFirst:
    """Go on as the first process of the new process namespace, which ends with it."""

    wall = Wall.PROCESSES
    because = "after the namespace is made: it holds only what is forked afterwards"


@frozen
class NameHost:
    """Hide the machine's name."""

    name: str
    wall = Wall.HOSTNAME
    because = "in the new namespace, while the capability for it lasts"


@frozen
class KeepHostMounts:
    """Keep a mount namespace with the host's files aside, for cells with mounts."""

    wall = Wall.ROOT
    because = "after the user namespace, before the root is exchanged for an empty one"


@frozen
class EmptyRoot:
    """Leave the host's file system for an empty one, with `binds` in it."""

    binds: tuple[Bind, ...]
    wall = Wall.ROOT
    because = "last of the zygote's steps: what follows finds no file"


@frozen
class OwnRoot:
    """Exchange the zygote's root for one with this cell's mounts and scratch directory."""

    binds: tuple[Bind, ...]
    scratch_bytes: int
    wall = Wall.ROOT
    because = "while the cell still has capabilities over the zygote's namespaces"


@frozen
class LeaveUsers:
    """Enter a user namespace of one's own."""

    wall = Wall.OWN_USERS
    because = "after the last mount, which it forbids; before the limit it gives a count"


@frozen
class LimitResources:
    """Set resource limits."""

    resources: Resources
    wall = Wall.RLIMITS
    because = "in the cell's own user namespace, so that its threads alone are counted"


@frozen
class LowerPriority:
    """Let the supervisor be scheduled first."""

    nice: int
    wall = Wall.RLIMITS
    because = "before the filter, which allows a process its own niceness alone"


@frozen
class GoFirstWithoutMemory:
    """Be killed before others when the machine is out of memory."""

    wall = Wall.RLIMITS
    because = "while /proc can still be seen; cells inherit it"


@frozen
class DieWithParent:
    """Be killed at the death of the process that forked us."""

    wall = Wall.PARENT_DEATH
    because = "after the last change of user, which makes the kernel forget it"


@frozen
class DropCapabilities:
    """Give up every capability."""

    wall = Wall.CAPABILITIES
    because = "after the last step that needs one"


@frozen
class HideMemory:
    """Become undumpable."""

    wall = Wall.DUMPABLE
    because = "after changes of user and capabilities, which may reset it"


@frozen
class GiveUpPrivileges:
    """Set no-new-privileges."""

    wall = Wall.NO_NEW_PRIVILEGES
    because = "before Landlock and the filter, which are refused without it"


@frozen
class RestrictFiles:
    """Enter a Landlock domain."""

    rules: tuple[PathRule, ...]
    wall = Wall.LANDLOCK
    because = "after the root is final, as rules hold files; before the filter"


@frozen
class FilterCalls:
    """Cut the kernel down to a list of calls."""

    kind: Kind
    files: Files
    wall = Wall.SECCOMP
    because = "last: it forbids the calls that all other steps make"


type Step = (
    ClearEnvironment | KeepDescriptors | NewSession | BecomeUser | EnterNamespaces | BecomeFirst
    | NameHost | KeepHostMounts | EmptyRoot | OwnRoot | LeaveUsers | LimitResources
    | LowerPriority | GoFirstWithoutMemory | DieWithParent | DropCapabilities | HideMemory
    | GiveUpPrivileges | RestrictFiles | FilterCalls
)  # fmt: skip


# --- wishes --------------------------------------------------------------------------------------
@frozen
class Jail:
    """What must hold round all cells of one zygote.

    Args:
        kind: of sandbox.
        strength: "full", or "light" where user namespaces are not to be had.
        uid: whom a root zygote becomes; 0 if the zygote is no root to begin with.
        libraries: directories that every cell may read.
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
    nice: int = 5
    writable_tmpfs_bytes: int = 0
    binds: tuple[Bind, ...] = ()

    def files(self, jail: Jail) -> Files:
        """Return which calls about files such a cell needs."""
        if self.writable_tmpfs_bytes or any(bind.writable for bind in self.binds):
            return "write"
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
    steps: list[Step] = [ClearEnvironment(), GoFirstWithoutMemory(), BecomeUser(jail.uid)]
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
    steps: list[Step] = [KeepDescriptors(), NewSession()]
    if wish.binds or wish.writable_tmpfs_bytes:
        steps.append(OwnRoot(wish.binds, wish.writable_tmpfs_bytes))
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
    rules = [PathRule(path) for path in jail.libraries]
    rules += [PathRule(bind.target, bind.writable) for bind in wish.binds]
    if wish.writable_tmpfs_bytes:
        rules.append(PathRule(SCRATCH, writable=True))
    return tuple(rules)
