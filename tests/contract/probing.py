"""Cells of a real supervisor as victims and attackers for the arena of `sandboxes.jail.probes`.

The attack is done by a guest: it has ctypes, the probes' own source, and whatever else is native
Python. Before it attacks it takes away what our code put in its way, so that the kernel's walls are
what it meets. The arena judges from outside, as for any cell.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from executor import Image, Limits, Supervisor
from protocol.fields import Kind
from sandboxes.jail.plan import CellWish, Strength
from sandboxes.jail.probes.cells import ANSWER_S, ArenaBroken, Cell, Cells, Walls
from tests.executor.processes import command, descendants, kill

ROOT = Path(__file__).resolve().parents[2]
#: The smallest there is: what a probe takes beyond its limit is then beyond that of its cell.
MEMORY_BYTES = 16 << 20

#: What victim and attacker run. `exchange` says an answer and waits for the next request.
_GUEST = """
import ctypes, host, json, os, posix, socket
from sandboxes.jail.probes import body
from sandboxes.jail.probes.probe import Addresses, Target

for name in ("fork", "execv", "execve", "posix_spawn", "posix_spawnp", "system"):
    setattr(os, name, getattr(posix, name))
if refusals := __import__("sys").modules.get("sandboxes.process.refusals"):
    socket.socket.__init__ = refusals._socket_init

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(15, mark.encode(), 0, 0, 0)  # PR_SET_NAME: how the host finds this thread
request = json.loads(host.exchange(""))
if "secret" in request:
    secret = request["secret"].encode()
    memory = ctypes.create_string_buffer(secret, len(secret))
    ours, theirs = socket.socketpair()
    theirs.send(secret)
    answer = {"address": ctypes.addressof(memory), "descriptor": ours.fileno()}
    while host.exchange(json.dumps(answer)):
        answer["memory"] = memory.raw.hex()
else:
    told = request["target"]
    target = Target(**{**told, "listeners": Addresses(**told["listeners"])})
    host.exchange(json.dumps(body._attack(request["probe"], target)))
"""


class GuestCell(Cell):
    """A cell whose guest serves requests by way of a host function."""

    def __init__(self, number: int, supervisor: Supervisor, tenant: str) -> None:
        self._requests: SimpleQueue[str] = SimpleQueue()
        self._answers: SimpleQueue[str | None] = SimpleQueue()
        mark = f"probe-{number}"
        self.handle = supervisor.start(
            _GUEST,
            inputs={"mark": mark},
            functions={"exchange": self._exchange},
            tenant=tenant,  # interpreters of one are in one cell, with no wall between them
            mode="script",
        )
        self.handle.add_waiter(lambda: self._answers.put(None))
        if self._answers.get(timeout=ANSWER_S) is None:
            raise ArenaBroken(f"the guest ended: {self.handle.result(0)}")
        pid = _process_with_thread(mark)
        ours, theirs = socket.socketpair()  # the arena's own cells answer there
        theirs.close()
        super().__init__(number, pid, os.pidfd_open(pid), ours)

    def _exchange(self, answer: str) -> str:
        self._answers.put(answer)
        return self._requests.get()

    def ask(self, request: bytes, *, patience_s: float = ANSWER_S) -> dict[str, object] | None:
        """Send a request and return the answer, `None` if the guest ended or stopped instead."""
        self._requests.put(request.decode())
        try:
            answer = self._answers.get(timeout=patience_s)
        except Empty:
            return None
        if answer is None:
            self._answers.put(None)  # it stays ended
            return None
        told: dict[str, object] = json.loads(answer)
        return told

    def close(self) -> None:
        """Kill it and let go of it: whatever an attack left in it goes with it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.release()

    def release(self) -> None:
        """Let its run end, and go of it."""
        self._requests.put("")
        self.handle.result(ANSWER_S)
        os.close(self.pidfd)
        self.sock.close()


class GuestCells(Cells):
    """Gives the arena cells of a supervisor; every one is in the whole jail of its strength."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(0, {})
        self._kind = kind
        self._numbers = itertools.count(1)
        self._depth = 0
        self._supervisors: dict[Strength, Supervisor] = {}
        self._others = _zygotes()

    @contextlib.contextmanager
    def fork(self, walls: Walls, wish: CellWish) -> Iterator[Cell]:
        """Have a run begin, for the time of a `with`."""
        del wish
        assert not walls.without, "a supervisor leaves out no wall"
        self._depth += 1  # the arena makes a victim, and then its attacker
        number = next(self._numbers)
        # Another tenant each time: one whose cells keep dying is kept waiting.
        tenant = "victim" if self._depth == 1 else f"attacker-{number}"
        cell = GuestCell(number, self._supervisor(walls.strength), tenant)
        try:
            yield cell
        finally:
            self._depth -= 1
            if tenant == "victim":
                cell.release()
            else:
                cell.close()

    def zygote_pid(self, walls: Walls) -> int:
        """Return the pid of the zygote as its cells may name it."""
        if walls.strength == "full":
            return 1
        return min(self._own_zygotes())

    def status(self, walls: Walls, cell: Cell) -> int | None:
        """Return minus the signal that ended a cell, as far as its supervisor tells."""
        del walls
        assert isinstance(cell, GuestCell)
        if not cell.ended(0):
            return None
        error = cell.handle.result(ANSWER_S).error
        return -signal.SIGSYS if error and "SIGSYS" in error.message else 0

    def zygote_ends(self, walls: Walls, within_s: float) -> bool:
        """Return whether a zygote is dead within a time."""
        del walls
        before, until = self._own_zygotes(), time.monotonic() + within_s
        while before <= self._own_zygotes() and time.monotonic() < until:
            time.sleep(0.01)
        return not before <= self._own_zygotes()

    def forget(self, walls: Walls) -> None:
        """Kill the zygotes of a jail, and so its cells."""
        del walls
        for pid in self._own_zygotes():
            kill(pid)

    def _own_zygotes(self) -> set[int]:
        return _zygotes() - self._others

    def close(self) -> None:
        """End everything."""
        for supervisor in self._supervisors.values():
            supervisor.close(within_s=0)

    def _supervisor(self, strength: Strength) -> Supervisor:
        if strength not in self._supervisors:
            image = Image(libraries=[str(ROOT)], preload=["ctypes", "sandboxes.jail.probes.body"])
            cells = 2 if self._kind == "process" else 1
            limits = Limits(wall_s=600, memory_bytes=MEMORY_BYTES)
            self._supervisors[strength] = Supervisor(
                image, kind=self._kind, jail=strength, limits=limits, cells=cells, stock=1
            ).open()
        return self._supervisors[strength]


def _process_with_thread(name: str) -> int:
    for pid in descendants():
        for thread in Path(f"/proc/{pid}/task").glob("*/comm"):
            with contextlib.suppress(OSError):
                if thread.read_text().strip() == name:
                    return pid
    raise ArenaBroken(f"no process has a thread called {name}")


def _zygotes() -> set[int]:
    """Return the zygotes of all supervisors here; their cells are further down."""
    found = set()
    for pid in descendants():
        with contextlib.suppress(OSError):
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and "zygote.py" in command(pid):
                found.add(pid)
    return found
