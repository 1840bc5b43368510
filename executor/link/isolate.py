"""The thin shell round `executor.link.core`, in an interpreter or a process of its own.

    host's pipe   `Drain` in, `LinkReport` out; when it ends, the link is over
    door          pipes to loops come in, each as a descriptor beside one byte
    loop's pipe   frames both ways
    NATS          one connection, made anew when it is lost

Rule 1: one asyncio loop, and nothing on it but this: no guest, no function of the host's, no file.
Rule 2: everything that happens becomes an event of the core at once; what the core says is done in
        order. What cannot be done is an event, too.
Rule 3: leases and heartbeats overtake what else waits to be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, assert_never

from executor.link.access import Access
from executor.link.connection import Connection, ConnectionLost, connect
from executor.link.core import LinkCore
from executor.link.events import (
    Action,
    Connect,
    Connected,
    ConnectFailed,
    Delivered,
    Disconnect,
    Disconnected,
    DrainAsked,
    Event,
    Exit,
    Heard,
    LoopLost,
    LoopSaid,
    LoopUp,
    NobodyListens,
    Publish,
    Pull,
    PullEnded,
    Report,
    TellLoop,
    TimePassed,
)
from executor.link.explaining import ConnectError
from executor.link.options import LinkOptions
from executor.link.outbox import Outbox
from executor.link.pipe import Pipe
from executor.link.provision import prepare
from executor.link.wire import CONSUMER, Subjects, gone_number, stream_name
from executor.loop.lateness import Lateness
from executor.restart import system_jitter
from protocol.errors import printable
from protocol.frames import Frame
from protocol.links import HOST_SENDS_LINK, LOOP_SENDS_LINK, LinkReport, State, encode_link
from protocol.messages import Drain
from protocol.reading import read

if TYPE_CHECKING:
    from executor.link.connection import Message

#: What waits for the socket inside nats-py is no longer ours to put in order.
PENDING_BYTES_MAX = 256 << 10
#: At the end, what is still to be sent has this long.
LEAVE_S = 2.0


def serve(host_fd: int, options_json: str) -> None:
    """Run a link on the host's socket until it is over."""
    options = LinkOptions.from_json(options_json)
    sys.path += [path for path in options.paths if path not in sys.path]
    logging.disable()  # of this interpreter alone: what nats-py would say is in our reports
    host = socket.socket(fileno=host_fd)
    door = socket.socket(fileno=options.door_fd)
    try:
        asyncio.run(LinkIsolate(host, door, options).run())
    finally:
        host.close()
        door.close()


