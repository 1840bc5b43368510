"""A machine's entry in the bucket that lists machines."""

from __future__ import annotations

from typing import Any

from executor.link.events import Publish
from executor.link.settings import BEAT_S, Settings
from protocol.links import LINK_VERSION, Presence, encode_link


def entry(settings: Settings, details: dict[str, Any]) -> tuple[str, bytes]:
    """Return where a machine's entry is put, and the entry: one frame."""
    message = Presence(
        version=LINK_VERSION,
        machine=settings.machine,
        host=settings.host[:256],
        pid=settings.pid,
        state=details["state"],
        cause=details["cause"][:4_096],
        queue=settings.queue,
        cells=details["cells"],
        busy=details["busy"],
        queued=details["queued"],
        leases=details["leases"],
        load=details["load"],
        beat_ms=round(BEAT_S * 1_000),
        late_p50_us=round(details["late_p50_s"] * 1e6),
        late_p99_us=round(details["late_p99_s"] * 1e6),
        late_max_us=round(details["late_max_s"] * 1e6),
        loop_silent_ms=min(round(details["loop_silent_s"] * 1_000), 7 * 24 * 3600 * 1000),
        runs_ended=details["runs_ended"],
        runs_given_up=details["runs_given_up"],
        up_ms=round(details["up_s"] * 1_000),
    )
    return _subject(settings), encode_link(message)


def removal(settings: Settings) -> Publish:
    """Return what takes the entry away."""
    return Publish(_subject(settings), b"", headers=(("KV-Operation", "DEL"),))


def _subject(settings: Settings) -> str:
    return f"$KV.{settings.bucket}.{settings.machine}"
