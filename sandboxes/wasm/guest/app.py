"""Entry of the component: what `componentize-py` imports, runs and takes its snapshot of.

It exists at build time alone; the import of `wit_world`, which is generated there, says so.
"""

from __future__ import annotations

import json
import os
import sys

import wit_world

from sandboxes.guest import ports, running
from sandboxes.wasm.guest import memory, settle


class WitWorld(wit_world.WitWorld):
    """The component's exports."""

    def run(self, request: str) -> str:
        """Carry out one request."""
        return running.run(request)


def _settle() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    with open(f"{here}/plan.json", encoding="utf-8") as stream:
        plan = json.load(stream)
    library = os.path.dirname(os.path.dirname(json.__file__))  # `os` is frozen and has no file
    packages = [path for path in sys.path if os.path.exists(f"{path}/{plan['packages_marker']}")]
    settle.settle([library], packages, plan["preimport"])


def connect() -> None:
    """Connect the imports; after this nothing may fail, as nobody could be told."""
    ports.connect(
        wit_world.emit, wit_world.call, wit_world.read_stdin, memory.LinearMemory(wit_world.emit)
    )


_settle()
