"""A run on its way to a machine: the host's `Submit` as the frame of a `Request`.

Rule 1: buffers that the host put into files of its spool are read when they are sent, and not kept:
        many runs with large inputs may wait.
Rule 2: what is over a cap is refused here, before anything is sent.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from executor.link.wire import part_bytes
from executor.remote.parts import NewRun
from protocol.conversation import Caps
from protocol.errors import LocalProtocolError
from protocol.fields import LEASE_MIN
from protocol.frames import BUFFERS_MAX, FRAME_BYTES_MAX, HEADER_BYTES, LENGTH_BYTES
from protocol.links import (
    LINK_VERSION,
    REQUEST_BYTES_MAX,
    RUN_BODY_BYTES_MAX,
    Request,
    RequestPart,
    encode_link,
)
from protocol.messages import Run, Submit
from protocol.reading import read, write

#: What an ending may hold beside what its run's limits count: error, traceback, names of files.
BESIDE_BYTES_MAX = 1 << 20
#: Of a request, beside its buffers.
REQUEST_BODY_BYTES_MAX = 1_024


class Outbound:
    """One run as it goes over the wire."""

    __slots__ = ("_buffers", "_request", "_spooled", "_step", "new", "total_bytes")

    def __init__(
        self, submit: Submit, buffers: Sequence[memoryview], *, run_id: int, submitter: str,
        spool_path: str,
    ) -> None:  # fmt: skip
        """Take a run that the host submits.

        Raises:
            LocalProtocolError: it is larger than a link carries.
            OSError: a file of the spool is gone.
        """
        run = read(Run, buffers[0])
        limits = run.limits
        self._spooled = [os.path.join(spool_path, name) for name in submit.spooled]
        body = write(run.__replace__(spooled=(), session=0))
        if len(body) > RUN_BODY_BYTES_MAX:
            raise LocalProtocolError(
                f"argv, env and names of files take {len(body)} B, over {RUN_BODY_BYTES_MAX} B"
            )
        self._buffers = [body, *(bytes(buffer) for buffer in buffers[1:])]
        sizes = [len(buffer) for buffer in self._buffers]
        sizes += [os.stat(path).st_size for path in self._spooled]
        if len(sizes) > BUFFERS_MAX:
            raise LocalProtocolError(f"{len(sizes)} buffers are over {BUFFERS_MAX}")
        beside_bytes = HEADER_BYTES + REQUEST_BODY_BYTES_MAX + LENGTH_BYTES * len(sizes)
        #: Data in one message: what was told to one machine holds for the next.
        self._step = 0
        #: At least what the whole frame takes.
        self.total_bytes = sum(sizes) + beside_bytes
        if self.total_bytes > REQUEST_BYTES_MAX:
            raise LocalProtocolError(
                f"source, inputs and files take {self.total_bytes} B, over the "
                f"{REQUEST_BYTES_MAX} B that go to another machine"
            )
        if submit.session >= LEASE_MIN:
            raise LocalProtocolError("the number of the session is out of range")
        self._request = Request(LINK_VERSION, submitter, submit.priority, submit.session)
        result_bytes = limits.value_bytes + limits.files_bytes
        said_bytes = limits.stdout_bytes + limits.stderr_bytes
        self.new = NewRun(
            run_id=run_id,
            tenant=submit.tenant,
            wall_s=submit.wall_ms / 1_000,
            queue_s=submit.queue_ms / 1_000,
            session=submit.session,
            session_new=run.session_new,
            caps=Caps.of(limits),
            frame_bytes_max=min(FRAME_BYTES_MAX, result_bytes + said_bytes + BESIDE_BYTES_MAX),
        )

    def is_in_parts(self, max_payload_bytes: int) -> bool:
        """Return whether the request is larger than one message."""
        return self.total_bytes > (self._step or part_bytes(max_payload_bytes))

    def message(self, max_payload_bytes: int) -> bytes:
        """Return the message that asks for the run: all of it, or what says that parts follow.

        Raises:
            OSError: a file of the spool is gone.
        """
        self._step = self._step or part_bytes(max_payload_bytes)
        if not self.is_in_parts(max_payload_bytes):
            return self._whole()
        total_bytes = len(self._whole())
        count = math.ceil(total_bytes / self._step)
        request = self._request.__replace__(parts=count, total_bytes=total_bytes)
        return encode_link(request, self.new.run_id)

    def parts(self, lease: int, max_payload_bytes: int) -> list[bytes]:
        """Return the messages that follow the grant of a request in parts.

        Raises:
            OSError: a file of the spool is gone.
        """
        whole = memoryview(self._whole())
        step = self._step = self._step or part_bytes(max_payload_bytes)
        return [
            encode_link(RequestPart(lease, number), self.new.run_id, [whole[at : at + step]])
            for number, at in enumerate(range(0, len(whole), step))
        ]

    def _whole(self) -> bytes:
        files = []
        for path in self._spooled:
            with open(path, "rb") as file:
                files.append(file.read(REQUEST_BYTES_MAX))
        return encode_link(self._request, self.new.run_id, [*self._buffers, *files])
