"""Importer of what was packed into the snapshot: the standard library, and an image's packages.

A sandbox has no file system, so at build time every module is compiled, and every data file of a
package read, into one block of compressed pieces. It lies in the guest's memory, shared between
sandboxes until somebody writes there.

Rule 1: nothing is unpacked before it is imported or read.
Rule 2: packages keep their sources, for tracebacks; the standard library does not.
"""

from __future__ import annotations

import io
import linecache
import marshal
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from importlib.resources.abc import Traversable, TraversableResources
from types import CodeType, ModuleType
from typing import Any, Final, NamedTuple

#: Not packed: tests, programs with windows, installers, and what needs missing C libraries.
SKIPPED: Final = frozenset(
    {
        *("__pycache__", "antigravity", "ctypes", "curses", "ensurepip", "idlelib"),
        *("lib-dynload", "pydoc_data", "site-packages", "sysconfig.d", "test", "tests"),
        *("tkinter", "turtle", "turtledemo", "venv"),
    }
)


class Part(NamedTuple):
    """Where one compressed piece lies in the block."""

    at: int
    size: int


class Module(NamedTuple):
    """One packed module."""

    path: str
    is_package: bool
    code: Part
    source: Part | None


class Store:
    """The block, and what is in it. Filled at build time, then only read."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}
        self.files: dict[str, Part] = {}
        self.block = bytearray()
        self._size = 0

    def reserve(self, size_bytes: int) -> None:
        """Make room for pieces of that size in all.

        A block that grew piece by piece would leave its former places as garbage in the snapshot.
        """
        self.block += bytes(size_bytes)

    def add(self, data: bytes) -> Part:
        """Compress `data` into the block."""
        piece = zlib.compress(data, 9)
        part = Part(self._size, len(piece))
        self._size += len(piece)
        if self._size > len(self.block):
            self.reserve(max(len(self.block) // 8, self._size - len(self.block)))
        self.block[part.at : self._size] = piece
        return part

    def close(self) -> None:
        """Give back the room that was not needed."""
        del self.block[self._size :]

    def read(self, part: Part) -> bytes:
        """Return a piece as it was."""
        with memoryview(self.block) as view:
            return zlib.decompress(view[part.at : part.at + part.size])


STORE: Final = Store()


def collect(root: str, *, keep_sources: bool, store: Store = STORE) -> None:
    """Pack every module below `root`, and with `keep_sources` every other file too."""
    for directory, names, files in os.walk(root):
        skipped = SKIPPED if not keep_sources else {"__pycache__"}
        names[:] = sorted(name for name in names if name not in skipped)
        for file in sorted(files):
            path = f"{directory}/{file}"
            relative = path[len(root) :].lstrip("/")
            if file.endswith(".py") and _is_module(relative):
                if file[:-3] not in skipped:
                    _collect_module(path, relative, keep_sources, store)
            elif keep_sources and not file.endswith((".pyc", ".pyo")):
                with open(path, "rb") as stream:
                    store.files[path] = store.add(stream.read())


def _is_module(relative: str) -> bool:
    return all(part.isidentifier() for part in relative[:-3].split("/"))


def _collect_module(path: str, relative: str, keep_source: bool, store: Store) -> None:
    parts = relative[:-3].split("/")
    is_package = parts[-1] == "__init__"
    if is_package:
        parts.pop()
    name = ".".join(parts)
    if not name or name in store.modules:
        return
    with open(path, "rb") as stream:
        source = stream.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return  # a template or a test of the parser; it could not be imported either
    store.modules[name] = Module(
        path,
        is_package,
        store.add(marshal.dumps(code)),
        store.add(source) if keep_source else None,
    )


class Packed(InspectLoader):
    """Finder and loader of packed modules.

    The inherited `exec_module` runs a module from a frame of the import system, which warnings skip
    when they look for the line that imported it.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a packed module, `None` for any other name."""
        module = STORE.modules.get(name)
        if module is None:
            return None
        spec = ModuleSpec(name, LOADER, origin=module.path, is_package=module.is_package)
        spec.has_location = True
        if module.is_package:
            spec.submodule_search_locations = [os.path.dirname(module.path)]
        return spec

    @staticmethod
    def invalidate_caches() -> None:
        """Do nothing: what is packed does not change."""

    @staticmethod
    def find_distributions(
        context: DistributionFinder.Context | None = None,
    ) -> Iterator[Distribution]:
        """Yield the packed distributions that `importlib.metadata` asks for."""
        wanted = None if context is None else context.name
        for path in STORE.files:
            directory, _, file = path.rpartition("/")
            if file == "METADATA" and directory.endswith(".dist-info"):
                found = PackedDistribution(directory)
                if wanted is None or _normal(found.name) == _normal(wanted):
                    yield found

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the import system."""
        return None

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code."""
        code: CodeType = marshal.loads(STORE.read(_module(fullname).code))  # noqa: S302 - we packed it
        return code

    def get_source(self, fullname: str) -> str | None:
        """Return the module's source, `None` where it was not kept."""
        part = _module(fullname).source
        return None if part is None else io.TextIOWrapper(io.BytesIO(STORE.read(part))).read()

    def is_package(self, fullname: str) -> bool:
        """Return whether the module is a package."""
        return _module(fullname).is_package

    def get_filename(self, fullname: str) -> str:
        """Return the path that the module had when it was packed."""
        return _module(fullname).path

    def get_data(self, path: str) -> bytes:
        """Return a packed file."""
        part = STORE.files.get(path)
        if part is None:
            raise FileNotFoundError(2, "not packed into this image", path)
        return STORE.read(part)

    def get_resource_reader(self, fullname: str) -> TraversableResources:
        """Return what `importlib.resources` reads a package's files with."""
        return PackedResources(os.path.dirname(_module(fullname).path))


