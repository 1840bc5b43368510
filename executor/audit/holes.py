"""Host functions that believe their arguments: what attacks on what a host offers look for.

They are offered only by an audit, to see that an attack on such a function bites; each bites into
targets of the audit alone, as the guest that calls them is the audit's own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

_WAIT_S: Final = 2.0


def read_any(path: str) -> str:
    """Read whatever file is named."""
    with open(path) as file:
        return file.read()


def write_any(path: str, data: str) -> None:
    """Write whatever file is named, as far as it is the audit's own."""
    if "cellblock-audit-" not in os.path.dirname(os.path.abspath(path)):
        raise PermissionError("the audit writes to nothing but what is its own")
    with open(path, "w") as file:
        file.write(data)


def shell(command: str) -> str:
    """Look up a word by a command that it is pasted into."""
    done = subprocess.run(  # noqa: S602 - the hole
        f"echo {command}", shell=True, capture_output=True, text=True, timeout=_WAIT_S, check=False
    )
    return done.stdout


def fetch(url: str) -> str:
    """Fetch whatever is named, from wherever it is."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=_WAIT_S) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return "fetched"


def template(text: str) -> str:
    """Fill in a template of the guest's with an object of the host's."""
    return text.format(_Settings())


class _Settings:
    """Something of the host's that a template can climb from."""

    def __init__(self) -> None:
        self.os = os


def repeat(text: str, count: int) -> str:
    """Make as much as is asked for."""
    return text * count


def echo(value: Any) -> Any:
    """Give back what was given: no hole."""
    return value


def only(*functions: Callable[..., Any]) -> Mapping[str, Callable[..., Any]]:
    """Return functions by name."""
    return {function.__name__: function for function in functions}
