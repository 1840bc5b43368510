"""Single arguments of a run, each checked by one function. Errors name the argument and the fix."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from executor.errors import Misuse
from protocol.fields import Interrupt, Kind
from protocol.limits import Limits
from protocol.messages import Mount, RunLimits, Variable
from protocol.structs import fields_of

NAME_CHARS_MAX = 256
PATH_CHARS_MAX = 4_096
TEXT_CHARS_MAX = 65_536
ARGV_MAX = ENV_MAX = 1_024


def limits_from(given: Limits | Mapping[str, Any] | None, defaults: Limits) -> Limits:
    """Return the limits of a run: those given whole, or the defaults with some fields changed.

    Raises:
        Misuse: a field that does not exist, or a number that is out of range.
    """
    if given is None or given is defaults:
        return defaults
    if isinstance(given, Limits):
        return given
    if not isinstance(given, Mapping):
        raise Misuse("limits", f"must be Limits or a dict, not {type(given).__name__}")
    for name in given:
        if name not in _LIMIT_NAMES:
            known = ", ".join(_LIMIT_NAMES)
            raise Misuse(f"limits[{name!r}]", f"no such limit; there are {known}")
    try:
        return defaults.__replace__(**given)
    except (ValueError, TypeError) as error:
        raise Misuse("limits", str(error)) from None


_LIMIT_NAMES = fields_of(Limits)


@functools.lru_cache(maxsize=256)
def run_limits(limits: Limits) -> RunLimits:
    """Return limits as they go over the wire; milliseconds are rounded up."""
    return RunLimits(
        wall_ms=max(1, math.ceil(limits.wall_s * 1_000)),
        memory_bytes=int(limits.memory_bytes),
        stdout_bytes=int(limits.stdout_bytes),
        stderr_bytes=int(limits.stderr_bytes),
        value_bytes=int(limits.value_bytes),
        host_calls=limits.host_calls,
        files_bytes=int(limits.files_bytes),
        fuel=limits.fuel,
    )


def mount_from(given: object) -> Mount:
    """Return a mount, its host path made absolute and known to be a directory.

    Raises:
        Misuse: it is malformed, or the directory is missing.
    """
    if isinstance(given, str):
        text, writable = given, True
        for ending, may_write in ((":ro", False), (":rw", True)):
            if text.endswith(ending):
                text, writable = text.removesuffix(ending), may_write
                break
        source, colon, target = text.rpartition(":")
        if not colon or not source or not target:
            raise Misuse(f"mounts[{given[:80]!r}]", 'write "SRC:DST", "SRC:DST:ro" or Mount(...)')
        given = Mount(source, target, writable)
    if not isinstance(given, Mount):
        raise Misuse("mounts", f"must hold Mount or text, not {type(given).__name__}")
    source = os.fspath(given.host_path)
    label = f"mounts[{source[:80]!r}]"
    target = os.fspath(given.guest_path)
    if not target.startswith("/") or ".." in target.split("/"):
        raise Misuse(label, f"the guest path must be absolute and without .., not {target[:80]!r}")
    try:
        real = os.path.realpath(source, strict=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Misuse(label, f"cannot be mounted: {reason}") from None
    if not os.path.isdir(real):
        raise Misuse(label, "is not a directory; use files= for a single file")
    text_of(target, label, PATH_CHARS_MAX)
    return Mount(text_of(real, label, PATH_CHARS_MAX), target, bool(given.writable))


def environment(given: Mapping[str, str]) -> tuple[Variable, ...]:
    """Return an environment as the wire has it.

    Raises:
        Misuse: a name or a value that no environment can hold.
    """
    if not isinstance(given, Mapping):
        raise Misuse("env", f"must map names to values, not be a {type(given).__name__}")
    if len(given) > ENV_MAX:
        raise Misuse("env", f"{len(given)} variables are over {ENV_MAX}")
    variables = []
    for name, value in given.items():
        label = f"env[{name!r}]"
        if not isinstance(name, str) or not name or "=" in name:
            raise Misuse(label, "names are text, not empty and without =")
        text_of(name, label, NAME_CHARS_MAX)
        if not isinstance(value, str):
            raise Misuse(label, f"must be text, not {type(value).__name__}")
        variables.append(Variable(name, text_of(value, label, TEXT_CHARS_MAX)))
    return tuple(variables)


def arguments(given: Sequence[str], name: str) -> tuple[str, ...]:
    """Return a program's arguments.

    Raises:
        Misuse: too many, or one that is no argument.
    """
    words = tuple(listed(given, name))
    if len(words) > ARGV_MAX:
        raise Misuse(name, f"{len(words)} arguments are over {ARGV_MAX}")
    for at, word in enumerate(words):
        text_of(word, f"{name}[{at}]", TEXT_CHARS_MAX)
    return words


def listed[T](given: Iterable[T], name: str) -> list[T]:
    """Return the items of a list; a text is refused, though it has items too.

    Raises:
        Misuse: it is no list.
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise Misuse(name, f"must be a list, not {type(given).__name__}")
    return list(given)


def text_of(given: object, label: str, chars_max: int) -> str:
    """Return `given` if it is text that the wire and the guest can hold.

    Raises:
        Misuse: it is not; `label` begins the error.
    """
    if not isinstance(given, str):
        raise Misuse(label, f"must be text, not {type(given).__name__}")
    if len(given) > chars_max:
        raise Misuse(label, f"{len(given)} characters are over {chars_max}")
    if "\0" in given:
        raise Misuse(label, "must not hold a NUL character")
    if not given.isascii():
        try:
            given.encode()
        except UnicodeEncodeError:
            raise Misuse(label, "must not hold lone surrogates") from None
    return given


def interrupt_from(interrupt: str, kind: Kind) -> Interrupt:
    """Return how guests of a kind of sandbox are ended at their deadline.

    Raises:
        Misuse: there is no such way.
    """
    if interrupt not in ("epoch", "kill"):
        raise Misuse("interrupt", f'must be "epoch" or "kill", not {interrupt!r}')
    if interrupt == "kill" and kind != "wasm":
        raise Misuse("interrupt", f"\"kill\" is for kind='wasm'; leave it out for {kind!r}")
    return cast("Interrupt", interrupt)


def count_of(given: object, name: str, low: int, high: int) -> int:
    """Return an int that is within its range.

    Raises:
        Misuse: it is not.
    """
    if type(given) is not int:
        raise Misuse(name, f"must be an int, not {given!r}")
    if not low <= given <= high:
        raise Misuse(name, f"must be {low} to {high}, not {given}")
    return given


def usable_cpus() -> int:
    """Return how many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.process_cpu_count() or 1
