"""Names for what is built: digests over all that a build depends on.

    guest key    our guest's sources, componentize-py, time zones, an image's packages
    merged key   the guest's bytes, what merges and optimises it
    code key     the guest's bytes, wasmtime's exact version, engine settings, CPU

Rule 1: this is on the path of a one-shot command line. It imports neither wasmtime nor anything
        of the build, and reads one directory listing and small files alone.
Rule 2: whatever changes what is built is in a key; nothing is found by date or by name alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

try:
    from _blake2 import blake2b  # what hashlib.blake2b is, without the import of OpenSSL (6 ms)
except ImportError:  # another build of Python
    from hashlib import blake2b

from sandboxes.errors import ImageError

HERE: Final = os.path.dirname(os.path.abspath(__file__))
ROOT: Final = os.path.dirname(os.path.dirname(HERE))
#: A finished base guest, carried by a wheel, and the digest of it.
BASE_WASM: Final = f"{HERE}/base/guest.wasm"
BASE_DIGEST: Final = f"{HERE}/base/guest.json"
#: Files and directories that are packed into every guest, from `ROOT`.
PACKED: Final = (
    "protocol/__init__.py",
    "protocol/errors.py",
    "protocol/limits.py",
    "protocol/structs.py",
    "protocol/values",
    "sandboxes/__init__.py",
    "sandboxes/guest",
    "sandboxes/wasm/__init__.py",
    "sandboxes/wasm/guest",
)
#: What else decides how a guest is built and compiled.
_BUILDERS: Final = ("build.py",)
_COMPILERS: Final = ("build.py", "engine.py")
_MERGERS: Final = ("merging",)

_KEY_BYTES: Final = 16


class Digest:
    """A digest over named pieces, so that no two lists of pieces give the same bytes."""

    def __init__(self, purpose: str) -> None:
        self._hash = blake2b(digest_size=_KEY_BYTES, person=purpose.encode()[:16])

    def add(self, name: str, data: bytes | str) -> None:
        """Add a piece under its name."""
        piece = data.encode() if isinstance(data, str) else data
        self._hash.update(f"{len(name)} {name} {len(piece)} ".encode())
        self._hash.update(piece)

    def add_file(self, name: str, path: str) -> None:
        """Add a file's bytes."""
        with open(path, "rb", buffering=0) as stream:
            self.add(name, stream.read())

    def key(self) -> str:
        """Return the key as 32 hexadecimal digits."""
        return self._hash.hexdigest()


def files_below(path: str) -> Iterable[str]:
    """Yield every file that matters below a directory, or `path` itself, in a fixed order."""
    if os.path.isfile(path):
        yield path
        return
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from files_below(entry.path)
        elif not entry.name.endswith((".pyc", ".pyo")):
            yield entry.path


def sources_key() -> str:
    """Return the key of the base guest as it would be built from the sources at hand.

    Raises:
        ImageError: what builds guests is not installed.
    """
    digest = Digest("guest sources")
    for name in PACKED:
        for path in files_below(f"{ROOT}/{name}"):
            digest.add_file(path[len(ROOT) :], path)
    for name in _BUILDERS:
        digest.add_file(name, f"{HERE}/{name}")
    digest.add("componentize-py", installed_version("componentize-py"))
    digest.add("tzdata", installed_version("tzdata"))
    return digest.key()


def merged_key(base: str) -> str:
    """Return the key of the optimised form of a guest, by the digest of its bytes.

    By the key of the sources of guests: what every optimised guest of them depends on.
    """
    digest = Digest("merged guest")
    digest.add("base", base)
    for name in _MERGERS:
        for path in files_below(f"{HERE}/{name}"):
            digest.add_file(path[len(HERE) :], path)
    return digest.key()


def code_key(wasm_sha256: str, *, fuel: bool, epoch: bool = True) -> str:
    """Return the key of compiled code.

    Raises:
        ImageError: wasmtime is not installed.
    """
    digest = Digest("compiled code")
    digest.add("wasm", wasm_sha256)
    digest.add("fuel", str(fuel))
    digest.add("epoch", str(epoch))
    _add_runtime(digest)
    return digest.key()


def runtime_key() -> str:
    """Return what all code compiled here and now has in common.

    Raises:
        ImageError: wasmtime is not installed.
    """
    digest = Digest("runtime")
    _add_runtime(digest)
    return digest.key()


def _add_runtime(digest: Digest) -> None:
    digest.add("wasmtime", installed_version("wasmtime"))
    for name in _COMPILERS:
        digest.add_file(name, f"{HERE}/{name}")
    digest.add("machine", f"{sys.platform} {os.uname().machine}")
    digest.add("cpu", _cpu())


def _cpu() -> bytes:
    """Return the lines that tell the first CPU's kind and features."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as stream:
            first = stream.read(16_384).split(b"\n\n", 1)[0]
    except OSError:
        import platform

        return platform.processor().encode()
    wanted = (b"vendor_id", b"cpu family", b"model", b"flags", b"Features", b"CPU ")
    return b"\n".join(line for line in first.splitlines() if line.startswith(wanted))


_listings: dict[str, list[str]] = {}


def installed_version(name: str) -> str:
    """Return the version of an installed distribution, by the name of its metadata directory.

    Raises:
        ImageError: it is not installed.
    """
    return _metadata_directory(name).rpartition("/")[2].removesuffix(".dist-info").partition("-")[2]


def installed_under(name: str) -> str:
    """Return the directory that an installed distribution was put into.

    Raises:
        ImageError: it is not installed.
    """
    return os.path.dirname(_metadata_directory(name))


def _metadata_directory(name: str) -> str:
    begin = name.replace("-", "_") + "-"
    for directory in sys.path:
        if directory not in _listings:
            try:
                _listings[directory] = os.listdir(directory or ".")
            except OSError:
                _listings[directory] = []
        for entry in _listings[directory]:
            if entry.startswith(begin) and entry.endswith(".dist-info"):
                return f"{os.path.abspath(directory)}/{entry}"
    raise ImageError(f"{name} is not installed; install it with: python -m pip install {name}")
