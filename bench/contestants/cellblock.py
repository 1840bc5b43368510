"""Ourselves: a supervisor with its isolate, jailed cells and a fresh sandbox for each run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from bench.accounts import descendants
from bench.contestants.base import (
    DEADLINE_S,
    SMALLEST,
    Call,
    Contestant,
    Held,
    Late,
    RunCode,
    Spin,
    checked,
    late_after,
    spinning,
)
from executor import Limits, Supervisor
from protocol.limits import FUEL_MAX

PATIENT = Limits(wall_s=120.0)
LARGE = Limits(wall_s=120.0, value_bytes="256MB", memory_bytes="1GB")
HOST_CALLS_MAX = 1_000_000


class Cellblock(Contestant):
    """As it comes."""

    name = "cellblock"
    limits = PATIENT

    def missing(self) -> str:
        """Return "": without it there is nothing to compare."""
        return ""

    def version(self) -> str:
        """Return its name and release."""
        return f"cellblock {version('cellblock')}, wasmtime {version('wasmtime')}"

    @contextmanager
    def fresh(self, places: int) -> Iterator[Call]:
        """Give a run of a supervisor."""
        with Supervisor(cells=places, limits=self.limits) as supervisor:
            yield lambda: checked(supervisor.run(SMALLEST).stdout)

    @contextmanager
    def programs(self) -> Iterator[RunCode]:
        """Give a run of a supervisor with one cell."""
        with Supervisor(cells=1, limits=self.limits) as supervisor:

            def run(code: str) -> str:
                outcome = supervisor.run(code, mode="script")
                outcome.unwrap()
                return outcome.stdout

            yield run

    @contextmanager
    def sessions(self, count: int) -> Iterator[Held]:
        """Hold sessions of one supervisor, on as many cells as there are processors."""
        with ExitStack() as stack:
            supervisor = stack.enter_context(Supervisor(limits=self.limits))
            held = []
            for number in range(count):
                session = stack.enter_context(supervisor.session())
                session.run(f"kept = {number}").unwrap()
                held.append(session)

            def again(number: int) -> object:
                kept = held[number].run("kept").unwrap()
                if kept != number:
                    raise RuntimeError(f"session {number} kept {kept!r}")
                return kept

            yield Held(count, again, [os.getpid(), *descendants(os.getpid())])

    @contextmanager
    def host_calls(self) -> Iterator[Callable[[int], object]]:
        """Have a guest call `host.same`."""
        limits = Limits(wall_s=120.0, host_calls=HOST_CALLS_MAX)
        given = {"same": lambda text: text}
        with Supervisor(cells=1, limits=limits, functions=given) as supervisor:
            yield lambda count: supervisor.run(
                f"import host\nfor _ in range({count}): host.same('x')", mode="script"
            ).unwrap()

    @contextmanager
    def echo(self, size_bytes: int) -> Iterator[Call]:
        """Send an input that is the value."""
        data = os.urandom(size_bytes)
        with Supervisor(cells=1, limits=LARGE) as supervisor:

            def run() -> None:
                value = supervisor.run("data", inputs={"data": data}).unwrap()
                if value != data:
                    raise RuntimeError("other bytes came back")

            yield run

    @contextmanager
    def deadline(self, spin: Spin) -> Iterator[Callable[[], Late]]:
        """Run into `wall_s`; a sleep is of a minute, as nobody waits for its end."""
        code = spinning(spin, 60.0)
        with Supervisor(cells=1, limits=Limits(wall_s=20.0)) as supervisor:
            supervisor.run("1").unwrap()

            def once() -> Late:
                killed = supervisor.statistics().pools[0].kills.get("timeout", 0)
                late = late_after(
                    lambda: supervisor.run(code, limits={"wall_s": DEADLINE_S}),
                    lambda: supervisor.run("1").unwrap(),
                )
                now = supervisor.statistics().pools[0].kills.get("timeout", 0)
                return Late(late.ended_s, late.usable_s, now == killed)

            yield once

    def command(self, script: Path) -> list[str]:
        """Return `cellblock run`."""
        entry = Path(sys.executable).with_name("cellblock")
        ours = [str(entry)] if entry.exists() else [sys.executable, "-m", "executor.cli"]
        return [*ours, "run", str(script)]


class CountingFuel(Cellblock):
    """With a limit of instructions as well, which makes runs repeatable."""

    name = "cellblock+fuel"
    limits = Limits(wall_s=120.0, fuel=FUEL_MAX)
