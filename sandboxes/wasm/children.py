"""Runs `build.py`: one process, a deadline, an error as text."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sandboxes.errors import ImageError
from sandboxes.wasm import build as script
from sandboxes.wasm.cache import Build
from sandboxes.wasm.progress import Progress

TICK_S: Final = 0.1
#: Memory of a compiler at work on a program that nobody vouches for.
UNTRUSTED_BYTES_MAX: Final = 4 << 30
_ERROR_CHARS_MAX: Final = 2_000


def run(
    arguments: Sequence[str],
    build: Build,
    shown: Progress,
    *,
    seconds_max: float,
    is_untrusted: bool = False,
    more: Mapping[str, str] | None = None,
) -> str:
    """Run one step of a build and return what it printed.

    Args:
        arguments: of `build.py`.
        build: where it works.
        shown: ticks while it does.
        seconds_max: it is ended after that.
        is_untrusted: bound its memory, as it reads what nobody vouches for.
        more: variables of its environment, beside those that every step has.

    Raises:
        ImageError: it failed or took too long; the text is its last words.
    """
    if not sys.executable:
        raise ImageError("building an image needs the path of Python in sys.executable")
    errors = f"{build.work}/errors"
    until = time.monotonic() + seconds_max
    with open(errors, "wb") as stderr, open(f"{build.work}/said", "wb") as stdout:
        process = subprocess.Popen(  # noqa: S603 - our own script and paths of ours
            [sys.executable, "-P", script.__file__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**_environment(), **(more or {})},
            pass_fds=[build.lock],
        )
    try:
        if is_untrusted and sys.platform == "linux":
            limit = (UNTRUSTED_BYTES_MAX, UNTRUSTED_BYTES_MAX)
            resource.prlimit(process.pid, resource.RLIMIT_DATA, limit)
        while True:
            try:
                status = process.wait(min(TICK_S, max(0.0, until - time.monotonic())))
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() >= until:
                    step = f"{arguments[0]} took longer than {seconds_max:g} s"
                    raise ImageError(f"{step} and was ended") from None
                shown.tick()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if status == 0:
        return Path(f"{build.work}/said").read_text(encoding="utf-8").strip()
    text = Path(errors).read_text(encoding="utf-8", errors="replace").strip()
    if status == script.FAILED:
        raise ImageError(text)
    how = f"exit code {status}" if status > 0 else f"signal {-status}"
    raise ImageError(f"{arguments[0]} failed with {how}: {text[-_ERROR_CHARS_MAX:]}")


def _environment() -> dict[str, str]:
    """Return what a step needs: the same packages as here, and nothing that changes a build."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
