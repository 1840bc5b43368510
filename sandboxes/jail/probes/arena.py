"""Makes targets, runs one probe in one jail, and judges from outside whether it bit.

Everything that is attacked is the arena's own: a canary directory, listeners on loopback, a shared
memory segment, and cells of zygotes that it starts. Used by the tests of the walls and by audits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator

from protocol.structs import frozen
from sandboxes.jail.identity import PLAIN_UID
from sandboxes.jail.plan import CellWish
from sandboxes.jail.probes.cells import END_S, ArenaBroken, Cell, Cells, Walls
from sandboxes.jail.probes.listeners import Listeners, SharedSegment
from sandboxes.jail.probes.probe import EXIT_STATUS, Judge, Probe, Target
from sandboxes.jail.rlimits import Resources

#: How long harm may take to show once an attack did not fail.
SHOW_S = 0.15
_LEAK_FROM = 100
_SHELL = "/bin/sh"


@frozen
class Outcome:
    """What came of one attack: whether it `bit`, and what the cell said or how it ended."""

    bit: bool
    seen: str


@frozen
class _Fight:
    """One attack at hand."""

    probe: Probe
    walls: Walls
    directory: str
    victim: Cell
    attacker: Cell

    @property
    def harm_expected(self) -> bool:
        """True if no wall that the probe names stands: then the arena waits longer to see it."""
        return self.probe.down <= self.walls.without

    def state(self) -> object:
        """Return what an attack on files or on the victim may change."""
        files = []
        for entry in sorted(os.listdir(self.directory)):
            found = os.lstat(os.path.join(self.directory, entry))
            files.append((entry, found.st_mode, found.st_size, found.st_mtime_ns, found.st_nlink))
        return files, self.victim.state()


class Arena:
    """Targets of one user's; run probes against them one at a time. A context manager."""

    def __init__(self, cells: Cells | None = None) -> None:
        """Make the targets.

        Args:
            cells: what makes victims and attackers, closed with the arena; None for our own.
        """
        self._undo = contextlib.ExitStack()
        self._secret = secrets.token_hex(16)
        self._is_root = os.getuid() == 0
        self._base = tempfile.mkdtemp(prefix="cellblock-arena-")
        self._undo.callback(shutil.rmtree, self._base, ignore_errors=True)
        os.chmod(self._base, 0o755)
        self._listeners = self._undo.enter_context(Listeners(self._base))
        self._segment = self._undo.enter_context(SharedSegment(self._secret.encode()))
        self._leak = self._leaked_descriptor()
        self._root_file = os.path.join(self._base, "root")
        _write(self._root_file, self._secret, 0o600)
        self._setuid_program = self._make_setuid_program()
        own = Cells(PLAIN_UID if self._is_root else 0, {"SECRET": self._secret})
        self._cells = own if cells is None else cells
        self._undo.callback(self._cells.close)

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def can_run(self, probe: Probe) -> bool:
        """Return whether this user can make what the probe attacks."""
        return self._is_root or not probe.root_only

    def run(self, probe: Probe, walls: Walls) -> Outcome:
        """Run a probe in a fresh cell behind `walls` and judge it.

        Raises:
            ArenaBroken: no cell could be made.
        """
        wish = _wish(probe, walls)
        with self._canary() as directory, self._cells.fork(walls, wish) as victim:
            told = victim.ask(json.dumps({"secret": self._secret}).encode())
            if told is None:
                raise ArenaBroken("the victim did not answer")
            with self._cells.fork(walls, wish) as attacker:
                fight = _Fight(probe, walls, directory, victim, attacker)
                return self._fight(fight, self._target(fight, told))

    # --- judging ---------------------------------------------------------------------------------
    def _fight(self, fight: _Fight, target: Target) -> Outcome:
        before = fight.state()
        request = {"probe": fight.probe.name, "target": dataclasses.asdict(target)}
        answer = fight.attacker.ask(json.dumps(request).encode())
        if answer is not None:
            return Outcome(self._judge(fight, answer.get("value"), before), json.dumps(answer))
        fight.attacker.ended(END_S)
        bit = self._judge(fight, None, before)
        return Outcome(bit, f"ended with {self._cells.status(fight.walls, fight.attacker)}")

    def _judge(self, fight: _Fight, value: object, before: object) -> bool:
        match fight.probe.judge:
            case Judge.ANSWER:
                return value is True
            case Judge.SECRET:
                return isinstance(value, str) and self._secret in value
            case Judge.HEARD:
                return self._listeners.heard()
            case Judge.GIVEN:
                return bool(fight.attacker.received)
            case Judge.EXIT:
                return self._cells.status(fight.walls, fight.attacker) == EXIT_STATUS
            case Judge.WEIGHT:
                weight = fight.probe.weight
                assert weight is not None
                found = fight.attacker.accounted(weight.field) or "0"
                return int(found.split()[0]) >= weight.at_least
            case Judge.CANARY | Judge.VICTIM:
                return self._changes(fight, value, before)
            case Judge.ZYGOTE:
                patience_s = END_S if fight.harm_expected else SHOW_S
                return self._cells.zygote_ends(fight.walls, patience_s)
            case Judge.OUTLIVED:
                self._cells.forget(fight.walls)
                return not fight.attacker.ended(SHOW_S if fight.harm_expected else END_S)

    def _changes(self, fight: _Fight, value: object, before: object) -> bool:
        # What failed, or was killed by the filter, has no effect that could come later.
        status = self._cells.status(fight.walls, fight.attacker)
        failed = value is None and status in (None, -signal.SIGSYS)
        patience_s = END_S if fight.harm_expected else SHOW_S
        until = time.monotonic() + (0.0 if failed else patience_s)
        while fight.state() == before:
            if time.monotonic() >= until:
                return False
            fight.victim.ended(SHOW_S / 10)
        return True

    # --- targets ---------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _canary(self) -> Iterator[str]:
        self._listeners.heard()
        directory = tempfile.mkdtemp(dir=self._base)
        try:
            os.chmod(directory, 0o755)
            file = os.path.join(directory, self._secret)
            _write(file, self._secret + "\n" * 7, 0o644)
            if self._is_root:  # the cell's user owns the files: the walls stop it, not their modes
                os.chown(directory, PLAIN_UID, PLAIN_UID)
                os.chown(file, PLAIN_UID, PLAIN_UID)
            yield directory
        finally:
            shutil.rmtree(directory)

    def _target(self, fight: _Fight, told: dict[str, object]) -> Target:
        file = os.path.join(fight.directory, self._secret)
        address, descriptor = told["address"], told["descriptor"]
        assert isinstance(address, int)
        assert isinstance(descriptor, int)
        pids = fight.victim.pids()
        return Target(
            secret_chars=len(self._secret),
            host_name=os.uname().nodename,
            directory=fight.directory,
            file=file,
            file_bytes=os.stat(file).st_size,
            root_file=self._root_file,
            program=_SHELL,
            setuid_program=self._setuid_program,
            listeners=self._listeners.addresses(),
            shared_memory_key=self._segment.key,
            zygote_pid=self._cells.zygote_pid(fight.walls),
            victim_pid=pids[1] if len(pids) > 1 else pids[0],
            victim_host_pid=fight.victim.pid,
            victim_address=address,
            victim_descriptor=descriptor,
            leaked_descriptor=self._leak,
        )

    def _leaked_descriptor(self) -> int:
        """Return an inheritable descriptor of a file that holds the secret."""
        path = os.path.join(self._base, "leaked")
        _write(path, self._secret, 0o600)
        with open(path) as file:
            leak = fcntl.fcntl(file, fcntl.F_DUPFD, _LEAK_FROM)
        self._undo.callback(os.close, leak)
        return leak

    def _make_setuid_program(self) -> str:
        path = os.path.join(self._base, "setuid")
        if self._is_root and (program := shutil.which("cp")):
            shutil.copy(program, path)
            os.chmod(path, 0o4755)
        return path


def _wish(probe: Probe, walls: Walls) -> CellWish:
    wishes = probe.wishes
    resources = Resources(
        wishes.memory_bytes, wishes.threads_max, wishes.descriptors_max, wishes.file_bytes_max
    )
    scratch_bytes = wishes.writable_tmpfs_bytes if walls.strength == "full" else 0
    return CellWish(resources, writable_tmpfs_bytes=scratch_bytes)


def _write(path: str, text: str, mode: int) -> None:
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
