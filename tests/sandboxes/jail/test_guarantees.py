"""What is promised where, as a function of what stands; nothing is weakened silently."""

from __future__ import annotations

import json
from itertools import combinations

import pytest

from protocol.fields import Kind
from sandboxes.guarantees import Strength, costs, guarantees, refusal, to_plain
from sandboxes.jail.steps import NEEDS_USER_NAMESPACE, Wall
from sandboxes.jail.survey import MOUNTS, PROCESS_DESCRIPTORS, Finding, Survey

NAMES = [
    "state",
    "files",
    "network",
    "processes",
    "memory",
    "cpu",
    "wall_time",
    "output",
    "crash",
    "liveness",
    "protocol",
    "secrets",
]
THINGS = [*(wall.value for wall in Wall), PROCESS_DESCRIPTORS, MOUNTS]


def machine(*lacking: str, is_root: bool = True) -> Survey:
    findings = tuple(Finding(name, name not in lacking, "refused here") for name in THINGS)
    return Survey("linux", "x86_64", "6", is_root, findings)


KINDS: list[Kind] = ["wasm", "process", "interpreter"]
NATIVE: list[Kind] = ["process", "interpreter"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_with_every_wall_holds_every_guarantee_of_every_kind(kind: Kind) -> None:
    found = guarantees(machine(), kind, "full", is_shared=False)

    assert [g.name for g in found] == NAMES
    assert all(g.held and not g.missing for g in found)


@pytest.mark.parametrize("kind", NATIVE)
def test_native_cells_that_are_shared_promise_everything_but_the_state_of_a_run(kind: Kind) -> None:
    found = {g.name: g for g in guarantees(machine(), kind, "full", is_shared=True)}

    assert [name for name, g in found.items() if not g.held] == ["state"]
    assert "never serves another tenant" in found["state"].reason
    assert all(g.held for g in guarantees(machine(), "wasm", "full", is_shared=True))


@pytest.mark.parametrize("kind", NATIVE)
def test_native_guests_without_any_jail_are_promised_nothing(kind: Kind) -> None:
    assert refusal(machine(), kind, "none") is None
    for g in guarantees(machine(), kind, "none"):
        assert not g.held
        assert "no wall" in g.reason


@pytest.mark.parametrize("wall", list(Wall))
def test_one_missing_wall_refuses_the_full_jail_and_names_the_way_to_get_it(wall: Wall) -> None:
    objection = refusal(machine(wall), "wasm", "full")

    assert objection is not None
    assert objection.wall == wall
    assert objection.reason == "refused here"
    assert objection.remedy


@pytest.mark.parametrize("wall", sorted(NEEDS_USER_NAMESPACE))
def test_the_light_jail_is_there_without_user_namespaces(wall: Wall) -> None:
    assert refusal(machine(wall), "wasm", "light") is None
    assert refusal(machine(*NEEDS_USER_NAMESPACE), "process", "light") is None


@pytest.mark.parametrize("wall", sorted(set(Wall) - NEEDS_USER_NAMESPACE))
def test_the_light_jail_is_refused_where_one_of_its_own_walls_is_missing(wall: Wall) -> None:
    assert refusal(machine(wall), "wasm", "light") is not None


def test_a_wall_against_root_is_not_missed_by_an_ordinary_user() -> None:
    plain = machine(Wall.IDENTITY, is_root=False)

    assert refusal(plain, "wasm", "full") is None
    assert not any(g.missing for g in guarantees(plain, "wasm", "full"))


def test_native_guests_without_a_wall_are_promised_nothing() -> None:
    for kind in NATIVE:
        for g in guarantees(machine(Wall.SECCOMP), kind, "full"):
            assert not g.held
            assert "system call filter" in g.reason


def test_wasm_guests_keep_their_first_wall_and_are_told_which_second_one_is_missing() -> None:
    found = {g.name: g for g in guarantees(machine(Wall.LANDLOCK), "wasm", "full")}

    assert found["files"].held
    assert found["files"].walls[0] == "wasm"
    assert [m.wall for m in found["files"].missing] == ["landlock"]
    assert found["memory"].missing == ()


@pytest.mark.parametrize("strength", ["full", "light", "none"])
def test_without_a_way_to_kill_no_deadline_is_promised(strength: Strength) -> None:
    lost = [
        g.name for g in guarantees(machine(PROCESS_DESCRIPTORS), "wasm", strength) if not g.held
    ]

    assert lost == ["cpu", "wall_time"]


def test_a_lighter_jail_never_has_a_wall_that_a_stronger_one_lacks() -> None:
    order: tuple[Strength, ...] = ("none", "light", "full")
    for weaker, stronger in combinations(order, 2):
        pairs = zip(
            guarantees(machine(), "wasm", weaker),
            guarantees(machine(), "wasm", stronger),
            strict=True,
        )
        for weak, strong in pairs:
            assert set(weak.walls) <= set(strong.walls)
            assert len(weak.missing) >= len(strong.missing)


def test_the_gaps_of_the_light_jail_are_named_in_its_promises() -> None:
    for kind in KINDS:
        found: list[str] = [
            g.name
            for g in guarantees(machine(), kind, "light", is_shared=False)
            if "in the light jail" in g.reason
        ]
        assert found == [*(["state"] if kind != "wasm" else []), "files", "processes"]


@pytest.mark.parametrize("thing", THINGS)
def test_every_missing_thing_says_which_guarantee_it_costs(thing: str) -> None:
    assert costs(thing)


@pytest.mark.parametrize("kind", KINDS)
def test_guarantees_are_json(kind: Kind) -> None:
    plain = [to_plain(g) for g in guarantees(machine(Wall.ROOT), kind, "full")]

    assert json.loads(json.dumps(plain)) == plain
