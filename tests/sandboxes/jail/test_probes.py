"""Every wall stops what it is there for, and each probe is seen to bite where it is down.

The pair is the point: an attack that never worked proves nothing about a wall.
"""

from __future__ import annotations

import os

import pytest

from sandboxes.jail.probes.arena import Arena
from sandboxes.jail.probes.cells import Walls
from sandboxes.jail.probes.probe import Probe, catalogue
from sandboxes.jail.steps import Wall

PROBES = catalogue()
EACH = [pytest.param(probe, id=name) for name, probe in PROBES.items()]
EACH_WALL = [
    pytest.param(probe, wall, id=f"{name}-{wall.value}")
    for name, probe in PROBES.items()
    for wall in probe.walls
]
#: Walls whose absence is tested elsewhere or shows in nothing a cell can do.
WITHOUT_PROBE = {
    Wall.USERS,  # carries the other namespaces
    Wall.CGROUPS,  # hides a name; reading it takes a /proc that the empty root does not have
}


def skip_unless_it_can_run(arena: Arena, probe: Probe) -> None:
    if not arena.can_run(probe):
        pytest.skip("only cells of a root supervisor can be attacked so")


@pytest.mark.parametrize("probe", EACH)
def test_a_probe_bites_where_its_walls_are_down(arena: Arena, probe: Probe) -> None:
    skip_unless_it_can_run(arena, probe)

    outcome = arena.run(probe, Walls(probe.strength, probe.down))

    if probe.optional and not outcome.bit:
        pytest.skip(f"this kernel refuses it by itself: {outcome.seen}")
    assert outcome.bit, outcome.seen


@pytest.mark.parametrize(("probe", "wall"), EACH_WALL)
def test_each_wall_alone_stops_what_it_claims(arena: Arena, probe: Probe, wall: Wall) -> None:
    skip_unless_it_can_run(arena, probe)

    outcome = arena.run(probe, Walls(probe.strength, probe.down - {wall}))

    assert not outcome.bit, outcome.seen


@pytest.mark.parametrize("probe", EACH)
def test_the_whole_jail_stops_every_probe(arena: Arena, probe: Probe) -> None:
    skip_unless_it_can_run(arena, probe)

    outcome = arena.run(probe, Walls("full"))

    assert not outcome.bit, outcome.seen


@pytest.mark.parametrize("probe", EACH)
def test_the_light_jail_stops_every_probe_but_its_known_gaps(arena: Arena, probe: Probe) -> None:
    skip_unless_it_can_run(arena, probe)

    outcome = arena.run(probe, Walls("light"))

    assert outcome.bit == probe.gap_in_light, outcome.seen


def test_every_wall_has_a_probe() -> None:
    probed = {wall for probe in PROBES.values() for wall in probe.walls}

    assert probed | WITHOUT_PROBE == set(Wall)


def test_there_are_probes_on_everything_a_cell_could_harm() -> None:
    groups = {probe.group for probe in PROBES.values()}

    assert len(PROBES) >= 60
    assert len(groups) == 9
    assert all(probe.tries for probe in PROBES.values())


def test_probes_that_hit_groups_are_never_run_outside_a_process_namespace() -> None:
    probe = PROBES["signals.kill_all"]

    assert probe.strength == "full"
    assert Wall.USERS not in probe.down


@pytest.mark.skipif(os.getuid() != 0, reason="this user's cells are its own")
def test_cells_of_root_are_not_root(arena: Arena) -> None:
    probe = PROBES["files.read_as_root"]

    assert arena.run(probe, Walls("full", probe.down)).bit
    assert not arena.run(probe, Walls("full", probe.down - {Wall.IDENTITY})).bit
