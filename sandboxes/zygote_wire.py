"""What a supervisor and its zygote say to each other: one message in each packet.

    supervisor --Start, ForkCell-->  zygote
    zygote     --Started, Failed, Forked, NotForked, Exited-->  supervisor

A packet is one byte that names the message, then its JSON body. The socket is SOCK_SEQPACKET, so a
packet arrives whole, with the descriptors that belong to it: those for the cell with `ForkCell`,
the process descriptor with `Forked`. A cell never holds this socket.
"""

from __future__ import annotations

from typing import Annotated, Literal

from protocol.errors import RemoteProtocolError
from protocol.fields import AtMost, Between, Bytes, Count, Id, Microseconds, Name, Path, Text
from protocol.reading import read, write
from protocol.structs import frozen

PACKET_BYTES_MAX = 128 << 10
#: Descriptors in one packet: the cell's socket, its mounts and what else it is to hold.
DESCRIPTORS_MAX = 64


@frozen
class Start:
    """First packet to a zygote: what it is to be. Answered by `Started` or `Failed`.

    `body` and `preload` name functions as "module:function". The zygote calls
    `preload(*preload_arguments)` once, each cell calls `body(3, *meters, *more_descriptors)`.
    `meters(proc)`, if there is one, is called in each cell ahead of its jail with a descriptor of
    /proc, and returns the descriptors that the body gets.
    """

    parent: Count
    kind: Literal["wasm", "native"]
    strength: Literal["full", "light"]
    uid: Count
    body: Name
    preload: Name = ""
    preload_arguments: Annotated[tuple[Text, ...], AtMost(1_024)] = ()
    meters: Name = ""
    import_paths: Annotated[tuple[Path, ...], AtMost(512)] = ()
    libraries: Annotated[tuple[Path, ...], AtMost(256)] = ()
    host_files: bool = False
    without: Annotated[tuple[Name, ...], AtMost(64)] = ()


@frozen
class BindSpec:
    """A mount of a cell; see `sandboxes.jail.root.Bind`."""

    source: Path
    target: Path
    writable: bool = False


@frozen
class ForkCell:
    """Fork one cell. Answered by `Forked` or `NotForked`, and after `Forked` by one `Exited`.

    The first descriptor of the packet is the cell's socket. Then come, if `trees` is set, one
    ready mount for each of `binds`; the rest are the cell's.
    """

    cell: Id
    memory_bytes: Bytes
    threads_max: Annotated[int, Between(1, 65_536)]
    descriptors_max: Annotated[int, Between(4, 65_536)]
    file_bytes_max: Bytes
    nice: Annotated[int, Between(0, 19)]
    cpu_s_max: Annotated[int, Between(1, 7 * 24 * 3600)] | None = None
    writable_tmpfs_bytes: Bytes = 0
    binds: Annotated[tuple[BindSpec, ...], AtMost(32)] = ()
    trees: bool = False


@frozen
class Started:
    """The zygote has preloaded, is jailed as far as it is to be, and waits for `ForkCell`."""

    preload_us: Microseconds
    jail_us: Microseconds


@frozen
class Failed:
    """The zygote could not start, and exits. `step` is a jail step, "preload" or "zygote"."""

    step: Name
    reason: Text


@frozen
class Forked:
    """A cell runs; the packet holds its process descriptor. It may not be jailed yet."""

    cell: Id


@frozen
class NotForked:
    """No cell was made."""

    cell: Id
    reason: Text


@frozen
class Exited:
    """A cell is gone and reaped: with exit code `status`, or by the signal `-status`."""

    cell: Id
    status: Annotated[int, Between(-255, 255)]
    cpu_us: Microseconds
    peak_memory_bytes: Bytes


type Packet = Start | ForkCell | Started | Failed | Forked | NotForked | Exited

_KINDS: dict[type, int] = {
    Start: 1,
    ForkCell: 2,
    Started: 16,
    Failed: 17,
    Forked: 18,
    NotForked: 19,
    Exited: 20,
}
_CLASSES: dict[int, type[Packet]] = {kind: cls for cls, kind in _KINDS.items()}


def encode(packet: Packet) -> bytes:
    """Return the bytes of one packet."""
    return bytes((_KINDS[type(packet)],)) + write(packet)


def decode(data: bytes) -> Packet:
    """Return the message of one packet.

    Raises:
        RemoteProtocolError: this is no packet of ours.
    """
    cls = _CLASSES.get(data[0]) if data else None
    if cls is None:
        raise RemoteProtocolError("zygote: a packet of unknown kind")
    return read(cls, data[1:])
