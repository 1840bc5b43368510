"""What the cache of images knows of each of its files. Data, and how it is read back."""

from __future__ import annotations

import json
from typing import Final, Literal, NamedTuple

from protocol.structs import frozen

type Kind = Literal["guest", "code", "module", "component"]
KINDS: Final = frozenset({"guest", "code", "module", "component"})
#: How a guest was built; programs are none of ours and stay as they came.
type Form = Literal["base", "optimised"]
FORMS: Final = frozenset({"base", "optimised"})


@frozen
class Record:
    """What the cache knows of one file.

    Args:
        kind: "guest" is .wasm; "code" is a compiled guest, "module" and "component" other
            compiled programs.
        needs: the sources or the runtime that the file fits; see `sandboxes.wasm.keys`.
        seal: device, inode, size, and time of the last change when it was read; () if too fresh.
        form: "optimised" for a guest whose modules are merged, and for its code.
    """

    key: str
    kind: Kind
    sha256: str
    size_bytes: int
    created: float
    needs: str
    packages: tuple[str, ...] = ()
    seal: tuple[int, ...] = ()
    form: Form = "base"

    @property
    def file_name(self) -> str:
        """Name of the file that this is the record of."""
        return f"{self.key}.wasm" if self.kind == "guest" else f"{self.key}.cwasm"


class Resolved(NamedTuple):
    """What a request for packages came to: the key of the guest, and which packages it has."""

    key: str
    packages: tuple[str, ...]


def parse(key: str, data: bytes) -> Record | None:
    """Return a record read from a file, `None` if it is not one of `key`."""
    try:
        fields = json.loads(data)
        record = Record(
            key=fields["key"],
            kind=fields["kind"],
            sha256=fields["sha256"],
            size_bytes=fields["size_bytes"],
            created=fields["created"],
            needs=fields["needs"],
            packages=tuple(fields["packages"]),
            seal=tuple(fields["seal"]),
            form=fields.get("form", "base"),
        )
    except (ValueError, KeyError, TypeError):
        return None
    is_known = record.kind in KINDS and record.form in FORMS
    return record if record.key == key and is_known else None