LOADER: Final = Packed()


def _module(name: str) -> Module:
    module = STORE.modules.get(name)
    if module is None:
        raise ImportError(f"{name} is not packed into this image", name=name)
    return module


def _normal(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


class PackedDistribution(Distribution):
    """One packed package, as `importlib.metadata` sees it."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read_text(self, filename: str) -> str | None:
        """Return a file of the distribution's metadata."""
        part = STORE.files.get(f"{self._directory}/{filename}")
        return None if part is None else STORE.read(part).decode()

    def locate_file(self, path: Any) -> Any:
        """Return where a file of the distribution was when it was packed."""
        return PackedPath(f"{os.path.dirname(self._directory)}/{path}")


class PackedResources(TraversableResources):
    """The files of one package."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def files(self) -> Traversable:
        """Return the package's directory."""
        return PackedPath(self._directory)


class PackedPath(Traversable):
    """A packed file or directory."""

    def __init__(self, path: str) -> None:
        self._path = path.rstrip("/")

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self._path.rpartition("/")[2]

    def iterdir(self) -> Iterator[Traversable]:
        """Yield what is directly below."""
        below = self._path + "/"
        seen = {p[len(below) :].partition("/")[0] for p in _paths() if p.startswith(below)}
        for name in sorted(seen):
            yield PackedPath(below + name)

    def is_file(self) -> bool:
        """Return whether this is a packed file."""
        return self._path in STORE.files or _source(self._path) is not None

    def is_dir(self) -> bool:
        """Return whether something is packed below this."""
        below = self._path + "/"
        return any(path.startswith(below) for path in _paths())

    def joinpath(self, *descendants: Any) -> Traversable:
        """Return what lies below."""
        return PackedPath("/".join([self._path, *map(str, descendants)]))

    __truediv__ = joinpath

    def read_bytes(self) -> bytes:
        """Return the file's bytes."""
        part = STORE.files.get(self._path) or _source(self._path)
        if part is None:
            raise FileNotFoundError(2, "not packed into this image", self._path)
        return STORE.read(part)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the file's text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """Return the file, open for reading."""
        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)

    def __str__(self) -> str:
        return self._path


def _paths() -> Iterable[str]:
    yield from STORE.files
    yield from (m.path for m in STORE.modules.values() if m.source is not None)


def _source(path: str) -> Part | None:
    for module in STORE.modules.values():
        if module.path == path:
            return module.source
    return None


def install(search: Sequence[Any] = ()) -> None:
    """Import from the store, after everything else; `search` takes the place of `sys.path`."""
    sys.path[:] = search
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if finder not in (LOADER, MetadataPathFinder)
    ]
    sys.meta_path.append(LOADER)
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name in STORE.modules and spec is not None:
            # It was imported from a file that no sandbox has; whoever asks its loader learns so.
            spec.loader = module.__loader__ = LOADER
    linecache.clearcache()
