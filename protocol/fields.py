"""Marks that bound a field of a message, and the field types built from them.

A mark is data. `protocol.reading` checks it with the standard library, `protocol.checking`
turns it into the pydantic constraint of the same meaning; a property test holds the two to the
same verdict.
"""

from __future__ import annotations

from typing import Annotated, Literal

from protocol.structs import frozen


@frozen
class Between:
    """An int or float `low <= x <= high`."""

    low: int
    high: int


@frozen
class AtMost:
    """At most `count` characters of a text, or items of a tuple."""

    count: int


#: Runs and sessions of a link count from here, those of a host from 1.
LEASE_MIN = 1 << 52
#: Largest integer that every JSON reader keeps exact.
INTEGER_MAX = 2**53 - 1
BYTES_MAX = 1 << 40

Id = Annotated[int, Between(1, INTEGER_MAX)]
Count = Annotated[int, Between(0, INTEGER_MAX)]
Bytes = Annotated[int, Between(0, BYTES_MAX)]
#: Milliseconds of a duration, at most a week.
Milliseconds = Annotated[int, Between(0, 7 * 24 * 3600 * 1000)]
#: Microseconds of a measured span.
Microseconds = Annotated[int, Between(0, INTEGER_MAX)]
#: Index into the buffers of the same frame.
BufferIndex = Annotated[int, Between(0, 65_535)]

Name = Annotated[str, AtMost(256)]
Line = Annotated[str, AtMost(4_096)]
Path = Annotated[str, AtMost(4_096)]
Text = Annotated[str, AtMost(65_536)]

#: What a guest runs in.
Kind = Literal["wasm", "process", "interpreter"]
#: How a guest is ended at its deadline.
Interrupt = Literal["epoch", "kill"]
#: Runs that one cell has at hand at the same time.
Slots = Annotated[int, Between(1, 64)]
#: Directories in which native guests find modules, in order.
Libraries = Annotated[tuple[Path, ...], AtMost(256)]
#: Modules imported ahead of the first guest.
Preload = Annotated[tuple[Name, ...], AtMost(256)]
