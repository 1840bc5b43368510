"""`multiprocessing` of the standard library: processes without walls; and CPython itself."""

from __future__ import annotations

import multiprocessing
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

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
from bench.served import printed_by, serve

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["bench.served"])


class _Process:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, what: str, text: object) -> object:
        self.pipe.send((what, text))
        return self.pipe.recv()

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Processes(Contestant):
    """A new process for each run, from the forkserver."""

    name = "multiprocessing"

    def missing(self) -> str:
        """Return ""."""
        return ""

    def version(self) -> str:
        """Return what it is part of."""
        return f"multiprocessing of CPython {platform.python_version()}, forkserver"

    @contextmanager
    def fresh(self, places: int) -> Iterator[Call]:
        """Give a run in a new process, ended afterwards."""

        def run() -> None:
            with one() as process:
                checked(str(process.ask("run", SMALLEST)))

        run()  # starts the forkserver
        yield run

    @contextmanager
    def sessions(self, count: int) -> Iterator[Held]:
        """Hold processes."""
        with ExitStack() as stack:
            held = [stack.enter_context(one()) for _ in range(count)]
            for process in held:
                process.ask("run", SMALLEST)
            pids = [process.process.pid or 0 for process in held]
            yield Held(
                count,
                lambda number: checked(str(held[number].ask("run", SMALLEST))),
                [os.getpid(), *pids],
            )

    @contextmanager
    def host_calls(self) -> Iterator[Callable[[int], object]]:
        """Answer messages on a pipe."""
        with one() as process:

            def run(count: int) -> None:
                process.pipe.send(("calls", str(count)))
                while (text := process.pipe.recv()) is not None:
                    process.pipe.send(text)

            yield run

    @contextmanager
    def echo(self, size_bytes: int) -> Iterator[Call]:
        """Send bytes through a pipe, pickled, and have them back."""
        data = os.urandom(size_bytes)
        with one() as process:

            def run() -> None:
                if process.ask("echo", data) != data:
                    raise RuntimeError("other bytes came back")

            yield run

    @contextmanager
    def deadline(self, spin: Spin) -> Iterator[Callable[[], Late]]:
        """Kill the process at the deadline and start another."""
        with ExitStack() as stack:
            at_hand = [stack.enter_context(one())]

            def run() -> None:
                at_hand[0].pipe.send(("run", spinning(spin)))
                if at_hand[0].pipe.poll(DEADLINE_S):
                    raise RuntimeError("it ended before the deadline")
                at_hand[0].end()

            def after() -> None:
                at_hand[0] = stack.enter_context(one())
                checked(str(at_hand[0].ask("run", SMALLEST)))

            def once() -> Late:
                late = late_after(run, after)
                return Late(late.ended_s, late.usable_s, is_kept=False)

            yield once

    def command(self, script: Path) -> list[str]:
        """Return `python`, with no sandbox at all."""
        return [sys.executable, str(script)]


class Native(Contestant):
    """CPython itself, in this process: what a guest would take without a sandbox."""

    name = "native"

    def missing(self) -> str:
        """Return ""."""
        return ""

    def version(self) -> str:
        """Return its name and release."""
        return f"CPython {platform.python_version()}"

    @contextmanager
    def programs(self) -> Iterator[RunCode]:
        """Give a call in this process."""
        yield printed_by


@contextmanager
def one() -> Iterator[_Process]:
    """Give a process and end it."""
    process = _Process()
    try:
        yield process
    finally:
        if process.process.is_alive():
            process.end()
