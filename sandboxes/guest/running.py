"""One run: a request in, a reply out.

Rule 1: whatever the guest's code does, `run` returns a reply, as far as a guest can: what it
        cannot survive (a trap, its end from outside) is the cell's to report.
Rule 2: the clock is read only where the request does not ask for a deterministic run.
Rule 3: the namespace of a session stays; any other is emptied at the end of the run, so that open
        files are written and `__del__` runs while somebody still listens.
"""

from __future__ import annotations

import atexit
import contextlib
import linecache
import os
import sys
from collections.abc import Callable
from time import perf_counter_ns
from types import ModuleType
from typing import Any, Final, Literal

from protocol.errors import BudgetExceeded, ValueRefused
from protocol.values import Budget, decode, encode
from sandboxes.guest import cells, clock, entries, failures, hostside, ports, streams, wire

#: Freed when memory ran out, so that there is some to say so.
_BALLAST_BYTES: Final = 256 << 10
_BUDGET_IN: Final = Budget(bytes_max=1 << 40, nodes_max=1 << 40)

type Verdict = Literal["ok", "exception", "exit", "memory", "value"]


class Ending:
    """How the code ended, before its streams are added."""

    __slots__ = ("error", "exit_code", "value", "verdict")

    def __init__(
        self,
        verdict: Verdict,
        exit_code: int | None = None,
        error: wire.Failure | None = None,
        value: wire.Value | None = None,
    ) -> None:
        self.verdict = verdict
        self.exit_code = exit_code
        self.error = error
        self.value = value


_ballast: list[bytearray] = []
_sessions: dict[int, ModuleType] = {}
_atexit_before = 0
#: What a kind of sandbox does at the end of a program, ahead of its exit functions.
before_exit: list[Callable[[], None]] = []


def prepare() -> None:
    """Get ready for a first run; called again before the snapshot."""
    global _atexit_before
    _ballast[:] = [bytearray(_BALLAST_BYTES)]
    _sessions.clear()
    _atexit_before = atexit._ncallbacks()
    sys.stdout = streams.new_stdout()
    sys.stderr = streams.new_stderr()
    sys.stdin = streams.new_stdin()
    for name in ("stdout", "stderr", "stdin"):
        setattr(sys, f"__{name}__", getattr(sys, name))


def run(text: str) -> str:
    """Carry out one request and return the reply, both as text."""
    if ports.memory is not None:
        ports.memory.release()  # of the reply before
    try:
        reply = _carry_out(wire.unpack_request(text))
        return wire.pack_reply(reply)
    except MemoryError:
        return wire.pack_reply(_give_up())


def carry_out(request: wire.Request) -> wire.Reply:
    """Carry out one request and return the reply."""
    try:
        return _carry_out(request)
    except MemoryError:
        return _give_up()


def forget(session: int) -> None:
    """Drop the globals of a session. Harmless if there are none."""
    _sessions.pop(session, None)


def _give_up() -> wire.Reply:
    """Give up all the guest has, as not even the reply did fit, and say so."""
    _ballast.clear()
    _sessions.clear()
    if main := sys.modules.pop("__main__", None):
        main.__dict__.clear()
    failure = wire.Failure("MemoryError", "no memory was left for the reply")
    return wire.Reply("memory", error=failure)


def _carry_out(request: wire.Request) -> wire.Reply:
    reads_clock = not request.deterministic
    began = decoded = ran = encoded = perf_counter_ns() if reads_clock else 0
    try:
        _begin(request, reads_clock)
        namespace = _namespace(request)
        namespace.update(_read_inputs(request))
        decoded = ran = encoded = perf_counter_ns() if reads_clock else 0
        ending = _execute(request, namespace)
        ran = encoded = perf_counter_ns() if reads_clock else 0
        if ending is None:
            ending = _take_value(request, namespace)
        encoded = perf_counter_ns() if reads_clock else 0
        if not request.session:
            _finish(namespace)
    except BaseException as error:  # noqa: BLE001 - what was not the guest's code can still fail
        ending = _failed(error)
    return wire.Reply(
        ending.verdict,
        ending.exit_code,
        ending.error,
        ending.value,
        streams.STDOUT.take(),
        streams.STDERR.take(),
        streams.STDOUT.truncated,
        streams.STDERR.truncated,
        decode_us=(decoded - began) // 1000,
        run_us=(ran - decoded) // 1000,
        encode_us=(encoded - ran) // 1000,
    )


def _begin(request: wire.Request, reads_clock: bool) -> None:
    interval_s = streams.INTERVAL_WATCHED_S if request.stream else streams.INTERVAL_S
    streams.STDOUT.begin(request.stdout_bytes, interval_s if reads_clock else 0.0)
    streams.STDERR.begin(request.stderr_bytes, interval_s if reads_clock else 0.0)
    clock.begin(reads_clock=reads_clock)
    hostside.begin(request.functions)
    entries.begin(request.log_level)
    if streams.STDIN.was_read:
        sys.stdin = streams.new_stdin()
    streams.STDIN.begin(None if request.stdin == "live" else _read(request.stdin_data))
    sys.argv = [request.filename, *request.argv]
    if request.env or os.environ:
        os.environ.clear()
        os.environ.update(request.env)
    if request.cwd:
        os.chdir(request.cwd)
        if request.cwd not in sys.path:
            sys.path.insert(0, request.cwd)


