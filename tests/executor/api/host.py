"""Everything of the facade on a scripted loop, so that a test can lie as a cell would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from executor import Limits, Outcome
from executor.client import Client
from executor.launch import Launcher
from executor.options import Defaults, make_plan
from executor.pools import Pools, Sizes
from executor.spool import Spool
from protocol.frames import encode_frame
from protocol.messages import KINDS, DefinePool, Placed, Submit
from sandboxes.wasm.image import Compiled
from tests.executor.api.peer import Peer

PATIENCE_S = 20


class Host:
    """The facade; `peer` is its loop."""

    def __init__(self, spool_path: Path, *, checked: bool) -> None:
        self.peer = Peer()
        self.client = Client(self.peer.host, checked=checked)
        pools = Pools(
            self.client,
            compiled=lambda fuel: Compiled("/image", "0" * 64, "key"),
            sizes=Sizes(cells=1, spares=0, stock=1, queue_max=10),
            limits=Limits(),
            is_jailed=True,
        )
        self.spool = Spool(str(spool_path))
        self.launcher = Launcher(self.client, pools, self.spool)
        assert isinstance(self.peer.receive()[0], DefinePool)

    def run(self, *said: Any, **options: Any) -> Outcome:
        """Run something; the cell says `said`: messages, tuples with buffers, or raw bodies."""
        handle = self.launcher.start(make_plan("1", options, Defaults()))  # type: ignore[arg-type]  # any
        message, run_id, _ = self.peer.receive()
        assert isinstance(message, Submit)
        self.peer.say(Placed(cell=1, queued_us=0), run_id)
        for item in said:
            match item:
                case (type() as kind, bytes() as body):
                    self.peer.say_bytes(encode_frame(KINDS[kind], run_id, body))
                case (message, *buffers):
                    self.peer.say(message, run_id, *buffers)
                case message:
                    self.peer.say(message, run_id)
        return handle.result(PATIENCE_S)

    def close(self) -> None:
        self.client.close_begins()
        self.peer.hang_up()
        self.client.wait_ended(PATIENCE_S)
        self.launcher.close()
        self.spool.close()
        self.peer.close()
