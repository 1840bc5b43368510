"""Victims and attackers: cells of zygotes, one zygote for each combination of walls."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Mapping

from protocol.structs import field, frozen, mutable
from sandboxes.jail.plan import CellWish, Jail, Strength
from sandboxes.jail.steps import Wall
from sandboxes.zygote_client import (
    CellExited,
    CellForked,
    CellNotForked,
    Event,
    Recipe,
    ZygoteClient,
    ZygoteGone,
    ZygoteReady,
)

#: How long a process may take to end once nothing keeps it, and a cell to answer.
END_S, ANSWER_S = 5.0, 20.0
_MEMORY_S = 1.0
_BODY = "sandboxes.jail.probes.body"


class ArenaBroken(Exception):
    """The arena could not run a probe; says nothing about the wall."""


@frozen
class Walls:
    """A jail of a strength, without some of its walls."""

    strength: Strength = "full"
    without: frozenset[Wall] = frozenset()


@mutable
class Cell:
    """A forked cell: its process and our end of its socket."""

    number: int
    pid: int
    pidfd: int
    sock: socket.socket
    #: Descriptors that it sent us.
    received: list[int] = field(default_factory=list)

    def ask(self, request: bytes, *, patience_s: float = ANSWER_S) -> dict[str, object] | None:
        """Send a request and return the answer, `None` if the cell ended or stopped instead."""
        with contextlib.suppress(OSError):
            self.sock.sendall(request)
        self.sock.settimeout(patience_s)
        line = b""
        while not line.strip().endswith(b"}"):
            try:
                data, given, _, _ = socket.recv_fds(self.sock, 65_536, 4)
            except OSError:
                return None
            self.received += given
            if not data:
                return None
            line += data
        answer: dict[str, object] = json.loads(line)
        return answer

    def ended(self, within_s: float) -> bool:
        """Return whether the process ends within a time."""
        return bool(select.select([self.pidfd], [], [], within_s)[0])

    def pids(self) -> list[int]:
        """Return the cell's pids, as we know it first, then in each process namespace inside."""
        return [int(word) for word in self.accounted("NSpid").split()]

    def accounted(self, name: str) -> str:
        """Return a line of the kernel's /proc/PID/status, "" if the cell is gone."""
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/status") as status:
            for line in status:
                key, _, rest = line.partition(":")
                if key == name:
                    return rest.strip()
        return ""

    def state(self) -> object:
        """Return what others may do to the cell: its life, its limits, its memory."""
        if self.ended(0):
            return "dead"
        try:
            with open(f"/proc/{self.pid}/stat") as stat:
                stopped = stat.read().rpartition(")")[2].split()[0] in "Tt"
            with open(f"/proc/{self.pid}/limits") as limits:
                files = [line for line in limits if line.startswith("Max open files")]
            nice = os.getpriority(os.PRIO_PROCESS, self.pid)
            affinity = sorted(os.sched_getaffinity(self.pid))
        except OSError:
            return "dead"
        # It may be stopped at this moment: then it does not answer.
        memory = None if stopped else self.ask(b"?", patience_s=_MEMORY_S)
        return stopped, files, nice, affinity, memory

    def close(self) -> None:
        """Kill it and let go of it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        for descriptor in (self.pidfd, *self.received):
            os.close(descriptor)
        self.sock.close()


class Cells:
    """Makes cells behind any combination of walls. Close it; that ends all of them."""

    def __init__(self, uid: int, environment: Mapping[str, str]) -> None:
        """Make nothing yet.

        Args:
            uid: whom root becomes; 0 if we are not root.
            environment: what zygotes are given where the wall of the environment is down.
        """
        self._uid = uid
        self._environment = environment
        self._zygotes: dict[Walls, ZygoteClient] = {}
        self._statuses: dict[int, int] = {}
        self._count = 0

    def close(self) -> None:
        """Kill all zygotes, and so all cells."""
        for walls in list(self._zygotes):
            self.forget(walls)

    @contextlib.contextmanager
    def fork(self, walls: Walls, wish: CellWish) -> Iterator[Cell]:
        """Make a cell for the time of a `with`.

        Raises:
            ArenaBroken: the cell cannot be made.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                forked = self._fork(walls, wish, theirs.fileno())
        except BaseException:
            ours.close()
            raise
        cell = Cell(forked.cell, forked.pid, forked.pidfd, ours)
        try:
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(cell.pid) == os.getpgid(0):
                    raise ArenaBroken("a cell shares our process group")
            yield cell
        finally:
            cell.close()

    def zygote_pid(self, walls: Walls) -> int:
        """Return the pid of a zygote as its cells may name it."""
        return 1 if walls.strength == "full" else self._zygotes[walls].pid

    def status(self, walls: Walls, cell: Cell) -> int | None:
        """Return a cell's exit code, or minus the signal that ended it, as its zygote saw it."""
        if cell.ended(0) and cell.number not in self._statuses:
            self._wait(walls, CellExited, cell.number)
        return self._statuses.get(cell.number)

    def zygote_ends(self, walls: Walls, within_s: float) -> bool:
        """Return whether a zygote is dead within a time; it is forgotten then."""
        until = time.monotonic() + within_s
        while walls in self._zygotes and (left := until - time.monotonic()) > 0:
            select.select([self._zygotes[walls]], [], [], left)
            self._receive(walls)
        return walls not in self._zygotes

    def forget(self, walls: Walls) -> None:
        """Kill a zygote; the next cell gets a new one."""
        if (zygote := self._zygotes.pop(walls, None)) is not None:
            zygote.close()

    def _fork(self, walls: Walls, wish: CellWish, theirs: int) -> CellForked:
        cause: object = None
        for _ in range(2):  # a probe that was let through may have left a dead zygote behind
            zygote = self._zygotes.get(walls) or self._start(walls)
            self._count += 1
            zygote.fork_cell(self._count, wish, theirs)
            event = self._wait(walls, CellForked, self._count)
            if isinstance(event, CellForked):
                return event
            cause = event
            self.forget(walls)
        raise ArenaBroken(str(cause))

    def _start(self, walls: Walls) -> ZygoteClient:
        recipe = Recipe(
            Jail(strength=walls.strength, uid=self._uid, without=walls.without),
            body=f"{_BODY}:main",
            preload=f"{_BODY}:preload",
        )
        # The wall of the environment is that a zygote gets none.
        environment = self._environment if Wall.ENVIRONMENT in walls.without else None
        zygote = ZygoteClient.start(recipe, environment=environment)
        self._zygotes[walls] = zygote
        event = self._wait(walls, ZygoteReady)
        if not isinstance(event, ZygoteReady):
            raise ArenaBroken(str(event))
        return zygote

    def _receive(self, walls: Walls) -> list[Event]:
        events = self._zygotes[walls].receive()
        for event in events:
            if isinstance(event, CellExited):
                self._statuses[event.cell] = event.status
            elif isinstance(event, ZygoteGone):
                self.forget(walls)
        return events

    def _wait[E](
        self, walls: Walls, kind: type[E], cell: int = 0
    ) -> E | CellNotForked | ZygoteGone:
        """Return the next event of a kind (about a cell), or the failure that comes instead."""
        until = time.monotonic() + ANSWER_S
        while (left := until - time.monotonic()) > 0:
            if walls not in self._zygotes:
                return ZygoteGone("gone before")
            select.select([self._zygotes[walls]], [], [], left)
            for event in self._receive(walls):
                if isinstance(event, CellNotForked | ZygoteGone):
                    return event
                if isinstance(event, kind) and cell in (0, getattr(event, "cell", 0)):
                    return event
        raise ArenaBroken(f"no {kind.__name__} from a zygote")
