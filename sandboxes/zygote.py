"""The zygote: one single-threaded process that forks cells, warm and into their jail.

Exec'd as `python -I -S -E zygote.py` with an empty environment and its control socket as descriptor
3. It preloads what every cell needs, enters its own namespaces once, and then forks a cell for each
`ForkCell`, with the rest of the jail of the plan.

Rule 1: it has one thread at every fork, checked. So it compiles nothing and runs no guest: both
        would start threads that a fork does not carry over.
Rule 2: it never sees a byte of a guest's. It believes its supervisor and reads no other socket.
Rule 3: it dies with its supervisor, and its cells with it: by the parent-death signal, by the end
        of its process namespace, and at the end of the control socket, whichever comes first.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # run as a script, isolated: nothing of ours is on the path yet
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import gc
import resource
import select
import socket
import time
from collections.abc import Callable, Sequence
from copy import replace
from typing import NoReturn

from protocol.errors import ProtocolError
from protocol.messages import Report
from protocol.reading import encode_message
from sandboxes.errors import JailUnavailable
from sandboxes.jail import descriptors
from sandboxes.jail.enter import MountView, Surroundings, enter, filter_code
from sandboxes.jail.filters import Files
from sandboxes.jail.mounter import Mounter
from sandboxes.jail.namespaces import Namespace
from sandboxes.jail.parent_death import die_with_parent
from sandboxes.jail.plan import CellWish, Jail, cell_plan, zygote_plan
from sandboxes.jail.rlimits import Resources
from sandboxes.jail.root import Bind
from sandboxes.jail.steps import Step, Wall
from sandboxes.zygote_wire import (
    DESCRIPTORS_MAX,
    PACKET_BYTES_MAX,
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

CONTROL_FD = 3
CELL_FD = 3
#: Exit codes of a cell that never was one: its jail failed, or its body raised.
JAIL_FAILED, BODY_FAILED = 71, 70
FILES: tuple[Files, ...] = ("none", "read", "write", "own")
_TEXT_CHARS_MAX = 4_000


class Zygote:
    """A started zygote: its jail, its cells, and the loop that forks and reaps them."""

    def __init__(self, control: socket.socket, start: Start) -> None:
        self._control = control
        self._start = start
        self._jail = jail_of(start)
        self._body = find_function(start.body)
        self._open_meters = find_function(start.meters) if start.meters else None
        self._proc = -1
        self._cells: dict[int, tuple[int, int]] = {}  # process descriptor -> cell, pid
        self._preloaded: frozenset[int] = frozenset()
        self._tasks = -1
        self._own_processes = -1
        self._mounts: MountView | None = None
        self._mounter: Mounter | None = None
        self._pid = os.getpid()

    # --- becoming a zygote -----------------------------------------------------------------------
    def prepare(self) -> Started:
        """Preload, and enter the zygote's part of the jail.

        Raises:
            JailUnavailable: a step of the jail cannot be done here.
            OSError: this is no Linux with /proc.
        """
        began = time.perf_counter_ns()
        if self._start.preload:
            find_function(self._start.preload)(*self._start.preload_arguments)
        self._preloaded = open_descriptors() - {0, 1, 2, CONTROL_FD}
        preloaded = time.perf_counter_ns()
        self._watch_threads()
        self._assert_one_thread()
        if self._open_meters is not None:
            # The host's own view, so that it shows the cells whatever process namespace they get.
            self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        raise_descriptor_limit()
        if self._jail.host_files and self._jail.strength == "full" and self._jail.uid:
            self._mounter = Mounter.start(self._jail.uid)
        around = Surroundings(
            parent=self._start.parent,
            trees=self._library_trees(),
            become_first=self._become_first,
            keep_host_mounts=self._keep_host_mounts,
        )
        steps = zygote_plan(self._jail)
        enter(steps, around)
        if self._jail.has(Wall.SECCOMP) and self._jail.has(Wall.PROCESSES):
            for files in FILES:
                filter_code(self._jail.kind, files, 1)  # all cells are process 1 and inherit it
        self._pid = os.getpid()
        gc.collect()
        gc.freeze()
        jailed = time.perf_counter_ns()
        return Started((preloaded - began) // 1_000, (jailed - preloaded) // 1_000)

    def _library_trees(self) -> tuple[tuple[int, str], ...]:
        """Return mounts of the libraries, where the user that cells have may not see them."""
        paths = self._jail.libraries
        if self._mounter is None or not paths or not self._jail.has(Wall.ROOT):
            return ()
        trees = self._mounter.open_trees(tuple(Bind(path, path) for path in paths))
        return tuple(zip(trees, paths, strict=True))

    def _become_first(self) -> None:
        """Go on in a forked process; this one waits, as the supervisor's child, for its end."""
        pid = os.fork()
        if pid:
            self._control.close()
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os._exit(status if status >= 0 else 128 - status)
        self._watch_threads()
        self._own_processes = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def _keep_host_mounts(self) -> None:
        host = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        os.unshare(Namespace.MOUNTS)
        self._mounts = MountView(host, os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC))

    def _watch_threads(self) -> None:
        """Hold our own list of threads open: /proc is out of sight once the root is empty."""
        if self._tasks >= 0:
            os.close(self._tasks)
        self._tasks = os.open("/proc/self/task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _assert_one_thread(self) -> None:
        threads = len(os.listdir(self._tasks))
        if threads != 1:
            raise JailUnavailable("fork", f"the zygote has {threads} threads")

    # --- being one -------------------------------------------------------------------------------
    def serve(self) -> NoReturn:
        """Fork and reap cells until the supervisor is gone."""
        poller = select.epoll()
        poller.register(self._control, select.EPOLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor != CONTROL_FD:
                    poller.unregister(descriptor)
                    self._reap(descriptor)
                elif (pidfd := self._take_request()) is not None:
                    poller.register(pidfd, select.EPOLLIN)

    def _take_request(self) -> int | None:
        """Read one packet and obey it; return the process descriptor of a new cell."""
        data, given, _, _ = socket.recv_fds(self._control, PACKET_BYTES_MAX, DESCRIPTORS_MAX)
        if not data:
            os._exit(0)  # the supervisor is gone; the kernel ends our cells with us
        try:
            request = decode(data)
            if not isinstance(request, ForkCell):
                raise JailUnavailable("fork", f"a zygote is not asked for {type(request).__name__}")
            return self._fork(request, given)
        finally:
            for descriptor in given:
                os.close(descriptor)

    def _fork(self, request: ForkCell, given: list[int]) -> int | None:
        try:
            wish = wish_of(request)
            steps = cell_plan(self._jail, wish)
            if not given:
                raise ValueError("a cell needs a socket")
            has_trees = request.trees
            if wish.binds and not has_trees and self._mounter is not None:
                given[1:1] = self._mounter.open_trees(wish.binds)
                has_trees = True
            around, more = self._surroundings(wish, given, trees=has_trees)
            self._assert_one_thread()
            pid = self._fork_into_own_processes(
                lambda: self._be_cell(given[0], around, steps, more)
            )
        except (OSError, ValueError, JailUnavailable) as error:
            self._send(NotForked(request.cell, _describe(error)))
            return None
        pidfd = os.pidfd_open(pid)
        self._cells[pidfd] = request.cell, pid
        self._send(Forked(request.cell), pidfd)
        return pidfd

    def _surroundings(
        self, wish: CellWish, given: list[int], *, trees: bool
    ) -> tuple[Surroundings, list[int]]:
        """Return what a cell's plan needs to know, and the descriptors meant for its body."""
        count = len(wish.binds) if trees else 0
        ready, more = given[1 : 1 + count], given[1 + count :]
        if len(ready) != count:
            raise ValueError("a cell needs one ready mount for each bind")
        mounts = self._mounts if wish.binds and not trees else None
        kept = {0, 1, 2, CELL_FD, *ready, *more, *self._preloaded}
        if mounts is not None:
            kept |= {mounts.host, mounts.own}
        pairs = tuple((tree, bind.target) for tree, bind in zip(ready, wish.binds, strict=False))
        return Surroundings(frozenset(kept), self._pid, pairs, mounts), more

    def _fork_into_own_processes(self, be_cell: Callable[[], NoReturn]) -> int:
        own_namespace = self._own_processes >= 0 and self._jail.has(Wall.PROCESSES)
        if own_namespace:
            os.unshare(Namespace.PROCESSES)
        try:
            pid = os.fork()
            if pid == 0:
                be_cell()
        finally:
            if own_namespace:
                os.setns(self._own_processes, Namespace.PROCESSES)
        return pid

    def _reap(self, pidfd: int) -> None:
        cell, pid = self._cells.pop(pidfd)
        _, status, used = os.wait4(pid, 0)
        os.close(pidfd)
        self._send(
            Exited(
                cell,
                os.waitstatus_to_exitcode(status),
                int((used.ru_utime + used.ru_stime) * 1e6),
                used.ru_maxrss << 10,
            )
        )

    def _send(self, packet: Packet, *given: int) -> None:
        try:
            socket.send_fds(self._control, [encode(packet)], given)
        except OSError:
            os._exit(0)  # the supervisor is gone

    # --- the cell's side of the fork -------------------------------------------------------------
    def _be_cell(
        self, cell_socket: int, around: Surroundings, steps: tuple[Step, ...], more: list[int]
    ) -> NoReturn:
        """Enter the jail and be a cell. Runs in the forked process and never returns."""
        status = BODY_FAILED
        try:
            os.dup2(cell_socket, CELL_FD, inheritable=False)  # closes the control socket here
            sys.dont_write_bytecode = True  # a late import would try, and its filter kill it
            if self._open_meters is not None:
                meters: Sequence[int] = self._open_meters(self._proc)  # type: ignore[assignment]  # found by its name
                around = replace(around, kept=around.kept | set(meters))
                more = [*meters, *more]
            enter(steps, around)
            self._body(CELL_FD, *more)
            status = 0
        except BaseException as error:  # noqa: BLE001 - nothing may return into the zygote's loop
            status = JAIL_FAILED if isinstance(error, JailUnavailable) else BODY_FAILED
            _report(CELL_FD, _describe(error))
        finally:
            os._exit(status)


# --- from messages to plans ----------------------------------------------------------------------
def jail_of(start: Start) -> Jail:
    """Return the jail that a `Start` asks for.

    Raises:
        ValueError: an unknown wall, or walls that do not hold without one another.
    """
    return Jail(
        kind=start.kind,
        strength=start.strength,
        uid=start.uid if os.getuid() == 0 else 0,
        libraries=start.libraries,
        host_files=start.host_files,
        without=frozenset(Wall(name) for name in start.without),
    )


def wish_of(request: ForkCell) -> CellWish:
    """Return the wish that a `ForkCell` holds."""
    return CellWish(
        Resources(
            request.memory_bytes,
            request.threads_max,
            request.descriptors_max,
            request.file_bytes_max,
            request.cpu_s_max,
        ),
        request.nice,
        request.writable_tmpfs_bytes,
        tuple(Bind(spec.source, spec.target, spec.writable) for spec in request.binds),
    )


def find_function(name: str) -> Callable[..., object]:
    """Return the function that "module:function" names.

    Raises:
        ImportError, AttributeError: there is none.
    """
    module, _, function = name.partition(":")
    __import__(module)
    found: Callable[..., object] = getattr(sys.modules[module], function)
    return found


# --- small parts ---------------------------------------------------------------------------------
def open_descriptors() -> frozenset[int]:
    """Return the descriptors this process has open."""
    listed = {int(name) for name in os.listdir("/proc/self/fd")}
    return frozenset(descriptor for descriptor in listed if _is_open(descriptor))


def raise_descriptor_limit() -> None:
    """Allow as many descriptors as the hard limit does: the zygote holds one for each cell."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_TEXT_CHARS_MAX]


def _report(descriptor: int, failure: str) -> None:
    """Tell the supervisor, on the cell's own socket, why there is no cell."""
    try:
        for part in encode_message(Report(failure=failure)):
            os.write(descriptor, part)
    except (OSError, ProtocolError):
        return  # nobody listens any more


def _import_ahead(library_path: str) -> None:
    """Import what Wasm cells need while the supervisor still imports what it needs itself."""
    sys.path.append(library_path)
    from sandboxes import cell
    from sandboxes.wasm import backend, binding

    del cell, backend
    binding.load()


def main() -> NoReturn:
    """Be a zygote on descriptor 3. Does not return."""
    control = socket.socket(fileno=CONTROL_FD)
    control.setblocking(True)
    if len(sys.argv) > 1:
        _import_ahead(sys.argv[1])
    data = control.recv(PACKET_BYTES_MAX)
    if not data:
        os._exit(0)
    zygote: Zygote | None = None
    try:
        start = decode(data)
        if not isinstance(start, Start):
            raise JailUnavailable("zygote", "the first packet is no Start")
        die_with_parent(start.parent)
        if Wall.DESCRIPTORS.value not in start.without:
            descriptors.keep_only((0, 1, 2, CONTROL_FD))
        sys.path.extend(start.import_paths)
        zygote = Zygote(control, start)
        control.send(encode(zygote.prepare()))
    except JailUnavailable as error:
        control.send(encode(Failed(error.step, error.reason[:_TEXT_CHARS_MAX])))
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor must be told
        control.send(encode(Failed("zygote", _describe(error))))
        os._exit(1)
    zygote.serve()


if __name__ == "__main__":
    main()
