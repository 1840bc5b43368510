"""The exported schema and the document say what the definitions say."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol import VERSION_MAX, VERSION_MIN, document, schema
from protocol.document import ALL_KINDS as KINDS
from protocol.messages import Done, Log

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = schema.export()


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_message_is_in_the_schema_with_its_kind_and_directions() -> None:
    listed = {message["name"]: message for message in SCHEMA["messages"]}

    assert {name: m["kind"] for name, m in listed.items()} == {
        cls.__name__: kind for cls, kind in KINDS.items()
    }
    assert all(message["directions"] and message["description"] for message in listed.values())
    assert listed["Done"]["directions"] == ["loop to host", "cell to loop", "loop to link"]
    assert SCHEMA["versions"] == {"min": VERSION_MIN, "max": VERSION_MAX}


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    found = set(references(SCHEMA))

    assert found
    for reference in found:
        assert reference.removeprefix("#/$defs/") in SCHEMA["$defs"], reference


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_a_message_is_closed_and_lists_its_fields_in_the_schema(cls: Any) -> None:
    found = SCHEMA["$defs"][cls.__name__]
    fields = dataclasses.fields(cls)

    assert found["additionalProperties"] is False
    assert set(found.get("properties", {})) == {field.name for field in fields}
    assert set(found.get("required", [])) == {
        f.name
        for f in fields
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }


def test_bounds_are_in_the_schema() -> None:
    log, done = SCHEMA["$defs"][Log.__name__], SCHEMA["$defs"][Done.__name__]

    assert (log["properties"]["level"]["minimum"], log["properties"]["level"]["maximum"]) == (
        0,
        1_000,
    )
    assert log["properties"]["message"]["maxLength"] == 65_536
    assert log["properties"]["fields"]["maxItems"] == 64
    assert "timeout" in json.dumps(done["properties"]["verdict"])


def test_the_schema_can_be_written_as_json() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "protocol.schema"], capture_output=True, check=True, cwd=ROOT
    ).stdout

    assert json.loads(output) == SCHEMA


def test_an_unknown_flag_is_refused_with_the_usage() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "protocol.schema", "--html"], capture_output=True, cwd=ROOT
    )

    assert found.returncode == 2
    assert b"usage" in found.stderr


def test_the_document_is_what_the_definitions_say_now() -> None:
    assert (ROOT / "docs" / "protocol.md").read_text() == document.markdown(), (
        "run: python -m protocol.schema --markdown > docs/protocol.md"
    )


def test_every_message_and_each_of_its_fields_is_in_the_document() -> None:
    text = document.markdown()
    for cls in KINDS:
        section = text.split(f"\n### {cls.__name__}\n")[1].split("\n### ")[0]
        for field in dataclasses.fields(cls):
            assert f"| `{field.name}` |" in section
