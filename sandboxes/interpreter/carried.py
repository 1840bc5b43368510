"""Our own modules as code: compiled once by main, loaded from memory by each interpreter.

A jailed cell has no files of ours, and reading and checking thirty of them again for each
interpreter would take as long as creating it.

Rule: what is loaded here was compiled by the main interpreter of the same process from our own
      files, before the first guest. Nothing of a guest's ever comes this way.
"""

from __future__ import annotations

import marshal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

#: The guest's side; its `boot` is called first.
GUEST: Final = "sandboxes.interpreter.guest"
#: Modules that guests' interpreters load: these, and those below these packages.
NEEDED: Final = (
    "protocol",
    "sandboxes",
    "sandboxes.guest",
    "sandboxes.interpreter",
    "sandboxes.interpreter.carried",
    "sandboxes.interpreter.guest",
    "sandboxes.interpreter.line",
    "sandboxes.interpreter.refusals",
    "sandboxes.interpreter.shared",
    "sandboxes.interpreter.waiting",
    "sandboxes.interpreter.working",
    "sandboxes.shared",
)
_WHOLE: Final = ("protocol.", "sandboxes.guest.", "sandboxes.shared.")
#: Run first in an interpreter, where `carried` is what `collect` gave: lets it import the rest.
BOOT: Final = f"""
import marshal, sys
codes = marshal.loads(carried)
space = {{"__name__": {__name__!r}}}
exec(marshal.loads(codes[{__name__!r}][2]), space)
space["Carried"](codes).install()
"""

type Codes = dict[str, tuple[bool, str, bytes]]


def collect() -> bytes:
    """Return the code of our modules, from the files they were imported from in main."""
    from protocol.values import import_all
    from sandboxes.interpreter import guest, shared

    import_all()
    del guest, shared
    codes: Codes = {}
    for name in sorted(sys.modules):
        if name in NEEDED or name.startswith(_WHOLE):
            module = sys.modules[name]
            spec = module.__spec__
            loader: Any = None if spec is None else spec.loader
            if loader is None or not module.__file__:
                continue
            code = marshal.dumps(loader.get_code(name))
            codes[name] = hasattr(module, "__path__"), module.__file__, code
    return marshal.dumps(codes)


class Carried:
    """Finds and loads the modules in an interpreter."""

    def __init__(self, codes: Codes) -> None:
        """Take what `collect` gave, unpacked."""
        self._codes = codes

    def install(self) -> None:
        """Be asked before anybody else."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Be asked no more: a guest may have modules of our names."""
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return how to load a module of ours."""
        found = self._codes.get(name)
        if found is None:
            return None
        is_package, file, _ = found
        make: Any = type(sys.__spec__)  # importing it by its name takes 1 ms
        spec: ModuleSpec = make(name, self, origin=file, is_package=is_package)
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave that to the importer."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        exec(marshal.loads(self._codes[module.__name__][2]), module.__dict__)  # noqa: S102, S302 - our own code, see the rule
