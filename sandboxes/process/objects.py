"""Maps the shared objects of packages ahead of time, without running a line of their Python.

Many packages load parts of theirs when first used (`numpy.fft`, most of SciPy). In a jailed
cell the loader could map no more code; what is mapped already it only looks up, by its path. So
every object below a package is mapped in the zygote, and a guest may import any part of it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Final

#: Of one package; the largest known, PyTorch and SciPy, have some hundred.
OBJECTS_MAX: Final = 4_096
_SUFFIXES: Final = tuple(EXTENSION_SUFFIXES)


def map_objects(package: str) -> int:
    """Map every extension module below an imported package; return how many there are.

    One that cannot be mapped is left out: whoever imports it will be told.
    """
    mapped = 0
    for path in _objects(package):
        if mapped == OBJECTS_MAX:
            break
        try:
            ctypes._dlopen(path, os.RTLD_NOW | os.RTLD_LOCAL)  # type: ignore[attr-defined]  # what CDLL calls
        except OSError:
            continue
        mapped += 1
    return mapped


def _objects(package: str) -> Iterator[str]:
    """Yield the paths as the import system forms them; the loader compares their text."""
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for root in getattr(sys.modules[package], "__path__", ()):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in ("tests", "__pycache__"))
            for file in sorted(files):
                path = os.path.join(folder, file)
                if file.endswith(_SUFFIXES) and path not in loaded:
                    yield path
