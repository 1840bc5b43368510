"""What the kinds of sandbox do differently, as data: the rest is the same, see `test_contract`.

Each row is tried on each kind, and is the text of a row in `docs/sandboxes.md`:
`python -m tests.contract.differences` prints the table, a test holds the page to it.

Rule: a row has a reason. What has none is a fault of a kind, not a difference.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from protocol.fields import Kind
from protocol.structs import field, frozen

HERE: Final = f"{sys.version_info.major}.{sys.version_info.minor}"


@frozen
class Difference:
    """One row.

    Args:
        what: what a guest or its host sees.
        code: Python that shows it; its value is compared.
        seen: the value for each kind.
        told: the words of the table for each kind.
        reason: why it is so.
        options: of the run.
        preload: of the image, for native kinds.
    """

    what: str
    code: str
    seen: Mapping[Kind, object]
    told: Mapping[Kind, str]
    reason: str
    options: Mapping[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ()


def _of(wasm: Any, process: Any, interpreter: Any) -> dict[Kind, Any]:
    return {"wasm": wasm, "process": process, "interpreter": interpreter}


def _name(statement: str) -> str:
    """Return code whose value is the name of the exception that a statement raises, "" for none."""
    lines = "\n".join(f"    {line}" for line in statement.splitlines())
    return (
        f"name = ''\ntry:\n{lines}\nexcept BaseException as e:\n    name = type(e).__name__\nname"
    )


_THREAD = "import threading\nt = threading.Thread(target=lambda: None)\nt.start()\nt.join()"

DIFFERENCES: Final = (
    Difference(
        "the Python",
        "import sys\n(sys.platform, '%d.%d' % sys.version_info[:2])",
        _of(("wasi", "3.14"), ("linux", HERE), ("linux", HERE)),
        _of("CPython 3.14 for WASI", "the host's own", "the host's own"),
        "a Wasm guest is built into an image; native guests are forked from the host's Python",
    ),
    Difference(
        "integers of C",
        "import sys\nsys.maxsize.bit_length()",
        _of(31, 63, 63),
        _of("32 bits: objects of up to 2 GiB", "64 bits", "64 bits"),
        "WebAssembly's memory has 32-bit addresses",
    ),
    Difference(
        "native packages",
        _name("import numpy\nassert numpy.arange(3).sum() == 3"),
        _of("ModuleNotFoundError", "", "ImportError"),
        _of(
            "none: pure Python from `Image(packages=[...])`",
            "what is installed on the host, if `Image(preload=[...])` names it",
            "those that can be loaded into more than one interpreter; NumPy cannot",
        ),
        "shared objects are loaded before the jail closes; many work in one interpreter alone",
        preload=("numpy",),
    ),
    Difference(
        "ctypes",
        _name("import ctypes\nctypes.CDLL(None)"),
        _of("ModuleNotFoundError", "", ""),
        _of("absent", "there", "there"),
        "a native guest owns its process: the kernel walls hold it, not the language",
    ),
    Difference(
        "threads",
        _name(_THREAD),
        _of("RuntimeError", "", ""),
        _of("none", "up to the cell's cap", "up to the cell's cap, no daemons"),
        "this WebAssembly has one thread",
    ),
    Difference(
        "starting a process",
        _name("import os\nos.fork()"),
        _of("AttributeError", "PermissionError", "PermissionError"),
        _of("no such call", "PermissionError", "PermissionError"),
        "the jail has no call for it; WASI does not know processes",
    ),
    Difference(
        "daemon threads",
        _name(_THREAD.replace("None)", "None, daemon=True)")),
        _of("RuntimeError", "", "RuntimeError"),
        _of("none", "there; they end with the run", "none"),
        "CPython refuses them where an interpreter may end before the process",
    ),
    Difference(
        "signal handlers",
        _name("import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)"),
        _of("", "", "ValueError"),
        _of("taken, but no signal comes", "there", "refused"),
        "signals belong to the main interpreter of a process",
    ),
    Difference(
        "modules in C of the standard library",
        "import importlib.util\n"
        "[bool(importlib.util.find_spec(n)) for n in ('_ssl', '_bz2', '_lzma', 'mmap')]",
        _of([False] * 4, [True] * 4, [True] * 4),
        _of(
            "without ssl, bz2, lzma, mmap, fcntl, resource", "all", "all that load in a second one"
        ),
        "they are not part of CPython for WASI",
    ),
    Difference(
        "processors that a guest sees",
        "import os\nos.cpu_count() == 1",
        _of(True, os.cpu_count() == 1, os.cpu_count() == 1),
        _of("one", "the machine's; NumPy and the like use one", "the machine's"),
        "the kernel tells native guests; nothing is to be had by it",
    ),
    Difference(
        "source that is nested 150 deep",
        _name("exec('x = ' + '(' * 150 + '1' + ')' * 150)"),
        _of("MemoryError", "", ""),
        _of("MemoryError", "runs", "runs"),
        "CPython for WASI gives its parser less stack",
    ),
    Difference(
        "faulthandler",
        _name("import faulthandler"),
        _of("", "", "ImportError"),
        _of("there", "there", "cannot be loaded"),
        "it supports one interpreter in a process",
    ),
)


def table() -> str:
    """Return the table of the page."""
    lines = ["| | `wasm` | `process` | `interpreter` | why |", "|---|---|---|---|---|"]
    kinds: tuple[Kind, ...] = ("wasm", "process", "interpreter")
    for row in DIFFERENCES:
        words = " | ".join(row.told[kind] for kind in kinds)
        lines.append(f"| {row.what} | {words} | {row.reason} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
