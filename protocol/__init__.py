"""What is said between host, supervisor, cell and guest, as values and bytes.

No I/O, no clock, and nothing outside the standard library except in `protocol.checking` and
`protocol.schema`, the two files for a host that can load pydantic. Everything else runs in the
host, in a second interpreter, in a cell and inside the Wasm guest alike.
"""

from __future__ import annotations

#: Versions of the protocol that this code speaks. A hello carries both; the highest in common wins.
VERSION_MIN = 1
VERSION_MAX = 1
