"""Clear errors for what no native cell can do: they say 'sandbox' where the system would say less.

None of this is a wall: without it the kernel refuses the same calls.
"""

from __future__ import annotations

import _frozen_importlib_external as loaders
import ctypes
import errno
import os
import socket
import subprocess
from typing import Any, NoReturn

_FIX = "name its module in Image(preload=[...])"
_STARTS_PROCESSES = (
    "execv", "execve", "fork", "forkpty", "popen", "posix_spawn", "posix_spawnp", "system",
)  # fmt: skip

_socket_init = socket.socket.__init__
_create_module = loaders.ExtensionFileLoader.create_module
_dlopen = ctypes._dlopen  # type: ignore[attr-defined]  # what CDLL calls


def _no_network(*args: Any, **kwargs: Any) -> NoReturn:
    raise PermissionError(errno.EACCES, "the sandbox has no network")


def _no_process(*args: Any, **kwargs: Any) -> NoReturn:
    raise PermissionError(errno.EACCES, "the sandbox starts no processes")


def _no_pipe(*args: Any, **kwargs: Any) -> NoReturn:
    what = "the sandbox has no pipes; socket.socketpair() gives what is near to one"
    raise PermissionError(errno.EACCES, what)


def _init_socket(
    self: socket.socket,
    family: int = -1,
    type: int = -1,  # noqa: A002 - the word of `socket`
    proto: int = -1,
    fileno: int | None = None,
) -> None:
    """Take over a socket that is there, as an end of a pair; make no other."""
    if fileno is None:
        _no_network()
    _socket_init(self, family, type, proto, fileno)


def _load_extension(self: Any, spec: Any) -> Any:
    try:
        return _create_module(self, spec)
    except ImportError as error:
        what = f"{spec.name}: the sandbox loads no shared objects once it runs ({error}); {_FIX}"
        raise ImportError(what, name=spec.name, path=spec.origin) from None


def _load_library(*args: Any) -> Any:
    try:
        return _dlopen(*args)
    except OSError as error:
        raise OSError(
            f"the sandbox loads no shared objects once it runs ({error}); {_FIX}"
        ) from None


def install() -> None:
    """Take the place of the calls that cannot work."""
    socket.socket.__init__ = _init_socket  # type: ignore[method-assign]  # so that subclasses fail the same way
    socket.getaddrinfo = _no_network
    socket.gethostbyname = _no_network
    subprocess.Popen.__init__ = _no_process  # type: ignore[method-assign]  # as above
    os.pipe = os.pipe2 = _no_pipe
    for name in _STARTS_PROCESSES:
        setattr(os, name, _no_process)
    loaders.ExtensionFileLoader.create_module = _load_extension  # type: ignore[method-assign]  # as above
    ctypes._dlopen = _load_library  # type: ignore[attr-defined]  # as above
