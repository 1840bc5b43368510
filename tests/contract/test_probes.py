"""Every probe of the jail is done by native guests of a real supervisor, and every one is stopped.

`tests/sandboxes/jail` shows that each probe bites where its walls are down, and is stopped by each
of its walls alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.fields import Kind
from sandboxes.jail.probes.arena import Arena
from sandboxes.jail.probes.cells import Walls
from sandboxes.jail.probes.probe import Probe, catalogue
from tests.contract.probing import GuestCells

#: Limits that a native cell has with other numbers than the cells of the arena.
OTHER_NUMBERS = {
    "resources.open_many": "a cell may hold more descriptors than the probe opens",
    "resources.write_long_file": "a cell may write as much as its run's limit on files",
}
#: Of one run's limit, which a cell of interpreters adds to the room that these need; the limit is
#: tested by `test_memory_over_its_limit_has_its_own_verdict`.
IN_THE_ROOM_OF_INTERPRETERS = (
    "resources.allocate",
    "resources.map_private",
    "resources.grow_break",
)
PROBES = {name: probe for name, probe in catalogue().items() if name not in OTHER_NUMBERS}
EACH = [pytest.param(probe, id=name) for name, probe in PROBES.items()]


@pytest.fixture(scope="module", params=["process", "interpreter"])
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """Give an arena whose cells are those of a supervisor."""
    kind: Kind = request.param
    with Arena(GuestCells(kind)) as made:
        yield made


@pytest.fixture(autouse=True)
def _fits(request: pytest.FixtureRequest) -> None:
    """Leave out what takes less than a cell of interpreters may have."""
    if "arena" in request.fixturenames and request.node.callspec.params["arena"] == "interpreter":
        name = request.node.callspec.params["probe"].name
        if name in IN_THE_ROOM_OF_INTERPRETERS:
            pytest.skip("takes less than the room of the cell's interpreters")


@pytest.fixture(scope="module")
def light_arena() -> Iterator[Arena]:
    """Give one for the light jail, which is the same for both kinds."""
    with Arena(GuestCells("process")) as made:
        yield made


@pytest.mark.parametrize("probe", EACH)
def test_a_native_guest_is_stopped_by_the_whole_jail(arena: Arena, probe: Probe) -> None:
    outcome = arena.run(probe, Walls("full"))

    assert not outcome.bit, outcome.seen


@pytest.mark.parametrize("probe", EACH)
def test_a_native_guest_is_stopped_by_the_light_jail_but_for_its_known_gaps(
    light_arena: Arena, probe: Probe
) -> None:
    outcome = light_arena.run(probe, Walls("light"))

    assert outcome.bit <= (probe.gap_in_light or probe.gap_in_light_with_files), outcome.seen


def test_what_is_left_out_is_a_number_and_not_a_wall() -> None:
    assert set(OTHER_NUMBERS) <= set(catalogue())
    assert len(PROBES) >= 60
