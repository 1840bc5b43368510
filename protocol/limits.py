"""What one run may use. One frozen object, checked when it is made.

Every limit is always in force: there is no 'unlimited'. `fuel` alone may be absent (`None`), as it
is a second, deterministic way to bound what `wall_s` already bounds.
"""

from __future__ import annotations

import math
import re

from protocol.structs import fields_of, frozen

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

WALL_S_MAX = 7 * 24 * 3600.0
#: A Wasm guest with the standard library needs this much before its first line.
MEMORY_BYTES_MIN, MEMORY_BYTES_MAX = 16 * MIB, 4 * GIB
STREAM_BYTES_MAX = 1 * GIB
VALUE_BYTES_MAX = 1 * GIB
FILES_BYTES_MAX = 16 * GIB
HOST_CALLS_MAX = 10_000_000
FUEL_MAX = 2**53 - 1
#: Text of all log entries of one run together: the host keeps them until it has the outcome.
LOG_CHARS_MAX = 8 * MIB

_UNITS = {
    "": 1,
    "b": 1,
    "k": 1_000,
    "kb": 1_000,
    "kib": KIB,
    "m": 1_000_000,
    "mb": 1_000_000,
    "mib": MIB,
    "g": 1_000_000_000,
    "gb": 1_000_000_000,
    "gib": GIB,
}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")


def parse_bytes(size: int | str, *, name: str = "size") -> int:
    """Return a size in bytes.

    Args:
        size: bytes as an int, or text such as "64MB" (1000s) or "64MiB" (1024s).
        name: what to call it in an error.

    Raises:
        ValueError: the text is not a size, or the number is negative.
        TypeError: neither an int nor a text.
    """
    if isinstance(size, bool) or not isinstance(size, int | str):
        raise TypeError(f'{name} must be bytes as an int, or text such as "64MB", not {size!r}')
    if isinstance(size, int):
        if size < 0:
            raise ValueError(f"{name} must not be negative: {size}")
        return size
    match = _SIZE.fullmatch(size)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f'{name} must be a size such as "64MB" or "64MiB", not {size[:40]!r}')
    return int(float(match[1]) * unit)


@frozen
class Limits:
    """The limits of one run; every field may be left at its default.

    Byte fields take an int or text such as "64MB" and hold an int afterwards.

    Args:
        wall_s: seconds of real time, from the moment a cell begins the run. Verdict `timeout`.
        memory_bytes: memory of the guest, its interpreter included. Verdict `memory`.
        fuel: Wasm instructions, the same number on every machine; `None` does not count them.
            Verdict `fuel`.
        stdout_bytes: kept and streamed from standard output, UTF-8; more is cut and flagged.
        stderr_bytes: the same for standard error.
        value_bytes: the encoded result, with its out-of-band buffers. Verdict `value`.
        host_calls: calls of host functions. Verdict `host_calls`.
        files_bytes: written to files, all of them together. Verdict `files`.

    Raises:
        ValueError: a number is out of range or a size is not a size; the text names the field.
        TypeError: a field has a type that it never accepts.
    """

    wall_s: float = 30.0
    memory_bytes: int | str = 128 * MIB
    fuel: int | None = None
    stdout_bytes: int | str = MIB
    stderr_bytes: int | str = MIB
    value_bytes: int | str = 16 * MIB
    host_calls: int = 1_000
    files_bytes: int | str = 16 * MIB

    def __post_init__(self) -> None:
        """Check every field and turn sizes into ints."""
        if isinstance(self.wall_s, bool) or not isinstance(self.wall_s, int | float):
            raise TypeError(f"limits.wall_s must be seconds as a float, not {self.wall_s!r}")
        if not (math.isfinite(self.wall_s) and 0.001 <= self.wall_s <= WALL_S_MAX):
            raise ValueError(f"limits.wall_s must be 0.001 to {WALL_S_MAX:g}, not {self.wall_s!r}")
        for name, low, high in _RANGES:
            given = getattr(self, name)
            if name == "fuel" and given is None:
                continue
            if name.endswith("_bytes"):
                number = parse_bytes(given, name=f"limits.{name}")
            elif isinstance(given, bool) or not isinstance(given, int):
                raise TypeError(f"limits.{name} must be an int, not {given!r}")
            else:
                number = given
            if not low <= number <= high:
                raise ValueError(f"limits.{name} must be {low} to {high}, not {number}")
            object.__setattr__(self, name, number)

    def within(self, ceiling: Limits) -> Limits:
        """Return these limits, none above the same field of `ceiling`."""
        lower = {}
        for name in fields_of(Limits):
            mine, theirs = getattr(self, name), getattr(ceiling, name)
            lower[name] = theirs if mine is None else min(mine, theirs or mine)
        return Limits(**lower)


_RANGES = (
    ("memory_bytes", MEMORY_BYTES_MIN, MEMORY_BYTES_MAX),
    ("fuel", 1, FUEL_MAX),
    ("stdout_bytes", 0, STREAM_BYTES_MAX),
    ("stderr_bytes", 0, STREAM_BYTES_MAX),
    ("value_bytes", 0, VALUE_BYTES_MAX),
    ("host_calls", 0, HOST_CALLS_MAX),
    ("files_bytes", 0, FILES_BYTES_MAX),
)
