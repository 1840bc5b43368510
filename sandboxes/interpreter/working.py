"""A working directory for each interpreter, where C has one for the whole process.

Functions of `os` and `open` that take a relative path are given it below the directory of their
own interpreter. A path that goes straight to C, as in `sqlite3.connect`, is not: it begins at the
root of the cell.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import posix
from collections.abc import Callable
from typing import Any, Final

#: By how many of their first arguments are paths.
_ONE: Final = """
    open stat lstat listdir scandir mkdir rmdir remove unlink readlink chmod chown lchown utime
    access truncate statvfs mkfifo getxattr listxattr setxattr removexattr
"""
_TWO: Final = "rename replace link"
_directory = "/"


def absolute(path: Any) -> Any:
    """Return a relative path below the working directory; anything else as it is."""
    if isinstance(path, int):
        return path
    name = os.fspath(path)
    if isinstance(name, bytes):
        return name if name.startswith(b"/") else os.fsencode(_directory) + b"/" + name
    return name if name.startswith("/") or not name else f"{_directory}/{name}"


def chdir(path: Any) -> None:
    """Change the working directory of this interpreter."""
    global _directory
    wanted = os.fsdecode(absolute(path))
    posix.listdir(wanted)  # raises what a change of directory would
    _directory = os.path.normpath(wanted)


def getcwd() -> str:
    """Return the working directory of this interpreter."""
    return _directory


def getcwdb() -> bytes:
    """Return the working directory of this interpreter as bytes."""
    return os.fsencode(_directory)


def install() -> None:
    """Take the place of the functions that take paths."""
    for names, count in ((_ONE, 1), (_TWO, 2)):
        for name in names.split():
            if hasattr(os, name):
                setattr(os, name, _resolving(getattr(os, name), count))
    os.symlink = _second(os.symlink)
    os.chdir, os.getcwd, os.getcwdb = chdir, getcwd, getcwdb
    io.open = builtins.open = _opening(io.open)


def _resolving(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def resolved(*paths: Any, **options: Any) -> Any:
        if any(name in options for name in ("dir_fd", "src_dir_fd", "dst_dir_fd")):
            return function(*paths, **options)
        if not paths:  # listdir() and scandir() of the working directory, or paths by their names
            for name in ("path", "src", "dst"):
                if name in options:
                    options[name] = absolute(options[name])
            return function(**options) if options else function(_directory)
        return function(*map(absolute, paths[:count]), *paths[count:], **options)

    return resolved


def _second(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def symlink(src: Any, dst: Any, *rest: Any, **options: Any) -> Any:
        return function(src, dst if "dir_fd" in options else absolute(dst), *rest, **options)

    return symlink


def _opening(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def opened(file: Any, *arguments: Any, **options: Any) -> Any:
        opener = options.get("opener") or (arguments[6] if len(arguments) > 6 else None)
        return function(file if opener else absolute(file), *arguments, **options)

    return opened
