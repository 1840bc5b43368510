"""A bad one: it looks for secrets. All it finds is its own empty sandbox."""

import os
import socket


def transform(text: str) -> str:
    """Return the secrets of the host, if there are any to be had; else the text as it was."""
    found = [f"{name}={value}" for name, value in os.environ.items()]
    for path in ("/etc/passwd", "/proc/self/environ", os.path.expanduser("~/.ssh/id_rsa")):
        try:
            with open(path) as file:
                found.append(file.read())
        except OSError:
            continue
    try:
        with socket.create_connection(("127.0.0.1", 22), timeout=1) as connection:
            found.append(repr(connection.recv(100)))
    except OSError:
        pass
    return "\n".join(found) or text
