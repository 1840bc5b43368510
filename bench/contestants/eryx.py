"""pyeryx: full CPython in WebAssembly, inside the host's own process."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

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


def text_of(stdout: Any) -> str:
    """Return what was printed as text."""
    return stdout if isinstance(stdout, str) else str(stdout, "utf-8")


class Eryx(Contestant):
    """`eryx.Sandbox.execute`, which resets its sandbox for each call."""

    name = "pyeryx"

    def missing(self) -> str:
        """Return why it takes no part."""
        return "" if importlib.util.find_spec("eryx") else "pip install pyeryx"

    def version(self) -> str:
        """Return its name and release."""
        return f"pyeryx {version('pyeryx')}"

    @staticmethod
    def _package() -> Any:
        return importlib.import_module("eryx")

    @contextmanager
    def fresh(self, places: int) -> Iterator[Call]:
        """Give a call in a sandbox of the calling thread's own."""
        own = threading.local()

        def run() -> None:
            if not hasattr(own, "sandbox"):
                own.sandbox = self._package().Sandbox()
            checked(text_of(own.sandbox.execute(SMALLEST).stdout))

        yield run

    @contextmanager
    def programs(self) -> Iterator[RunCode]:
        """Give a call in one sandbox without a deadline."""
        limits = self._package().ResourceLimits(
            execution_timeout_ms=120_000, max_memory_bytes=512 << 20
        )
        sandbox = self._package().Sandbox(resource_limits=limits)
        yield lambda code: text_of(sandbox.execute(code).stdout)

    @contextmanager
    def sessions(self, count: int) -> Iterator[Held]:
        """Hold sessions, all in this process."""
        held = []
        for number in range(count):
            session = self._package().Session()
            session.execute(f"kept = {number}")
            held.append(session)

        def again(number: int) -> None:
            checked(text_of(held[number].execute("print(kept)").stdout), str(number))

        yield Held(count, again, [os.getpid()])
        held.clear()

    @contextmanager
    def host_calls(self) -> Iterator[Callable[[int], object]]:
        """Have a guest await a callback."""
        registry = self._package().CallbackRegistry()
        registry.add(same, name="same", description="Returns its argument.")
        limits = self._package().ResourceLimits(
            execution_timeout_ms=120_000, max_callback_invocations=1_000_000
        )
        sandbox = self._package().Sandbox(callbacks=registry, resource_limits=limits)
        yield lambda count: checked(
            text_of(
                sandbox.execute(
                    f"for _ in range({count}): await same(text='x')\nprint({count})"
                ).stdout
            ),
            str(count),
        )

    def echo(self, size_bytes: int) -> AbstractContextManager[Call]:
        """Offer none."""
        raise NotOffered("a run has no inputs")

    @contextmanager
    def deadline(self, spin: Spin) -> Iterator[Callable[[], Late]]:
        """Run into `execution_timeout_ms`."""
        limits = self._package().ResourceLimits(execution_timeout_ms=round(DEADLINE_S * 1e3))
        sandbox = self._package().Sandbox(resource_limits=limits)
        code = spinning(spin)

        def run() -> None:
            try:
                sandbox.execute(code)
            except self._package().TimeoutError:
                return
            raise RuntimeError("the deadline did not end it")

        yield lambda: late_after(run, lambda: checked(text_of(sandbox.execute(SMALLEST).stdout)))

    def command(self, script: Path) -> list[str]:
        """Return `python -m eryx`."""
        return [sys.executable, "-m", "eryx", str(script)]


def same(text: str) -> str:
    """Return the argument."""
    return text
