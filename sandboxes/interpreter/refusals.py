"""Clear errors for what no native cell can do, put in place before a guest imports anything.

What these calls are made of is written in C. It is changed as it is loaded, so that an interpreter
pays for no module that its guest does not use.

None of this is a wall: without it the kernel refuses the same calls.
"""

from __future__ import annotations

import _frozen_importlib
import _frozen_importlib_external
import errno
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, NoReturn

_FIX: Final = "name its module in Image(preload=[...])"
_PROCESSES: Final = (
    "execv", "execve", "fork", "forkpty", "popen", "posix_spawn", "posix_spawnp", "system",
)  # fmt: skip

#: Untyped, as their stubs have no more than their names.
_extensions: Final[Any] = _frozen_importlib_external.ExtensionFileLoader
_builtins: Final[Any] = _frozen_importlib.BuiltinImporter
_create, _execute = _extensions.create_module, _extensions.exec_module
_execute_builtin: Final = _builtins.exec_module


def install() -> None:
    """Take the place of the calls that cannot work."""
    for name in _PROCESSES:
        setattr(os, name, _no_process)
    os.pipe = os.pipe2 = _no_pipe
    _extensions.create_module = _create_extension
    _extensions.exec_module = _execute_extension
    _builtins.exec_module = staticmethod(_execute_one_built_in)


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refused(*args: object, **kwargs: object) -> NoReturn:
        raise PermissionError(errno.EACCES, f"the sandbox {what}")

    return refused


_no_process: Final = _refuse("starts no processes")
_no_network: Final = _refuse("has no network")
_no_pipe: Final = _refuse("has no pipes; socket.socketpair() gives what is near to one")


# --- loading -------------------------------------------------------------------------------------
def _create_extension(self: Any, spec: Any) -> Any:
    try:
        return _create(self, spec)
    except ImportError as error:
        what = f"{spec.name}: {_late(error)}"
        raise ImportError(what, name=spec.name, path=spec.origin) from None


def _late(error: Exception) -> str:
    return f"the sandbox loads no shared objects once it runs ({error}); {_FIX}"


def _execute_extension(self: Any, module: ModuleType) -> None:
    _execute(self, module)
    _change(module)


def _execute_one_built_in(module: ModuleType) -> None:
    _execute_builtin(module)
    _change(module)


def _change(module: ModuleType) -> None:
    change = _CHANGES.get(module.__name__)
    if change is not None:
        change(module.__dict__)


# --- modules in C --------------------------------------------------------------------------------
def _change_socket(names: dict[str, Any]) -> None:
    base: Any = names["socket"]

    class Socket(base):  # type: ignore[misc]  # a class, though untyped
        """A socket that is there already, such as an end of a pair."""

        __slots__ = ()

        def __init__(
            self,
            family: int = -1,
            type: int = -1,  # noqa: A002 - the word of `socket`
            proto: int = -1,
            fileno: int | None = None,
        ) -> None:
            if fileno is None:
                _no_network()
            super().__init__(family, type, proto, fileno)

    Socket.__name__ = Socket.__qualname__ = "socket"
    names.update(socket=Socket, SocketType=Socket, getaddrinfo=_no_network)
    names["gethostbyname"] = _no_network


def _change_processes(names: dict[str, Any]) -> None:
    names["fork_exec"] = _no_process


def _change_ctypes(names: dict[str, Any]) -> None:
    load = names["dlopen"]

    def dlopen(*args: object) -> Any:
        try:
            return load(*args)
        except OSError as error:
            raise OSError(_late(error)) from None

    names["dlopen"] = dlopen


_CHANGES: Final[dict[str, Callable[[dict[str, Any]], None]]] = {
    "_socket": _change_socket,
    "_posixsubprocess": _change_processes,
    "_ctypes": _change_ctypes,
}
