"""Other sandboxes on the same job, where they are installed (the `bench` extra).

Each context manager here gives a function that takes code, runs it in a place no other code has
used, and returns what it printed. Packages are imported by name, as they are not always there.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

type RunFresh = Callable[[str], str]


@contextmanager
def cellblock(cells: int) -> Iterator[RunFresh]:
    """Give our own runs: a fresh sandbox for each."""
    from executor import Supervisor

    with Supervisor(cells=cells) as supervisor:
        yield lambda code: supervisor.run(code).stdout


@contextmanager
def eryx(cells: int) -> Iterator[RunFresh]:
    """Give `eryx.Sandbox.execute`, which resets its sandbox for each call. `cells` is not used."""
    sandbox = importlib.import_module("eryx").Sandbox()

    def run(code: str) -> str:
        return str(sandbox.execute(code).stdout, "utf-8")

    yield run


@contextmanager
def monty(cells: int) -> Iterator[RunFresh]:
    """Give a checkout of pydantic-monty for each run; it runs a subset of Python."""
    package = importlib.import_module("pydantic_monty")

    with package.Monty(min_processes=cells, max_processes=cells) as pool:

        def run(code: str) -> str:
            printed = package.CollectString()
            with pool.checkout() as session:
                session.feed_run(code, print_callback=printed)
            return str(printed.output)

        yield run


ALL: dict[str, tuple[str, Callable[[int], AbstractContextManager[RunFresh]]]] = {
    "cellblock": ("executor", cellblock),
    "eryx": ("eryx", eryx),
    "monty": ("pydantic_monty", monty),
}


def installed() -> dict[str, Callable[[int], AbstractContextManager[RunFresh]]]:
    """Return those that can be imported, ours first."""
    return {
        name: give
        for name, (module, give) in ALL.items()
        if importlib.util.find_spec(module) is not None
    }
