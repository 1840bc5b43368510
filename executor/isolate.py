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
from executor.loop.main import LoopOptions, serve
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
    without: tuple[str, ...] = (),
) -> Connection:
    """Start a supervisor loop.

    Args:
        kind: where it runs.
        jail: the kernel walls round each of its cells.
        spool_path: the spool folder of a loop that ended, to go on with; None for a new one.
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
        without=without,
    )
    ours, theirs = socket.socketpair()
    text = options.to_json()
    if kind == "process":
        wait = _start_process(theirs, text)
    else:
        body = serve if kind == "inline" else _serve_in_interpreter
        wait = _start_thread(body, theirs.detach(), text)
    return Connection(ours, options.spool_path, wait)


def unavailable() -> dict[IsolateKind, str]:
    """Return the kinds that cannot be started by this Python, and why."""
    try:
        _interpreters().create().close()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return {"interpreter": f"{type(error).__name__}: {error}"}
    return {}


def _start_thread(
    body: Callable[[int, str], None], host_fd: int, options_json: str
) -> Callable[[float], bool]:
    # A daemon: `threading` would wait for it before `atexit` could tell it to end.
    thread = threading.Thread(
        target=body, args=(host_fd, options_json), name="cellblock-supervisor", daemon=True
    )
    thread.start()

    def wait(timeout_s: float) -> bool:
        thread.join(timeout_s)
        return not thread.is_alive()

    return wait


def _start_process(theirs: socket.socket, options_json: str) -> Callable[[float], bool]:
    import subprocess  # 15 ms that only this kind pays

    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own code, our own arguments
            [sys.executable, "-I", "-S", "-E", "-c", _MAIN, str(theirs.fileno()), options_json],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={},
        )

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
import sys
sys.path.insert(0, {_ROOT!r})
from executor.loop.main import serve
serve(int(sys.argv[1]), sys.argv[2])
"""


def _serve_in_interpreter(host_fd: int, options_json: str) -> None:
    try:
        interpreter = _interpreters().create()
    except BaseException:
        os.close(host_fd)  # the end of the pipe is how the host learns of it
        raise
    try:
        interpreter.exec(_INTERPRETER_MAIN.format(fd=host_fd, options=options_json))
    finally:
        interpreter.close()


#: Until `serve` has the descriptor, it is this code's to close.
_INTERPRETER_MAIN = f"""
import os, sys
try:
    sys.path.insert(0, {_ROOT!r})
    from executor.loop.main import serve
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
