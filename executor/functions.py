"""Host functions: what a guest may call by `import host`.

Rule 1: arguments and results are held to the function's annotations (`executor.typed`); a function
        without annotations is called with whatever the guest sent.
Rule 2: an error goes to the guest as a class name and a text; no traceback and no path of the
        host's goes with it.
Rule 3: synchronous functions run on a few threads, so that a slow one stalls no other run; async
        ones on the loop of the caller's `arun`, else on a loop thread.
Rule 4: when the run ends, its async call is cancelled, and what a synchronous one gives is dropped.
"""

from __future__ import annotations

import contextvars
import os
import re
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from executor.checks import listed
from executor.errors import Misuse
from executor.signature import Signature, WrongArguments, WrongResult
from protocol.errors import ProtocolError
from protocol.messages import Error, HostCall, HostReply

if TYPE_CHECKING:
    import asyncio

    from executor.client import Client
    from executor.options import FunctionsGiven, HostFunction
    from executor.threads import LoopThread, Threads

FUNCTIONS_MAX = 4_096
NAME_CHARS_MAX = 256
MESSAGE_CHARS_MAX = 4_096


class Function:
    """One host function with its checks."""

    __slots__ = ("is_async", "name", "signature", "target")

    def __init__(self, name: str, target: HostFunction) -> None:
        """Make the checks now, so that an annotation that cannot be checked is an early error.

        Raises:
            Misuse: an annotation cannot be resolved or checked.
        """
        self.name = name
        self.target = target
        self.is_async = _is_async(target)
        self.signature = Signature.of(target, f"functions[{name!r}]")


class Functions:
    """An immutable table of host functions."""

    __slots__ = ("_by_name", "names")

    def __init__(self, by_name: Mapping[str, Function]) -> None:
        self._by_name = dict(by_name)
        self.names = tuple(self._by_name)

    @classmethod
    def of(cls, given: FunctionsGiven, *, beside: Functions | None = None) -> Functions:
        """Return the table of functions given by name or as a list, beside those of `beside`.

        Raises:
            Misuse: something is not callable, has no usable name, or a name is given twice.
        """
        by_name = dict(beside._by_name) if beside is not None else {}
        pairs: Iterable[tuple[str, object]] = _pairs(given)
        for name, target in pairs:
            if not callable(target):
                problem = f"must be callable, not {type(target).__name__}"
                raise Misuse(f"functions[{name!r}]", problem)
            if not isinstance(name, str) or not name.isidentifier() or len(name) > NAME_CHARS_MAX:
                problem = "guests call it by name: use an identifier, functions={'name': it}"
                raise Misuse(f"functions[{name!r}]", problem)
            if name.startswith("__"):
                raise Misuse(f"functions[{name!r}]", "names must not begin with two underscores")
            known = by_name.get(name)
            if known is None:
                by_name[name] = Function(name, target)
            elif known.target is not target:
                raise Misuse(f"functions[{name!r}]", "is given twice; rename one of them")
        if len(by_name) > FUNCTIONS_MAX:
            raise Misuse("functions", f"{len(by_name)} are over {FUNCTIONS_MAX}")
        return cls(by_name)

    def get(self, name: str) -> Function | None:
        """Return the function of that name."""
        return self._by_name.get(name)


