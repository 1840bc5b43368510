"""Where the supervisor loop begins, in whatever isolate it was given."""

from __future__ import annotations

import json
import socket
import sys

from executor.loop.spawn import DirectSpawner, Spawner
from executor.loop.supervisor_loop import SupervisorLoop
from executor.loop.watch import HEADROOM_BYTES
from executor.pool import Policy, PoolCore
from executor.restart import system_jitter
from protocol.structs import as_dict, frozen
from sandboxes.cell_plan import SESSION_BYTES


@frozen
class LoopOptions:
    """What a loop is told when it is started; plain values, as they cross interpreters.

    Args:
        jail: "full", "light" or "none": the kernel walls round each cell.
        python: the interpreter that cells run.
        library_path: the folder that holds the wasmtime package.
        spool_path: the supervisor's spool folder.
        door_fd: where pipes to links come from; -1 where there are none.
        sessions_per_cell: that one cell keeps at most.
        without: walls of the jail that are left out, for audits.
    """

    python: str
    library_path: str
    spool_path: str
    jail: str = "none"
    door_fd: int = -1
    sessions_per_cell: int = 32
    without: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the options as text."""
        return json.dumps(as_dict(self))


def serve(host_fd: int, options_json: str) -> None:
    """Run a loop on the host's socket until it ends."""
    options = LoopOptions(**json.loads(options_json))
    host = socket.socket(fileno=host_fd)
    core = PoolCore(Policy(sessions_per_cell=options.sessions_per_cell), jitter=system_jitter)
    desk = None
    if options.door_fd >= 0:
        from executor.loop.link_desk import LinkDesk  # for machines that serve others

        desk = LinkDesk(socket.socket(fileno=options.door_fd))
    SupervisorLoop(
        host,
        core,
        _spawner(options),
        spool_path=options.spool_path,
        headroom_bytes=HEADROOM_BYTES + options.sessions_per_cell * SESSION_BYTES,
        desk=desk,
    ).run()


def _spawner(options: LoopOptions) -> Spawner:
    if options.jail == "none":
        return DirectSpawner(python=options.python, library_path=options.library_path)
    from executor.loop.zygotes import ZygoteSpawner, own_jail  # its walls are for those who ask

    jail = own_jail(options.jail, options.without)
    return ZygoteSpawner(
        python=options.python,
        library_path=options.library_path,
        jail=jail,
        sessions_per_cell=options.sessions_per_cell,
    )


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
