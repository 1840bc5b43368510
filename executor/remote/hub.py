"""The submitter's connection: made again whenever it is lost, and what is said by it.

    connecting    no connection yet               active    there is one
    reconnecting  there was one, and will be      refused   the servers do not let us in

Rule 1: waits between attempts double, with jitter, and credentials are read anew for each. Who is
        refused goes on trying, slowly, as credentials may be renewed; runs are refused meanwhile.
Rule 2: what is `say`ed without a connection is dropped, as whoever says it says it again. What is
        to be `store`d waits, and is sent until the server says that it has it, under one id.
Rule 3: the subject on which machines answer is subscribed to before the first request is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from executor.link.access import Access
from executor.link.connection import Connection, ConnectionLost, connect
from executor.link.explaining import ConnectError, NotStored
from executor.link.wire import Subjects, gone, stream_name
from executor.restart import Backoff, BackoffPolicy, system_jitter

if TYPE_CHECKING:
    from executor.link.connection import Handler
    from executor.remote.options import RemoteOptions

#: The first attempt is made at once.
RETRY_S, RETRY_MAX_S = 0.1, 10.0
#: Requests on their way to the server at once.
STORES_MAX = 256
STORE_TIMEOUT_S = 5.0
#: While so much waits to be sent, no request in parts is begun: each may be 64 MiB.
WAITING_BYTES_MAX = 8 << 20
#: A stream that is not there yet is waited for: its first machine may be starting.
NO_STREAM_WAIT_S, NO_STREAM_RETRY_S = 10.0, 0.25
#: What a server takes in one message unless it says otherwise.
PAYLOAD_BYTES = 1 << 20


class Stored(NamedTuple):
    """The queue has a request; or, with a `reason`, it does not and will not."""

    reason: str = ""
    detail: str = ""


class Hub:
    """What a submitter has of its servers."""

    def __init__(
        self,
        options: RemoteOptions,
        heard: Handler,
        changed: Callable[[], object],
        failed: Callable[[], object],
    ) -> None:
        """Connect to nothing yet.

        Args:
            options: the submitter's.
            heard: takes each message of a machine's.
            changed: called with each new state.
            failed: called if some of this failed, which is a bug of ours.
        """
        self._failed = failed
        self._options = options
        self._access = Access.from_json(options.access_json)
        self._subjects = Subjects(options.prefix)
        self._stream = stream_name(options.prefix, options.queue)
        #: Of this start: ids of messages are not those of a loop that ended.
        self._start = os.urandom(4).hex()
        self._heard = heard
        self._changed = changed
        self.max_payload_bytes = PAYLOAD_BYTES
        self.refusal = ""
        self._cause = ""
        self._connection: Connection | None = None
        self._is_connected = asyncio.Event()
        self._was_connected = False
        self._reconnects = 0
        self._tenants: set[str] = set()
        self._subscribed: set[str] = set()
        self._outbox: deque[tuple[str, bytes, str]] = deque()
        self._waiting_bytes = 0
        self._has_words = asyncio.Event()
        self._is_said = asyncio.Event()
        self._is_said.set()
        self._room = asyncio.Semaphore(STORES_MAX)
        self._subscribing = asyncio.Lock()
        self._permission = ""
        self._at_work: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to connect."""
        self._spawn(self._keep_connected())
        self._spawn(self._send())

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        for work in self._at_work:
            work.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def is_settled(self) -> bool:
        """True if there is, or was, a connection, or the servers do not let us in."""
        return self._was_connected or bool(self.refusal)

    def snapshot(self) -> dict[str, object]:
        """Return where the connection is."""
        if self._connection is not None:
            state = "active"
        elif self.refusal:
            state = "refused"
        else:
            state = "reconnecting" if self._was_connected else "connecting"
        return {
            "state": state,
            "cause": "" if state == "active" else self.refusal or self._cause,
            "servers": self._access.shown,
            "reconnects": self._reconnects,
        }

    # --- saying things ---------------------------------------------------------------------------
    def say(self, subject: str, data: bytes, *, tenant: str = "", run_id: int = 0) -> None:
        """Send a message, in the order of the calls, if there is a connection.

        Args:
            subject: where to.
            data: one frame.
            tenant, run_id: what the server is to remind us of if nobody listens there.
        """
        if self._connection is None:
            return
        reply = ""
        if run_id:
            ours = self._subjects.submitter(self._options.submitter, tenant)
            reply = gone(ours, run_id)
        self._outbox.append((subject, data, reply))
        self._waiting_bytes += len(data)
        self._is_said.clear()
        self._has_words.set()

    def say_all(self, subject: str, messages: Callable[[], Sequence[bytes]]) -> None:
        """Send messages in their order, unless much waits to be sent: they are asked for again.

        Args:
            subject: where to.
            messages: returns them; not called if they are not sent.
        """
        if self._connection is not None and self._waiting_bytes < WAITING_BYTES_MAX:
            for data in messages():
                self.say(subject, data)

    def store(
        self,
        tenant: str,
        message_id: str,
        message: Callable[[], bytes | None],
        done: Callable[[Stored], object],
    ) -> None:
        """Put a request into the queue, as soon as there is a connection.

        Args:
            tenant: whose it is.
            message_id: of the request, within this submitter.
            message: returns it when it is sent; None if nobody wants it any more.
            done: called when the queue has it, or will not.
        """
        self._tenants.add(tenant)
        self._spawn(self._store(tenant, message_id, message, done))

    async def flush(self) -> None:
        """Wait until what was said has reached the server."""
        await self._is_said.wait()
        if self._connection is not None:
            with contextlib.suppress(ConnectionLost):
                await self._connection.flush(STORE_TIMEOUT_S)

    async def _send(self) -> None:
        while True:
            await self._has_words.wait()
            self._has_words.clear()
            while self._outbox:
                subject, data, reply = self._outbox.popleft()
                self._waiting_bytes -= len(data)
                if self._connection is None:
                    self._forget_words()
                    break
                with contextlib.suppress(ConnectionLost):
                    await self._connection.publish(subject, data, reply)
            self._is_said.set()

    def _forget_words(self) -> None:
        self._outbox.clear()
        self._waiting_bytes = 0

    async def _store(
        self,
        tenant: str,
        message_id: str,
        message: Callable[[], bytes | None],
        done: Callable[[Stored], object],
    ) -> None:
        subject = self._subjects.run(self._options.queue, tenant)
        message_id = f"{self._options.submitter}.{self._start}.{message_id}"
        without_stream_until: float | None = None
        while True:
            await self._is_connected.wait()
            async with self._room:
                connection = self._connection
                if connection is None:
                    continue
                try:
                    data = message()
                    if data is None:
                        return
                    await self._listen(connection, tenant)
                    await connection.store(
                        subject,
                        data,
                        message_id=message_id,
                        stream=self._stream,
                        timeout_s=STORE_TIMEOUT_S,
                    )
                    break
                except ConnectionLost:
                    if connection is self._connection:
                        self._is_connected.clear()  # else nobody has a turn to note that it is lost
                    continue
                except TimeoutError:
                    if subject in self._permission:
                        done(Stored("unreachable", f"{self._permission}; permit it"))
                        return
                    continue
                except OSError as error:  # a file of the spool
                    done(Stored("unreachable", f"the inputs are gone: {error.strerror}"))
                    return
                except NotStored as error:
                    refused = error
            if refused.fault == "no_stream":
                now = time.monotonic()
                without_stream_until = without_stream_until or now + NO_STREAM_WAIT_S
                if now < without_stream_until:
                    await asyncio.sleep(NO_STREAM_RETRY_S)
                    continue
            reason = "queue_full" if refused.fault == "full" else "unreachable"
            done(Stored(reason, refused.detail))
            return
        done(Stored())

    async def _listen(self, connection: Connection, tenant: str) -> None:
        """Subscribe to what machines say to us about runs of a tenant."""
        async with self._subscribing:
            if connection is self._connection and tenant not in self._subscribed:
                ours = self._subjects.submitter(self._options.submitter, tenant)
                await connection.subscribe(ours, self._heard)
                await connection.subscribe(f"{ours}.>", self._heard)
                self._subscribed.add(tenant)

    # --- the connection --------------------------------------------------------------------------
    async def _keep_connected(self) -> None:
        backoff = Backoff(BackoffPolicy(wait_s=RETRY_S, wait_max_s=RETRY_MAX_S), system_jitter)
        name = f"cellblock submitter {self._options.submitter}"
        while True:
            try:
                connection = await connect(self._access, name=name, on_error=self._note_error)
            except ConnectError as error:
                self._cause = error.cause
                self.refusal = error.cause if error.is_final else ""
                wait_s = backoff.fail(time.monotonic())
                self._changed()
                await asyncio.sleep(RETRY_MAX_S if error.is_final else wait_s)
                continue
            backoff.succeed()
            await self._use(connection)

    async def _use(self, connection: Connection) -> None:
        self._subscribed.clear()
        self._connection = connection
        self._reconnects += self._was_connected
        self._was_connected, self.refusal, self._permission = True, "", ""
        self.max_payload_bytes = connection.max_payload_bytes
        try:
            for tenant in list(self._tenants):
                await self._listen(connection, tenant)
            self._is_connected.set()
            self._changed()
            self._cause = await asyncio.shield(connection.lost)
        except ConnectionLost:
            self._cause = "the connection ended as soon as it had begun"
        finally:
            self._is_connected.clear()
            self._connection = None
            self._forget_words()
            self._changed()
            closing = asyncio.create_task(connection.close())
            self._closing.add(closing)  # the next connection does not wait for its farewell
            closing.add_done_callback(self._closing.discard)

    def _note_error(self, text: str) -> None:
        if "permissions violation" in text.lower():
            self._permission = text

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]  # a coroutine of ours
        self._at_work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed()  # the host starts another loop in the place of this one
