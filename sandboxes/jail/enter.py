"""Carries out a plan, step by step. Decides nothing.

Rule: a step that fails raises `JailUnavailable` with its name; whoever called this must end the
process then, as some walls are up and others are not.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from typing import assert_never

from protocol.structs import frozen
from sandboxes.errors import JailUnavailable
from sandboxes.jail import (
    capabilities,
    descriptors,
    dumpable,
    environment,
    identity,
    kernel,
    landlock,
    namespaces,
    no_new_privileges,
    parent_death,
    priority,
    process_group,
    rlimits,
    root,
    seccomp,
    steps as s,
)
from sandboxes.jail.filters import Files, Kind, filter_for

#: A directory that the zygote's root is built on, hidden by it from then on.
ROOT_PLACE = "/proc"


@frozen
class MountView:
    """Mount namespaces by descriptor: one with the host's files, and the zygote's empty one."""

    host: int
    own: int


@frozen
class Surroundings:
    """What is known only in the process that enters the jail.

    Args:
        kept: descriptors that stay open.
        parent: pid of the process that forked this one, as that process knows it.
        trees: mounts that were made for this cell, or for this zygote's root, as descriptors with
            their targets.
        mounts: where to make the mounts of the plan; closed by the step that uses them.
        become_first: forks, and returns in the new process.
        keep_host_mounts: opens what `mounts` holds in the cells, and moves on into a new namespace.
    """

    kept: frozenset[int] = frozenset()
    parent: int = 0
    trees: tuple[tuple[int, str], ...] = ()
    mounts: MountView | None = None
    become_first: Callable[[], None] | None = None
    keep_host_mounts: Callable[[], None] | None = None


def enter(
    steps: Iterable[s.Step],
    surroundings: Surroundings,
    *,
    after_step: Callable[[s.Step], None] | None = None,
) -> None:
    """Carry out `steps` in their order.

    Args:
        steps: a plan.
        surroundings: see there.
        after_step: told of each step that is done, for measuring.

    Raises:
        JailUnavailable: a step failed; the steps before it are done, those after it are not.
    """
    for step in steps:
        try:
            _carry_out(step, surroundings)
        except OSError as error:
            raise JailUnavailable(type(step).__name__, str(error)) from error
        if after_step is not None:
            after_step(step)


def _carry_out(step: s.Step, around: Surroundings) -> None:
    match step:
        case s.ClearEnvironment():
            environment.clear()
        case s.KeepDescriptors():
            descriptors.keep_only(around.kept)
        case s.NewGroup():
            process_group.lead()
        case s.BecomeUser(uid):
            identity.become(uid)
        case s.EnterNamespaces(new):
            namespaces.enter_new(new)
        case s.BecomeFirst():
            assert around.become_first is not None
            around.become_first()
        case s.NameHost(name):
            namespaces.name_host(name)
        case s.KeepHostMounts():
            assert around.keep_host_mounts is not None
            around.keep_host_mounts()
        case s.EmptyRoot(binds):
            trees = around.trees or tuple(
                (root.open_tree(b.source, writable=b.writable), b.target) for b in binds
            )
            root.enter_empty(ROOT_PLACE, trees)
        case s.OwnRoot():
            _own_root(step, around)
        case s.LeaveUsers():
            namespaces.leave_user_namespace()
        case s.LimitResources(resources):
            rlimits.limit(resources)
        case s.LowerPriority(nice):
            priority.lower(nice)
        case s.YieldTogether(nice):
            priority.yield_together(nice)
        case s.GoFirstWithoutMemory():
            priority.go_first_without_memory()
        case s.DieWithParent():
            parent_death.die_with_parent(around.parent)
        case s.DropCapabilities():
            capabilities.drop_all()
        case s.HideMemory():
            dumpable.hide()
        case s.GiveUpPrivileges():
            no_new_privileges.give_up()
        case s.RestrictFiles(rules):
            landlock.restrict(rules)
        case s.FilterCalls(kind, files):
            install_filter(kind, files)
        case _:
            assert_never(step)


def _own_root(step: s.OwnRoot, around: Surroundings) -> None:
    trees, binds = around.trees, step.binds
    if binds and not trees:
        if around.mounts is None:
            raise OSError(1, "this zygote was started without a view of the host's files")
        trees = root.open_trees(binds, around.mounts.host, around.mounts.own)
    if around.mounts is not None:
        os.close(around.mounts.host)
        os.close(around.mounts.own)
    # The zygote's root has them, read-only, whoever may see where they lie on the host.
    libraries = ((root.open_tree(path, writable=False), path) for path in step.libraries)
    root.enter_own((*libraries, *trees), s.SCRATCH, step.scratch_bytes)


def install_filter(kind: Kind, files: Files) -> None:
    """Put this process behind the filter of its kind.

    Raises:
        OSError: this machine has no filter, or no-new-privileges is not set.
    """
    seccomp.install(filter_code(kind, files, os.getpid()))


@functools.cache
def filter_code(kind: Kind, files: Files, own_pid: int) -> bytes:
    """Return the filter program for this machine; a zygote asks once, its cells inherit it.

    Raises:
        OSError: no filter is known for this machine.
    """
    if kernel.MACHINE not in seccomp.AUDIT:
        raise OSError(38, f"no table of system calls for {kernel.MACHINE}")
    return seccomp.encode(
        seccomp.assemble(filter_for(kind, files), kernel.MACHINE, own_pid=own_pid)
    )
