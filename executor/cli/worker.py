"""`cellblock worker`: this machine's cells for runs that others submit, until a signal comes.

The main thread waits for the link to change and says so; nothing that is urgent is on it.

Rule: a line is said for each change of state, with its cause. Secrets are in none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from executor.cli import convert, verdicts
from executor.cli.commands import complain, no_words
from executor.cli.flags import (
    CELLS,
    DRAIN,
    GIVE_UP,
    IMAGE,
    ISOLATE,
    JAIL,
    LEASE,
    QUIET,
    SLOTS,
    Flag,
    Given,
    Parsed,
    UsageError,
)
from executor.cli.hub import access_from, queue_from
from executor.cli.run import image_from
from executor.cli.signals import Endings, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.api import Supervisor
    from executor.link.keeper import LinkKeeper

DRAIN_S = 30.0
DRAIN_S_MAX = 7 * 24 * 3600.0
_ISOLATES: tuple[Literal["interpreter", "process"], ...] = ("interpreter", "process")


def worker(parsed: Parsed, endings: Endings) -> int:
    """Serve until a signal comes, or the link gives up; return the exit code.

    Raises:
        UsageError: the command line cannot be obeyed.
        Interrupted: a signal came before it served.
        ExecutorError: we could not do it.
    """
    no_words(parsed, "worker")
    within_s = _seconds(parsed, DRAIN, DRAIN_S)
    if not 0 <= within_s <= DRAIN_S_MAX:
        raise UsageError(f"{DRAIN.long} must be 0 to {DRAIN_S_MAX:g}, not {within_s:g}")
    say = _nothing if parsed.on(QUIET.name) else complain
    supervisor = _supervisor(parsed)
    link = supervisor.open().link_keeper
    assert link is not None
    try:
        return _follow(link, say)
    except Interrupted:
        say(f"draining for up to {within_s:g} s; a second signal ends it at once")
        link.close(within_s)
        counts = link.statistics()
        say(f"left: {counts.runs_ended} runs ended, {counts.runs_handed_back} handed back")
        return verdicts.OK
    finally:
        supervisor.close(within_s=0)


def _supervisor(parsed: Parsed) -> Supervisor:
    from executor.api import Supervisor
    from executor.errors import Misuse
    from executor.link.options import GIVE_UP_S, LEASE_S, NatsLink

    cells, slots = parsed.last(CELLS.name), parsed.last(SLOTS.name)
    isolate = _isolate(parsed.last(ISOLATE.name))
    try:
        link = NatsLink(
            access_from(parsed),
            queue=queue_from(parsed),
            slots=None if slots is None else convert.count(slots),
            lease_s=_seconds(parsed, LEASE, LEASE_S),
            give_up_s=_seconds(parsed, GIVE_UP, GIVE_UP_S),
            isolate=isolate,
        )
        return Supervisor(
            image_from(parsed.last(IMAGE.name)),
            limits=convert.limits_from(parsed),
            cells=None if cells is None else convert.count(cells),
            isolate=isolate,
            jail=convert.jail(parsed.last(JAIL.name)),
            link=link,
        )
    except (ValueError, Misuse) as error:
        raise UsageError(_in_flags(str(error))) from None


def _follow(link: LinkKeeper, say: Callable[[str], None]) -> int:
    """Say what becomes of the link until it is over."""
    seen = ("", "")
    while True:
        state, cause = seen = link.wait_change(seen)
        shown = state.replace("_", " ")
        if state == "given_up":
            complain(f"machine {link.machine} gave up: {cause}")
            return verdicts.FAILED
        say(f"machine {link.machine} is {shown}" + (f": {cause}" if cause else ""))
        if state == "closed":
            return verdicts.OK


def _nothing(text: str) -> None:
    """Say nothing, as `--quiet` asks."""


def _isolate(given: Given | None) -> Literal["interpreter", "process"]:
    if given is None:
        return "interpreter"
    for known in _ISOLATES:
        if given.text == known:
            return known
    raise UsageError(f"{given.origin} must be {' or '.join(_ISOLATES)}, not {given.text[:40]!r}")


def _seconds(parsed: Parsed, flag: Flag, default: float) -> float:
    given = parsed.last(flag.name)
    return default if given is None else convert.seconds(given)


_NAMES = {
    "lease_s": LEASE,
    "give_up_s": GIVE_UP,
    "slots": SLOTS,
    "cells": CELLS,
    "isolate": ISOLATE,
}


def _in_flags(text: str) -> str:
    """Return an error about an argument as one about the flag that gave it."""
    name, colon, rest = text.partition(":")
    flag = _NAMES.get(name)
    return f"{flag.long}{colon}{rest}" if flag is not None else text
