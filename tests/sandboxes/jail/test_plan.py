"""What the jail promises about its order, on any machine and without privilege."""

from __future__ import annotations

from itertools import combinations

import pytest

from sandboxes.jail.landlock import PathRule
from sandboxes.jail.plan import CellWish, Jail, cell_plan, zygote_plan
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind
from sandboxes.jail.steps import (
    NEEDS_USER_NAMESPACE,
    SCRATCH,
    BecomeUser,
    DieWithParent,
    DropCapabilities,
    EnterNamespaces,
    FilterCalls,
    GiveUpPrivileges,
    LeaveUsers,
    LimitResources,
    OwnRoot,
    RestrictFiles,
    Step,
    Wall,
)

WISH = CellWish(Resources(memory_bytes=1 << 28))
MOUNTS = CellWish(
    Resources(memory_bytes=1 << 28),
    writable_tmpfs_bytes=1 << 20,
    binds=(Bind("/data", "/data", writable=True),),
)
UID = 65_111


def every_accepted_jail() -> list[Jail]:
    """Every jail with up to three walls left out that its constructor accepts."""
    jails = []
    for strength in ("full", "light"):
        for size in range(4):
            for without in combinations(Wall, size):
                try:
                    jails.append(Jail(strength=strength, uid=UID, without=frozenset(without)))
                except ValueError:
                    continue
    return jails


JAILS = every_accepted_jail()


def position(steps: tuple[Step, ...], kind: type) -> int | None:
    return next((at for at, step in enumerate(steps) if isinstance(step, kind)), None)


def assert_order(steps: tuple[Step, ...], *kinds: type) -> None:
    """Those of `kinds` that are there come in this order."""
    found = [at for kind in kinds if (at := position(steps, kind)) is not None]
    assert found == sorted(found)


def test_every_wall_stands_in_the_full_jail_unless_it_is_named() -> None:
    for without in (frozenset[Wall](), frozenset({Wall.SECCOMP}), frozenset({Wall.ROOT})):
        jail = Jail(uid=UID, without=without)
        standing = {step.wall for step in (*zygote_plan(jail), *cell_plan(jail, MOUNTS))}
        # These are flags of one step, which the plan carries as namespaces.
        flags = {Wall.NETWORK, Wall.IPC, Wall.CGROUPS}

        assert standing | flags == set(Wall) - without


def test_the_light_jail_lacks_exactly_what_needs_a_user_namespace() -> None:
    jail = Jail(strength="light", uid=UID)
    standing = {step.wall for step in (*zygote_plan(jail), *cell_plan(jail, WISH))}

    assert standing == set(Wall) - NEEDS_USER_NAMESPACE


def test_root_is_given_up_before_a_user_namespace_is_made() -> None:
    for jail in JAILS:
        assert_order(zygote_plan(jail), BecomeUser, EnterNamespaces)


def test_the_wish_to_die_with_the_parent_follows_every_change_of_user() -> None:
    for jail in JAILS:
        steps = zygote_plan(jail)
        last = [at for at, step in enumerate(steps) if isinstance(step, DieWithParent)]
        if last:
            changes = (position(steps, BecomeUser), position(steps, EnterNamespaces))
            assert all(at is None or at < last[-1] for at in changes)
        assert_order(cell_plan(jail, WISH), LeaveUsers, DieWithParent)


def test_no_capability_is_dropped_before_its_last_use() -> None:
    for jail in JAILS:
        wish = MOUNTS if jail.strength == "full" else WISH
        assert_order(cell_plan(jail, wish), OwnRoot, LeaveUsers, DropCapabilities)


def test_a_limit_on_threads_is_set_in_the_namespace_that_counts_them_or_not_at_all() -> None:
    for jail in JAILS:
        steps = cell_plan(jail, WISH)
        assert_order(steps, LeaveUsers, LimitResources)
        for step in steps:
            if isinstance(step, LimitResources):
                counted = position(steps, LeaveUsers) is not None
                assert (step.resources.threads_max is not None) == counted


def test_no_new_privileges_comes_before_landlock_and_the_filter_and_the_filter_last() -> None:
    for jail in JAILS:
        steps = cell_plan(jail, WISH)
        assert_order(steps, GiveUpPrivileges, RestrictFiles, FilterCalls)
        if position(steps, FilterCalls) is not None:
            assert isinstance(steps[-1], FilterCalls)


@pytest.mark.parametrize("upper", [Wall.LANDLOCK, Wall.SECCOMP])
def test_a_filter_without_no_new_privileges_is_refused(upper: Wall) -> None:
    others = {Wall.LANDLOCK, Wall.SECCOMP} - {upper}

    with pytest.raises(ValueError, match=f"{upper.value}.*needs.*no new privileges"):
        Jail(without=frozenset({Wall.NO_NEW_PRIVILEGES} | others))


@pytest.mark.parametrize("upper", sorted(NEEDS_USER_NAMESPACE - {Wall.USERS}))
def test_a_namespace_without_that_of_users_is_refused(upper: Wall) -> None:
    with pytest.raises(ValueError, match=f"{upper.value}.*needs.*user namespace"):
        Jail(without=NEEDS_USER_NAMESPACE - {upper})


def test_a_cell_without_mounts_has_no_call_about_files_and_no_path() -> None:
    steps = cell_plan(Jail(), WISH)

    assert RestrictFiles(()) in steps
    assert FilterCalls("wasm", "none") in steps
    assert position(steps, OwnRoot) is None


def test_a_cell_with_mounts_reaches_exactly_those() -> None:
    steps = cell_plan(Jail(), MOUNTS)

    assert RestrictFiles((PathRule("/data", True), PathRule(SCRATCH, True))) in steps
    assert FilterCalls("wasm", "own") in steps


def test_a_read_only_mount_gives_no_call_that_writes() -> None:
    wish = CellWish(Resources(1 << 28), binds=(Bind("/data", "/data"),))

    assert FilterCalls("wasm", "read") in cell_plan(Jail(), wish)


def test_the_light_jail_refuses_what_it_cannot_give() -> None:
    light = Jail(strength="light")
    moved = CellWish(Resources(1 << 28), binds=(Bind("/data", "/elsewhere"),))

    with pytest.raises(ValueError, match="scratch directory needs the full jail"):
        cell_plan(light, MOUNTS)
    with pytest.raises(ValueError, match="keeps its path"):
        cell_plan(light, moved)


def test_every_step_gives_a_reason_for_its_place() -> None:
    steps = (*zygote_plan(Jail(uid=UID, host_files=True)), *cell_plan(Jail(), MOUNTS))

    assert all(len(step.because) > 20 for step in steps)
