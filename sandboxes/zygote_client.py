"""The supervisor's end of a zygote: start it, ask it for cells, hear of their ends.

Fits any selector loop: register `fileno()`, call `receive()` when it is readable, and `flush()`
when it is writable while `wants_write` is true. Nothing here blocks but `close`, which kills first.

Rule 1: standard library alone and no `os.fork`, so that it works in a second interpreter.
Rule 2: the thread that calls `start` must outlive the zygote: the kernel takes the end of that
        thread for the end of the parent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from protocol.errors import LocalProtocolError
from protocol.structs import frozen
from sandboxes.errors import JailUnavailable
from sandboxes.jail.plan import CellWish, Jail
from sandboxes.zygote_wire import (
    PACKET_BYTES_MAX,
    BindSpec,
    Exited,
    Failed,
    ForkCell,
    Forked,
    NotForked,
    Packet,
    Start,
    Started,
    decode,
    encode,
)

ZYGOTE_MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zygote.py")
CONTROL_FD = 3
#: Requests that wait for room in the socket. A pool asks for one cell at a time each.
UNSENT_MAX = 4_096
_PACKETS_AT_ONCE = 64
_EXIT_WAIT_S = 0.1


# --- events --------------------------------------------------------------------------------------
@frozen
class ZygoteReady:
    """The zygote takes requests; how long its preloading and its jail took."""

    preload_us: int
    jail_us: int


@frozen
class CellForked:
    """A cell runs. The descriptor is the receiver's to close.

    `pid` is as our process namespace knows it, 0 if the cell is gone already.
    """

    cell: int
    pid: int
    pidfd: int


@frozen
class CellNotForked:
    """A request came to nothing."""

    cell: int
    reason: str


@frozen
class CellExited:
    """A cell is gone and reaped: exit code `status`, or killed by the signal `-status`."""

    cell: int
    status: int
    cpu_us: int
    peak_memory_bytes: int


@frozen
class ZygoteGone:
    """The zygote is gone, and all its cells with it. Said once; nothing follows."""

    cause: str


type Event = ZygoteReady | CellForked | CellNotForked | CellExited | ZygoteGone


@frozen
class Recipe:
    """What a zygote is to be.

    Args:
        jail: of all its cells.
        body: "module:function" of a cell, called with its socket's descriptor.
        preload: "module:function" called once before the jail; it may open files and load code, but
            must start no thread.
        preload_arguments: texts for `preload`.
        meters: "module:function" called in each cell ahead of its jail with a descriptor of /proc;
            the descriptors it returns stay open and are passed to the body.
        import_paths: directories added to the zygote's import path.
    """

    jail: Jail
    body: str = "sandboxes.cell:main"
    preload: str = ""
    preload_arguments: tuple[str, ...] = ()
    meters: str = ""
    import_paths: tuple[str, ...] = ()


class ZygoteClient:
    """One zygote process, from its start to its end. Close it; closing kills its cells."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        """Take over a started zygote; use `start`."""
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._control = control
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._failure = ""
        self._gone = False
        self._reaped = False

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        standard_fd: int | None = None,
        ahead: tuple[int, int] | None = None,
    ) -> ZygoteClient:
        """Start a zygote and return at once; `ZygoteReady` follows.

        Args:
            recipe: what it is to be.
            python: the interpreter.
            environment: of the zygote: empty, but for tests of that wall.
            ahead: a zygote that was launched and told nothing yet: its process id, and the
                descriptor of our end of its socket. What follows does not matter then.
            standard_fd: becomes its descriptors 0 to 2 instead of /dev/null, for tests.

        Raises:
            OSError: the system refuses another process or descriptor.
        """
        if ahead is not None:
            return cls._begin(ahead[0], socket.socket(fileno=ahead[1]), recipe)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            with theirs:
                pid = os.posix_spawn(
                    python,
                    [python, "-I", "-S", "-E", ZYGOTE_MAIN],
                    dict(environment or {}),
                    file_actions=[*_standard(standard_fd), _control_action(theirs)],
                    setsid=True,  # a Ctrl-C at the terminal is the host's to judge
                    setsigmask=(),
                    setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
                )
            client = cls._begin(pid, ours, recipe)
            undo.pop_all()
        return client

    @classmethod
    def _begin(cls, pid: int, control: socket.socket, recipe: Recipe) -> ZygoteClient:
        control.setblocking(False)
        client = cls(pid, control)
        client._send(_start_packet(recipe))
        return client

    # --- for the loop ----------------------------------------------------------------------------
    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._control.fileno()

    @property
    def pid(self) -> int:
        """The process we started; the zygote proper may be its only child."""
        return self._pid

    @property
    def wants_write(self) -> bool:
        """True while requests wait for room in the socket: call `flush` when it is writable."""
        return bool(self._unsent)

    def fork_cell(
        self,
        cell: int,
        wish: CellWish,
        cell_socket: int,
        *,
        trees: Sequence[int] = (),
        more: Sequence[int] = (),
    ) -> None:
        """Ask for a cell. Answered by `CellForked` or `CellNotForked`.

        Args:
            cell: its number, chosen by the caller, never used twice.
            wish: its limits, mounts and scratch directory.
            cell_socket: descriptor of the cell's end; may be closed by the caller afterwards.
            trees: ready mounts for `wish.binds` (see `jail.root.open_tree`), if this process may
                make them; otherwise the zygote makes them from the paths.
            more: descriptors that the cell's body gets beside its socket.

        Raises:
            LocalProtocolError: over a cap of the zygote's protocol, or too many unsent requests.
            OSError: no descriptor is left to keep the request until it is sent.
        """
        if self._gone:
            return
        if len(self._unsent) >= UNSENT_MAX:
            raise LocalProtocolError(f"over {UNSENT_MAX} requests wait for the zygote")
        if trees and len(trees) != len(wish.binds):
            raise LocalProtocolError("one tree is needed for each bind")
        self._send(_fork_packet(cell, wish, trees=bool(trees)), (cell_socket, *trees, *more))

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._unsent:
            data, given = self._unsent[0]
            if not self._send_now(data, given):
                return
            self._unsent.popleft()
            _close_all(given)

    def receive(self) -> list[Event]:
        """Return what has happened since the last call; never blocks.

        Ends with `ZygoteGone` once the zygote is dead. What it sends is believed: it is our own
        code and sees no guest.
        """
        events: list[Event] = []
        for _ in range(_PACKETS_AT_ONCE):
            if self._gone:
                break
            try:
                data, given, _, _ = socket.recv_fds(self._control, PACKET_BYTES_MAX, 1)
            except BlockingIOError:
                break
            except OSError:
                data, given = b"", []
            if data:
                events += self._event(decode(data), given)
            else:
                events.append(self._end())
        return events

    def close(self) -> None:
        """Kill the zygote and its cells, and reap it. Idempotent."""
        self._gone = True
        while self._unsent:
            _close_all(self._unsent.popleft()[1])
        self._reap()
        self._control.close()

    def __enter__(self) -> ZygoteClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- parts -----------------------------------------------------------------------------------
    def _send(self, packet: Packet, given: tuple[int, ...] = ()) -> None:
        data = encode(packet)
        if len(data) > PACKET_BYTES_MAX:
            raise LocalProtocolError(f"packet of {len(data)} B is over {PACKET_BYTES_MAX} B")
        if self._unsent or not self._send_now(data, given):
            self._unsent.append((data, tuple(os.dup(descriptor) for descriptor in given)))

    def _send_now(self, data: bytes, given: tuple[int, ...]) -> bool:
        try:
            socket.send_fds(self._control, [data], given)
        except (BrokenPipeError, ConnectionError):
            return True  # it is dead: `receive` says so
        except OSError as error:
            # No room in the socket, or too many descriptors on their way.
            if error.errno in (errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS):
                return False
            raise
        return True

    def _event(self, packet: Packet, given: list[int]) -> list[Event]:
        match packet:
            case Started(preload_us, jail_us):
                return [ZygoteReady(preload_us, jail_us)]
            case Failed(step, reason):
                self._failure = str(JailUnavailable(step, reason))
                return []
            case Forked(cell):
                return [CellForked(cell, pid_of(given[0]), given[0])]
            case NotForked(cell, reason):
                return [CellNotForked(cell, reason)]
            case Exited(cell, status, cpu_us, peak_memory_bytes):
                return [CellExited(cell, status, cpu_us, peak_memory_bytes)]
            case _:
                return []

    def _end(self) -> ZygoteGone:
        self._gone = True
        # Its socket closes a moment before it has exited: wait for the exit code it chose.
        with contextlib.suppress(OSError):
            select.select([self._pidfd], [], [], _EXIT_WAIT_S)
        status = self._reap()
        return ZygoteGone(self._failure or f"the zygote {status}")

    def _reap(self) -> str:
        """Kill the zygote, unless it is dead, and say how it ended."""
        if self._reaped:
            return "is gone"
        self._reaped = True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:
            return "was reaped by somebody else"
        return f"exited with status {status}" if status >= 0 else f"was killed by signal {-status}"


def pid_of(pidfd: int) -> int:
    """Return the pid of a process descriptor in our process namespace, 0 if it is gone."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as info:
        for line in info:
            if line.startswith("Pid:"):
                return max(0, int(line[4:]))
    return 0


