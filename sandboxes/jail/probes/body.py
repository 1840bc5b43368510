"""What a cell of an arena runs: a victim that holds a secret, or one attack.

Lines of JSON on descriptor 3: one request in, one answer out, then it waits for the end.
"""

from __future__ import annotations

import json
import socket

from sandboxes.jail import kernel
from sandboxes.jail.probes.probe import Addresses, Target, catalogue

_LINE_BYTES_MAX = 64 << 10


def preload() -> None:
    """Load every probe and what it uses, as a jailed cell finds no module any more."""
    catalogue()
    socket.socketpair()[0].close()
    "".encode("idna")


def main(fd: int) -> None:
    """Serve one request."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
    request = json.loads(sock.recv(_LINE_BYTES_MAX))
    if "secret" in request:
        _be_victim(sock, request["secret"])
    else:
        told = request["target"]
        target = Target(**{**told, "listeners": Addresses(**told["listeners"])})
        answer = _attack(request["probe"], target)
        sock.sendall(json.dumps(answer).encode() + b"\n")
        sock.recv(1)


def _be_victim(sock: socket.socket, secret: str) -> None:
    memory = kernel.buffer(secret.encode())
    ours, theirs = socket.socketpair()
    theirs.send(secret.encode())
    answer = {"address": kernel.address_of(memory), "descriptor": ours.fileno()}
    while True:
        sock.sendall(json.dumps(answer).encode() + b"\n")
        if not sock.recv(1):
            return
        answer["memory"] = memory.raw.hex()  # type: ignore[assignment]  # JSON takes both


def _attack(name: str, target: Target) -> dict[str, object]:
    try:
        got = catalogue()[name].attack(target)
    except Exception as error:  # noqa: BLE001 - an attack may fail in any way
        return {"error": f"{type(error).__name__}: {error}"[:400]}
    return {"value": got if isinstance(got, str) else bool(got)}