class Calls:
    """The host calls of one run."""

    def __init__(
        self,
        functions: Functions,
        client: Client,
        threads: Threads,
        loop_thread: LoopThread,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        """`loop` is the caller's, for async functions; None for the loop thread's."""
        self.run_id = 0
        self.is_at_hand = False
        self._functions = functions
        self._client = client
        self._threads = threads
        self._loop_thread = loop_thread
        self._loop = loop
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._is_over = False
        self._task: asyncio.Task[object] | None = None

    def begin(self, call: HostCall, buffers: Sequence[memoryview]) -> None:
        """Call the function, on another thread, and send its answer."""
        self.is_at_hand = True
        self._threads.submit(lambda: self._context.copy().run(self._call, call, buffers))

    def cancel(self) -> None:
        """Drop the call at hand: its run is over. Any thread. Idempotent."""
        with self._lock:
            self._is_over = True
            task = self._task
        if task is not None:
            _call_on(task.get_loop(), task.cancel)

    def _call(self, call: HostCall, buffers: Sequence[memoryview]) -> None:
        if self._is_over:
            return
        function = self._functions.get(call.function)
        try:
            if function is None:
                raise AttributeError(f"module 'host' has no attribute {call.function!r}")
            args, kwargs = function.signature.bind(*_unpack(buffers))
            if function.is_async:
                self._start_task(call.call, function, args, kwargs)
                return
            result = function.signature.check_result(function.target(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - whatever the function raised is the guest's
            self._fail(call.call, error)
        else:
            self._answer(call.call, result)

    def _start_task(
        self,
        number: int,
        function: Function,
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        loop = self._loop if self._loop is not None else self._loop_thread.loop()

        async def answer() -> None:
            try:
                returned = await function.target(*args, **kwargs)
                self._answer(number, function.signature.check_result(returned))
            except Exception as error:  # noqa: BLE001 - whatever it raised is the guest's
                self._fail(number, error)
            except BaseException as error:
                self._fail(number, error)
                raise

        def start() -> None:
            with self._lock:
                if not self._is_over:
                    coroutine: Coroutine[object, object, object] = answer()
                    self._task = loop.create_task(coroutine, context=self._context.copy())

        _call_on(loop, start)

    def _answer(self, number: int, result: object) -> None:
        from protocol.errors import ValueRefused
        from protocol.values import encode

        try:
            encoded = encode(result, root="result")
        except ValueRefused as error:
            self._fail(number, TypeError(f"the host function's {error.path}: {error.reason}"))
        else:
            self._reply(HostReply(number), (encoded.body, *encoded.buffers))

    def _fail(self, number: int, error: BaseException) -> None:
        self._reply(HostReply(number, error=_as_told(error)), ())

    def _reply(self, reply: HostReply, buffers: Sequence[bytes | bytearray | memoryview]) -> None:
        self.is_at_hand = False
        if self._is_over:
            return
        try:
            self._client.send_quietly(reply, self.run_id, buffers)
        except ProtocolError as error:
            told = Error("ValueError", f"the host function's answer cannot be sent: {error}")
            self._client.send_quietly(HostReply(reply.call, error=told), self.run_id)


def _unpack(buffers: Sequence[memoryview]) -> tuple[Sequence[object], Mapping[str, object]]:
    from protocol.values import decode

    try:
        decoded = decode(bytes(buffers[0]), buffers[1:]) if buffers else None
    except ProtocolError as error:
        raise ValueError(f"the arguments cannot be read: {error}") from None
    match decoded:
        case [list() | tuple() as args, dict() as kwargs] if all(type(k) is str for k in kwargs):
            return args, cast("dict[str, object]", kwargs)
    raise ValueError("the arguments are not a list and a dict")


def _as_told(error: BaseException) -> Error:
    """Return what the guest may know of an exception."""
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror  # its own text names the file
    else:
        try:
            text = str(error)
        except Exception:  # noqa: BLE001 - the user's __str__
            text = ""
    kind = TypeError if isinstance(error, WrongArguments | WrongResult) else type(error)
    name = kind.__name__[:NAME_CHARS_MAX]
    clean = without_paths(text[:MESSAGE_CHARS_MAX])
    return Error(name, clean.encode("utf-8", "backslashreplace").decode())


_PATH = re.compile(r"(?<![\w:/.])(?:/[^\s/'\"<>:,;()]+){2,}/?")


def without_paths(text: str) -> str:
    """Shorten each path of this machine in `text` to its last name.

    What only looks like a path, such as the route of a web service, stays as it is.
    """

    def shorten(match: re.Match[str]) -> str:
        path = match[0]
        if not os.path.exists("/" + path.split("/", 2)[1]):
            return path
        return "…/" + path.rstrip("/").rpartition("/")[2]

    return _PATH.sub(shorten, text) if "/" in text else text


def _pairs(given: FunctionsGiven) -> Iterable[tuple[str, HostFunction]]:
    if isinstance(given, Mapping):
        return given.items()
    targets = listed(given, "functions")
    return [(getattr(target, "__name__", repr(target)), target) for target in targets]


def _is_async(target: HostFunction) -> bool:
    import inspect

    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(
        getattr(target, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    )


def _call_on(loop: asyncio.AbstractEventLoop, work: Callable[[], Any]) -> None:
    import contextlib

    with contextlib.suppress(RuntimeError):  # the loop is closed, and with it the caller gone
        loop.call_soon_threadsafe(work)
