"""The submitter's loop: the host's pipe on one side, NATS on the other, the core between them.

    host frame     -> core -> actions      carried out in their order
    NATS message   -> core -> actions      what cannot be read is dropped and counted
    time           -> core -> actions

Rule 1: nothing here decides what becomes of a run.
Rule 2: what is said to machines is not kept while there is no connection: the core says it again.
        A request alone is kept until the server has acknowledged it.
Rule 3: while the host does not read, messages of machines wait, and then the machines do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, assert_never

from executor.link.wire import Subjects, gone_number
from executor.loop.peer import Peer, PeerClosed
from executor.remote import noting
from executor.remote.actions import (
    Action,
    Ask,
    Enqueue,
    Finished,
    Forget,
    NoteDropped,
    PassOn,
    SendParts,
    Tell,
    ToHost,
)
from executor.remote.core import RemoteCore
from executor.remote.hub import Hub, Stored
from executor.remote.options import RemoteOptions
from executor.remote.parts import Policy
from executor.remote.requests import Outbound
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.frames import FRAME_BYTES_MAX, Frame
from protocol.links import (
    TO_SUBMITTER,
    Beat,
    Claim,
    Piece,
    decode_link,
    encode_link,
    only_frame,
)
from protocol.messages import (
    HOST_SENDS,
    AskStatistics,
    Cancel,
    Distrust,
    Drain,
    EndSession,
    Message,
    Placed,
    Refused,
    Statistics,
    Submit,
)
from protocol.reading import decode_frame, encode_message

if TYPE_CHECKING:
    from executor.link.connection import Message as NatsMessage

#: Messages of machines wait while this much waits for the host.
HOST_BACKLOG_BYTES_MAX = 32 << 20
#: For what is still to be said when the host has gone or closed.
LAST_WORDS_S = 2.0


def serve(host_fd: int, options_json: str) -> None:
    """Run a submitter on the host's socket until it ends."""
    options = RemoteOptions.from_json(options_json)
    sys.path += [path for path in options.paths if path not in sys.path]
    host = socket.socket(fileno=host_fd)
    with asyncio.Runner() as runner:
        runner.run(Shell(host, options).run())


