"""How a run ended, as an exit code and as one line for people. Pure.

The guest's own exit codes pass through, so it may choose one that we use too; `--json` tells the
two apart. 124 is what coreutils `timeout` uses, 125 what container tools use for a failure of their
own, 134 and 137 what a shell shows for an abort and for a kill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from protocol.limits import Limits

OK = 0
UNCAUGHT = 1
USAGE = 2
FAILED = 125
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

#: By the text of the verdict: `protocol.messages` costs more to import than this module may.
_CODES: Final = {
    "exception": UNCAUGHT,
    "files": 120,
    "host_calls": 121,
    "value": 122,
    "fuel": 123,
    "timeout": 124,
    "cancelled": INTERRUPTED,
    "crashed": 134,
    "memory": 137,
}

_UNITS: Final = (
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 10**9),
    ("MB", 10**6),
    ("kB", 10**3),
)


def exit_code(verdict: str, guest_code: int | None) -> int:
    """Return what the command exits with.

    Args:
        verdict: the text of a `Verdict`.
        guest_code: what the guest gave to `sys.exit`, if anything; only its low 8 bits count, as
            for any process.
    """
    if verdict in ("ok", "exit"):
        default = OK if verdict == "ok" else UNCAUGHT
        return (default if guest_code is None else guest_code) & 0xFF
    return _CODES[verdict]


def verdict_line(
    verdict: str, limits: Limits, *, after_s: float = 0.0, detail: str = ""
) -> str | None:
    """Return the line that says how the run ended, without our name and without a newline.

    None where there is nothing to add: all went well, the guest chose its exit code, or its
    traceback has said it.

    Args:
        verdict: the text of a `Verdict`.
        limits: those of the run.
        after_s: how long it ran, in seconds.
        detail: what is known of a crash; text of a guest, shown escaped and clipped.
    """
    match verdict:
        case "timeout":
            return f"timeout after {after_s:.1f} s (limit {number(limits.wall_s)} s)"
        case "memory":
            return f"out of memory (limit {size(limits.memory_bytes)})"
        case "fuel":
            return f"out of fuel (limit {limits.fuel or 0:,} instructions)"
        case "value":
            return f"result too large (limit {size(limits.value_bytes)})"
        case "host_calls":
            return f"too many host calls (limit {limits.host_calls:,})"
        case "files":
            return f"too much written to files (limit {size(limits.files_bytes)})"
        case "cancelled":
            return f"cancelled after {after_s:.1f} s"
        case "crashed":
            return "the sandbox crashed" + (f": {plain(detail)}" if detail else "")
        case _:
            return None


def cut_line(stream: str, limit_bytes: int | str) -> str:
    """Return the line that says that a stream was cut."""
    name = {"stdout": "output", "stderr": "error"}[stream]
    return f"standard {name} was cut at {size(limit_bytes)} (--{stream}-limit)"


def number(value: float) -> str:
    """Return a number without needless zeros: 2, 0.25."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def size(count_bytes: int | str) -> str:
    """Return a size exactly, in the unit that shows it shortest; binary units where they tie."""
    count = int(count_bytes)
    exact = [
        f"{number(count / scale)} {unit}"
        for unit, scale in _UNITS
        if count >= scale and count * 10 % scale == 0
    ]
    return min([*exact, f"{count:,} bytes"], key=len)


def plain(text: str) -> str:
    """Return text of a guest on one line, without anything a terminal would obey, clipped."""
    shown = " ".join(text.split())[:200]
    return "".join(c if c.isprintable() else "?" for c in shown)
