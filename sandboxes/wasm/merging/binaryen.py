"""The tools that merge and optimise: npm's package `binaryen`, one version of it, by its digest.

Rule 1: npm fetches it from whatever registry the user has set, and checks it against the digest
        here. No script of any package is run.
Rule 2: it is put where a build works, and is gone with that.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from sandboxes.errors import ImageError

VERSION: Final = "132.0.0"
_DIGEST: Final = (
    "sha512-4Usg7yEvwO3FMso3Oov6qkOOHSod1IEv+boKkh77"
    "kTljM+eNBouqCTbqWswGzbG+vDNO/b/v2C4gfEh1WgB9Lg=="
)
NODE_MAJOR_MIN: Final = 18
#: Becomes a command that dies with us: PR_SET_PDEATHSIG is 1, SIGKILL 9. In a process of its own,
#: as Python code between fork and exec fails where the host has had other interpreters.
_DIE_WITH_PARENT: Final = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
os.execvp(sys.argv[1], sys.argv[1:])
"""
_LAST_CHARS: Final = 1_000

#: What the guest's modules use. Binaryen refuses an initial value of a table without `gc`, and with
#: everything on it writes forms of imports that wasmtime does not read.
FEATURES: Final = tuple(
    f"--enable-{feature}"
    for feature in (
        "bulk-memory", "bulk-memory-opt", "call-indirect-overlong", "extended-const", "gc",
        "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types",
        "sign-ext", "simd", "tail-call",
    )
)  # fmt: skip


def missing() -> str:
    """Return why the tools cannot be had here, "" if it seems they can."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return (
                f"{program} is not installed; install Node.js {NODE_MAJOR_MIN} or newer with npm, "
                "for instance by: apt-get install nodejs npm"
            )
    return ""


def install(directory: str) -> None:
    """Put the tools below `directory`.

    Raises:
        ImageError: Node is missing or too old, or npm fails; the text names the fix.
    """
    if why := missing():
        raise ImageError(f"an optimised image cannot be built: {why}")
    said = _run(["node", "--version"], directory, "node")
    found = re.match(r"v([0-9]+)", said)
    if found is None or int(found[1]) < NODE_MAJOR_MIN:
        raise ImageError(
            f"an optimised image cannot be built: Node {said.strip()[:40]} is older than "
            f"{NODE_MAJOR_MIN}; install a newer one"
        )
    wanted = {"name": "cellblock-tools", "private": True, "dependencies": {"binaryen": VERSION}}
    lock = {
        "name": "cellblock-tools",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"name": "cellblock-tools", "dependencies": {"binaryen": VERSION}},
            "node_modules/binaryen": {"version": VERSION, "integrity": _DIGEST},
        },
    }
    for name, content in (("package.json", wanted), ("package-lock.json", lock)):
        with open(f"{directory}/{name}", "w", encoding="utf-8") as stream:
            json.dump(content, stream)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    _run(["npm", "ci", *options, "--loglevel=error"], directory, f"npm ci of binaryen {VERSION}")


def run(directory: str, tool: str, arguments: Sequence[str]) -> None:
    """Run a tool that was installed below `directory`.

    Raises:
        ImageError: it fails.
    """
    program = f"{directory}/node_modules/binaryen/bin/{tool}"
    # The whole of the guest is in memory several times over.
    _run(["node", "--max-old-space-size=8192", program, *arguments], directory, tool)


def _run(command: Sequence[str], directory: str, name: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, *command],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise ImageError(f"{name} failed with code {done.returncode}: {said[-_LAST_CHARS:]}")
    return done.stdout.decode("utf-8", "replace")


def environment() -> dict[str, str]:
    """Return the variables that npm needs to reach its registry."""
    kept = (
        "npm_config_",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "node_extra_ca_certs",
        "ssl_cert",
    )
    return {name: text for name, text in os.environ.items() if name.lower().startswith(kept)}
