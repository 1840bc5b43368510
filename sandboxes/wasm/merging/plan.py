"""What is linked to what in a merge.

A component of componentize-py begins with a small module whose functions stand in for all that
does not exist yet (`standins`), and ends with one that fills the table behind them (`filler`).
The modules in between are merged. Where a stand-in leads from one of them to another, the call
becomes a direct one; where it leads to the component's own functions, which need the guest's
memory, it stays.
"""

from __future__ import annotations

from typing import Final

from sandboxes.errors import ImageError
from sandboxes.wasm.merging.binary import FUNC, TABLE
from sandboxes.wasm.merging.components import (
    OPTION_KINDS,
    Component,
    Instantiated,
    Lift,
    Lower,
    Origin,
)
from sandboxes.wasm.merging.modules import CoreModule, Import

#: What merged modules import from, for all that is not in one of them.
HOST: Final = "host"


class Plan:
    """The links of one component's merge."""

    def __init__(self, component: Component) -> None:
        """Find out what belongs together.

        Raises:
            ImageError: the component is not of the shape that is known here.
        """
        self.component = component
        self.modules: dict[int, CoreModule] = {}
        self._arguments: dict[int, dict[str, int]] = {}
        for number, instance in enumerate(component.instances):
            if isinstance(instance, Instantiated):
                self.modules[number] = CoreModule(component.modules[instance.module])
                self._arguments[number] = instance.arguments
        if len(self.modules) < 3:
            raise ImageError("the guest's component has nothing to merge: is it merged already?")
        self.standins = next(iter(self.modules))
        self.filler = self._find_filler()
        #: Where each stand-in leads, by its name.
        self.slots = {
            one.name: self.source(self.filler, one)
            for one in self.modules[self.filler].imports
            if one.kind == FUNC
        }
        #: Imports of the merged module, by name.
        self.hosts: dict[str, Origin] = {}
        #: Exports that the component needs of the merged module.
        self.needed = self._find_needed()

    @property
    def merged(self) -> list[int]:
        """The instances whose modules are merged."""
        return [number for number in self.modules if number not in (self.standins, self.filler)]

    def source(self, instance: int, one: Import) -> Origin:
        """Return where an import of an instance's module comes from."""
        return self.component.origin_of_export(self._arguments[instance][one.module], one.name)

    def link(self, instance: int, one: Import) -> tuple[str, str]:
        """Return what an import of a module is called in the merge: a module and a name."""
        origin = self.source(instance, one)
        if origin.instance == self.standins and self.slots[origin.name].instance >= 0:
            origin = self.slots[origin.name]
        if origin.instance >= 0 and origin.instance != self.standins:
            return module_name(origin.instance), export_name(origin)
        return HOST, self.host(origin)

    def host(self, origin: Origin) -> str:
        """Return a name for an import of the merged module; each is used once."""
        found = f"{len(self.hosts)}"
        self.hosts[found] = origin
        return found

    def require(self, kind: int, index: int) -> str:
        """Return the name under which the merged module exports a core item of the component."""
        origin = self.component.origin(kind, index)
        if origin.instance < 0:
            raise ImageError("the guest's component lifts a function that it lowered itself")
        return export_name(origin)

    def _find_filler(self) -> int:
        for number, module in self.modules.items():
            for one in module.imports:
                if one.kind == TABLE and self.source(number, one).instance == self.standins:
                    return number
        raise ImageError("the guest's component has no module that fills its table")

    def _find_needed(self) -> set[str]:
        needed = {export_name(origin) for origin in self.slots.values() if origin.instance >= 0}
        for part in self.component.parts:
            if isinstance(part, Lift):
                needed.add(self.require(FUNC, part.core_function))
            if isinstance(part, Lift | Lower):
                for option, index in part.options:
                    if index is not None:
                        needed.add(self.require(OPTION_KINDS[option], index))
        return needed


def module_name(instance: int) -> str:
    """Return what an instance's module is called in the merge."""
    return f"m{instance}"


def export_name(origin: Origin) -> str:
    """Return what an export of a merged module is called; unique among all of them."""
    return f"m{origin.instance}::{origin.name}"
