"""What is in the cache of images, for people, and how it is tidied.

Rule: nothing is removed while it is being built, and nothing that fits unless asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from sandboxes.errors import ImageError
from sandboxes.wasm import keys
from sandboxes.wasm.cache import Cache, Kind, Record, location


class Stored(NamedTuple):
    """One file in the cache, for people.

    Args:
        is_current: it fits the sources, the machine and the release of wasmtime at hand.
        created: seconds since the epoch.
    """

    key: str
    kind: Kind
    size_bytes: int
    created: float
    packages: tuple[str, ...]
    is_current: bool


def list_images() -> list[Stored]:
    """Return what is in the cache, oldest first.

    Raises:
        ImageError: the cache is not the user's alone.
    """
    cache = Cache(location())
    if not cache.check():
        return []
    return [
        Stored(
            r.key, r.kind, r.size_bytes, r.created, r.packages, is_current=_is_current(r)
        )
        for r in cache.records()
    ]  # fmt: skip


def prune(*, everything: bool = False) -> list[Stored]:
    """Remove what no longer fits, or `everything`; what is being built just now stays.

    Returns:
        What was removed.

    Raises:
        ImageError: the cache is not the user's alone.
    """
    cache = Cache(location())
    if not cache.check():
        return []
    removed = []
    for record in cache.records():
        is_current = _is_current(record)
        if (everything or not is_current) and cache.remove(record):
            removed.append(
                Stored(
                    record.key,
                    record.kind,
                    record.size_bytes,
                    record.created,
                    record.packages,
                    is_current,
                )
            )
    cache.sweep()
    return removed


def _is_current(record: Record) -> bool:
    try:
        return record.needs == (
            keys.sources_key() if record.kind == "guest" else keys.runtime_key()
        )
    except ImageError:
        return False
