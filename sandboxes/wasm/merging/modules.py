"""Core modules: what they import and export, and the same module with other names for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sandboxes.errors import ImageError
from sandboxes.wasm.merging import binary
from sandboxes.wasm.merging.binary import FUNC, GLOBAL, MEMORY, TABLE, TAG, Reader

_REFERENCES: Final = (0x6F, 0x70)


class Import(NamedTuple):
    """One import: from where, what kind, and its type as it stands in the module."""

    module: str
    name: str
    kind: int
    type: bytes


class Export(NamedTuple):
    """One export: of what kind, and its number among those."""

    name: str
    kind: int
    at: int


class CoreModule:
    """A core module, read as far as its imports and exports."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.imports: list[Import] = []
        self.exports: list[Export] = []
        self._sections = list(binary.sections(data))
        for kind, body in self._sections:
            reader = Reader(body)
            if kind == binary.IMPORTS:
                self.imports = [_import(reader) for _ in range(reader.number())]
            elif kind == binary.EXPORTS:
                self.exports = [
                    Export(reader.name(), reader.byte(), reader.number())
                    for _ in range(reader.number())
                ]

    def renamed(
        self,
        import_name: Callable[[Import], tuple[str, str]],
        export_name: Callable[[str], str | None],
    ) -> bytes:
        """Return the module with other names; an export whose new name is `None` is left out."""
        out = [self.data[: binary.HEADER_BYTES]]
        for kind, body in self._sections:
            if kind == binary.IMPORTS:
                body = binary.vector(_encoded(one, *import_name(one)) for one in self.imports)
            elif kind == binary.EXPORTS:
                body = binary.vector(
                    binary.name(new) + bytes([one.kind]) + binary.number(one.at)
                    for one in self.exports
                    if (new := export_name(one.name)) is not None
                )
            out.append(binary.section(kind, body))
        return b"".join(out)


def _import(reader: Reader) -> Import:
    module, name, kind = reader.name(), reader.name(), reader.byte()
    began = reader.at
    if kind == FUNC:
        reader.number()
    elif (kind == TABLE and reader.byte() in _REFERENCES) or kind == MEMORY:
        reader.limits()
    elif kind == GLOBAL:
        reader.take(2)
    elif kind == TAG:
        reader.byte()
        reader.number()
    else:
        raise ImageError(f"the guest's module imports {module} {name} of an unknown kind")
    return Import(module, name, kind, reader.data[began : reader.at])


def _encoded(one: Import, module: str, name: str) -> bytes:
    return binary.name(module) + binary.name(name) + bytes([one.kind]) + one.type