def _namespace(request: wire.Request) -> dict[str, Any]:
    session = request.session
    module = None if request.reset else _sessions.get(session)
    if module is None:
        module = ModuleType("__main__")
        module.__dict__["__builtins__"] = __builtins__
        if session:
            _sessions[session] = module
    namespace = module.__dict__
    namespace["__file__"] = request.filename
    sys.modules["__main__"] = module
    return namespace


def _read(piece: wire.Piece) -> bytes:
    if isinstance(piece, wire.Awaited):
        assert ports.memory is not None  # its cell knows that it is there
        return ports.memory.fetch(piece)  # type: ignore[return-value]  # bytes
    if not isinstance(piece, wire.InFile):
        return piece  # type: ignore[return-value]  # an inline piece is bytes on this side
    with open(piece.path, "rb") as stream:  # buffered: one block of memory, filled in place
        stream.seek(piece.offset_bytes)
        return stream.read(piece.length_bytes)


def _map(piece: wire.Piece) -> bytes | memoryview:
    """Return a piece where it lies, if there is a way to see it there without a copy."""
    if not isinstance(piece, wire.InFile) or piece.offset_bytes or not piece.length_bytes:
        return _read(piece)
    try:
        import mmap
    except ImportError:  # WebAssembly has one memory and maps nothing into it
        return _read(piece)
    fd = os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Private, as shared memory could be written to behind the back of a limit; the pages are
        # those of the file as long as nobody writes to them, and nobody can.
        mapping = mmap.mmap(fd, piece.length_bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    finally:
        os.close(fd)
    return memoryview(mapping)


def _read_inputs(request: wire.Request) -> dict[str, Any]:
    if request.inputs is None:
        return {"inputs": {}}
    body = _read(request.inputs.body)
    inputs = decode(body, [_map(piece) for piece in request.inputs.buffers], budget=_BUDGET_IN)
    assert isinstance(inputs, dict)
    return {"inputs": inputs, **inputs}


def _execute(request: wire.Request, namespace: dict[str, Any]) -> Ending | None:
    """Run the source; `None` if it came to its end."""
    source, filename = request.source, request.filename
    assert isinstance(source, str)
    linecache.cache[filename] = (lambda: source,)  # read only if a traceback needs it
    try:
        if request.mode == "cell":
            namespace.pop(cells.VALUE, None)
            cells.run_code(cells.compile_cell(source, filename), namespace)
        else:
            exec(cells.compile_script(source, filename), namespace)  # noqa: S102 - this is what runs guests
    except SystemExit as exit_:
        return _exited(exit_)
    except BaseException as error:  # noqa: BLE001 - whatever the guest raised is its outcome
        return _failed(error)
    return None


def _exited(exit_: SystemExit) -> Ending:
    code: object = SystemExit.__dict__["code"].__get__(exit_)
    if code is None:
        return Ending("ok", 0)
    if isinstance(code, int):
        number = int(code)
        if not -(2**31) <= number < 2**31:
            number = -1
        return Ending("exit" if number else "ok", number)
    with contextlib.suppress(Exception):  # the guest's own `__str__`, or its own stderr
        sys.stderr.write(f"{code}\n")
    return Ending("exit", 1)


def _failed(error: BaseException) -> Ending:
    if _is_out_of_memory(error):
        _ballast.clear()
        return Ending("memory", None, failures.failure_of(error))
    if isinstance(error, BudgetExceeded):
        return Ending("value", None, failures.failure_of(error))
    if sys.excepthook is not sys.__excepthook__:
        with contextlib.suppress(BaseException):  # the guest's own hook may fail as it likes
            sys.excepthook(type(error), error, error.__traceback__)
    return Ending("exception", 1, failures.failure_of(error))


def _is_out_of_memory(error: BaseException) -> bool:
    if type(error) is MemoryError:
        # One with a text was raised by the parser, for depth, or by the guest itself.
        return not error.args
    return isinstance(error, MemoryError) and type(error).__module__.startswith("numpy.")


def _take_value(request: wire.Request, namespace: dict[str, Any]) -> Ending:
    try:
        if request.result:
            if request.result not in namespace:
                raise NameError(f"name {request.result!r} is not defined", name=request.result)
            value = namespace[request.result]
        else:
            value = namespace.pop(cells.VALUE, None)
        if value is None:
            return Ending("ok", 0)
        budget = Budget(bytes_max=request.value_bytes)
        encoded = encode(value, root=request.result or "value", budget=budget)
        crossing = wire.Value(encoded.body, encoded.buffers)
        if ports.memory is not None:
            crossing = ports.memory.place(crossing)
        return Ending("ok", 0, None, crossing)
    except (ValueRefused, MemoryError, NameError) as error:
        return _failed(error)
    except BaseException as error:  # noqa: BLE001 - a value may be of a hostile class
        raised = f"looking at it raised {failures.name_of(type(error))}"
        return _failed(ValueRefused(request.result or "value", raised))


def _finish(namespace: dict[str, Any]) -> None:
    """End a program as Python ends one: exit functions, then the globals, our own aside."""
    for end in before_exit:
        end()  # an interrupt in it is how the run ended
    with contextlib.suppress(BaseException):  # `__del__` and exit functions have no say any more
        if atexit._ncallbacks() > _atexit_before:
            atexit._run_exitfuncs()
        for name in list(namespace):
            if name != "__builtins__":
                namespace[name] = None
