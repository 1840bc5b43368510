"""Runs a guest once to learn which objects its snapshot holds; see `immortal`."""

from __future__ import annotations

import array
import threading
from collections.abc import Sequence
from typing import Any, Final

from protocol.messages import Run, RunLimits, Setup, Verdict
from protocol.values import decode
from sandboxes.base import Ended, HostAnswer, Order, Stream
from sandboxes.errors import ImageError
from sandboxes.wasm import backend
from sandboxes.wasm.engine import THREAD_STACK_BYTES
from sandboxes.wasm.merging import immortal

_MIB: Final = 1 << 20
_LIMITS: Final = RunLimits(
    wall_ms=60_000,
    memory_bytes=1024 * _MIB,
    stdout_bytes=_MIB,
    stderr_bytes=_MIB,
    value_bytes=32 * _MIB,
    host_calls=0,
    files_bytes=0,
)


class _Silence:
    """A host that a guest tells nothing."""

    def output(self, stream: Stream, data: bytes) -> None:
        pass

    def log(self, level: int, logger: str, message: str, fields: dict[str, str]) -> None:
        pass

    def mark_truncated(self, stream: Stream) -> None:
        pass

    def progress(self, permille: int, message: str) -> None:
        pass

    def call(self, function: str, arguments: bytes, buffers: Sequence[bytes] = ()) -> HostAnswer:
        return HostAnswer()

    def read_stdin(self, count: int) -> bytes:
        return b""


def survey(code_path: str) -> list[immortal.Found]:
    """Return the objects that a guest has at its beginning, and some that it made since.

    Args:
        code_path: the guest, compiled.

    Raises:
        ImageError: it does not tell, or it is of a Python whose objects are not known here.
    """
    ended: list[Ended | BaseException] = []

    def work() -> None:
        try:
            ended.append(_run(code_path))
        except BaseException as error:  # noqa: BLE001 - raised below, on the caller's thread
            ended.append(error)

    before = threading.stack_size(THREAD_STACK_BYTES)
    thread = threading.Thread(target=work)
    thread.start()
    threading.stack_size(before)
    thread.join()
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return _found(ended[0])


def _run(code_path: str) -> Ended:
    setup = Setup(
        version=1, kind="wasm", image_path=code_path, stock=0, memory_bytes=_LIMITS.memory_bytes
    )
    loaded = backend.load(setup)
    sandbox = loaded.fresh()
    try:
        run = Run(limits=_LIMITS, mode="cell")
        return sandbox.run(Order(run, [memoryview(immortal.SURVEY.encode())]), _Silence())
    finally:
        sandbox.close()
        loaded.close()


def _found(ended: Ended) -> list[immortal.Found]:
    if ended.verdict is not Verdict.OK or ended.value is None:
        raise ImageError(f"the guest does not tell of its objects: {ended.error or ended.verdict}")
    told: Any = decode(ended.value, ended.out_of_band)
    count, data = told
    if count != immortal.IMMORTAL:
        raise ImageError(f"the guest's Python counts references in another way ({count})")
    numbers = array.array("I", bytes(data))
    if len(numbers) > 2 * immortal.OBJECTS_MAX:
        raise ImageError(f"the guest has over {immortal.OBJECTS_MAX} objects")
    return [immortal.Found(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
