"""What a contestant is asked for. What it does not offer it says so, in words for the report."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: What a fresh run does, and prints.
SMALLEST, PRINTED = "print(1+1)", "2"
DEADLINE_S = 0.1
#: Longer than any deadline here; short enough to wait for where a deadline does not end it.
SLEEP_S = 2.0
#: Where packages of npm and environments of Python are kept between runs.
CACHE = Path.home() / ".cache" / "cellblock-bench"

#: Does one thing; returns the seconds it took where the contestant has a clock nearer to it.
type Call = Callable[[], float | None]
type RunCode = Callable[[str], str]
type Spin = Literal["loop", "sleep"]


class NotOffered(Exception):
    """The contestant has no such thing; the text says why."""


@dataclass(frozen=True, slots=True)
class Late:
    """One run into its deadline.

    Args:
        ended_s: from the deadline to its ending.
        usable_s: from the deadline to the result of the next run in the same slot.
        is_kept: the process that ran it goes on; None where there is no telling.
    """

    ended_s: float
    usable_s: float
    is_kept: bool | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Sessions that are alive: a call in one of them, and the processes that hold them."""

    count: int
    again: Callable[[int], object]
    pids: list[int]


class Contestant:
    """One way to run code. Each context manager opens what it needs and closes it again."""

    name = ""
    #: Whether it runs Python code given as text.
    runs_python = True

    def missing(self) -> str:
        """Return why it takes no part on this machine, "" if it does."""
        raise NotImplementedError

    def version(self) -> str:
        """Return its name and release."""
        raise NotImplementedError

    def fresh(self, places: int) -> AbstractContextManager[Call]:
        """Give a call that runs `SMALLEST` where no other code has run."""
        raise NotOffered("no fresh place for a run")

    @contextmanager
    def rate(self, places: int) -> Iterator[Callable[[int], float]]:
        """Give a call that makes so many fresh runs, `places` at a time; returns the seconds."""
        with ExitStack() as stack:
            call = stack.enter_context(self.fresh(places))
            threads = stack.enter_context(ThreadPoolExecutor(places))

            def run(count: int) -> float:
                began = time.perf_counter()
                shares = [threads.submit(repeat, call, count // places) for _ in range(places)]
                for share in shares:
                    share.result()
                return time.perf_counter() - began

            yield run

    def programs(self) -> AbstractContextManager[RunCode]:
        """Give a call that runs Python code and returns what it printed."""
        raise NotOffered("runs no Python code")

    def sessions(self, count: int) -> AbstractContextManager[Held]:
        """Hold so many live sessions, each of which has run code once."""
        raise NotOffered("no sessions")

    def host_calls(self) -> AbstractContextManager[Callable[[int], object]]:
        """Give a call that has a guest call a function of the host so often."""
        raise NotOffered("no calls of the host")

    def echo(self, size_bytes: int) -> AbstractContextManager[Call]:
        """Give a call that sends bytes in and has the same bytes come back."""
        raise NotOffered("no bytes in and out")

    def deadline(self, spin: Spin) -> AbstractContextManager[Callable[[], Late]]:
        """Give a call that spins into a deadline of `DEADLINE_S`, with one slot."""
        raise NotOffered("no deadline")

    def command(self, script: Path) -> list[str]:
        """Return the command line that runs a script."""
        raise NotOffered("no command line")


def repeat(call: Callable[[], object], times: int) -> None:
    """Call it that often."""
    for _ in range(times):
        call()


def spinning(spin: Spin, sleep_s: float = SLEEP_S) -> str:
    """Return code that does not end before the deadline."""
    return "while True: pass" if spin == "loop" else f"import time\ntime.sleep({sleep_s})"


def late_after(spin: Callable[[], object], after: Callable[[], object]) -> Late:
    """Time one run into its deadline, and the run after it."""
    began = time.perf_counter()
    spin()
    ended = time.perf_counter()
    after()
    return Late(ended - began - DEADLINE_S, time.perf_counter() - began - DEADLINE_S)


def checked(printed: str, wanted: str = PRINTED) -> None:
    """Insist that a guest did its work."""
    if printed.strip() != wanted:
        raise RuntimeError(f"printed {printed[:80]!r}, not {wanted!r}")


def said_by(command: list[str]) -> str:
    """Return the first line that a command prints, "" if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