class LinkIsolate:
    """One link: core, pipes and connection."""

    def __init__(self, host: socket.socket, door: socket.socket, options: LinkOptions) -> None:
        self._host_socket = host
        self._door = door
        self._options = options
        self._settings = options.settings
        self._access = Access.from_json(options.access_json)
        self._subjects = Subjects(self._settings.prefix)
        self._lateness = Lateness()
        self._core = LinkCore(
            self._settings, time.monotonic(), jitter=system_jitter, lateness=self._late
        )
        self._connection: Connection | None = None
        self._loop_pipe: Pipe | None = None
        self._outbox = Outbox()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._failure: Exception | None = None
        #: What the server last complained of.
        self._complaint = ""

    async def run(self) -> None:
        """Serve until the core says that it is over, or the host is gone."""
        self._loop = asyncio.get_running_loop()
        # Tasks of nats-py end in any way when their connection does; we notice that by `lost`.
        self._loop.set_exception_handler(lambda loop, context: None)
        self._over = asyncio.Event()
        self._to_send = asyncio.Event()
        self._sent = asyncio.Event()
        self._host = Pipe(self._host_socket, HOST_SENDS_LINK, self._on_host, self._over.set)
        self._door.setblocking(False)
        self._loop.add_reader(self._door, self._on_door)
        self._step(TimePassed())
        try:
            await self._over.wait()
            if self._failure is not None:
                text = f"{type(self._failure).__name__}: {self._failure}"
                self._report("reconnecting", f"its isolate failed: {printable(text)}", {})
            for task in [task for task in self._tasks if task.get_name() == "leave"]:
                await task
        finally:
            for task in list(self._tasks):
                task.cancel()
            if self._connection is not None:
                await self._connection.close()
            if self._timer is not None:
                self._timer.cancel()
            self._loop.remove_reader(self._door)

    # --- events ----------------------------------------------------------------------------------
    def _step(self, event: Event) -> None:
        try:
            self._obey(event)
        except Exception as error:  # a bug of ours: another isolate begins from what the loop has
            self._failure = error
            self._over.set()
            raise

    def _obey(self, event: Event) -> None:
        self._outbox.begin_step()
        for action in self._core.handle(event, time.monotonic()):
            self._carry_out(action)
        if self._timer is not None:
            self._timer.cancel()
        at = self._core.wake_at()
        self._timer = None if at is None else self._loop.call_at(at, self._wake, at)

    def _wake(self, planned_at: float) -> None:
        self._lateness.note(time.monotonic() - planned_at)
        self._step(TimePassed())

    def _late(self) -> tuple[float, float, float]:
        found = self._lateness.snapshot()
        return found["p50_s"], found["p99_s"], found["max_s"]

    def _on_host(self, frame: Frame) -> None:
        body, _ = frame.split()
        self._step(DrainAsked(read(Drain, body).within_ms / 1_000))

    def _on_door(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._door, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            if self._loop_pipe is not None:
                self._loop_pipe.close()
                self._step(LoopLost())
            sock = socket.socket(fileno=descriptor)
            self._loop_pipe = Pipe(sock, LOOP_SENDS_LINK, self._on_loop, self._on_loop_lost)
            self._step(LoopUp())
        if not data:
            self._loop.remove_reader(self._door)

    def _on_loop(self, frame: Frame) -> None:
        self._step(LoopSaid(frame))

    def _on_loop_lost(self) -> None:
        self._loop_pipe = None
        self._step(LoopLost())

    # --- actions ---------------------------------------------------------------------------------
    def _carry_out(self, action: Action) -> None:
        match action:
            case Publish():
                if self._connection is not None:
                    self._outbox.put(action)
                    self._to_send.set()
            case TellLoop(frame):
                if self._loop_pipe is not None:
                    self._loop_pipe.send(frame.encode())
            case Pull():
                self._carry_out(self._pull(action))
            case Report(_, cause, details):
                self._report(self._core.state, cause, details)
            case Connect():
                self._begin("connect", self._connect())
            case Disconnect():
                self._begin("leave", self._leave())
            case Exit():
                self._over.set()
            case _:
                assert_never(action)

    def _report(self, state: State, cause: str, details: dict[str, object]) -> None:
        data = json.dumps({"state": state, "cause": cause} | details).encode()
        self._host.send(encode_link(LinkReport(state, cause[:4_096]), 0, (data,)))

    def _begin(self, name: str, coroutine: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pull(self, pull: Pull) -> Publish:
        stream = stream_name(self._settings.prefix, self._settings.queue)
        asked = {"batch": pull.batch, "expires": round(pull.expires_s * 1e9)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{CONSUMER}"
        reply = f"{self._inbox}.{pull.pull}"
        return Publish(subject, json.dumps(asked).encode(), reply, urgent=True)

    @property
    def _inbox(self) -> str:
        return f"{self._settings.prefix}.pull.{self._settings.machine}"

    # --- the connection --------------------------------------------------------------------------
    async def _connect(self) -> None:
        connection = None
        settings = self._settings
        self._complaint = ""
        try:
            connection = await connect(
                self._access,
                name=f"cellblock machine {settings.machine}",
                on_error=self._on_complaint,
                pending_bytes=PENDING_BYTES_MAX,
            )
            await prepare(
                connection,
                prefix=settings.prefix,
                queue=settings.queue,
                lease_s=settings.lease_s,
                said=lambda: self._complaint,
            )
            mine = self._subjects.machine_all(settings.machine)
            await connection.subscribe(f"{self._inbox}.*", self._on_queue)
            await connection.subscribe(mine, self._on_submitter)
            await connection.subscribe(f"{mine}.gone.*", self._on_gone)
        except (ConnectError, ConnectionLost) as error:
            if connection is not None:
                await connection.close()
            is_final = isinstance(error, ConnectError) and error.is_final
            self._step(ConnectFailed(str(error) or "the server hung up", is_final))
            return
        except BaseException:
            if connection is not None:
                await connection.close()
            raise
        self._connection = connection
        self._outbox.clear()
        self._begin("write", self._write(connection))
        connection.lost.add_done_callback(lambda lost: self._on_lost(connection, lost.result()))
        self._step(Connected(connection.max_payload_bytes))

    def _on_complaint(self, text: str) -> None:
        self._complaint = text

    def _on_lost(self, connection: Connection, cause: str) -> None:
        if self._connection is connection:
            self._connection = None
            self._to_send.set()  # its writer is to end
            self._begin("close", connection.close())
            self._step(Disconnected(printable(cause)))

    async def _write(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionLost):
            while self._connection is connection:
                if not self._outbox:
                    self._sent.set()
                    self._to_send.clear()
                    await self._to_send.wait()
                    self._sent.clear()
                    continue
                item = self._outbox.pop()
                headers = dict(item.headers) or None
                await connection.publish(item.subject, item.data, item.reply, headers)

    async def _leave(self) -> None:
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(TimeoutError, ConnectionLost):
            async with asyncio.timeout(LEAVE_S):
                if self._outbox:
                    self._sent.clear()
                    await self._sent.wait()
                await connection.flush(LEAVE_S)
        self._connection = None
        self._to_send.set()
        await connection.close()

    # --- what the server brings ------------------------------------------------------------------
    async def _on_queue(self, message: Message) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        if message.reply.startswith("$JS.ACK."):
            delivery = _delivery(message.reply)
            self._step(Delivered(message.subject, message.data, message.reply, delivery))
            return
        number = message.subject.rpartition(".")[2]
        if status and number.isdigit():
            text = headers.get("Description", "").lower()
            self._step(PullEnded(int(number), is_early=status not in ("408", "404")))
            if status == "503" or (status == "409" and "deleted" in text):
                await self._start_over(status)

    async def _start_over(self, status: str) -> None:
        """Connect anew, which makes the stream and its consumer anew: one of them is gone."""
        connection = self._connection
        if connection is not None and not connection.lost.done():
            why = "JetStream does not answer" if status == "503" else "the queue was deleted"
            connection.lost.set_result(why)

    async def _on_submitter(self, message: Message) -> None:
        self._step(Heard(message.subject, message.data))

    async def _on_gone(self, message: Message) -> None:
        number = gone_number(message.subject)
        if number is not None and (message.headers or {}).get("Status") == "503":
            with contextlib.suppress(ValueError):  # a caller of none of our tenants
                tenant = self._subjects.tenant_in(message.subject)
                self._step(NobodyListens(number, tenant))


def _delivery(ack: str) -> int:
    """Return how often the queue has delivered a request, from where it is to be acknowledged.

    Source: $JS.ACK.STREAM.CONSUMER.DELIVERED and so on, with two tokens more ahead of STREAM from
    servers that know of domains.
    """
    tokens = ack.split(".")
    text = tokens[4 if len(tokens) == 9 else 6] if len(tokens) >= 9 else ""
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 16 else 1
