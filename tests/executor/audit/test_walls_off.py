"""An audit notices: with any one wall left out, what stood on it is red, and nothing else is.

For each wall: attacks that it holds, one for each guarantee, and neighbours that others hold.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from executor import Supervisor
from executor.audit import Configuration, Entry, Kind, Limit, Report, Status, audit, auditing
from executor.audit.catalogue import adopted, load
from executor.audit.kernel import with_dependents
from executor.errors import Misuse
from sandboxes.guarantees import costs
from sandboxes.jail.probes.probe import catalogue as probes
from sandboxes.jail.steps import Wall

OURS, PROBES = load(), adopted()
#: The quickest of those that a wall holds, where the first one by name is slow.
QUICK = {
    "cpu.loop",
    "wall_time.sleep",
    "memory.byte_array",
    "memory.host_by_value",
    "output.one_piece",
    "files.read_only_delete",
}
NEIGHBOURS = ("network.tcp", "processes.kill", "protocol.reply_not_json")
NEIGHBOUR_PROBES = ("jail.network.udp", "jail.processes.fork", "jail.resources.map_private")
PROBES_PER_GUARANTEE = 2
#: Walls whose absence shows in nothing that a cell can do; see tests/sandboxes/jail/test_probes.
SILENT = {Wall.CGROUPS}


def first_of_each(entries: Iterable[Entry], count: int) -> list[Entry]:
    """Return some attacks on each guarantee that there are attacks on."""
    chosen: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.id not in QUICK):
        of_it = chosen.setdefault(entry.guarantee, [])
        if len(of_it) < count:
            of_it.append(entry)
    return [entry for of_it in chosen.values() for entry in of_it]


def red(report: Report) -> set[str]:
    assert not [r.id for r in report.results if r.status in (Status.TOOTHLESS, Status.FAILED)]
    return {result.id for result in report.results if result.status is Status.BIT}


@pytest.mark.parametrize("limit", [limit for limit in Limit if limit is not Limit.NOTHING_GIVEN])
def test_a_limit_that_is_left_out_turns_red_what_it_holds_and_nothing_else(
    limit: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "TRIALS", 1)  # it bites each time
    held = [entry for entry in OURS.values() if limit in entry.stopped_by]
    chosen = first_of_each(held, 1)

    report = audit(attacks=[*(entry.id for entry in chosen), *NEIGHBOURS], without=[limit])

    assert red(report) == {entry.id for entry in chosen}
    assert set(report.broken) == {entry.guarantee for entry in held}
    assert not report.ok
    assert report.without == (limit.value,)


def test_what_is_handed_out_by_mistake_turns_red_what_would_use_it() -> None:
    holes = [e for e in OURS.values() if e.attack is not None and e.attack.hole is not None]
    chosen = first_of_each(holes, 1)

    report = audit(
        attacks=[*(entry.id for entry in chosen), *NEIGHBOURS], without=[Limit.NOTHING_GIVEN]
    )

    assert red(report) == {entry.id for entry in chosen}


@pytest.mark.parametrize("wall", [wall for wall in Wall if wall is not Wall.USERS])
def test_a_wall_of_the_kernel_that_is_left_out_turns_red_what_it_stops_alone(wall: Wall) -> None:
    down = with_dependents({wall})
    held = [entry for entry in PROBES.values() if down & set(entry.stopped_by)]
    if all(probes()[entry.probe].root_only for entry in held) and wall is Wall.IDENTITY:
        held = [entry for entry in held if _is_root()]
    held = [entry for entry in held if not probes()[entry.probe].optional]
    chosen = first_of_each(held, PROBES_PER_GUARANTEE)
    neighbours = [name for name in NEIGHBOUR_PROBES if name not in {e.id for e in held}]

    report = audit(attacks=[*(entry.id for entry in chosen), *neighbours], without=[wall])

    assert red(report) == {entry.id for entry in chosen}
    assert set(report.broken) == {entry.guarantee for entry in held}
    assert bool(report.broken) != (wall in SILENT or (wall is Wall.IDENTITY and not _is_root()))


def test_without_user_namespaces_no_probe_is_let_out_of_a_process_namespace() -> None:
    names = ["jail.signals.kill_all", "jail.privileges.read_host_name", "jail.files.read"]

    report = audit(attacks=names, without=[Wall.USERS])

    assert red(report) == {"jail.privileges.read_host_name"}  # a gap that the light jail has too


@pytest.mark.parametrize("wall", list(Wall))
def test_what_a_probe_is_an_attack_on_is_what_its_wall_costs(wall: Wall) -> None:
    on = {entry.guarantee for entry in PROBES.values() if wall in entry.stopped_by}

    assert on <= set(costs(wall))


def test_walls_are_left_out_of_our_own_supervisors_in_the_full_jail_alone() -> None:
    with pytest.raises(Misuse, match="out of the full jail alone"):
        audit(configuration=Configuration(jail="light"), without=[Wall.SECCOMP])
    with pytest.raises(Misuse, match="our own supervisors alone"):
        audit(configuration=Configuration(supervisor=_none), without=[Limit.DEADLINE])
    with pytest.raises(Misuse, match="there is no wall 'glass'"):
        audit(without=["glass"])


def _none(kind: Kind) -> Supervisor:
    raise AssertionError("never asked for")


def _is_root() -> bool:
    import os

    return os.getuid() == 0
