"""`cellblock workers`: which machines there are, how busy, and how late their heartbeats are."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Final

from executor.cli.commands import complain, no_words, say
from executor.cli.flags import JSON, QUEUE, WATCH, Parsed
from executor.cli.hub import access_from, queue_from
from executor.cli.screen import STDOUT_FD
from executor.cli.verdicts import OK, plain

if TYPE_CHECKING:
    from executor.link.machines import Seen
    from protocol.links import Presence

#: There is none.
NONE: Final = 1
EVERY_S: Final = 1.0
_CLEAR: Final = "\x1b[H\x1b[J"
_HEAD: Final = (
    "MACHINE", "HOST", "STATE", "QUEUE", "CELLS", "BUSY", "WAITING", "LOAD", "LATE", "UP",
)  # fmt: skip


def workers(parsed: Parsed) -> int:
    """Print the machines, once or every second; return the exit code.

    Raises:
        UsageError: the command line cannot be obeyed.
        ConnectError: the servers cannot be reached.
    """
    no_words(parsed, "workers")
    return asyncio.run(_watch(parsed))


async def _watch(parsed: Parsed) -> int:
    from executor.link.machines import Machines

    queue = queue_from(parsed) if parsed.last(QUEUE.name) else ""
    is_watched, as_json = parsed.on(WATCH.name), parsed.on(JSON.name)
    machines = await Machines.connect(access_from(parsed))
    try:
        while True:
            seen = await machines.look(queue)
            text = to_json(seen) if as_json else to_text(seen)
            clears = is_watched and not as_json and os.isatty(STDOUT_FD)
            say((_CLEAR if clears else "") + text)
            if not is_watched:
                break
            await asyncio.sleep(EVERY_S)
    finally:
        await machines.close()
    if not seen.machines and not as_json:
        complain("no machines; start one: cellblock worker")
    return OK if seen.machines else NONE


def to_json(seen: Seen) -> str:
    """Return the machines as one JSON array on one line."""
    from protocol.structs import as_dict

    return json.dumps([as_dict(machine) for machine in seen.machines]) + "\n"


def to_text(seen: Seen) -> str:
    """Return the machines as a table; what they say of themselves is shown escaped."""
    rows = [_HEAD, *(_row(machine) for machine in seen.machines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [
        f"{plain(machine.machine)[:12]}: {plain(machine.cause)}"
        for machine in seen.machines
        if machine.cause
    ]
    if seen.unreadable:
        lines.append(f"{seen.unreadable} entries cannot be read")
    return "\n".join(lines) + "\n"


def _row(machine: Presence) -> tuple[str, ...]:
    return (
        plain(machine.machine)[:12],
        plain(machine.host)[:24] or "-",
        machine.state.replace("_", " "),
        plain(machine.queue)[:24],
        str(machine.cells),
        str(machine.busy),
        str(machine.queued),
        f"{machine.load / 10:.0f}%",
        f"{machine.late_p99_us / 1_000:.1f} ms",
        _duration(machine.up_ms / 1_000),
    )


def _duration(seconds: float) -> str:
    for unit, scale in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= scale:
            return f"{seconds / scale:.1f} {unit}"
    return f"{seconds:.0f} s"
