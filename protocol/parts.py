"""What messages are made of: values of several fields that stand in more than one, or in a list.

Rule 1: the rules of `protocol.messages` hold here too; `protocol.messages` names all of these, so
        that others import from there.
"""

from __future__ import annotations

import enum
from typing import Annotated

from protocol.fields import (
    AtMost,
    BufferIndex,
    Bytes,
    Count,
    Microseconds,
    Milliseconds,
    Name,
    Path,
    Text,
)
from protocol.structs import frozen


class Verdict(enum.StrEnum):
    """How a run ended."""

    OK = "ok"
    EXCEPTION = "exception"  # the guest raised and did not catch
    EXIT = "exit"  # the guest ended itself with an exit code that is not 0
    TIMEOUT = "timeout"  # limits.wall_s
    FUEL = "fuel"  # limits.fuel
    MEMORY = "memory"  # limits.memory_bytes
    VALUE = "value"  # the result is over limits.value_bytes
    HOST_CALLS = "host_calls"  # limits.host_calls
    FILES = "files"  # limits.files_bytes
    CANCELLED = "cancelled"  # the host gave it up
    CRASHED = "crashed"  # the sandbox died under it: a trap, an abort, a killed cell


@frozen
class RunLimits:
    """`protocol.limits.Limits` on the wire."""

    wall_ms: Milliseconds
    memory_bytes: Bytes
    stdout_bytes: Bytes
    stderr_bytes: Bytes
    value_bytes: Bytes
    host_calls: Count
    files_bytes: Bytes
    fuel: Count | None = None


@frozen
class Mount:
    """A directory of the host, seen by the guest under `guest_path`."""

    host_path: Path
    guest_path: Path
    writable: bool = False


@frozen
class File:
    """A file by value: `name` is relative to the guest's working directory."""

    name: Path
    buffer: BufferIndex


@frozen
class Variable:
    """One entry of the guest's environment."""

    name: Name
    value: Text


@frozen
class Error:
    """An exception as text: its class, its message, and the traceback as Python prints it."""

    name: Name
    message: Text
    traceback: Annotated[str, AtMost(262_144)] = ""


@frozen
class Usage:
    """What a run used, as far as the sandbox can tell; 0 where it cannot."""

    wall_us: Microseconds = 0
    cpu_us: Microseconds = 0
    fuel: Count = 0
    peak_memory_bytes: Bytes = 0
    host_calls: Count = 0
    stdout_bytes: Bytes = 0
    stderr_bytes: Bytes = 0
    files_bytes: Bytes = 0


@frozen
class Timings:
    """Where the time of a run went inside its cell."""

    start_us: Microseconds = 0
    decode_us: Microseconds = 0
    run_us: Microseconds = 0
    encode_us: Microseconds = 0
