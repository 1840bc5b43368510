"""What a run gave back: one frozen value, whatever the guest did.

Rule: text, values and files in here are the guest's. Show them; do not trust them.
"""

from __future__ import annotations

from collections.abc import Mapping

from executor.errors import GuestError
from protocol.messages import Verdict
from protocol.structs import field, frozen


@frozen
class Failure:
    """Why a run did not end well.

    Args:
        name: class of the guest's exception, or a name for the reason.
        message: its text.
        traceback: as Python prints it, with the guest's own files and lines; "" if none.
    """

    name: str
    message: str
    traceback: str = ""


@frozen
class Truncated:
    """Which stream was cut at its limit. True in a condition if any was."""

    stdout: bool = False
    stderr: bool = False

    def __bool__(self) -> bool:
        return self.stdout or self.stderr


@frozen
class Entry:
    """One entry of the guest's `logging`.

    Args:
        level: as in `logging`: 10 debug, 20 info, 30 warning, 40 error, 50 critical.
        logger: name of the guest's logger.
        message: the formatted text.
        fields: what the guest gave as `extra`, as text.
    """

    level: int
    logger: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)


@frozen
class Note:
    """One note of progress: `fraction` of the whole, 0.0 to 1.0, and a text."""

    fraction: float
    message: str = ""


@frozen
class Usage:
    """What a run used; 0 where the sandbox cannot tell.

    Args:
        wall_s: from the moment a cell took it to its end.
        cpu_s: of the guest.
        fuel: Wasm instructions, counted only where `limits.fuel` was given.
        peak_memory_bytes: of the guest, its interpreter included.
        host_calls: of host functions.
        stdout_bytes, stderr_bytes: kept of the streams.
        files_bytes: written to files.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    fuel: int = 0
    peak_memory_bytes: int = 0
    host_calls: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    files_bytes: int = 0


@frozen
class Timings:
    """Where the time of a run went, in seconds.

    Args:
        queued_s: waiting for a cell.
        encode_s: values into bytes: the inputs here, the result in the guest.
        start_s: taking or making its sandbox.
        run_s: the guest's own code.
        decode_s: bytes into values: the inputs in the guest, the result here.
    """

    queued_s: float = 0.0
    encode_s: float = 0.0
    start_s: float = 0.0
    run_s: float = 0.0
    decode_s: float = 0.0


@frozen
class Outcome:
    """How one run ended.

    Args:
        verdict: one word for it.
        value: the last expression (`mode="cell"`) or the global that `result` named, else None.
        error: what went wrong; None if `ok`.
        stdout, stderr: the streams as text, up to their limits; bytes that are not UTF-8 become
            the replacement character.
        truncated: which stream was cut.
        exit_code: what the guest passed to `exit`, if it did.
        files: what it left in its working directory, by name, where `keep_files` was asked for.
        logs: entries of its `logging`, in order.
        usage: what it used.
        timings: where the time went.
        stdout_raw, stderr_raw: the streams as bytes.
    """

    verdict: Verdict
    value: object = None
    error: Failure | None = None
    stdout: str = ""
    stderr: str = ""
    truncated: Truncated = field(default_factory=Truncated)
    exit_code: int | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    logs: tuple[Entry, ...] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    stdout_raw: bytes = field(default=b"", repr=False)
    stderr_raw: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """True if the guest ran to its end."""
        return self.verdict is Verdict.OK

    def unwrap(self) -> object:
        """Return the value of a run that ended well.

        Raises:
            GuestError: it did not.
        """
        if self.verdict is Verdict.OK:
            return self.value
        error = self.error or Failure("", "")
        raise GuestError(self.verdict, error.name, error.message, error.traceback)
