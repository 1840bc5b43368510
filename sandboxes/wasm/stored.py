"""What is in the cache of images, for people, and how it is tidied.

Rule: nothing is removed while it is being built, and nothing that fits unless asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from sandboxes.errors import ImageError
from sandboxes.wasm import keys
from sandboxes.wasm.cache import Cache, location
from sandboxes.wasm.records import Form, Kind, Record


class Stored(NamedTuple):
    """One file in the cache, for people.

    Args:
        is_current: it fits the sources, the machine and the release of wasmtime at hand.
        created: seconds since the epoch.
        form: "optimised" for a guest whose modules are merged, and for its code.
    """

    key: str
    kind: Kind
    size_bytes: int
    created: float
    packages: tuple[str, ...]
    is_current: bool
    form: Form


def list_images() -> list[Stored]:
    """Return what is in the cache, oldest first.

    Raises:
        ImageError: the cache is not the user's alone.
    """
    cache = Cache(location())
    if not cache.check():
        return []
    return [_stored(record) for record in cache.records()]


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
        found = _stored(record)
        if (everything or not found.is_current) and cache.remove(record):
            removed.append(found)
    cache.sweep()
    return removed


def _stored(r: Record) -> Stored:
    is_current = _is_current(r)
    return Stored(r.key, r.kind, r.size_bytes, r.created, r.packages, is_current, r.form)


def _is_current(record: Record) -> bool:
    try:
        if record.kind != "guest":
            return record.needs == keys.runtime_key()
        sources = keys.sources_key()
        return record.needs == (sources if record.form == "base" else keys.merged_key(sources))
    except ImageError:
        return False
