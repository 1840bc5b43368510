"""Node: worker_threads, and piscina, a pool of them. JavaScript, without walls."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.contestants.base import (
    CACHE,
    DEADLINE_S,
    Call,
    Contestant,
    Held,
    Late,
    NotOffered,
    Spin,
    said_by,
)
from bench.contestants.driven import Driver

HOME = CACHE / "node"
SERVER = Path(__file__).with_name("node_server.mjs")
INSTALL_S = 300.0


class Workers(Contestant):
    """A new worker thread for each run."""

    name = "worker_threads"
    runs_python = False

    def missing(self) -> str:
        """Return why it takes no part."""
        return "" if shutil.which("node") else "install Node"

    def version(self) -> str:
        """Return its name and release."""
        return f"Node {said_by(['node', '--version'])}"

    @staticmethod
    def driver() -> Driver:
        """Start the program that does it."""
        HOME.mkdir(parents=True, exist_ok=True)
        return Driver(["node", str(SERVER)], HOME)

    @contextmanager
    def fresh(self, places: int) -> Iterator[Call]:
        """Give a worker that computes 1 + 1."""
        with self.driver() as driver:
            yield lambda: driver.spent_s("fresh")

    @contextmanager
    def rate(self, places: int) -> Iterator[Callable[[int], float]]:
        """Start workers, `places` at a time."""
        with self.driver() as driver:
            yield lambda count: driver.spent_s("rate", count=count, places=places)

    @contextmanager
    def sessions(self, count: int) -> Iterator[Held]:
        """Hold workers."""
        with self.driver() as driver:
            driver.ask("hold", count=count)
            yield Held(count, lambda number: driver.spent_s("again", number=number), [driver.pid])

    @contextmanager
    def host_calls(self) -> Iterator[Callable[[int], object]]:
        """Exchange messages with a worker, one after another."""
        with self.driver() as driver:
            yield lambda count: driver.spent_s("calls", count=count)

    @contextmanager
    def echo(self, size_bytes: int) -> Iterator[Call]:
        """Send bytes as a message: cloned there and back."""
        with self.driver() as driver:
            yield lambda: driver.spent_s("echo", size=size_bytes, move=False)

    @contextmanager
    def deadline(self, spin: Spin) -> Iterator[Callable[[], Late]]:
        """Terminate the worker at the deadline and start another."""
        with self.driver() as driver:

            def once() -> Late:
                told = driver.ask("late", spin=spin, deadline=DEADLINE_S)
                return Late(told["ended"], told["usable"], is_kept=False)

            yield once

    def command(self, script: Path) -> list[str]:
        """Return `node -e` with the same in JavaScript: there is no Python in it."""
        return ["node", "-e", "console.log(1+1)"]


class Moved(Workers):
    """The same, handing memory over instead of copying it."""

    name = "worker_threads+transfer"

    @contextmanager
    def echo(self, size_bytes: int) -> Iterator[Call]:
        """Send bytes as a message: their memory changes hands."""
        with self.driver() as driver:
            yield lambda: driver.spent_s("echo", size=size_bytes, move=True)


class Piscina(Workers):
    """Threads that stay: a call finds a thread that others have used."""

    name = "piscina"

    def missing(self) -> str:
        """Install it into the cache where it is not yet."""
        if why := super().missing():
            return why
        if not shutil.which("npm"):
            return "install npm"
        HOME.mkdir(parents=True, exist_ok=True)
        if not (HOME / "node_modules" / "piscina").exists():
            command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "piscina@5"]
            try:
                subprocess.run(
                    command, cwd=HOME, check=True, timeout=INSTALL_S, capture_output=True
                )
            except (OSError, subprocess.SubprocessError) as error:
                return f"npm cannot install it: {error}"[:200]
        return ""

    def version(self) -> str:
        """Return its name and release."""
        code = "console.log(require('./node_modules/piscina/package.json').version)"
        done = subprocess.run(
            ["node", "-e", code], cwd=HOME, capture_output=True, text=True, check=False
        )
        return f"piscina {done.stdout.strip()}"

    def fresh(  # type: ignore[override]  # what it is given by never matters
        self, places: int
    ) -> AbstractContextManager[Call]:
        """Offer none."""
        raise NotOffered("its threads are used again")

    @contextmanager
    def rate(self, places: int) -> Iterator[Callable[[int], float]]:
        """Call threads that others have used."""
        with self.driver() as driver:
            yield lambda count: driver.spent_s("poolRate", count=count, places=places)
