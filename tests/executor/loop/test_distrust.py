"""A cell that lies is killed, also where only the host can see the lie; it serves no other run."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executor import Limits, Outcome, Refused, Verdict
from executor.client import Client
from executor.launch import Launcher
from executor.loop.spawn import DirectSpawner, Spawned
from executor.loop.spool import make_spool, remove_folder
from executor.loop.supervisor_loop import SupervisorLoop
from executor.options import Defaults, make_plan
from executor.pool import PoolCore
from executor.pools import Pools, Sizes
from executor.spool import Spool
from executor.statistics import PoolStatistics, Statistics
from protocol.messages import KINDS, AskStatistics, DefinePool, Distrust, Done, Output
from sandboxes.wasm.image import Compiled

LIAR = Path(__file__).with_name("liar.py")
ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 20
HONEST = (KINDS[Done], '{"verdict":"ok"}')
LIES = {
    "a body that is not JSON": (KINDS[Done], "{"),
    "a buffer that is not there": (KINDS[Done], '{"verdict":"ok","stdout":0}'),
    "a file outside its folder": (
        KINDS[Done],
        '{"verdict":"ok","files":[{"name":"../x","buffer":0}]}',
    ),
    "output without its piece": (KINDS[Output], '{"stream":"stdout"}'),
}


type Says = Callable[[int], tuple[int, str]]


class LiarSpawner(DirectSpawner):
    """Cells that are scripts; `says` tells by a cell's number what it answers."""

    def __init__(self, says: Says) -> None:
        super().__init__(python=sys.executable, library_path="")
        self.pidfds: dict[int, int] = {}
        self._says = says

    def spawn(self, number: int, pool: DefinePool, spool_path: str) -> None:
        kind, body = self._says(number)
        ours, theirs = socket.socketpair()
        with theirs:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-E", str(LIAR), str(ROOT), body, str(kind)],
                {},
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)],
            )
        self.pidfds[number] = os.pidfd_open(pid)
        assert self._owner is not None
        self._owner.cell_spawned(number, Spawned(pid, os.pidfd_open(pid), ours))

    def wait_gone(self, number: int) -> bool:
        """Wait for the process of a cell to end; return whether it has."""
        return bool(select.select([self.pidfds[number]], [], [], PATIENCE_S)[0])


class Den:
    """A real loop and a real host over cells that lie."""

    def __init__(self, says: Says) -> None:
        ours, theirs = socket.socketpair()
        self.spawner = LiarSpawner(says)
        self.spool_path = make_spool()
        loop = SupervisorLoop(theirs, PoolCore(), self.spawner, spool_path=self.spool_path)
        self._thread = threading.Thread(target=loop.run)
        self._thread.start()
        self._sock = ours
        self.client = Client(ours, checked=True)
        self.spool = Spool(self.spool_path)
        pools = Pools(
            self.client,
            compiled=lambda fuel: Compiled("/image", "0" * 64, "key"),
            sizes=Sizes(cells=1, spares=0, stock=1, queue_max=10),
            limits=Limits(),
            is_jailed=False,
        )
        self.launcher = Launcher(self.client, pools, self.spool)

    def run(self, tenant: str = "") -> Outcome:
        plan = make_plan("1", {"tenant": tenant}, Defaults())
        return self.launcher.start(plan).result(PATIENCE_S)

    def pool(self) -> PoolStatistics:
        answer = self.launcher.ask(AskStatistics(), PATIENCE_S)
        return Statistics.from_json(answer).pools[0]

    def close(self) -> None:
        self.client.close_begins()
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._sock.close()
        self.launcher.close()
        self.spool.close()
        remove_folder(self.spool_path)
        for pidfd in self.spawner.pidfds.values():
            os.close(pidfd)


type MakeDen = Callable[[Says], Den]


@pytest.fixture
def den() -> Iterator[MakeDen]:
    made: list[Den] = []

    def make(says: Says) -> Den:
        made.append(Den(says))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_cell_that_lies_to_the_host_is_killed_and_the_next_run_goes_to_another(
    den: MakeDen, lie: tuple[int, str]
) -> None:
    home = den(lambda number: lie if number == 1 else HONEST)

    assert home.run().verdict is Verdict.CRASHED
    assert home.run().verdict is Verdict.OK
    assert home.spawner.wait_gone(1)
    assert not select.select([home.spawner.pidfds[2]], [], [], 0)[0]


def test_a_lie_that_the_host_saw_counts_as_a_crash_of_its_cell(den: MakeDen) -> None:
    home = den(lambda number: LIES["a body that is not JSON"] if number == 1 else HONEST)
    home.run()

    pool = home.pool()

    assert sum(pool.crashes.values()) == 1
    assert [cell.cell for cell in pool.cells] == [2]


def test_a_tenant_whose_runs_make_cells_lie_is_refused_in_the_end(den: MakeDen) -> None:
    home = den(lambda number: LIES["a body that is not JSON"])

    def attack() -> None:
        for _ in range(50):
            home.run("hostile")

    with pytest.raises(Refused, match="quarantined"):
        attack()


def test_distrust_of_a_cell_that_is_gone_harms_no_other(den: MakeDen) -> None:
    home = den(lambda number: LIES["a body that is not JSON"] if number == 1 else HONEST)
    home.run()
    home.run()

    for number in (1, 3, 10**9):
        home.client.send(Distrust(number, "again", ""))

    assert home.run().verdict is Verdict.OK
    assert [cell.cell for cell in home.pool().cells] == [2]
    assert sum(home.pool().crashes.values()) == 1
