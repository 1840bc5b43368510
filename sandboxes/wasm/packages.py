"""An image's packages: from requirements and paths to one directory of pure Python.

Rule 1: nothing of a package runs here: wheels alone are taken from an index, and only those for
        any platform. A directory of the user's own with a build file is built as `pip` builds it.
Rule 2: what holds compiled code is refused by name; it could not be loaded in a sandbox.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from sandboxes.errors import ImageError
from sandboxes.wasm import keys

#: The Python in the sandbox.
PYTHON: Final = "3.14"
PIP_S_MAX: Final = 300.0
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([<>=!~;@(].*)?")
_NATIVE: Final = (".so", ".pyd", ".dylib", ".dll", ".a")
_MISSING: Final = re.compile(r"No matching distribution found for ([^\s(]+)")
#: Written by the installer, differing between machines.
_NOISE: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})


def is_path(package: str) -> bool:
    """Return whether `package` names a file or a directory, not a requirement."""
    if package.endswith((".py", ".whl")) or package.startswith((".", "/", "~")):
        return True
    return _REQUIREMENT.fullmatch(package) is None


def request_key(base_key: str, packages: Sequence[str], preimport: Sequence[str]) -> str:
    """Return the key of a request: what was asked for, with the bytes of what is local.

    Raises:
        ImageError: a path does not exist.
    """
    digest = keys.Digest("request")
    digest.add("base", base_key)
    for package in packages:
        digest.add("package", package)
        if is_path(package):
            _add_tree(digest, _existing(package))
    for module in preimport:
        digest.add("preimport", module)
    return digest.key()


def content_key(base_key: str, directory: str, preimport: Sequence[str]) -> str:
    """Return the key of a guest with the packages in `directory`."""
    digest = keys.Digest("image")
    digest.add("base", base_key)
    _add_tree(digest, directory)
    for module in preimport:
        digest.add("preimport", module)
    return digest.key()


def _add_tree(digest: keys.Digest, path: str) -> None:
    for file in keys.files_below(path):
        if os.path.basename(file) not in _NOISE:
            digest.add_file(file[len(path) :], file)


def _existing(package: str) -> str:
    path = os.path.abspath(os.path.expanduser(package))
    if not os.path.exists(path):
        raise ImageError(f"package {package!r}: no such file or directory")
    return path


def collect(packages: Sequence[str], directory: str) -> tuple[str, ...]:
    """Put `packages` and what they require into `directory`.

    Args:
        packages: requirements ("attrs>=24"), wheels, single modules, package directories, or
            project directories with a `pyproject.toml`.
        directory: an empty directory.

    Returns:
        What was put there, as "name==version", or the name of a local module.

    Raises:
        ImageError: a package does not exist, cannot be fetched, or is not pure Python.
    """
    names: list[str] = []
    wanted: list[str] = []
    for package in packages:
        if not is_path(package):
            wanted.append(package)
            continue
        path = _existing(package)
        if path.endswith(".whl") or os.path.exists(f"{path}/pyproject.toml"):
            wanted.append(path)
        else:
            names.append(_copy(path, directory))
    if wanted:
        _install(wanted, directory)
    _check_pure(directory)
    return tuple(sorted({*names, *_distributions(directory)}))


def _copy(path: str, directory: str) -> str:
    name = os.path.basename(path)
    if name.endswith(".py"):
        shutil.copyfile(path, f"{directory}/{name}")
    elif os.path.exists(f"{path}/__init__.py"):
        shutil.copytree(
            path, f"{directory}/{name}", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    else:
        raise ImageError(
            f"package {path!r} is neither a .py file, a .whl file, a package with an __init__.py, "
            "nor a project with a pyproject.toml"
        )
    return name.removesuffix(".py")


def _install(wanted: Iterable[str], directory: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-compile", "--target", directory]
    command += ["--only-binary=:all:", "--platform=any", "--abi=none", "--implementation=py"]
    command += [f"--python-version={PYTHON}", "--", *wanted]
    try:
        done = subprocess.run(  # noqa: S603 - requirements stand behind `--`
            command, capture_output=True, text=True, timeout=PIP_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"packages could not be fetched within {PIP_S_MAX:g} s") from None
    if done.returncode == 0:
        return
    if missing := _MISSING.search(done.stderr):
        raise ImageError(
            f"package {missing[1]!r} has no wheel of pure Python that fits Python {PYTHON}; "
            "packages with compiled code cannot run in a Wasm sandbox"
        )
    if "No module named pip" in done.stderr:
        raise ImageError("packages need pip; get it with: python -m ensurepip")
    raise ImageError(f"packages could not be installed: {done.stderr.strip()[-2_000:]}")


def _check_pure(directory: str) -> None:
    for file in keys.files_below(directory):
        if file.endswith(_NATIVE):
            name = file[len(directory) + 1 :]
            raise ImageError(
                f"package {name.split('/')[0]!r} is not pure Python (it holds {name}); "
                "packages with compiled code cannot run in a Wasm sandbox"
            )
    for name in ("_cellblock", "cellblock_guest", "wit_world"):
        if os.path.exists(f"{directory}/{name}") or os.path.exists(f"{directory}/{name}.py"):
            raise ImageError(f"a package of the name {name!r} cannot be in an image")


def _distributions(directory: str) -> Iterable[str]:
    for entry in os.listdir(directory):
        if entry.endswith(".dist-info"):
            name, _, version = entry.removesuffix(".dist-info").partition("-")
            yield f"{name}=={version}"
