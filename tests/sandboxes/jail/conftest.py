"""One arena for all probes, and zygotes that end with their test."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandboxes.jail.identity import PLAIN_UID
from sandboxes.jail.plan import CellWish, Jail, Strength
from sandboxes.jail.probes.arena import Arena
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.steps import Wall
from sandboxes.zygote_client import (
    CellForked,
    Event,
    Recipe,
    ZygoteClient,
    ZygoteReady,
)

HERE = Path(__file__).resolve().parent
#: Long enough for any machine; nothing waits it out unless it is broken.
PATIENCE_S = 30.0
WISH = CellWish(Resources(memory_bytes=256 << 20))


class Nest:
    """A zygote under test with the events it has sent and the sockets of its cells."""

    def __init__(self, client: ZygoteClient) -> None:
        self.client = client
        self.events: list[Event] = []
        self.sockets: dict[int, socket.socket] = {}
        self.pidfds: list[int] = []

    def wait[E](self, kind: type[E], cell: int | None = None) -> E:
        """Return the first event of a kind (about a cell), waiting for it."""
        until = time.monotonic() + PATIENCE_S
        while True:
            for event in self.events:
                if isinstance(event, kind) and cell in (None, getattr(event, "cell", None)):
                    self.events.remove(event)
                    return event
            left = until - time.monotonic()
            assert left > 0, f"no {kind.__name__}, but {self.events}"
            select.select([self.client], [], [], left)
            received = self.client.receive()
            self.pidfds += [e.pidfd for e in received if isinstance(e, CellForked)]
            self.events += received

    def ask(self, cell: int, wish: CellWish = WISH, **more: tuple[int, ...]) -> None:
        """Ask for a cell and keep our end of its socket."""
        ours, theirs = socket.socketpair()
        self.sockets[cell] = ours
        with theirs:
            self.client.fork_cell(cell, wish, theirs.fileno(), **more)

    def fork(self, cell: int, wish: CellWish = WISH, **more: tuple[int, ...]) -> CellForked:
        """Fork a cell."""
        self.ask(cell, wish, **more)
        return self.wait(CellForked, cell)

    def hear(self, cell: int) -> bytes:
        """Return what a cell says next, b"" if it ended."""
        sock = self.sockets[cell]
        sock.settimeout(PATIENCE_S)
        return sock.recv(65_536)

    def close(self) -> None:
        self.client.close()
        for sock in self.sockets.values():
            sock.close()
        for pidfd in self.pidfds:
            os.close(pidfd)


type MakeNest = Callable[..., Nest]


@pytest.fixture
def nest() -> Iterator[MakeNest]:
    """Start zygotes whose cells run a function of `bodies`."""
    with contextlib.ExitStack() as undo:

        def start(
            body: str = "echo",
            *,
            strength: Strength = "full",
            without: frozenset[Wall] = frozenset(),
            host_files: bool = False,
            preload: str = "bodies:nothing",
            wait: bool = True,
        ) -> Nest:
            uid = PLAIN_UID if os.getuid() == 0 else 0
            jail = Jail(strength=strength, uid=uid, without=without, host_files=host_files)
            recipe = Recipe(jail, f"bodies:{body}", preload, import_paths=(str(HERE),))
            made = Nest(ZygoteClient.start(recipe, python=sys.executable))
            undo.callback(made.close)
            if wait:
                made.wait(ZygoteReady)
            return made

        yield start


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    with Arena() as made:
        yield made
