"""Where the supervisor loop begins, in whatever isolate it was given."""

from __future__ import annotations

import json
import socket
import sys

from executor.loop.spawn import DirectSpawner
from executor.loop.supervisor_loop import SupervisorLoop
from executor.pool import Policy, PoolCore
from protocol.structs import as_dict, frozen


@frozen
class LoopOptions:
    """What a loop is told when it is started; plain values, as they cross interpreters.

    Args:
        python: the interpreter that cells run.
        library_path: the folder that holds the wasmtime package.
        spool_path: the supervisor's spool folder.
    """

    python: str
    library_path: str
    spool_path: str

    def to_json(self) -> str:
        """Return the options as text."""
        return json.dumps(as_dict(self))


def serve(host_fd: int, options_json: str) -> None:
    """Run a loop on the host's socket until it ends."""
    options = LoopOptions(**json.loads(options_json))
    host = socket.socket(fileno=host_fd)
    spawner = DirectSpawner(python=options.python, library_path=options.library_path)
    SupervisorLoop(host, PoolCore(Policy()), spawner, spool_path=options.spool_path).run()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
