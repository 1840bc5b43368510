"""What the tests of the Wasm engine share: orders, a host that records, a guest thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from protocol.messages import File, Mount, Run, RunLimits, Setup, Variable, Verdict
from sandboxes.base import Ended, HostAnswer, Order, Sandbox, Stream
from sandboxes.wasm.backend import WasmBackend
from sandboxes.wasm.engine import THREAD_STACK_BYTES

MIB = 1 << 20
SOON_S = 60.0  # how long a test waits for what must come at once; a hang fails instead of hanging


class Recorder:
    """A host that keeps what a guest says, and answers as it was told to."""

    def __init__(self) -> None:
        self.out: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        self.logs: list[tuple[int, str, str, dict[str, str]]] = []
        self.notes: list[tuple[int, str]] = []
        self.cut: set[Stream] = set()
        self.calls: list[tuple[str, bytes, list[bytes]]] = []
        self.input = b""
        self.answer: Callable[[str, bytes], HostAnswer] = lambda _, arguments: HostAnswer(arguments)
        #: Called on a thread of its own when a guest says "ready".
        self.when_ready: Callable[[], None] | None = None
        self.raises: BaseException | None = None

    @property
    def stdout(self) -> str:
        return self.out["stdout"].decode()

    def output(self, stream: Stream, data: bytes) -> None:
        if self.raises is not None:
            raise self.raises
        self.out[stream] += data
        if self.when_ready is not None and b"ready" in self.out["stdout"]:
            threading.Thread(target=self.when_ready).start()
            self.when_ready = None

    def log(self, level: int, logger: str, message: str, fields: dict[str, str]) -> None:
        self.logs.append((level, logger, message, fields))

    def flush(self) -> None:
        pass

    def mark_truncated(self, stream: Stream) -> None:
        self.cut.add(stream)

    def progress(self, permille: int, message: str) -> None:
        self.notes.append((permille, message))

    def call(self, function: str, arguments: bytes, buffers: Sequence[bytes] = ()) -> HostAnswer:
        self.calls.append((function, arguments, list(buffers)))
        return self.answer(function, arguments)

    def read_stdin(self, count: int) -> bytes:
        data, self.input = self.input[:count], self.input[count:]
        return data


class GuestThread:
    """One thread with the stack that guests need; everything of a backend happens on it."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None]
        self._jobs = queue.SimpleQueue()
        before = threading.stack_size(THREAD_STACK_BYTES)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        threading.stack_size(before)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            act, answers = job
            try:
                answers.put((act(), None))
            except BaseException as error:  # noqa: BLE001 - it is the caller's to judge
                answers.put((None, error))

    def begin[T](self, act: Callable[[], T]) -> Callable[[], T]:
        """Start `act`; call what is returned to wait for its result."""
        answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._jobs.put((act, answers))

        def wait() -> T:
            result, error = answers.get(timeout=SOON_S)
            if error is not None:
                raise error
            return result  # type: ignore[no-any-return]  # what `act` returned

        return wait

    def do[T](self, act: Callable[[], T]) -> T:
        """Return what `act` returns there."""
        return self.begin(act)()

    def end(self) -> None:
        self._jobs.put(None)
        self._thread.join(SOON_S)


def limits(
    *,
    memory_bytes: int = 128 * MIB,
    stdout_bytes: int = MIB,
    stderr_bytes: int = MIB,
    value_bytes: int = 16 * MIB,
    files_bytes: int = 16 * MIB,
    fuel: int | None = None,
) -> RunLimits:
    return RunLimits(
        wall_ms=30_000,
        memory_bytes=memory_bytes,
        stdout_bytes=stdout_bytes,
        stderr_bytes=stderr_bytes,
        value_bytes=value_bytes,
        host_calls=1_000,
        files_bytes=files_bytes,
        fuel=fuel,
    )


def order(
    source: str | bytes,
    *,
    bound: RunLimits | None = None,
    program: Literal["python", "module"] = "python",
    mode: Literal["script", "cell"] = "script",
    filename: str = "main.py",
    argv: Sequence[str] = (),
    env: dict[str, str] | None = None,
    functions: Sequence[str] = (),
    mounts: Sequence[Mount] = (),
    files: dict[str, bytes] | None = None,
    keep_files: bool = False,
    stdin: bytes | None = None,
    stdin_live: bool = False,
    spooled: Sequence[str] = (),
    inputs: Sequence[bytes] = (),
    inputs_at: int | None = None,
    session: int = 0,
) -> Order:
    """Return an order; `inputs` are the body and the out-of-band buffers of a value."""
    buffers: list[bytes] = [source.encode() if isinstance(source, str) else source]
    stdin_at = None
    if stdin is not None:
        stdin_at = len(buffers)
        buffers.append(stdin)
    entries = []
    for name, data in (files or {}).items():
        entries.append(File(name, len(buffers)))
        buffers.append(data)
    if inputs:
        inputs_at = len(buffers)
        buffers.extend(inputs)
    run = Run(
        limits=bound or limits(),
        program=program,
        mode=mode,
        filename=filename,
        argv=tuple(argv),
        env=tuple(Variable(name, value) for name, value in (env or {}).items()),
        functions=tuple(functions),
        mounts=tuple(mounts),
        files=tuple(entries),
        keep_files=keep_files,
        stdin=stdin_at,
        stdin_live=stdin_live,
        spooled=tuple(spooled),
        inputs=inputs_at,
        session=session,
    )
    return Order(run, [memoryview(data) for data in buffers])


def setup(image_path: str, *, fuel: bool = False, spool_path: str = "") -> Setup:
    return Setup(
        version=1,
        kind="wasm",
        image_path=image_path,
        stock=1,
        memory_bytes=128 * MIB,
        spool_path=spool_path,
        fuel=fuel,
    )


class Bench:
    """A backend, the thread that its guests run on, and short ways to run something."""

    def __init__(self, backend: WasmBackend, thread: GuestThread) -> None:
        self.backend = backend
        self.thread = thread

    def fresh(self, wanted: Order | None = None) -> Sandbox:
        return self.thread.do(lambda: self.backend.fresh(wanted))

    def run_in(self, sandbox: Sandbox, wanted: Order, host: Recorder | None = None) -> Ended:
        return self.thread.do(lambda: sandbox.run(wanted, host or Recorder()))

    def run(self, wanted: Order, host: Recorder | None = None) -> Ended:
        """Run in a fresh sandbox and close it."""
        sandbox = self.fresh(wanted)
        try:
            return self.run_in(sandbox, wanted, host)
        finally:
            self.thread.do(sandbox.close)

    def say(self, source: str, **given: Any) -> str:
        """Return what a run prints; it must end well."""
        host = Recorder()
        ended = self.run(order(source, **given), host)
        assert ended.verdict is Verdict.OK, (ended, host.out)
        return host.stdout

    def run_until_interrupted(self, wanted: Order, verdict: Verdict) -> tuple[Ended, Recorder]:
        """Run a guest that says "ready", and interrupt it then from another thread."""
        host, sandbox = Recorder(), self.fresh(wanted)
        host.when_ready = lambda: sandbox.interrupt(verdict)
        try:
            return self.run_in(sandbox, wanted, host), host
        finally:
            self.thread.do(sandbox.close)


def tree(path: Path) -> dict[str, bytes]:
    """Return every regular file below `path`, by its name from there."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.is_symlink()
    }
