"""Which pool a run goes to, and that pools which nobody holds make room for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executor import Limits, Refused, Supervisor, pools as pools_module
from executor.options import Defaults, Plan, make_plan
from executor.pools import SPECIAL_MAX
from protocol.messages import DefinePool, Done, DropPool, Mount, Submit, Verdict
from tests.executor.api.host import PATIENCE_S, Host

MIB = 1 << 20


def test_a_run_goes_to_a_pool_whose_cells_can_hold_it(host: Host) -> None:
    """One pool for each kind of cell, defined at the first run that needs it."""
    pools = host.launcher.pools

    def number(**options: Any) -> int:
        return pools.take(make_plan("1", options, Defaults()), "holder")  # type: ignore[arg-type]  # any

    numbers = [
        number(limits=Limits(memory_bytes=memory, fuel=fuel))
        for memory, fuel in [
            (128 * MIB, None),
            (64 * MIB, None),
            (129 * MIB, None),
            (256 * MIB, None),
            (256 * MIB + 1, None),
            (128 * MIB, 5),
            (128 * MIB, 6),
        ]
    ]

    assert numbers == [1, 1, 2, 2, 3, 4, 4]
    defined = [host.peer.receive()[0] for _ in range(3)]
    assert [(p.pool, p.memory_bytes, p.fuel) for p in defined if isinstance(p, DefinePool)] == [
        (2, 256 * MIB, False),
        (3, 512 * MIB, False),
        (4, 128 * MIB, True),
    ]


def test_a_jailed_cell_is_given_the_directories_of_its_runs_ahead(
    host: Host, tmp_path: Path
) -> None:
    pools, mount = host.launcher.pools, Mount(str(tmp_path), "/d")
    plans = [
        make_plan("1", {"mounts": [mount]}, Defaults()),
        make_plan("2", {"mounts": [mount]}, Defaults()),
        make_plan("3", {"mounts": [Mount(str(tmp_path), "/other")]}, Defaults()),
        make_plan("4", {}, Defaults()),
    ]

    assert [pools.take(plan, plan) for plan in plans] == [2, 2, 3, 1]
    defined = [host.peer.receive()[0] for _ in range(2)]
    assert [p.mounts for p in defined if isinstance(p, DefinePool)] == [
        (mount,),
        (Mount(str(tmp_path), "/other"),),
    ]


# --- how many ------------------------------------------------------------------------------------
def mounting(tmp_path: Path, number: int) -> Plan:
    mount = Mount(str(tmp_path), f"/guest-{number}")
    return make_plan("1", {"mounts": [mount]}, Defaults())


def told(host: Host, count: int) -> list[tuple[type, int]]:
    """Return what the loop was told of pools: the next `count` messages."""
    messages = [host.peer.receive()[0] for _ in range(count)]
    return [(type(m), m.pool) for m in messages if isinstance(m, DefinePool | DropPool | Submit)]


def test_as_many_special_pools_as_may_be_are_held_at_once_and_one_more_is_refused(
    host: Host, tmp_path: Path
) -> None:
    pools = host.launcher.pools
    plans = [mounting(tmp_path, number) for number in range(SPECIAL_MAX + 1)]

    numbers = [pools.take(plan, plan) for plan in plans[:SPECIAL_MAX]]
    with pytest.raises(Refused, match="too many different mounts") as refused:
        pools.take(plans[-1], plans[-1])

    assert numbers == list(range(2, SPECIAL_MAX + 2))
    assert refused.value.reason == "pools_full"
    assert pools.take(make_plan("1", {}, Defaults()), "plain") == 1
    assert pools.take(plans[5], "another run like it") == numbers[5]


def test_the_pool_that_was_not_used_for_longest_makes_room_and_its_number_stays_unused(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools_module, "SPECIAL_MAX", 3)
    pools = host.launcher.pools
    for number in (2, 3, 4):
        pools.take(mounting(tmp_path, number), "run")
    for number in (3, 2, 4):
        pools.give_back(number, "run")
    pools.take(mounting(tmp_path, 3), "run")  # used again, so 2 is the oldest
    pools.give_back(3, "run")

    assert pools.take(mounting(tmp_path, 5), "run") == 5
    assert pools.take(mounting(tmp_path, 2), "run") == 6
    assert told(host, 7) == [
        *((DefinePool, number) for number in (2, 3, 4)),
        (DropPool, 2),
        (DefinePool, 5),
        (DropPool, 4),
        (DefinePool, 6),
    ]


def test_a_pool_is_held_until_the_last_of_its_holders_lets_go(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools_module, "SPECIAL_MAX", 1)
    pools = host.launcher.pools
    for holder in ("one", "two"):
        pools.take(mounting(tmp_path, 1), holder)
    for _ in range(2):
        pools.give_back(2, "one")
    with pytest.raises(Refused):
        pools.take(mounting(tmp_path, 2), "three")
    pools.give_back(2, "two")

    assert pools.take(mounting(tmp_path, 2), "three") == 3


def test_a_run_holds_its_pool_until_its_ending_and_no_longer(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools_module, "SPECIAL_MAX", 1)
    handle = host.launcher.start(mounting(tmp_path, 1))
    with pytest.raises(Refused):
        host.launcher.start(mounting(tmp_path, 2))
    host.peer.say(Done(Verdict.OK), handle.run_id)
    assert handle.result(PATIENCE_S).ok

    host.launcher.start(mounting(tmp_path, 2))

    assert told(host, 5) == [
        (DefinePool, 2),
        (Submit, 2),
        (DropPool, 2),
        (DefinePool, 3),
        (Submit, 3),
    ]


def test_a_session_holds_its_pool_between_its_runs(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools_module, "SPECIAL_MAX", 1)
    small, large = Limits(memory_bytes=256 * MIB), Limits(memory_bytes=512 * MIB)
    with supervisor.session(limits=small) as session:
        assert session.run("x = 20").ok
        with pytest.raises(Refused, match="too many"):
            supervisor.run("1", limits=large)
        assert session.run("x + 22").value == 42

    assert supervisor.run("1", limits=large).value == 1
    pools = supervisor.statistics().pools
    assert sum(pool.cells_wanted > 0 for pool in pools if pool.pool > 1) <= 1
