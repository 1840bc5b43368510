"""What a probe is. Probes register themselves by decorator; `catalogue()` loads them all."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable

from protocol.structs import frozen
from sandboxes.jail.plan import Strength
from sandboxes.jail.steps import Wall

_GROUPS = (
    "files",
    "network",
    "signals",
    "memory",
    "descriptors",
    "processes",
    "resources",
    "privileges",
    "surface",
)


class Judge(enum.StrEnum):
    """How harm shows."""

    SECRET = "secret"  # the cell returns what only its target knows
    CANARY = "canary"  # the canary directory is not as it was
    HEARD = "heard"  # a listener on the host heard something
    VICTIM = "victim"  # another cell is dead, stopped, or not as it was
    WEIGHT = "weight"  # the kernel accounts more to the cell than its limit; see `Weight`
    EXIT = "exit"  # the cell's process became a program that exits with `EXIT_STATUS`
    GIVEN = "given"  # a descriptor arrived at the supervisor
    OUTLIVED = "outlived"  # the cell lives on after its zygote was killed
    ZYGOTE = "zygote"  # the zygote is dead
    ANSWER = "answer"  # the cell says that it worked


#: Exit status of a program that a probe starts in place of its cell.
EXIT_STATUS = 77


@frozen
class Weight:
    """A line of /proc/PID/status and the number from which a probe has bitten."""

    field: str
    at_least: int


@frozen
class Wishes:
    """What a probe's cell is like, where it matters."""

    memory_bytes: int = 256 << 20
    threads_max: int = 16
    descriptors_max: int = 256
    file_bytes_max: int = 64 << 20
    writable_tmpfs_bytes: int = 0


_USUAL = Wishes()


@frozen
class Addresses:
    """Where the arena listens: ports of loopback, Unix sockets by path and by abstract name."""

    tcp4_port: int
    tcp6_port: int
    udp_port: int
    stream_path: str
    stream_name: str
    datagram_path: str
    datagram_name: str


@frozen
class Target:
    """What an attacker is told, so that a wall stops it and not its ignorance.

    Paths lie in a directory of the arena's, the victim is a cell.
    """

    secret_chars: int
    host_name: str
    directory: str
    file: str
    file_bytes: int
    root_file: str
    program: str
    setuid_program: str
    listeners: Addresses
    shared_memory_key: int
    zygote_pid: int
    victim_pid: int
    victim_host_pid: int
    victim_address: int
    victim_descriptor: int
    leaked_descriptor: int


type Attack = Callable[[Target], object]


@frozen
class Probe:
    """One attack.

    Args:
        name: group and function, such as "files.read".
        tries: one sentence.
        walls: each of them stops it alone.
        judge: how it shows that it bit.
        attack: run in the cell.
        strength: of the jail that its walls are taken from.
        also_down: walls in the way of the attack that are not claimed to stop it for good.
        wishes: what its cell is like.
        weight: for `Judge.WEIGHT`.
        root_only: only a root supervisor's cells can be attacked so.
        optional: a kernel may refuse it on its own account; then there is nothing to stop.
        gap_in_light: the light jail lets it through; `sandboxes.guarantees` says so.
        gap_in_light_with_files: the same, where the cell may read any files at all.
    """

    name: str
    tries: str
    walls: tuple[Wall, ...]
    judge: Judge
    attack: Attack
    strength: Strength = "full"
    also_down: tuple[Wall, ...] = ()
    wishes: Wishes = _USUAL
    weight: Weight | None = None
    root_only: bool = False
    optional: bool = False
    gap_in_light: bool = False
    gap_in_light_with_files: bool = False

    @property
    def group(self) -> str:
        """The file it is in."""
        return self.name.partition(".")[0]

    @property
    def down(self) -> frozenset[Wall]:
        """The walls to take down for it to bite."""
        return frozenset(self.walls) | frozenset(self.also_down)


_catalogue: dict[str, Probe] = {}


def probe(
    judge: Judge,
    *walls: Wall,
    strength: Strength = "full",
    also_down: tuple[Wall, ...] = (),
    wishes: Wishes = _USUAL,
    weight: Weight | None = None,
    root_only: bool = False,
    optional: bool = False,
    gap_in_light: bool = False,
    gap_in_light_with_files: bool = False,
) -> Callable[[Attack], Attack]:
    """Register a function as a probe; its docstring says what it tries."""

    def register(attack: Attack) -> Attack:
        group = attack.__module__.rpartition(".")[2]
        name = f"{group}.{attack.__name__}"
        assert name not in _catalogue
        tries = (attack.__doc__ or "").strip().rstrip(".")
        _catalogue[name] = Probe(
            name,
            tries,
            walls,
            judge,
            attack,
            strength,
            also_down,
            wishes,
            weight,
            root_only,
            optional,
            gap_in_light,
            gap_in_light_with_files,
        )
        return attack

    return register


def catalogue() -> dict[str, Probe]:
    """Return every probe by name."""
    for group in _GROUPS:
        importlib.import_module(f"sandboxes.jail.probes.{group}")
    return dict(_catalogue)
