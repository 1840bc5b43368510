"""Puts the finished base guest into a wheel, so that whoever installs it builds nothing.

An editable install gets none: its sources change, and the cache builds what they ask for.

With CELLBLOCK_OPTIMIZE=1 in the environment the guest is optimised, too, which takes two minutes
and Node: so are wheels built that many will install. It is not done by default where Node happens
to be, as `pip install .` of a fresh clone would take ten times as long, and fail where npm finds no
registry; `cellblock image build --optimize` does the same afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
INSIDE = "sandboxes/wasm/base"
BUILDER = ROOT / "sandboxes" / "wasm" / "build.py"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # the plugin's own hook takes none
    """Hatchling's hook for building one target."""

    def dependencies(self) -> list[str]:
        """Return what this hook needs beside the project's `build-system.requires`."""
        return ["wasmtime>=50,<51"] if _optimises() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the base guest and have it included."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._work = tempfile.TemporaryDirectory(prefix="cellblock-guest-")
        work = Path(self._work.name)
        wasm, digest = work / "guest.wasm", work / "guest.json"
        (work / "plan.json").write_text(json.dumps({"preimport": []}), encoding="utf-8")
        self.app.display_info("Building the base guest")
        _step(work, "componentize", work, wasm)
        if _optimises():
            self.app.display_info("Optimising it, in about two minutes")
            wasm = _optimised(work, wasm)
        record = {
            "sha256": hashlib.sha256(wasm.read_bytes()).hexdigest(),
            "form": "optimised" if _optimises() else "base",
        }
        digest.write_text(json.dumps(record), encoding="utf-8")
        build_data["force_include"][str(wasm)] = f"{INSIDE}/guest.wasm"
        build_data["force_include"][str(digest)] = f"{INSIDE}/guest.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built, now that it is in the wheel."""
        if work := getattr(self, "_work", None):
            work.cleanup()


def _optimises() -> bool:
    return os.environ.get("CELLBLOCK_OPTIMIZE") == "1"


def _optimised(work: Path, wasm: Path) -> Path:
    tools, merged = work / "tools", work / "optimised.wasm"
    tools.mkdir()
    _step(work, "fetch-binaryen", tools)
    _step(work, "merge", wasm, merged, tools)
    return merged


def _step(work: Path, *arguments: str | Path) -> None:
    command = [sys.executable, "-P", BUILDER, *arguments]
    subprocess.run(command, check=True, cwd=work)  # noqa: S603 - our own script and paths of ours
