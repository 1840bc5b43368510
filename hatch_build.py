"""Puts the finished base guest into a wheel, so that whoever installs it builds nothing.

An editable install gets none: its sources change, and the cache builds what they ask for.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
INSIDE = "sandboxes/wasm/base"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # the plugin's own hook takes none
    """Hatchling's hook for building one target."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the base guest and have it included."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._work = tempfile.TemporaryDirectory(prefix="cellblock-guest-")
        work = Path(self._work.name)
        wasm, digest = work / "guest.wasm", work / "guest.json"
        (work / "plan.json").write_text(json.dumps({"preimport": []}), encoding="utf-8")
        builder = ROOT / "sandboxes" / "wasm" / "build.py"
        self.app.display_info("Building the base guest")
        subprocess.run(  # noqa: S603 - our own script and paths of ours
            [sys.executable, "-P", builder, "componentize", work, wasm], check=True, cwd=work
        )
        sha256 = hashlib.sha256(wasm.read_bytes()).hexdigest()
        digest.write_text(json.dumps({"sha256": sha256}), encoding="utf-8")
        for file in (wasm, digest):
            build_data["force_include"][str(file)] = f"{INSIDE}/{file.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built, now that it is in the wheel."""
        if work := getattr(self, "_work", None):
            work.cleanup()
