"""`cellblock image`, and what `--image` means.

An image may be given a name. A name stands for what the image consists of and not for a file: after
an upgrade the same name builds anew. Names are kept beside the images, private like them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from executor.cli import verdicts
from executor.cli.commands import no_words, say
from executor.cli.flags import (
    ALL,
    JSON,
    NAME,
    OPTIMIZE,
    PACKAGE,
    PREIMPORT,
    QUIET,
    Given,
    Parsed,
    UsageError,
)

if TYPE_CHECKING:
    from sandboxes.wasm.image import Image
    from sandboxes.wasm.stored import Stored

NAME_CHARS_MAX = 64
_RECORD_BYTES_MAX = 1 << 20


def build(parsed: Parsed) -> int:
    """Build an image, name it if asked to, and print its key.

    Raises:
        UsageError: what is asked for cannot be an image.
        ImageError: it cannot be built.
    """
    from sandboxes.wasm.image import Image, ensure

    packages = [*parsed.words, *(given.text for given in parsed.all(PACKAGE.name))]
    image = Image(tuple(packages), tuple(given.text for given in parsed.all(PREIMPORT.name)))
    name = parsed.last(NAME.name)
    if name is not None:
        _check_name(name)
    compiled = ensure(
        image,
        optimise=parsed.on(OPTIMIZE.name),
        progress=None if parsed.on(QUIET.name) else "auto",
    )
    if name is not None:
        _write_name(name.text, image)
    say(f"{compiled.key}\n")
    return verdicts.OK


def show(parsed: Parsed) -> int:
    """Print what is in the cache: a table, or JSON."""
    from sandboxes.wasm.stored import list_images

    no_words(parsed, "image list")
    stored, names = list_images(), _names()
    if parsed.on(JSON.name):
        images = [one._asdict() for one in stored]
        say(json.dumps({"images": images, "names": names}) + "\n")
        return verdicts.OK
    say(_table([("KEY", "KIND", "FORM", "SIZE", "BUILT", "STATE", "PACKAGES"), *map(_row, stored)]))
    if names:
        rows = [(name, " ".join(of["packages"]) or "-") for name, of in names.items()]
        say("\n" + _table([("NAME", "PACKAGES"), *rows]))
    return verdicts.OK


def prune(parsed: Parsed) -> int:
    """Delete what no longer fits, with `--all` everything, and print how much that was."""
    from sandboxes.wasm import stored

    no_words(parsed, "image prune")
    removed = stored.prune(everything=parsed.on(ALL.name))
    if not parsed.on(QUIET.name):
        freed = f"{sum(one.size_bytes for one in removed) / 1e6:.0f} MB"
        say(f"deleted {len(removed)} of the cache's files, {freed}\n")
    return verdicts.OK


def image_named(given: Given) -> Image:
    """Return the image that `--image` means: one that was named, or packages.

    Raises:
        UsageError: it is neither.
    """
    from sandboxes.wasm.image import Image

    found = _read_name(given.text) if _is_name(given.text) else None
    if found is not None:
        return Image(tuple(found["packages"]), tuple(found["preimport"]))
    packages = given.text.split()
    if not packages:
        raise UsageError(f"{given.origin} must be a name or packages, such as 'attrs rich>=13'")
    return Image(tuple(packages))


# --- names ---------------------------------------------------------------------------------------
def _is_name(text: str) -> bool:
    plain = text.replace("-", "").replace("_", "")
    return plain.isascii() and plain.isalnum() and len(text) <= NAME_CHARS_MAX


def _check_name(given: Given) -> None:
    if not _is_name(given.text):
        raise UsageError(
            f"{given.origin} must be up to {NAME_CHARS_MAX} letters, digits, - and _, "
            f"not {given.text[:80]!r}"
        )


def _folder() -> str:
    from sandboxes.wasm.cache import location

    return os.path.join(location(), "names")


def _write_name(name: str, image: Image) -> None:
    folder = _folder()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    part = os.path.join(folder, f".{name}.{os.getpid()}")
    fields = {"packages": list(image.packages), "preimport": list(image.preimport)}
    with open(
        part, "x", encoding="utf-8", opener=lambda p, flags: os.open(p, flags, 0o600)
    ) as file:
        json.dump(fields, file)
    os.replace(part, os.path.join(folder, name))


def _read_name(name: str) -> dict[str, Any] | None:
    """Return what a name stands for; None for nothing, or a file that is not the user's own."""
    try:
        with open(os.path.join(_folder(), name), "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return None
            fields = json.loads(file.read(_RECORD_BYTES_MAX))
        return {key: [str(text) for text in fields[key]] for key in ("packages", "preimport")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _names() -> dict[str, dict[str, Any]]:
    try:
        listed = sorted(os.listdir(_folder()))
    except OSError:
        return {}
    return {name: of for name in listed if _is_name(name) and (of := _read_name(name))}


# --- tables --------------------------------------------------------------------------------------
def _row(stored: Stored) -> tuple[str, ...]:
    import time

    built = time.strftime("%Y-%m-%d %H:%M", time.localtime(stored.created))
    state = "current" if stored.is_current else "old"
    packages = " ".join(stored.packages) or "-"
    form = stored.form if stored.kind in ("guest", "code") else "-"
    size = f"{stored.size_bytes / 1e6:.0f} MB"
    return stored.key[:12], stored.kind, form, size, built, state, packages


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )
