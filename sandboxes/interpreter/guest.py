"""The guest's side of its interpreter: boots it, serves one run after another, is interrupted.

An interrupt is a function that main has CPython call in here, between two steps of whatever runs
(`Interpreter.ask`). It does not raise: what it raised would be lost. It turns on monitoring, and
then each line, jump and call of the guest raises `Interrupted`, in handlers and `finally` blocks
too, until our own code is reached again. So `except BaseException` does not hold it up.

Rule 1: none of our own code is interrupted but where it waits: it may hold a lock.
Rule 2: an interrupt names the run it is meant for, and is nothing to any other.
Rule 3: all of this is inside the wall; a guest that takes it apart is ended by the kill of its
        cell.
"""

from __future__ import annotations

import _sitebuiltins
import _thread
import builtins
import os
import sys
import time
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from protocol.values import import_all
from sandboxes.guest import clock, entries, hostside, ports, running, streams
from sandboxes.interpreter import line, refusals, waiting, working

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from sandboxes.interpreter.carried import Carried

#: Threads that a guest starts get this much stack; the process's default is that of main.
THREAD_STACK_BYTES: Final = 8 << 20
#: What guests import to share memory.
SHARED: Final = "cellblock_shared"
_ANSWER_BYTES_MAX: Final = 1 << 40
_ROOT: Final = __file__.removesuffix("sandboxes/interpreter/guest.py")
_OURS: Final = tuple(
    f"{_ROOT}{folder}/" for folder in ("protocol", "sandboxes/guest", "sandboxes/interpreter")
)
_PACKAGES: Final = frozenset({"protocol", "sandboxes", "executor"})
_WAITS: Final = frozenset({clock.__file__, waiting.__file__})
_monitoring: Final = sys.monitoring
_EVENTS: Final = (
    _monitoring.events.LINE,
    _monitoring.events.JUMP,
    _monitoring.events.PY_START,
    _monitoring.events.PY_RESUME,
    _monitoring.events.CALL,
)


class Interrupted(BaseException):
    """The run is over; nobody takes more of it."""


#: How we were loaded.
_carried: Carried = __spec__.loader  # type: ignore[assignment]  # it alone loads this module
#: Our modules, while a guest runs.
_ours: dict[str, ModuleType] = {}


def _swap(others: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """Take the modules of our names out of `sys.modules`, put others there, return the first."""
    names = [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]
    found = {name: sys.modules.pop(name) for name in names}
    sys.modules.update(others)
    return found


class _SharedFinder:
    """Finds `cellblock_shared`, loaded when it is imported: it needs ctypes, which takes 5 ms."""

    def __init__(self, code_address: int) -> None:
        self._code_address = code_address

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return how to load the module, if this is its name."""
        if name != SHARED:
            return None
        make: Any = type(sys.__spec__)  # importing it by its name takes 1 ms
        spec: ModuleSpec = make(name, self)
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module."""
        theirs = _swap(_ours)
        _carried.install()
        try:
            from sandboxes.interpreter import shared

            return shared.module(self._code_address, _ask)
        finally:
            _carried.remove()
            _ours.update(_swap(theirs))

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it is complete."""


_fd = -1
#: Held for one message, and for a question with its answer.
_writing, _asking = _thread.allocate_lock(), _thread.allocate_lock()
_main = sys.modules["__main__"]
#: The run at hand; 0 for none.
_current = 0
_was_cut = False
_tool = -1


# --- called by main ------------------------------------------------------------------------------
def boot(fd: int, code_address: int, libraries: Sequence[str], modules: Sequence[str]) -> None:
    """Get ready for a first run.

    Args:
        fd: this end of the socket pair.
        code_address: of `sandboxes.shared.atomics`, -1 where there are none.
        libraries: directories to find modules in, behind the standard library.
        modules: what to import ahead.

    Raises:
        ImportError: a module cannot be loaded here.
    """
    global _fd
    _fd = fd
    sys.path.extend(path for path in libraries if path not in sys.path)
    sys.dont_write_bytecode = True
    _thread.stack_size(THREAD_STACK_BYTES)
    # C keeps one environment for the whole process: an interpreter of ours has its own in Python.
    os.putenv = os.unsetenv = _put_nothing
    os.environ.clear()
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    waiting.install()
    working.install()
    running.prepare()
    streams.install()
    time.sleep = clock.sleep  # type: ignore[assignment]  # it takes all that can be compared
    hostside.install()
    entries.install()
    refusals.install()
    running.before_exit.append(waiting.join_threads)
    sys.meta_path.append(_SharedFinder(code_address))
    ports.connect(_emit, _call, _read_stdin)
    import_all()
    sys.modules[line.HOOK] = sys.modules[__name__]
    _carried.remove()
    vars(_main).clear()
    _ours.update(_swap({}))  # a guest may have modules of these names
    for name in modules:
        __import__(name)
    line.send(_fd, line.BOOTED)


def serve(serial: int) -> None:
    """Read one request, carry it out, reply."""
    global _current, _was_cut
    waiting.adopt_thread()
    message = line.receive(_fd, _ANSWER_BYTES_MAX)
    if message is None:
        return
    _was_cut, _current = False, serial
    reply = running.run(message[1].decode())
    _current = 0
    _disarm()
    sys.modules["__main__"] = _main  # where main's next `execute` finds its names
    with _writing:
        if _was_cut:
            line.send(_fd, line.CUT)
        line.send(_fd, line.REPLY, reply.encode())


def interrupt(serial: int) -> None:
    """End the run `serial`, if it is still at hand. Runs on any thread of the guest's."""
    global _tool
    if serial != _current:
        return
    if _tool < 0:
        for tool in range(5, -1, -1):
            try:
                _monitoring.use_tool_id(tool, "cellblock")
            except ValueError:
                continue  # the guest profiles itself
            _tool = tool
            break
        else:
            return
        for event in _EVENTS:
            _monitoring.register_callback(_tool, event, _on_event)
    _monitoring.set_events(_tool, sum(_EVENTS))


# --- interrupts ----------------------------------------------------------------------------------
def _on_event(code: CodeType, *_: object) -> None:
    global _was_cut
    filename = code.co_filename
    if filename.startswith(_OURS) and filename not in _WAITS:
        if filename == running.__file__:
            _pause()  # the guest's code is left; another interrupt comes if more of it is run
        return
    _was_cut = True
    raise Interrupted


def _pause() -> None:
    if _tool >= 0:
        _monitoring.set_events(_tool, 0)


def _disarm() -> None:
    global _tool
    if _tool >= 0:
        _monitoring.set_events(_tool, 0)
        _monitoring.free_tool_id(_tool)
        _tool = -1


# --- ports ---------------------------------------------------------------------------------------
def _emit(kind: int, text: str) -> None:
    with _writing:
        line.send(_fd, line.EMIT, bytes((kind,)), text.encode(errors="replace"))


def _ask(kind: int, *parts: bytes) -> bytes:
    """Ask main and wait for its answer.

    Raises:
        Interrupted: the run is over.
    """
    with _asking:
        with _writing:
            line.send(_fd, kind, *parts)
        message = line.receive(_fd, _ANSWER_BYTES_MAX)
    if message is None or message[0] != line.ANSWER:
        raise Interrupted
    return message[1]


def _call(name: str, payload: str) -> str:
    return _ask(line.CALL, name.encode(errors="replace"), b"\n", payload.encode()).decode()


def _read_stdin(count: int) -> str:
    return _ask(line.STDIN, b"%d" % count).decode()


def _put_nothing(*_: object) -> None:
    """Stand for `os.putenv` and `os.unsetenv`."""
