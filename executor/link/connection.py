"""One connection to a NATS server: made, used, lost. What goes wrong comes with the fix.

Rule 1: a connection that is lost is never mended: whoever holds it makes another, with credentials
        read anew. So nothing is sent twice, or late, by a buffer that nobody sees.
Rule 2: what a server or a peer wrote is clipped and escaped before it is in an error.
Rule 3: a connection says that it is lost once, by `lost`; whatever is tried on it then raises
        `ConnectionLost`, and what raises `ConnectionLost` has said that it is lost.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from executor.link.access import Access, split_server
from executor.link.explaining import (
    ConnectError,
    NotStored,
    explained,
    no_jetstream,
    not_stored,
    reason,
)
from executor.link.signing import BadCredentials, Key, read_creds, read_seed
from protocol.errors import printable

if TYPE_CHECKING:
    import nats.aio.client
    import nats.aio.msg
    import nats.aio.subscription
    import nats.js.errors

#: A server that does not answer two of these in a row is lost.
PING_S = 2.0
PINGS_MAX = 2
WATCH_S = 0.25
#: Bytes that may wait to be sent before `publish` waits for the socket.
PENDING_BYTES_MAX = 8 << 20
#: Messages and bytes that may wait to be handled before the server's next ones are dropped.
INBOX_MESSAGES_MAX = 65_536
INBOX_BYTES_MAX = 128 << 20

type Message = nats.aio.msg.Msg
type Handler = Callable[[Message], Awaitable[None]]


class ConnectionLost(Exception):
    """The connection ended; what was being done may have been done or not."""


class Connection:
    """A connection that stands, until it is lost."""

    def __init__(self, client: nats.aio.client.Client, lost: asyncio.Future[str]) -> None:
        self.client = client
        #: Done when the connection has ended; the result is why.
        self.lost = lost
        self._subscriptions: list[nats.aio.subscription.Subscription] = []
        self._watch()

    def _watch(self) -> None:
        """Look whether it still stands: the library tells nobody if its own farewell fails.

        Nor does it if what reads, writes or pings has ended by an error that it passes over.
        """
        if not self.lost.done():
            names = ("_reading_task", "_flusher_task", "_ping_interval_task")
            tasks: list[asyncio.Task[Any] | None] = [getattr(self.client, n, None) for n in names]
            has_died = any(task is not None and task.done() for task in tasks)
            if has_died or self.client.is_closed or not self.client.is_connected:
                self.lost.set_result("the connection ended")
            else:
                self.lost.get_loop().call_later(WATCH_S, self._watch)

    @property
    def max_payload_bytes(self) -> int:
        """What the server takes in one message, headers included."""
        return self.client.max_payload

    @property
    def is_lost(self) -> bool:
        """True if nothing can be said any more."""
        return self.lost.done() or self.client.is_closed

    async def publish(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message; nobody says whether it arrived.

        Raises:
            ConnectionLost: there is no connection any more.
        """
        if self.is_lost:
            raise ConnectionLost
        with self._lost_or_not():
            await self.client.publish(subject, data, reply=reply, headers=headers)

    async def store(
        self, subject: str, data: bytes, *, message_id: str, stream: str, timeout_s: float
    ) -> None:
        """Put a message into a stream; one with the same id that is there already is enough.

        Raises:
            NotStored: the server refuses it.
            TimeoutError: there was no answer; it may be stored or not.
            ConnectionLost: as above.
        """
        import nats.js.errors

        headers = {"Nats-Msg-Id": message_id, "Nats-Expected-Stream": stream}
        if self.is_lost:
            raise ConnectionLost
        try:
            with self._lost_or_not(passes=TimeoutError):
                await self._unless_lost(
                    self.client.jetstream().publish(
                        subject, data, timeout=timeout_s, headers=headers
                    )
                )
        except nats.js.errors.NoStreamResponseError:
            raise await self._no_stream(subject) from None
        except nats.js.errors.APIError as error:
            raise not_stored(error.err_code, error.description, subject, stream) from None

    async def _unless_lost(self, asking: Coroutine[Any, Any, object]) -> None:
        """Wait for an answer, which never comes once the connection is lost."""
        answer: asyncio.Future[object] = asyncio.ensure_future(asking)
        try:
            either: set[asyncio.Future[Any]] = {answer, self.lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ConnectionLost
            answer.result()
        finally:
            answer.cancel()

    async def _no_stream(self, subject: str) -> NotStored:
        """Return why nobody stores what is sent to a subject."""
        import nats.errors
        import nats.js.errors

        try:
            await self.client.jetstream(timeout=1).account_info()
        except nats.js.errors.ServiceUnavailableError as error:
            return NotStored("no_jetstream", no_jetstream(error.err_code))
        except (nats.errors.Error, OSError, TimeoutError):
            pass  # not permitted to ask; then this is all that is known
        fix = "start a machine that serves it: cellblock worker"
        return NotStored("no_stream", f"no stream takes {subject}; {fix}")

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Have `handler` called with each message on a subject, one after another.

        Raises:
            ConnectionLost: there is no connection any more.
        """
        with self._lost_or_not():
            subscription = await self.client.subscribe(
                subject,
                cb=handler,
                pending_msgs_limit=INBOX_MESSAGES_MAX,
                pending_bytes_limit=INBOX_BYTES_MAX,
            )
            self._subscriptions.append(subscription)

    async def flush(self, timeout_s: float) -> None:
        """Wait until the server has taken all that was sent.

        Raises:
            ConnectionLost: it has not, in time.
        """
        with self._lost_or_not():
            await self.client.flush(timeout=timeout_s)  # type: ignore[arg-type]  # floats work

    async def close(self) -> None:
        """Close it. Idempotent."""
        if not self.lost.done():
            self.lost.set_result("closed by us")
        with contextlib.suppress(Exception):  # whatever the library makes of a dead socket
            await asyncio.wait_for(self.client.close(), PING_S)
        # Where the library's farewell failed, its readers would wait for ever.
        for subscription in self._subscriptions:
            reader: asyncio.Task[Any] | None = getattr(subscription, "_wait_for_msgs_task", None)
            if reader is not None:
                reader.cancel()

    @contextlib.contextmanager
    def _lost_or_not(self, passes: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        import nats.errors

        try:
            yield
        except passes:
            raise
        except (
            nats.errors.ConnectionClosedError,
            nats.errors.ConnectionDrainingError,
            nats.errors.OutboundBufferLimitError,
            TimeoutError,
            OSError,
            AttributeError,  # of a transport that is gone
        ) as error:
            if not self.lost.done():
                self.lost.set_result(printable(str(error)) or "the connection ended")
            raise ConnectionLost from error


async def connect(
    access: Access,
    *,
    name: str,
    on_error: Callable[[str], object] = lambda text: None,
    pending_bytes: int = PENDING_BYTES_MAX,
) -> Connection:
    """Connect to one of the servers, tried in their order beginning anywhere.

    Args:
        access: where, and who we are.
        name: what the server's operator sees.
        on_error: told what the server says later on, such as that a subject is not permitted.
        pending_bytes: what may wait to be sent before `publish` waits for the socket.

    Raises:
        ConnectError: none of them lets us in.
    """
    failure = ConnectError("no server is named", is_final=True)
    servers = list(access.servers)
    first = time.monotonic_ns() % len(servers)
    for server in servers[first:] + servers[:first]:
        try:
            return await _connect(access, server, name, on_error, pending_bytes)
        except ConnectError as error:
            if failure.is_final:
                failure = error
    raise failure


async def _connect(
    access: Access,
    server: str,
    name: str,
    on_error: Callable[[str], object],
    pending_bytes: int,
) -> Connection:
    try:
        import nats.aio.client
    except ImportError:
        text = "the package nats-py is missing: pip install 'cellblock[nats]'"
        raise ConnectError(text, is_final=True) from None
    client = nats.aio.client.Client()
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    errors: list[Exception] = []

    async def on_client_error(error: Exception) -> None:
        if len(errors) < 8:
            errors.append(error)
        on_error(printable(str(error)))

    async def on_closed() -> None:
        if not lost.done():
            last = errors[-1] if errors else None
            lost.set_result(printable(str(last)) if last is not None else "the server hung up")

    try:
        options = _options(access, server)
        if access.nkey_seed_file:  # the library knows no public way to sign for a key oneself
            client._public_nkey = Key(read_seed(access.nkey_seed_file)).name
        await asyncio.wait_for(
            client.connect(
                server,
                name=name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=access.connect_timeout_s,  # type: ignore[arg-type]  # floats work
                ping_interval=PING_S,  # type: ignore[arg-type]  # as above
                max_outstanding_pings=PINGS_MAX,
                pending_size=pending_bytes,
                no_echo=True,
                error_cb=on_client_error,
                closed_cb=on_closed,
                **options,
            ),
            access.connect_timeout_s,
        )
    except BadCredentials as error:
        raise ConnectError(str(error), is_final=True) from None
    except Exception as error:  # noqa: BLE001 - the library raises whatever it comes upon
        await _close_quietly(client)
        first = errors[0] if errors else error
        raise explained(first, access, server) from None
    except BaseException:
        await _close_quietly(client)
        raise
    errors.clear()
    _write_whole(client)
    return Connection(client, lost)


def _write_whole(client: nats.aio.client.Client) -> None:
    """Have the library write by `write`, not by `writelines`.

    In CPython 3.13.0 the latter, on a transport whose socket is closed, watches for room by the
    number of that socket, which may be another socket's by then: the next connection's, whose own
    wait for room then never ends.
    """
    transport = client._transport
    if transport is not None:
        write = transport.write
        transport.writelines = lambda lines: write(b"".join(lines))  # type: ignore[assignment,method-assign]  # that is the point


async def _close_quietly(client: nats.aio.client.Client) -> None:
    with contextlib.suppress(Exception):  # half a connection may fail at anything
        await asyncio.wait_for(client.close(), 1.0)


def _options(access: Access, server: str) -> dict[str, Any]:
    """Return what the library is told of who we are; reads the files.

    Raises:
        BadCredentials: a file cannot be used.
        ConnectError: a certificate cannot.
    """
    options: dict[str, Any] = {}
    if access.token:
        options["token"] = access.token
    if access.user:
        options |= {"user": access.user, "password": access.password}
    if access.creds_file:
        jwt, seed = read_creds(access.creds_file)
        key = Key(seed)
        options["user_jwt_cb"] = lambda: bytearray(jwt.encode())
        options["signature_cb"] = lambda nonce: base64.b64encode(key.sign(nonce.encode()))
    if access.nkey_seed_file:
        key = Key(read_seed(access.nkey_seed_file))
        options["signature_cb"] = lambda nonce: base64.b64encode(key.sign(nonce.encode()))
    wants_tls = split_server(server).scheme in ("tls", "wss")
    if wants_tls or access.tls_ca_file or access.tls_cert_file:
        options["tls"] = _tls(access)
    return options


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.tls_ca_file or None)
    except (OSError, ValueError) as error:
        text = f"tls_ca_file {access.tls_ca_file}: holds no certificates ({reason(error)})"
        raise ConnectError(text, is_final=True) from None
    if access.tls_cert_file:
        try:
            context.load_cert_chain(access.tls_cert_file, access.tls_key_file)
        except (OSError, ValueError) as error:
            text = (
                f"tls_cert_file {access.tls_cert_file} and tls_key_file do not belong together "
                f"({reason(error)})"
            )
            raise ConnectError(text, is_final=True) from None
    return context