def _start_packet(recipe: Recipe) -> Start:
    jail = recipe.jail
    return Start(
        parent=os.getpid(),
        kind=jail.kind,
        strength=jail.strength,
        uid=jail.uid,
        body=recipe.body,
        preload=recipe.preload,
        preload_arguments=recipe.preload_arguments,
        meters=recipe.meters,
        import_paths=recipe.import_paths,
        libraries=jail.libraries,
        host_files=jail.host_files,
        without=tuple(sorted(wall.value for wall in jail.without)),
    )


def _fork_packet(cell: int, wish: CellWish, *, trees: bool) -> ForkCell:
    resources = wish.resources
    return ForkCell(
        cell=cell,
        memory_bytes=resources.memory_bytes,
        threads_max=resources.threads_max or 1,
        descriptors_max=resources.descriptors_max,
        file_bytes_max=resources.file_bytes_max,
        nice=wish.nice,
        cpu_s_max=resources.cpu_s_max,
        writable_tmpfs_bytes=wish.writable_tmpfs_bytes,
        binds=tuple(BindSpec(b.source, b.target, b.writable) for b in wish.binds),
        trees=trees,
    )


def _standard(descriptor: int | None) -> list[tuple[object, ...]]:
    if descriptor is not None:
        return [(os.POSIX_SPAWN_DUP2, descriptor, standard) for standard in (0, 1, 2)]
    return [(os.POSIX_SPAWN_OPEN, standard, os.devnull, os.O_RDWR, 0) for standard in (0, 1, 2)]


def _control_action(theirs: socket.socket) -> tuple[object, ...]:
    return (os.POSIX_SPAWN_DUP2, theirs.fileno(), CONTROL_FD)


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
