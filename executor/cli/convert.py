"""Text from flags and variables into values. Each error names the flag, the fault and the fix.

Nothing here asks what a run does with a value; ranges are those of `protocol.limits`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from executor.cli.flags import (
    FILES_LIMIT,
    FUEL,
    JAIL,
    KIND,
    MEMORY,
    STDERR_LIMIT,
    STDOUT_LIMIT,
    TIMEOUT,
    VALUE_LIMIT,
    Flag,
    Given,
    Parsed,
    UsageError,
)

if TYPE_CHECKING:
    from protocol.fields import Kind
    from protocol.limits import Limits
    from sandboxes.guarantees import Strength

_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZES = (
    (MEMORY, "memory_bytes"),
    (STDOUT_LIMIT, "stdout_bytes"),
    (STDERR_LIMIT, "stderr_bytes"),
    (VALUE_LIMIT, "value_bytes"),
    (FILES_LIMIT, "files_bytes"),
)
#: A script, a JSON file or an in-memory file larger than this does not fit in one frame.
READ_BYTES_MAX = 200 << 20


def limits_from(parsed: Parsed) -> Limits:
    """Return the limits that the flags ask for; what no flag names keeps its default.

    Raises:
        UsageError: a value is malformed or out of its range.
    """
    from protocol.limits import Limits, parse_bytes

    fields: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if given := parsed.last(TIMEOUT.name):
        fields["wall_s"], origins["wall_s"] = seconds(given), given.origin
    if given := parsed.last(FUEL.name):
        fields["fuel"], origins["fuel"] = count(given), given.origin
    for flag, field in _SIZES:
        if given := parsed.last(flag.name):
            try:
                fields[field] = parse_bytes(given.text, name=given.origin)
            except ValueError as error:
                raise UsageError(str(error)) from None
            origins[field] = given.origin
    try:
        return Limits(**fields)
    except ValueError as error:
        text = str(error)
        for field, origin in origins.items():
            text = text.replace(f"limits.{field}", origin)
        raise UsageError(text) from None


def seconds(given: Given) -> float:
    """Return a duration such as 2, 0.5, 500ms or 1m, in seconds."""
    text = given.text.strip().lower()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = _SECONDS.get(text[len(digits) :].strip())
    try:
        if unit is None:
            raise ValueError
        return float(digits) * unit
    except ValueError:
        raise UsageError(
            f"{given.origin} must be seconds such as 2, 0.5 or 500ms, not {given.text[:40]!r}"
        ) from None


def count(given: Given) -> int:
    """Return a whole number; underscores may group its digits."""
    try:
        return int(given.text)
    except ValueError:
        raise UsageError(
            f"{given.origin} must be a whole number such as 5_000_000, not {given.text[:40]!r}"
        ) from None


def jail(given: Given | None) -> Strength | None:
    """Return the kernel walls that are asked for; None for the strongest there are."""
    return None if given is None else cast("Strength", _chosen(given, JAIL))


def kind(given: Given | None) -> Kind:
    """Return the kind of sandbox that is asked for; Wasm where none is."""
    return "wasm" if given is None else cast("Kind", _chosen(given, KIND))


def _chosen(given: Given, flag: Flag) -> str:
    if given.text not in flag.choices:
        known = ", ".join(flag.choices)
        raise UsageError(f"{given.origin} must be {known}, not {given.text[:40]!r}")
    return given.text


def volume(given: Given) -> tuple[str, str, bool]:
    """Return the host's directory, the guest's path and whether the guest may write there."""
    text, writable = given.text, True
    for ending, may_write in ((":ro", False), (":rw", True)):
        if text.endswith(ending):
            text, writable = text.removesuffix(ending), may_write
            break
    source, colon, target = text.rpartition(":")
    if not colon or not source or not target.startswith("/"):
        raise UsageError(
            f"{given.origin} must be SRC:DST or SRC:DST:ro with an absolute DST, such as "
            f"./data:/data:ro, not {given.text[:80]!r}"
        )
    if not os.path.isdir(source):
        fault = "is not a directory; use --file" if os.path.exists(source) else "does not exist"
        raise UsageError(f"{given.origin}: {source[:200]!r} {fault}")
    return os.path.realpath(source), target, writable


def variable(given: Given, environ: dict[str, str]) -> tuple[str, str]:
    """Return an environment variable; without `=` its value is taken from ours."""
    name, equals, value = given.text.partition("=")
    if not name or "\0" in given.text:
        raise UsageError(f"{given.origin} must be NAME=VALUE or NAME, not {given.text[:80]!r}")
    if not equals:
        if name not in environ:
            raise UsageError(
                f"{given.origin} {name[:80]}: no such variable here; write {name[:80]}=VALUE"
            )
        value = environ[name]
    return name, value


def entry(given: Given) -> tuple[str, object]:
    """Return one input: a name and the value that its JSON stands for."""
    name, equals, text = given.text.partition("=")
    if not equals or not name.isidentifier():
        raise UsageError(
            f"{given.origin} must be NAME=JSON with a Python name, such as n=3, "
            f"not {given.text[:80]!r}"
        )
    if text.startswith("@"):
        text = read_text(text[1:], f"{given.origin} {name}")
    import json

    try:
        return name, json.loads(text)
    except RecursionError:
        raise UsageError(f"{given.origin} {name}: JSON is nested too deeply") from None
    except ValueError as error:
        fix = f"; a text needs its quotes: {name}='\"text\"'" if text[:1].isalpha() else ""
        raise UsageError(f"{given.origin} {name}: not JSON: {error}{fix}") from None


def memory_file(given: Given) -> tuple[str, bytes]:
    """Return a file by value: its name for the guest and what it holds."""
    name, equals, path = given.text.partition("=")
    if not equals:
        path, name = name, os.path.basename(name)
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "" in parts or "\0" in name:
        raise UsageError(
            f"{given.origin} must be NAME=PATH with a relative NAME, such as data.csv=./data.csv, "
            f"not {given.text[:80]!r}"
        )
    return name, read_bytes(path, f"{given.origin} {name}")


def read_text(path: str, label: str) -> str:
    """Return a UTF-8 text file; `label` begins the error."""
    try:
        return read_bytes(path, label).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{label}: {path[:200]!r} is not UTF-8 text") from None


def read_bytes(path: str, label: str = "") -> bytes:
    """Return what a file holds, up to `READ_BYTES_MAX`; `label` begins the error.

    Raises:
        UsageError: it cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(READ_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        begin = f"{label}: " if label else ""
        raise UsageError(f"{begin}cannot read {path[:200]!r}: {reason}") from None
    if len(data) > READ_BYTES_MAX:
        raise UsageError(f"{path[:200]!r} is over {READ_BYTES_MAX >> 20} MiB; use -v")
    return data


def source_text(data: bytes, label: str) -> str:
    """Decode a script as Python would: UTF-8, or what its first two lines declare.

    Raises:
        UsageError: it is not text in the encoding it declares.
    """
    head = b"\n".join(data[:1_000].split(b"\n", 2)[:2])
    try:
        if b"coding" not in head:
            return data.decode("utf-8-sig")
        import io
        import tokenize

        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (UnicodeDecodeError, SyntaxError, LookupError):
        raise UsageError(
            f"{label} is not UTF-8 text; declare its encoding in its first line"
        ) from None
