"""pydantic-monty: a subset of Python on an interpreter of its own, in a pool of processes."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.accounts import descendants
from bench.contestants.base import (
    DEADLINE_S,
    SMALLEST,
    Call,
    Contestant,
    Held,
    Late,
    NotOffered,
    RunCode,
    Spin,
    checked,
    late_after,
    spinning,
)


class Monty(Contestant):
    """A checkout of the pool for each run; its processes go on between runs."""

    name = "pydantic-monty"

    def missing(self) -> str:
        """Return why it takes no part."""
        found = importlib.util.find_spec("pydantic_monty")
        return "" if found else "pip install pydantic-monty"

    def version(self) -> str:
        """Return its name and release."""
        return f"pydantic-monty {version('pydantic-monty')}"

    @staticmethod
    def _pool(places: int) -> Any:
        package = importlib.import_module("pydantic_monty")
        return package.Monty(min_processes=places, max_processes=places)

    @staticmethod
    def _run(pool: Any, code: str, **given: Any) -> str:
        printed = importlib.import_module("pydantic_monty").CollectString()
        with pool.checkout() as session:
            session.feed_run(code, print_callback=printed, **given)
        return str(printed.output)

    @contextmanager
    def fresh(self, places: int) -> Iterator[Call]:
        """Give a run in a checkout."""
        with self._pool(places) as pool:
            yield lambda: checked(self._run(pool, SMALLEST))

    @contextmanager
    def programs(self) -> Iterator[RunCode]:
        """Give a run in a checkout."""
        with self._pool(1) as pool:
            yield lambda code: self._run(pool, code)

    @contextmanager
    def sessions(self, count: int) -> Iterator[Held]:
        """Hold checkouts: a process for each."""
        with ExitStack() as stack:
            pool = stack.enter_context(self._pool(count))
            held = [stack.enter_context(pool.checkout()) for _ in range(count)]
            for number, session in enumerate(held):
                session.feed_run(f"kept = {number}")
            yield Held(
                count,
                lambda number: checked(str(held[number].feed_run("kept")), str(number)),
                [os.getpid(), *descendants(os.getpid())],
            )

    @contextmanager
    def host_calls(self) -> Iterator[Callable[[int], object]]:
        """Have a guest call a function of the host."""
        limits = {"max_suspensions": 1_000_000}
        with self._pool(1) as pool, pool.checkout(limits=limits) as session:
            given = {"same": lambda text: text}
            yield lambda count: session.feed_run(
                f"for _ in range({count}):\n    same('x')", external_lookup=given
            )

    @contextmanager
    def echo(self, size_bytes: int) -> Iterator[Call]:
        """Send an input that is the value."""
        data = os.urandom(size_bytes)
        with self._pool(1) as pool:

            def run() -> None:
                with pool.checkout() as session:
                    if session.feed_run("data", inputs={"data": data}) != data:
                        raise RuntimeError("other bytes came back")

            yield run

    @contextmanager
    def deadline(self, spin: Spin) -> Iterator[Callable[[], Late]]:
        """Run into `max_feed_duration_secs`."""
        if spin == "sleep":
            raise NotOffered("cannot sleep")
        with self._pool(1) as pool:

            def run() -> None:
                try:
                    with pool.checkout(limits={"max_feed_duration_secs": DEADLINE_S}) as session:
                        session.feed_run(spinning(spin))
                except Exception as error:
                    if "time" not in str(error).lower():
                        raise
                    return
                raise RuntimeError("the deadline did not end it")

            yield lambda: late_after(run, lambda: checked(self._run(pool, SMALLEST)))

    def command(self, script: Path) -> list[str]:
        """Return `monty`."""
        entry = Path(sys.executable).with_name("monty")
        if not entry.exists():
            raise NotOffered("its command is not installed")
        return [str(entry), str(script)]
