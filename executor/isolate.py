"""Starts the supervisor loop in its isolate and hands back the host's end of the pipe.

    "interpreter"  an own-GIL interpreter of this process: goes on while the host holds its GIL
    "process"      a process of its own
    "inline"       a thread of the calling interpreter: nothing to start, nothing kept apart; for
                   a host that does nothing but wait, such as the one-shot command line

The loop's code is the same in all three and does not know. It talks to the host by frames alone.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Literal

from executor.loop.launch import find_library
from executor.loop.main import LoopOptions
from executor.loop.spool import clear_spool, make_spool, remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable

type IsolateKind = Literal["interpreter", "process", "inline"]
type JailKind = Literal["full", "light", "none"]

#: How long `close` waits for a loop that was told to end: it kills its cells, which takes at most
#: 70 ms for one with 512 MB resident, and reaps them.
CLOSE_WAIT_S = 5.0
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Connection:
    """The host's end of the pipe to a running loop. Close it to end the loop and all its cells."""

    def __init__(self, sock: socket.socket, spool_path: str, wait: Callable[[float], bool]) -> None:
        self.socket = sock
        self.spool_path = spool_path
        self._wait = wait
        self._is_closed = False
        _open_connections.add(self)

    def close(self, timeout_s: float = CLOSE_WAIT_S, *, keep_spool: bool = False) -> bool:
        """End the loop and every cell; return whether it ended within `timeout_s`. Idempotent.

        Args:
            timeout_s: seconds to wait for it.
            keep_spool: leave the spool folder to the next loop, or to a later `close`.
        """
        if not self._is_closed:
            self._is_closed = True
            with contextlib.suppress(OSError):  # the loop was first
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
        ended = self._wait(timeout_s)
        if not keep_spool:
            remove_folder(self.spool_path)
        _open_connections.discard(self)
        return ended

    def wait_closed(self, timeout_s: float) -> bool:
        """Wait for the loop to end by itself; return whether it did."""
        return self._wait(timeout_s)


class _Process:
    is_ending = False


_process = _Process()
_open_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


@atexit.register
def _close_open_connections() -> None:
    # An interpreter that still runs while the process finalises can crash it.
    _process.is_ending = True
    for connection in list(_open_connections):
        connection.close()


def start(
    kind: IsolateKind,
    *,
    jail: JailKind = "none",
    spool_path: str | None = None,
    door: socket.socket | None = None,
    sessions_per_cell: int = 32,
    without: tuple[str, ...] = (),
) -> Connection:
    """Start a supervisor loop.

    Args:
        kind: where it runs.
        jail: the kernel walls round each of its cells.
        spool_path: the spool folder of a loop that ended, to go on with; None for a new one.
        door: where pipes to links come from, one after another; the loop's from now on.
        sessions_per_cell: that one cell keeps at most.
        without: walls of the jail that are left out, for audits.

    Raises:
        ValueError: `kind` is none of the three.
        FileNotFoundError: the wasmtime package is not installed.
        OSError: the system refuses a socket, a folder or a process.
    """
    if kind not in ("interpreter", "process", "inline"):
        raise ValueError(f'isolate must be "interpreter", "process" or "inline", not {kind!r}')
    if _process.is_ending:
        raise OSError("the process is ending")
    library_path = _library_path()
    if spool_path is None:
        spool_path = make_spool()
    else:
        clear_spool(spool_path)
    options = LoopOptions(
        python=sys.executable,
        library_path=library_path,
        spool_path=spool_path,
        jail=jail,
        door_fd=-1 if door is None else door.fileno(),
        sessions_per_cell=sessions_per_cell,
        without=without,
    )
    ours, wait = launch(kind, "executor.loop.main", options.to_json(), door=door)
    return Connection(ours, options.spool_path, wait)


def launch(
    kind: IsolateKind, module: str, options_json: str, *, door: socket.socket | None = None
) -> tuple[socket.socket, Callable[[float], bool]]:
    """Start one of our own loops: `serve(descriptor, options_json)` of a module.

    Args:
        kind: where it runs.
        module: one of ours, by its dotted name.
        options_json: what it is told; nobody else can read it.
        door: a socket whose descriptor it is told; its own from now on.

    Returns:
        Our end of its pipe, which ends it when it is closed, and what waits for its end for some
        seconds and says whether it came.

    Raises:
        OSError: the system refuses a socket or a process.
    """
    ours, theirs = socket.socketpair()
    if kind == "process":
        return ours, _start_process(theirs, module, options_json, door)
    if door is not None:
        door.detach()
    body = _serve_here if kind == "inline" else _serve_in_interpreter
    return ours, _start_thread(body, theirs.detach(), module, options_json)


def unavailable() -> dict[IsolateKind, str]:
    """Return the kinds that cannot be started by this Python, and why."""
    try:
        _interpreters().create().close()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return {"interpreter": f"{type(error).__name__}: {error}"}
    return {}


def _start_thread(
    body: Callable[[int, str, str], None], host_fd: int, module: str, options_json: str
) -> Callable[[float], bool]:
    # A daemon: `threading` would wait for it before `atexit` could tell it to end.
    thread = threading.Thread(
        target=body,
        args=(host_fd, module, options_json),
        name=f"cellblock-{_NAMES.get(module, 'isolate')}",
        daemon=True,
    )
    thread.start()

    def wait(timeout_s: float) -> bool:
        thread.join(timeout_s)
        return not thread.is_alive()

    return wait


#: What the threads are called that hold our loops.
_NAMES = {"executor.loop.main": "supervisor", "executor.link.isolate": "link"}


def _start_process(
    theirs: socket.socket, module: str, options_json: str, door: socket.socket | None
) -> Callable[[float], bool]:
    import subprocess  # 15 ms that only this kind pays

    sockets = [theirs] if door is None else [theirs, door]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own code, our own arguments
            [sys.executable, "-I", "-S", "-E", "-c", _MAIN, str(theirs.fileno()), module],
            pass_fds=[sock.fileno() for sock in sockets],
            stdin=subprocess.PIPE,
            env={},
        )
    finally:
        for sock in sockets:
            sock.close()
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it may be dead already
        stdin.write(options_json.encode())  # arguments are there for everybody to read

    def wait(timeout_s: float) -> bool:
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True

    return wait


_MAIN = f"""
import importlib, sys
sys.path.insert(0, {_ROOT!r})
importlib.import_module(sys.argv[2]).serve(int(sys.argv[1]), sys.stdin.read())
"""


def _serve_here(host_fd: int, module: str, options_json: str) -> None:
    import importlib

    importlib.import_module(module).serve(host_fd, options_json)


def _serve_in_interpreter(host_fd: int, module: str, options_json: str) -> None:
    try:
        interpreter = _interpreters().create()
    except BaseException:
        os.close(host_fd)  # the end of the pipe is how the host learns of it
        raise
    try:
        text = _INTERPRETER_MAIN.format(fd=host_fd, module=module, options=options_json)
        interpreter.exec(text)
    finally:
        interpreter.close()


#: Until `serve` has the descriptor, it is this code's to close.
_INTERPRETER_MAIN = f"""
import os, sys
try:
    sys.path.insert(0, {_ROOT!r})
    from {{module}} import serve
except BaseException:
    os.close({{fd}})
    raise
serve({{fd}}, {{options!r}})
"""


def _interpreters() -> Any:  # one of two modules of the same interface, untyped on 3.13
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
    else:
        from interpreters_backport import interpreters
    return interpreters


def _library_path() -> str:
    found = find_library()
    if found is None:
        raise FileNotFoundError("the package wasmtime is not installed: pip install wasmtime")
    return found
