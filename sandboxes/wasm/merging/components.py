"""A component, taken apart: its parts in order, and where each core function really comes from.

What concerns core modules is read. The rest (types, imports, exports, aliases of those) is kept
as it stands: a merge changes none of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sandboxes.errors import ImageError
from sandboxes.wasm.merging import binary
from sandboxes.wasm.merging.binary import FUNC, INSTANCE, Reader

#: Sections of a component that are read.
CUSTOM, CORE_MODULE, CORE_INSTANCE, ALIAS, CANON = 0, 1, 2, 6, 8
#: The first byte of an alias of a core item, and what says that it is an instance's export.
CORE_ITEM: Final = 0
CORE_EXPORT: Final = 1
#: Definitions of a `CANON` section.
LIFT, LOWER = 0, 1
RESOURCES: Final = (2, 3, 4)  # new, drop, rep
#: Options of a lift or a lower that name a core item: memory, realloc, post-return, callback.
OPTION_KINDS: Final = {3: binary.MEMORY, 4: FUNC, 5: FUNC, 7: FUNC}

type Options = tuple[tuple[int, int | None], ...]


class Kept(NamedTuple):
    """A section that stays as it is."""

    section: int
    body: bytes


class Instantiated(NamedTuple):
    """A core instance made from a module; its arguments are instances."""

    module: int
    arguments: dict[str, int]


class Bundle(NamedTuple):
    """A core instance put together from items: name -> kind and index."""

    items: dict[str, tuple[int, int]]


class Lower(NamedTuple):
    """A core function made from a component's; `number` is its own."""

    function: int
    options: Options
    number: int


class Builtin(NamedTuple):
    """A core function of the canonical ABI itself, such as the drop of a resource."""

    definition: bytes
    number: int


class Lift(NamedTuple):
    """A component's function made from a core one."""

    core_function: int
    options: Options
    type: int


class Origin(NamedTuple):
    """Where a core item comes from: an export of an instantiated module.

    With an instance of -1 it is the core function `number` that the component itself makes.
    """

    instance: int
    name: str = ""
    number: int = -1


type Part = Kept | Lower | Builtin | Lift


class Component:
    """A component's parts."""

    def __init__(self, data: bytes) -> None:
        """Take `data` apart.

        Raises:
            ImageError: it holds what is not known here.
        """
        self.header = data[: binary.HEADER_BYTES]
        self.modules: list[bytes] = []
        self.instances: list[Instantiated | Bundle] = []
        #: In order, without core modules, instances and aliases.
        self.parts: list[Part] = []
        self._items: dict[int, list[Origin | tuple[int, str]]] = {}
        for section, body in binary.sections(data):
            if section == CORE_MODULE:
                self.modules.append(body)
            elif section in _READERS:
                reader = Reader(body)
                for _ in range(reader.number()):
                    _READERS[section](self, reader)
            else:
                self.parts.append(Kept(section, body))

    def origin(self, kind: int, index: int) -> Origin:
        """Return where a core item comes from."""
        item = self._items[kind][index]
        return item if isinstance(item, Origin) else self.origin_of_export(*item)

    def origin_of_export(self, instance: int, name: str) -> Origin:
        """Return where an export of an instance comes from."""
        found = self.instances[instance]
        if isinstance(found, Bundle):
            return self.origin(*found.items[name])
        return Origin(instance, name)

    def _read_instance(self, reader: Reader) -> None:
        form = reader.byte()
        if form == 0:
            module, arguments = reader.number(), {}
            for _ in range(reader.number()):
                name = reader.name()
                if reader.byte() != INSTANCE:
                    raise ImageError("the guest's component has an argument that is no instance")
                arguments[name] = reader.number()
            self.instances.append(Instantiated(module, arguments))
        elif form == 1:
            count = reader.number()
            items = {reader.name(): (reader.byte(), reader.number()) for _ in range(count)}
            self.instances.append(Bundle(items))
        else:
            raise ImageError("the guest's component has a core instance of an unknown form")

    def _read_alias(self, reader: Reader) -> None:
        began = reader.at
        sort = reader.byte()
        core = reader.byte() if sort == CORE_ITEM else -1
        target = reader.byte()
        first = reader.number()
        if target in (0, 1):
            name = reader.name()
        else:
            name = ""
            reader.number()
        if sort == CORE_ITEM and target == CORE_EXPORT:
            self._items.setdefault(core, []).append((first, name))
        else:
            alias = reader.data[began : reader.at]
            self.parts.append(Kept(ALIAS, binary.vector([alias])))

    def _read_canon(self, reader: Reader) -> None:
        began = reader.at
        form = reader.byte()
        made = self._items.setdefault(FUNC, [])
        if form == LIFT:
            reader.byte()
            self.parts.append(Lift(reader.number(), _options(reader), reader.number()))
            return
        if form == LOWER:
            reader.byte()
            self.parts.append(Lower(reader.number(), _options(reader), len(made)))
        elif form in RESOURCES:
            reader.number()
            self.parts.append(Builtin(reader.data[began : reader.at], len(made)))
        else:
            raise ImageError(f"the guest's component has a definition of unknown form {form:#x}")
        made.append(Origin(-1, number=len(made)))


def _options(reader: Reader) -> Options:
    found: list[tuple[int, int | None]] = []
    for _ in range(reader.number()):
        option = reader.byte()
        if option > 7:
            raise ImageError(f"the guest's component has an unknown option {option:#x}")
        found.append((option, reader.number() if option in OPTION_KINDS else None))
    return tuple(found)


_READERS: Final = {
    CORE_INSTANCE: Component._read_instance,
    ALIAS: Component._read_alias,
    CANON: Component._read_canon,
}
