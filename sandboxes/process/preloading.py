"""What the zygote of native cells loads ahead: after the jail no shared object can be loaded.

That is every extension module of the standard library, what programs import most, so that it is a
look-up for them, and the modules that the image names, in its order.

Rule 1: numeric libraries are told to use one thread before they are loaded: their pools of threads
        would not survive the fork. So a guest's NumPy computes on one core.
Rule 2: a module that starts a thread, or cannot be imported, is named in the error.
"""

from __future__ import annotations

import _sitebuiltins
import builtins
import importlib
import importlib.machinery
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from protocol.values import import_all
from sandboxes.errors import ImageError
from sandboxes.guest import entries, hostside, running, streams, wire
from sandboxes.interpreter.waiting import join_threads
from sandboxes.process.objects import map_objects

_THREADS: Final = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip
#: Of the standard library: what exists to test CPython, or needs a terminal or a display.
_LEFT_OUT: Final = ("_test", "_ctypes_test", "_xx", "xx", "_tkinter", "readline", "_curses")
_COMMON: Final = """
abc argparse array ast asyncio base64 binascii bisect bz2 calendar cmath codecs collections
colorsys concurrent.futures concurrent.futures.thread configparser contextlib contextvars copy
copyreg csv ctypes dataclasses datetime decimal difflib email email.message encodings.ascii
encodings.cp1252 encodings.idna encodings.latin_1 encodings.utf_16 enum errno fnmatch fractions
functools gc getpass glob graphlib gzip hashlib heapq hmac html html.parser http
importlib.metadata importlib.resources inspect io ipaddress itertools json keyword linecache locale
logging logging.handlers lzma marshal math mimetypes mmap numbers operator os pathlib pickle pkgutil
platform pprint queue random re reprlib sched secrets select selectors shlex shutil signal socket
sqlite3 ssl stat statistics string struct subprocess sysconfig tempfile textwrap threading time
timeit token tokenize tomllib traceback types typing unicodedata unittest urllib.parse uuid
warnings weakref xml.etree.ElementTree zipfile zlib zoneinfo
"""
_WARM_UP: Final = """
import asyncio, json, re
async def am():
    await asyncio.sleep(0)
asyncio.run(am())
try: {}["a"]
except KeyError as e: pass
re.match(r"a+b", "aab"); json.loads(json.dumps({"a": [1, 2.5, None]}))
print(1 + 1)
{"a": [1, 2.5, None, True, "x"]}
"""


def preload(modules: Sequence[str]) -> None:
    """Load all of it, and make this process what its forks' guests are to find.

    Args:
        modules: those that the image names, found on `sys.path`.

    Raises:
        ImageError: one of them cannot be had; the text names it.
    """
    for name in _THREADS:
        os.environ[name] = "1"
    _import_what_there_is(_COMMON.split())
    load_extensions()
    import_all()
    for name in modules:
        import_for_guests(name)
    install()
    _warm_up()


def install() -> None:
    """Put everything of ours in its place that a zygote can live with."""
    for part in (streams, hostside, entries):
        part.install()
    for name in ("exit", "quit"):  # of `site`, which is left out
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    builtins.help = _sitebuiltins._Helper()
    running.before_exit[:] = [join_threads]
    running.prepare()


def load_extensions() -> None:
    """Load every extension module of the standard library, whose files have code to be mapped."""
    _import_what_there_is(_extensions())


def _import_what_there_is(names: Iterable[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # this build of Python has none


def _extensions() -> Iterator[str]:
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    for path in sys.path:
        if not path.endswith("lib-dynload"):
            continue
        for file in sorted(os.listdir(path)):
            name = file.partition(".")[0]
            if file.endswith(suffixes) and not name.startswith(_LEFT_OUT):
                yield name


def import_for_guests(name: str) -> None:
    """Import a module that an image names.

    Raises:
        ImageError: it cannot be imported, or starts a thread.
    """
    try:
        importlib.import_module(name)
    except Exception as error:
        raise ImageError(f"preload: {name}: {type(error).__name__}: {error}") from error
    map_objects(name)
    threads = _count_threads()
    if threads > 1:
        problem = f"importing it starts {threads - 1} threads, which no fork carries over"
        raise ImageError(f"preload: {name}: {problem}")


def _count_threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def _warm_up() -> None:
    for request in (
        wire.Request(_WARM_UP, mode="cell", stream=True),
        wire.Request("result = 1 + 1", result="result"),
        wire.Request("1/0", mode="cell"),
        wire.Request("print('\u00e9')"),
    ):
        running.carry_out(request)
    running.prepare()
