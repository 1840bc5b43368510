"""Clear errors for what a sandbox has not: they say 'sandbox' where Python would blame the system.

None of this is a wall: without it the same calls fail, only with a text that leads people astray.
"""

from __future__ import annotations

import _thread
import concurrent.futures.process
import errno
import multiprocessing.process
import socket
import subprocess
import sysconfig
import threading
from typing import Any, NoReturn


def _no_thread(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("can't start new thread: the sandbox has one thread")


def _no_network(*args: Any, **kwargs: Any) -> NoReturn:
    raise PermissionError(errno.EACCES, "the sandbox has no network")


def _no_process(*args: Any, **kwargs: Any) -> NoReturn:
    raise PermissionError(errno.EACCES, "the sandbox starts no processes")


def install() -> None:
    """Take the place of the calls that cannot work, and of what is damaged."""
    # The builder's record of how this Python was configured ends within a quoted word.
    sysconfig.get_config_vars()["CONFIG_ARGS"] = ""
    threading._start_joinable_thread = _no_thread  # type: ignore[attr-defined]  # what Thread.start calls
    _thread.start_new_thread = _thread.start_new = _no_thread
    _thread.start_joinable_thread = _no_thread  # type: ignore[attr-defined]  # new in 3.13
    socket.socket.__init__ = _no_network  # type: ignore[method-assign]  # so that subclasses fail the same way
    socket.getaddrinfo = _no_network
    socket.gethostbyname = _no_network
    multiprocessing.process.BaseProcess.start = _no_process  # type: ignore[method-assign]  # as above
    concurrent.futures.process.ProcessPoolExecutor.__init__ = _no_process  # type: ignore[method-assign]  # as above
    subprocess.Popen.__init__ = _no_process  # type: ignore[method-assign]  # so that subclasses fail the same way
