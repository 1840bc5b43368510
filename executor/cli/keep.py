"""Writes the files that a guest left into a directory of the host's. Their names are the guest's.

Rule: nothing is followed and nothing is replaced but plain files under the directory itself. Each
step is relative to an open directory and refuses symlinks, so that neither a name nor a link that
was there before leads out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def keep_files(files: Mapping[str, bytes], folder: str) -> None:
    """Write `files` under `folder`, which is made where it is missing.

    Raises:
        OSError: a name leads out or through a symlink, or the disk refuses.
    """
    os.makedirs(folder, exist_ok=True)
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name, data in files.items():
            _keep(top, name, data)
    finally:
        os.close(top)


def _keep(top: int, name: str, data: bytes) -> None:
    *folders, last = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in (*folders, last)):
        raise OSError(f"the guest's file {ascii(name)[:200]} has no plain relative name")
    at = os.dup(top)
    try:
        for part in folders:
            if not _exists(part, at):
                os.mkdir(part, 0o755, dir_fd=at)
            inner = os.open(part, _FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        with os.fdopen(os.open(last, _FILE, 0o644, dir_fd=at), "wb") as file:
            file.write(data)
    finally:
        os.close(at)


def _exists(part: str, at: int) -> bool:
    try:
        os.stat(part, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
