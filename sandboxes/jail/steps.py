"""What can be done to a process to jail it: the walls by name, and the steps that put them up.

Each step is data: its parameters, the wall it belongs to, and in `because` what forces its place in
a plan. `plan` puts steps in order, `enter` carries them out.
"""

from __future__ import annotations

import enum

from protocol.structs import frozen
from sandboxes.jail.filters import Files, Kind
from sandboxes.jail.landlock import PathRule
from sandboxes.jail.namespaces import Namespace
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind

#: Where a cell finds its scratch directory, if it has one.
SCRATCH = "/scratch"
HOSTNAME = "cell"
#: Of cells, among each other and as a group: the supervisor is woken first when all cores are busy.
NICE = 5


class Wall(enum.StrEnum):
    """One protection each, by the name that doctor, guarantees and probes use."""

    ENVIRONMENT = "environment"
    DESCRIPTORS = "descriptors"
    GROUP = "process group"
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
class NewGroup:
    """Lead a process group."""

    wall = Wall.GROUP
    because = "before the filter, which has no setpgid"


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
    """Exchange the zygote's root for one with this cell's mounts and scratch directory.

    `libraries` are directories that the zygote's root has, and the cell's is to have.
    """

    binds: tuple[Bind, ...]
    scratch_bytes: int
    libraries: tuple[str, ...] = ()
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
class YieldTogether:
    """Let the supervisor's session be scheduled before that of the zygote and its cells."""

    nice: int
    wall = Wall.RLIMITS
    because = "while /proc can still be seen and written to; it holds for the whole session"


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
    ClearEnvironment | KeepDescriptors | NewGroup | BecomeUser | EnterNamespaces | BecomeFirst
    | NameHost | KeepHostMounts | EmptyRoot | OwnRoot | LeaveUsers | LimitResources
    | LowerPriority | YieldTogether | GoFirstWithoutMemory | DieWithParent | DropCapabilities
    | HideMemory | GiveUpPrivileges | RestrictFiles | FilterCalls
)  # fmt: skip
