"""Machines, a server and a submitter with a fault proxy before each, and what harms them all.

    with Fleet(folder, machines=3) as fleet:
        result = fleet.run(600, seed=1)       while machines are killed, the server is restarted,
                                              connections are frozen and cut

Machines are real `cellblock worker` processes; a killed one gets no word, as with a power cut.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from executor import Outcome, RemoteSupervisor, RunHandle
from executor.errors import ExecutorError
from executor.remote.statistics import RemoteStatistics
from tests.link.proxy import FaultProxy
from tests.link.server import NatsServer

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 2.0
PATIENCE_S = 120.0
#: Runs at hand at once, and how many of them one machine holds.
IN_FLIGHT, SLOTS = 96, 32


class Machine:
    """One `cellblock worker` behind a proxy of its own."""

    def __init__(self, server: NatsServer, log: Path, *flags: str) -> None:
        self.proxy = FaultProxy(server.port)
        self.kills = 0
        self._server = server
        self._log = log
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with a new name."""
        command = [
            sys.executable, "-m", "executor.cli", "worker", "--cells", "1", "--slots", str(SLOTS),
            "--lease", f"{LEASE_S:g}", "--nats", self._server.url_by(self.proxy.port), *self._flags,
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it without a word. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            self.kills += 1
            process.send_signal(signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End it as an operator does."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
            process.kill()
            process.wait()


@dataclass
class Result:
    """What became of the runs.

    Args:
        outcomes: by verdict, or by the class of the error.
        wrong: runs with another value than theirs.
        endings: for each run how often it ended.
        faults: what was done.
        statistics: the submitter's, at the end.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    endings: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    statistics: RemoteStatistics | None = None


class Fleet:
    """Everything that one queue needs, on this machine."""

    def __init__(self, folder: Path, *, machines: int = 3, flags: tuple[str, ...] = ()) -> None:
        self.server = NatsServer(folder / "server")
        self._stack = contextlib.ExitStack()
        self._folder = folder
        self._count = machines
        self._flags = flags
        self.machines: list[Machine] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.server)
            for at in range(self._count):
                machine = Machine(self.server, self._folder / f"machine-{at}.log", *self._flags)
                stack.enter_context(machine.proxy)
                stack.callback(machine.stop)
                machine.start()
                self.machines.append(machine)
            self.proxy = stack.enter_context(FaultProxy(self.server.port))
            self.supervisor = stack.enter_context(
                RemoteSupervisor(self.server.url_by(self.proxy.port), isolate="process")
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def run(
        self,
        count: int,
        *,
        seed: int,
        every_s: float = 1.5,
        at_least: int = 0,
        tell: Callable[[int], object] = lambda ended: None,
    ) -> Result:
        """Submit so many runs while the world is harmed, and return what became of them.

        Args:
            count: of runs.
            seed: of what is done to whom, and in which order.
            every_s: how often something is done.
            at_least: how often it is done before the last runs are submitted.
            tell: called now and then with how many have ended.
        """
        result = Result()
        is_over = threading.Event()
        harmed = threading.Semaphore(0)
        harm = threading.Thread(
            target=self._harm, args=(seed, every_s, is_over, harmed, result.faults)
        )
        self.supervisor.run("0")  # all of it works before any of it is harmed
        harm.start()
        room = threading.Semaphore(IN_FLIGHT)
        handles: list[RunHandle] = []
        lock = threading.Lock()

        def ended(number: int) -> None:
            with lock:
                result.endings[number] += 1
            room.release()

        try:
            for number in range(count):
                if number * at_least // count > (number - 1) * at_least // count >= 0:
                    assert harmed.acquire(timeout=PATIENCE_S), "nothing is harmed any more"
                assert room.acquire(timeout=PATIENCE_S), "no run ends any more"
                handle = self.supervisor.start(_CODE, inputs={"n": number}, limits={"wall_s": 20})
                handle.add_waiter(lambda number=number: ended(number))  # type: ignore[misc]  # bound
                handles.append(handle)
                if number % 100 == 0:
                    tell(sum(result.endings.values()))
            for number, handle in enumerate(handles):
                _judge(result, number, handle)
        finally:
            is_over.set()
            harm.join()
        result.statistics = self.supervisor.remote_statistics()
        return result

    def _harm(
        self,
        seed: int,
        every_s: float,
        is_over: threading.Event,
        harmed: threading.Semaphore,
        faults: Counter[str],
    ) -> None:
        chance = random.Random(seed)
        # Each kind once, in any order, and then any of them.
        kinds = ["kill", "server", "freeze", "cut", "freeze submitter", "cut submitter"]
        waiting: list[str] = []
        while not is_over.wait(every_s * chance.uniform(0.5, 1.5)):
            if not waiting:
                waiting = chance.sample(kinds, len(kinds))
            kind = waiting.pop()
            faults[kind] += 1
            harmed.release()
            machine = chance.choice(self.machines)
            if kind == "kill":
                machine.kill()
                machine.start()
            elif kind == "server":
                self.server.restart()
            elif kind.startswith("freeze"):
                proxy = self.proxy if "submitter" in kind else machine.proxy
                proxy.freeze()
                is_over.wait(chance.choice((0.2, 1.0, LEASE_S + 2.0)))
                proxy.thaw()
            else:
                (self.proxy if "submitter" in kind else machine.proxy).cut()


#: Every tenth run takes long enough to be at hand when something happens.
_CODE = "import time\nif n % 10 == 0: time.sleep(0.1)\nn * n"


def _judge(result: Result, number: int, handle: RunHandle) -> None:
    try:
        outcome: Outcome = handle.result(PATIENCE_S)
    except (ExecutorError, TimeoutError) as error:
        result.outcomes[type(error).__name__] += 1
        result.wrong.append(f"{number}: {type(error).__name__}: {error}")
        return
    result.outcomes[outcome.verdict] += 1
    if outcome.value != number * number:
        result.wrong.append(f"{number}: {outcome.verdict} {outcome.value!r} {outcome.error}")
