"""Which machines there are: the entries of the bucket, read and checked. For people and programs.

Rule: an entry is what a machine says of itself. It is checked like any message of a peer's, and one
that cannot be read is left out and counted.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from executor.link.access import Access
from executor.link.connection import Connection, ConnectionLost, connect
from executor.link.explaining import ConnectError, no_jetstream
from executor.link.wire import PREFIX, bucket_name
from protocol.errors import ProtocolError
from protocol.links import LINK_KINDS, Presence, decode_link, only_frame

ENTRY_BYTES_MAX = 16 << 10
#: One look at the bucket.
LOOK_WITHIN_S = 5.0
_KINDS = frozenset({LINK_KINDS[Presence]})


class Seen(NamedTuple):
    """What one look found."""

    machines: tuple[Presence, ...]
    unreadable: int = 0


class Machines:
    """A connection that looks at the bucket as often as it is asked."""

    def __init__(self, connection: Connection, prefix: str = PREFIX) -> None:
        self._connection = connection
        self._bucket = bucket_name(prefix)

    @classmethod
    async def connect(cls, access: Access, prefix: str = PREFIX) -> Machines:
        """Connect to the servers.

        Raises:
            ConnectError: none of them lets us in.
        """
        return cls(await connect(access, name="cellblock workers"), prefix)

    async def look(self, queue: str = "") -> Seen:
        """Return the machines there are, by host and name.

        Args:
            queue: only those that serve it; "" for all.

        Raises:
            ConnectError: the server does not let us look.
        """
        try:
            values = await asyncio.wait_for(self._values(), LOOK_WITHIN_S)
        except TimeoutError:
            text = f"no answer from the bucket {self._bucket}; permit $KV.{self._bucket}.>"
            raise ConnectError(text) from None
        found, unreadable = [], 0
        for value in values:
            try:
                message, _ = decode_link(only_frame(value, _KINDS, ENTRY_BYTES_MAX))
            except ProtocolError:
                unreadable += 1
                continue
            if isinstance(message, Presence) and queue in ("", message.queue):
                found.append(message)
        found.sort(key=lambda machine: (machine.host, machine.machine))
        return Seen(tuple(found), unreadable)

    async def _values(self) -> list[bytes]:
        import nats.errors
        import nats.js.errors

        jetstream = self._connection.client.jetstream(timeout=2)
        try:
            bucket = await jetstream.key_value(self._bucket)
            watcher = await bucket.watchall(ignore_deletes=True)
        except nats.js.errors.BucketNotFoundError:
            return []  # no machine was ever here
        except nats.js.errors.ServiceUnavailableError as error:
            raise ConnectError(no_jetstream(error.err_code), is_final=True) from None
        except nats.errors.NoRespondersError:
            raise ConnectError(no_jetstream(None), is_final=True) from None
        except (nats.errors.ConnectionClosedError, ConnectionLost) as error:
            raise ConnectError("the connection was lost") from error
        values = []
        try:
            async for entry in watcher:
                if entry is None:  # all that there was has come
                    break
                if entry.value:
                    values.append(entry.value)
        finally:
            await watcher.stop()  # type: ignore[no-untyped-call]  # the library's
        return values

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()