class Shell:
    """One submitter. Everything happens on its event loop."""

    def __init__(self, host: socket.socket, options: RemoteOptions) -> None:
        self._options = options
        self._host = Peer(host, kinds=HOST_SENDS, limit_bytes=FRAME_BYTES_MAX)
        self._host_has_room = asyncio.Event()
        self._host_has_room.set()
        self._is_writing = False
        policy = Policy(queue_max=options.queue_max, starts_max=5 if options.repeats else 1)
        self._core = RemoteCore(options.submitter, policy)
        self._subjects = Subjects(options.prefix)
        self._hub = Hub(options, self._heard, self._hub_changed, self._host_gone)
        self._outbound: dict[int, Outbound] = {}
        #: Runs of which output is missing, and runs that a machine has begun.
        self._cut: set[int] = set()
        self._placed: set[int] = set()
        self._asked: deque[int] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = float("inf")
        self._over = asyncio.Event()
        self._messages_refused = 0
        self._began_at = time.monotonic()

    async def run(self) -> None:
        """Serve until the host closes its end or a drain is over."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_failure)
        loop.add_reader(self._host.sock, self._on_readable)
        loop.call_later(self._options.answer_within_s, self._answer)
        self._hub.start()
        try:
            await self._over.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hub.flush(), LAST_WORDS_S)
        finally:
            loop.remove_reader(self._host.sock)
            loop.remove_writer(self._host.sock)
            if self._timer is not None:
                self._timer.cancel()
            await self._hub.close()
            self._send_last()

    def _on_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End where a callback of ours failed; the host starts another loop in its place.

        What else comes here are farewells of the library's that failed on a dead socket.
        """
        if "handle" in context:
            self._over.set()

    # --- the host --------------------------------------------------------------------------------
    def _on_readable(self) -> None:
        try:
            for frame in self._host.receive():
                self._take_from_host(frame)
        except (PeerClosed, ProtocolError):
            self._host_gone()

    def _take_from_host(self, frame: Frame) -> None:
        message, buffers = decode_frame(frame)
        now = time.monotonic()
        match message:
            case Submit():
                self._submit(frame.run_id, message, buffers, now)
            case Cancel():
                self._do(self._core.cancel(frame.run_id, now))
            case EndSession(number):
                self._do(self._core.end_session(number))
            case Distrust(number):
                self._do(self._core.distrust(number))
            case AskStatistics():
                self._asked.append(frame.run_id)
                waited_s = now - self._began_at
                if self._hub.is_settled or waited_s > self._options.answer_within_s:
                    self._answer()
            case Drain(within_ms):
                self._do(self._core.drain(within_ms / 1_000, now))
            case _:  # about pools, which are the machines' own, or an answer to a guest's question
                pass

    def _submit(
        self, run_id: int, submit: Submit, buffers: Sequence[memoryview], now: float
    ) -> None:
        if self._hub.refusal:
            self._tell_host(Refused("unreachable", self._hub.refusal[:4_000]), run_id)
            return
        try:
            outbound = Outbound(
                submit,
                buffers,
                run_id=run_id,
                submitter=self._options.submitter,
                spool_path=self._options.spool_path,
            )
        except (ProtocolError, OSError) as error:
            self._tell_host(Refused("unsupported", str(error)[:4_000]), run_id)
            return
        self._outbound[run_id] = outbound
        self._do(self._core.submit(outbound.new, now))

    def _tell_host(self, message: Message, run_id: int, buffers: Sequence[bytes] = ()) -> None:
        self._send_host(lambda: self._host.send(encode_message(message, run_id, buffers)))

    def _pass_on(self, run_id: int, frame: Frame) -> None:
        if run_id in self._cut:
            with contextlib.suppress(ProtocolError):  # the host says what is wrong with it
                frame = noting.cut(frame)
        self._send_host(lambda: self._host.forward(frame))

    def _send_host(self, send: Callable[[], None]) -> None:
        try:
            send()
        except PeerClosed:
            self._host_gone()
        self._watch_host()

    def _watch_host(self) -> None:
        waiting_bytes, loop = self._host.waiting_bytes, asyncio.get_running_loop()
        if bool(waiting_bytes) != self._is_writing:
            self._is_writing = bool(waiting_bytes)
            if self._is_writing:
                loop.add_writer(self._host.sock, self._on_writable)
            else:
                loop.remove_writer(self._host.sock)
        if waiting_bytes > HOST_BACKLOG_BYTES_MAX:
            self._host_has_room.clear()
        elif waiting_bytes <= HOST_BACKLOG_BYTES_MAX // 2:
            self._host_has_room.set()

    def _on_writable(self) -> None:
        self._send_host(self._host.flush)

    def _host_gone(self) -> None:
        """The host is gone, and with it everybody who waits for an outcome: free what it had."""
        if not self._over.is_set():
            self._over.set()
            asyncio.get_running_loop().remove_reader(self._host.sock)
            for action in self._core.abandon():
                if isinstance(action, Tell):
                    self._tell(action)

    def _send_last(self) -> None:
        """Say the last words to the host, who reads until the end, and hang up."""
        with contextlib.suppress(PeerClosed, OSError):
            self._host.sock.settimeout(LAST_WORDS_S)
            self._host.flush()
        self._host.close()

    # --- actions ---------------------------------------------------------------------------------
    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Enqueue(run_id, attempt):
                    self._enqueue(run_id, attempt)
                case Ask(run_id, machine):
                    self._ask(run_id, machine)
                case SendParts(run_id, machine, lease):
                    self._send_parts(run_id, machine, lease)
                case Tell():
                    self._tell(action)
                case ToHost(run_id, message):
                    self._tell_host(message, run_id)
                    if isinstance(message, Placed):
                        if run_id in self._placed:
                            self._pass_on(run_id, noting.begun_again(run_id))
                        self._placed.add(run_id)
                case PassOn(run_id, frame):
                    self._pass_on(run_id, frame)
                case NoteDropped(run_id, output_bytes, entries):
                    self._cut.add(run_id)
                    self._pass_on(run_id, noting.dropped(run_id, output_bytes, entries))
                case Forget(run_id):
                    self._outbound.pop(run_id, None)
                    self._cut.discard(run_id)
                    self._placed.discard(run_id)
                case Finished():
                    self._over.set()
                case _:
                    assert_never(action)
        self._arm()

    def _tell(self, action: Tell) -> None:
        machine, tenant, message, run_id = action
        self._hub.say(self._subjects.machine(machine, tenant), encode_link(message, run_id))

    def _ask(self, run_id: int, machine: str) -> None:
        outbound = self._outbound[run_id]
        tenant = outbound.new.tenant
        with contextlib.suppress(OSError):  # the spool is gone with the host
            data = outbound.message(self._hub.max_payload_bytes)
            subject = self._subjects.machine(machine, tenant)
            self._hub.say(subject, data, tenant=tenant, run_id=run_id)

    def _send_parts(self, run_id: int, machine: str, lease: int) -> None:
        outbound = self._outbound[run_id]
        if outbound.is_in_parts(self._hub.max_payload_bytes):
            subject = self._subjects.machine(machine, outbound.new.tenant)
            with contextlib.suppress(OSError):  # as above
                self._hub.say_all(
                    subject, lambda: outbound.parts(lease, self._hub.max_payload_bytes)
                )

    def _enqueue(self, run_id: int, attempt: int) -> None:
        outbound = self._outbound[run_id]

        def message() -> bytes | None:
            if self._outbound.get(run_id) is not outbound:
                return None  # it is over
            return outbound.message(self._hub.max_payload_bytes)

        def done(stored: Stored) -> None:
            now = time.monotonic()
            if stored.reason:
                actions = self._core.not_enqueued(run_id, stored.reason, stored.detail, now)
            else:
                actions = self._core.enqueued(run_id, now)
            self._do(actions)

        self._hub.store(outbound.new.tenant, f"{run_id}.{attempt}", message, done)

    def _arm(self) -> None:
        wake_at = self._core.wake_at()
        if wake_at is None or wake_at >= self._armed_at or self._over.is_set():
            return  # the timer that there is comes soon enough
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = wake_at
        delay_s = max(0.0, wake_at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._timer, self._armed_at = None, float("inf")
        self._do(self._core.advance(time.monotonic()))

    # --- machines --------------------------------------------------------------------------------
    async def _heard(self, message: NatsMessage) -> None:
        await self._host_has_room.wait()
        now = time.monotonic()
        try:
            number = gone_number(message.subject)
            if number is not None:
                self._do(self._core.gone(number, now))
                return
            tenant = self._subjects.tenant_in(message.subject)
            frame = only_frame(message.data, TO_SUBMITTER)
            said, buffers = decode_link(frame)
            self._do(self._take(tenant, frame.run_id, said, buffers, now))
        except (ProtocolError, ValueError):
            self._messages_refused += 1

    def _take(
        self, tenant: str, run_id: int, said: object, buffers: Sequence[memoryview], now: float
    ) -> list[Action]:
        match said:
            case Claim():
                return self._core.claim(tenant, run_id, said, now)
            case Beat():
                return self._core.beat(tenant, said, now)
            case Piece() if len(buffers) == 1:
                return self._core.piece(tenant, run_id, said, bytes(buffers[0]), now)
        raise RemoteProtocolError("no message of a machine's")

    # --- knowledge -------------------------------------------------------------------------------
    def _hub_changed(self) -> None:
        """The connection was made, lost, or refused."""
        if self._hub.refusal:
            for run_id in list(self._outbound):
                self._do(self._core.unreachable(run_id, self._hub.refusal[:4_000]))
        if self._hub.is_settled:
            self._answer()

    def _answer(self) -> None:
        while self._asked:
            snapshot = {
                **self._hub.snapshot(),
                **self._core.snapshot(),
                "messages_refused": self._messages_refused,
            }
            body = json.dumps(snapshot).encode()
            self._tell_host(Statistics(), self._asked.popleft(), (body,))
