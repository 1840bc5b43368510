"""What an audit was taken on, by name: for a reader who was not there."""

from __future__ import annotations

import os
import platform

from executor.cli.version import VERSION
from executor.guarantees import _survey as survey


def describe() -> dict[str, str]:
    """Return versions, kernel and walls of this machine."""
    found = survey()
    present = [finding.name for finding in found.findings if finding.present]
    missing = [f"{f.name} ({f.detail or 'refused'})" for f in found.findings if not f.present]
    return {
        "cellblock": VERSION,
        "python": platform.python_version(),
        "wasmtime": _version("wasmtime"),
        "system": platform.platform(),
        "kernel": found.kernel,
        "machine": found.machine,
        "processors": str(os.cpu_count() or 1),
        "user": "root" if found.is_root else "an ordinary user",
        "kernel features": ", ".join(present),
        "missing here": ", ".join(missing) or "nothing",
    }


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
