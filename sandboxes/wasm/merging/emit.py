"""The component again, with one merged module in the place of many.

The order is forced. The merged module needs what the component makes of its imports without the
guest's memory; what is made with it needs the merged module, which reaches it through the stand-
ins; and the exports come after both.
"""

from __future__ import annotations

from sandboxes.errors import ImageError
from sandboxes.wasm.merging import binary
from sandboxes.wasm.merging.binary import FUNC, INSTANCE, MEMORY, TABLE
from sandboxes.wasm.merging.components import (
    ALIAS,
    CANON,
    CORE_EXPORT,
    CORE_INSTANCE,
    CORE_ITEM,
    CORE_MODULE,
    CUSTOM,
    LIFT,
    LOWER,
    OPTION_KINDS,
    Builtin,
    Instantiated,
    Kept,
    Lift,
    Lower,
    Options,
)
from sandboxes.wasm.merging.modules import CoreModule
from sandboxes.wasm.merging.plan import HOST, Plan, export_name

_NAMES = binary.name("component-name")  # of items that are numbered anew
#: Modules of the new component, in order.
_STANDINS, _MERGED, _FILLER = 0, 1, 2


class Emitter:
    """Writes one component. Made by `emit`."""

    def __init__(self, plan: Plan, merged: bytes) -> None:
        self._plan = plan
        self._merged = CoreModule(merged)
        self._out = [plan.component.header]
        self._counts = {FUNC: 0, TABLE: 0, MEMORY: 0, INSTANCE: 0}
        #: Core functions that the component makes: number in the old one -> in the new one.
        self._made: dict[int, int] = {}
        self._exports: dict[str, int] = {}
        self._standins = self._instance = -1

    def emit(self) -> bytes:
        """Return the component.

        Raises:
            ImageError: its parts come in an order that is not known here.
        """
        modules = self._plan.component.modules
        for module in (
            modules[self._module_of(self._plan.standins)],
            self._merged.data,
            modules[self._module_of(self._plan.filler)],
        ):
            self._out.append(binary.section(CORE_MODULE, module))
        self._standins = self._instantiate(_STANDINS, {})
        waiting: list[Lower] = []
        for part in self._plan.component.parts:
            match part:
                case Kept():
                    if part.section != CUSTOM or not part.body.startswith(_NAMES):
                        self._out.append(binary.section(part.section, part.body))
                case Builtin():
                    self._made[part.number] = self._define(part.definition)
                case Lower(_, options, _) if options and self._instance < 0:
                    waiting.append(part)
                case Lower():
                    self._lower(part)
                case Lift():
                    if self._instance < 0:
                        self._link(waiting)
                    self._lift(part)
        return b"".join(self._out)

    def _module_of(self, instance: int) -> int:
        found = self._plan.component.instances[instance]
        assert isinstance(found, Instantiated)
        return found.module

    def _link(self, waiting: list[Lower]) -> None:
        """Instantiate the merged module, then what needs it, then what fills the stand-ins."""
        given = {}
        for one in self._merged.imports:
            if one.module != HOST:
                raise ImageError(f"the merged module still imports {one.module} {one.name}")
            given[one.name] = (FUNC, self._host_function(one.name))
        self._instance = self._instantiate(_MERGED, {HOST: self._bundle(given)})
        for part in waiting:
            self._lower(part)
        plan, given = self._plan, {}
        for one in plan.modules[plan.filler].imports:
            origin = plan.source(plan.filler, one)
            if one.kind == TABLE:
                given[one.name] = (TABLE, self._alias(TABLE, self._standins, origin.name))
            elif origin.instance < 0:
                given[one.name] = (FUNC, self._made[origin.number])
            else:
                given[one.name] = (FUNC, self._export(FUNC, export_name(origin)))
        module = plan.modules[plan.filler].imports[0].module
        self._instantiate(_FILLER, {module: self._bundle(given)})

    def _host_function(self, name: str) -> int:
        origin = self._plan.hosts[name]
        if origin.instance >= 0:
            return self._alias(FUNC, self._standins, origin.name)
        if origin.number not in self._made:
            raise ImageError("the guest's component makes a function later than it is needed")
        return self._made[origin.number]

    def _lower(self, part: Lower) -> None:
        head = bytes([LOWER, 0]) + binary.number(part.function)
        self._made[part.number] = self._define(head + self._options(part.options))

    def _lift(self, part: Lift) -> None:
        function = self._export(FUNC, self._plan.require(FUNC, part.core_function))
        head = bytes([LIFT, 0]) + binary.number(function)
        body = head + self._options(part.options) + binary.number(part.type)
        self._out.append(binary.section(CANON, binary.vector([body])))

    def _options(self, options: Options) -> bytes:
        encoded = []
        for option, index in options:
            if index is None:
                encoded.append(bytes([option]))
            else:
                kind = OPTION_KINDS[option]
                new = self._export(kind, self._plan.require(kind, index))
                encoded.append(bytes([option]) + binary.number(new))
        return binary.vector(encoded)

    # --- definitions, each with its number -------------------------------------------------------
    def _next(self, kind: int) -> int:
        self._counts[kind] += 1
        return self._counts[kind] - 1

    def _define(self, definition: bytes) -> int:
        self._out.append(binary.section(CANON, binary.vector([definition])))
        return self._next(FUNC)

    def _export(self, kind: int, name: str) -> int:
        """Return the number of an export of the merged module, which is named once."""
        if name not in self._exports:
            self._exports[name] = self._alias(kind, self._instance, name)
        return self._exports[name]

    def _alias(self, kind: int, instance: int, name: str) -> int:
        target = bytes([CORE_ITEM, kind, CORE_EXPORT]) + binary.number(instance)
        self._out.append(binary.section(ALIAS, binary.vector([target + binary.name(name)])))
        return self._next(kind)

    def _instantiate(self, module: int, arguments: dict[str, int]) -> int:
        given = binary.vector(
            binary.name(name) + bytes([INSTANCE]) + binary.number(index)
            for name, index in arguments.items()
        )
        body = b"\0" + binary.number(module) + given
        self._out.append(binary.section(CORE_INSTANCE, binary.vector([body])))
        return self._next(INSTANCE)

    def _bundle(self, items: dict[str, tuple[int, int]]) -> int:
        given = binary.vector(
            binary.name(name) + bytes([kind]) + binary.number(index)
            for name, (kind, index) in items.items()
        )
        self._out.append(binary.section(CORE_INSTANCE, binary.vector([b"\1" + given])))
        return self._next(INSTANCE)
