"""The cache of built guests and compiled code: a private directory of files with their digests.

    <cache>/files/<key>.wasm, .cwasm     what was built
    <cache>/files/<key>.json             its record: SHA-256, size, what it is
    <cache>/files/<request>.request      which key a request for packages came to
    <cache>/locks/<key>                  held while somebody builds <key>
    <cache>/work/<key>/                  a build at hand, or what is left of a killed one

Rule 1: compiled code has no checksum of its own and runs with the user's rights. So the directory
        belongs to the user alone, and a file is used only if its record fits it; else it is
        removed and built anew.
Rule 2: a file appears under its name in one step, its record after it.
Rule 3: whoever builds holds the lock of the key, and gives it to the processes it starts, so that
        a killed builder's compiler cannot meet its successor.
Rule 4: `verify` reads every byte. `is_sealed` compares what the kernel says of the file (inode,
        size, time of its last change, which no program can set) with what it said when every byte
        was read: that is for the path of a command line, where 40 ms count.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from _thread import get_ident
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from protocol.structs import as_dict
from sandboxes.errors import ImageError
from sandboxes.wasm.records import Form, Kind, Record, Resolved, parse

#: A change within this time of the check could carry the same time stamp: clocks of file systems
#: advance in steps of up to 10 ms.
_STAMP_NS: Final = 20_000_000
_RECORD_BYTES_MAX: Final = 1 << 20


def location() -> str:
    """Return the path of the cache, whether or not it exists."""
    if chosen := os.environ.get("CELLBLOCK_CACHE"):
        return os.path.abspath(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not os.path.isabs(base):
        raise ImageError("no place for the cache: set CELLBLOCK_CACHE to a directory of yours")
    return f"{base}/cellblock"


class Cache:
    """One cache directory. Holds no open files."""

    def __init__(self, path: str) -> None:
        self.path = path

    # --- reading ---------------------------------------------------------------------------------
    def record(self, key: str) -> Record | None:
        """Return the record of `key`, `None` if there is none that can be read."""
        try:
            with open(f"{self.path}/files/{key}.json", "rb", buffering=0) as stream:
                _check_private(os.fstat(stream.fileno()), f"{self.path}/files/{key}.json")
                data = stream.read(_RECORD_BYTES_MAX)
        except FileNotFoundError:
            return None
        return parse(key, data)

    def is_sealed(self, record: Record) -> bool:
        """Return whether the file is untouched since its bytes were last checked."""
        try:
            return bool(record.seal) and _stamp(os.lstat(self.file(record))) == record.seal
        except OSError:
            return False

    def verify(self, record: Record) -> bool:
        """Return whether the file is the one of its record, by its bytes; seal it if so."""
        found = digest_file(self.file(record))
        if found is None or found.sha256 != record.sha256:
            return False
        if found.seal and found.seal != record.seal:
            with contextlib.suppress(OSError):  # a cache that cannot be written still serves
                self._write_record(_sealed(record, found.seal))
        return True

    def file(self, record: Record) -> str:
        """Return the path of the file of `record`."""
        return f"{self.path}/files/{record.file_name}"

    def records(self) -> list[Record]:
        """Return every record, oldest first."""
        try:
            names = os.listdir(f"{self.path}/files")
        except FileNotFoundError:
            return []
        found = [self.record(n.removesuffix(".json")) for n in names if n.endswith(".json")]
        return sorted((r for r in found if r is not None), key=lambda r: (r.created, r.key))

    # --- the directory ---------------------------------------------------------------------------
    def check(self) -> bool:
        """Return whether the directory exists, and is the user's alone.

        Raises:
            ImageError: it is somebody else's, or others can write to it; the text names the fix.
        """
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ImageError(f"the cache {self.path} cannot be used: {error.strerror}") from None
        if not stat.S_ISDIR(found.st_mode):
            raise ImageError(f"the cache {self.path} is not a directory; move it away")
        _check_private(found, self.path)
        return True

    def prepare(self) -> None:
        """Make the directory and what belongs in it.

        Raises:
            ImageError: it cannot be made, or is not private.
        """
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            for directory in (self.path, *(f"{self.path}/{d}" for d in ("files", "locks", "work"))):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory, 0o700)
                found = os.lstat(directory) if directory != self.path else os.stat(directory)
                _check_private(found, directory)
                if stat.S_IMODE(found.st_mode) != 0o700:
                    os.chmod(directory, 0o700)
        except OSError as error:
            raise ImageError(
                f"the cache {self.path} cannot be made: {error.strerror}; "
                "set CELLBLOCK_CACHE to a directory of yours"
            ) from None

    # --- writing ---------------------------------------------------------------------------------
    @contextlib.contextmanager
    def building(self, key: str) -> Iterator[Build]:
        """Hold the lock of `key`, waiting for it, with an empty directory to work in."""
        import fcntl
        import shutil

        self.prepare()
        self._clean()
        path = f"{self.path}/locks/{key}"
        while True:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if _is_same(lock, path):
                    work = f"{self.path}/work/{key}"
                    shutil.rmtree(work, ignore_errors=True)
                    os.mkdir(work, 0o700)
                    try:
                        yield Build(self, key, work, lock)
                    finally:
                        shutil.rmtree(work, ignore_errors=True)
                    return
            finally:
                os.close(lock)

    def _clean(self) -> None:
        """Remove what killed builds left behind."""
        for key in os.listdir(f"{self.path}/work"):
            self._if_idle(key)

    def _if_idle(self, key: str, act: Callable[[], None] = lambda: None) -> bool:
        """Do `act`, and remove the work and the lock of `key`, unless somebody builds it."""
        import fcntl
        import shutil

        path = f"{self.path}/locks/{key}"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(f"{self.path}/work/{key}", ignore_errors=True)
            act()
            os.unlink(path)
        except OSError:
            return False
        finally:
            os.close(lock)
        return True

    def sweep(self) -> None:
        """Remove what killed builds left, and notes on requests whose guests are gone."""
        self._clean()
        for name in os.listdir(f"{self.path}/files"):
            path = f"{self.path}/files/{name}"
            key, suffix = os.path.splitext(name)
            if suffix in (".wasm", ".cwasm"):
                if self.record(key) is None:
                    self._if_idle(key, partial(_unlink, path))
            elif suffix == ".request":
                resolved = self.resolved(key)
                if resolved is None or self.record(resolved.key) is None:
                    _unlink(path)
            elif suffix != ".json":
                _unlink(path)  # half a record

    def remove(self, record: Record) -> bool:
        """Remove a file and its record, unless somebody is building it just now."""

        return self._if_idle(record.key, lambda: self.drop(record))

    def drop(self, record: Record) -> None:
        """Remove a file and its record; the lock is held by the caller."""
        for name in (f"{record.key}.json", record.file_name):
            _unlink(f"{self.path}/files/{name}")

    def put(self, built: str, record: Record) -> Record:
        """Move a built file to its name and write its record; the lock is held by the caller."""
        os.chmod(built, 0o600)
        os.replace(built, self.file(record))
        self._write_record(record)
        time.sleep(2 * _STAMP_NS / 1e9)  # or the file would be too fresh to be sealed
        self.verify(record)
        return record

    def resolved(self, request: str) -> Resolved | None:
        """Return what a request for packages came to before."""
        try:
            with open(f"{self.path}/files/{request}.request", "rb", buffering=0) as stream:
                _check_private(os.fstat(stream.fileno()), stream.name)
                fields = json.loads(stream.read(_RECORD_BYTES_MAX))
            return Resolved(fields["key"], tuple(fields["packages"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put_resolved(self, request: str, resolved: Resolved) -> None:
        """Remember what a request came to; the lock of the request is held by the caller."""
        self._write(f"{self.path}/files/{request}.request", resolved._asdict())

    def _write_record(self, record: Record) -> None:
        self._write(f"{self.path}/files/{record.key}.json", as_dict(record))

    @staticmethod
    def _write(path: str, fields: dict[str, object]) -> None:
        part = f"{path}.{os.getpid()}-{get_ident()}"
        with open(part, "w", encoding="utf-8", opener=_open_private) as stream:
            json.dump(fields, stream)
        os.replace(part, path)


class Build(NamedTuple):
    """A build at hand: its key, a directory to work in, and the lock to hand to its processes."""

    cache: Cache
    key: str
    work: str
    lock: int

    def keep(
        self,
        output: str,
        kind: Kind,
        needs: str,
        packages: tuple[str, ...],
        *,
        form: Form = "base",
    ) -> Record:
        """Move what was built into the cache, under the key.

        Raises:
            ImageError: nothing was built.
        """
        found = digest_file(output)
        if found is None:
            raise ImageError("the build left no file behind")
        record = Record(
            key=self.key,
            kind=kind,
            sha256=found.sha256,
            size_bytes=found.size_bytes,
            created=time.time(),
            needs=needs,
            packages=packages,
            form=form,
        )
        return self.cache.put(output, record)


class Found(NamedTuple):
    """What reading a file gave."""

    sha256: str
    size_bytes: int
    seal: tuple[int, ...]


def digest_file(path: str) -> Found | None:
    """Read a file of the user's, whole; `None` if it is missing or not his alone."""
    import hashlib

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(descriptor, "rb", buffering=0) as stream:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return None
        digest = hashlib.file_digest(stream, "sha256")
        after = os.fstat(descriptor)
    if _stamp(before) != _stamp(after):
        return None
    is_fresh = time.time_ns() - after.st_ctime_ns < _STAMP_NS
    return Found(digest.hexdigest(), after.st_size, () if is_fresh else _stamp(after))


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _check_private(found: os.stat_result, path: str) -> None:
    if found.st_uid != os.geteuid():
        raise ImageError(
            f"{path} belongs to user {found.st_uid}, not to user {os.geteuid()} who runs this; "
            "set CELLBLOCK_CACHE to a directory of your own"
        )
    if found.st_mode & 0o022:
        raise ImageError(
            f"others can write to {path} (mode {stat.S_IMODE(found.st_mode):o}), so what is in "
            f"the cache cannot be trusted; remove it with: rm -r {path}"
        )


def _is_same(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _sealed(record: Record, seal: tuple[int, ...]) -> Record:
    from dataclasses import replace

    return replace(record, seal=seal)
