"""The messages as JSON Schema, and `docs/protocol.md`.

    python -m protocol.schema               the schema
    python -m protocol.schema --markdown    the document

Both come from the definitions alone.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

from pydantic import TypeAdapter

from protocol import VERSION_MAX, VERSION_MIN, checking
from protocol.document import ALL_KINDS, SENDERS, summary_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def export() -> dict[str, Any]:
    """Return one JSON Schema document for the bodies of all messages.

    Returns:
        `$defs` holds a schema for each message and each part of one; `messages` lists for each
        message its `kind` (the byte in a frame's header), who sends it to whom (`directions`), and
        where its schema is (`$ref`); `versions` the protocol versions spoken.
    """
    validation: Literal["validation"] = "validation"
    adapters = [(cls.__name__, validation, checking.adapter(cls)) for cls in ALL_KINDS]
    by_name, shared = TypeAdapter.json_schemas(adapters)
    definitions: dict[str, Any] = dict(shared.get("$defs", {}))
    messages = []
    for cls, kind in ALL_KINDS.items():
        definitions.setdefault(cls.__name__, by_name[cls.__name__, validation])
        messages.append(
            {
                "name": cls.__name__,
                "kind": kind,
                "directions": [f"{a} to {b}" for a, b, kinds in SENDERS if kind in kinds],
                "description": summary_of(cls),
                "$ref": f"#/$defs/{cls.__name__}",
            }
        )
    return {
        "$schema": DIALECT,
        "title": "Cellblock protocol: bodies of frames",
        "versions": {"min": VERSION_MIN, "max": VERSION_MAX},
        "messages": messages,
        "anyOf": [{"$ref": message["$ref"]} for message in messages],
        "$defs": dict(sorted(definitions.items())),
    }


def main(arguments: list[str]) -> int:
    """Write the schema, or the document, to standard output."""
    if arguments == ["--markdown"]:
        from protocol.document import markdown

        sys.stdout.write(markdown())
        return 0
    if arguments:
        sys.stderr.write("usage: python -m protocol.schema [--markdown]\n")
        return 2
    json.dump(export(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
