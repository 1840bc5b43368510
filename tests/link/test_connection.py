"""A connection that cannot be used any more says so, whatever the library makes of its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from executor.link.access import Access
from executor.link.connection import Connection, ConnectionLost, connect
from tests.link.server import NatsServer

PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    folder: Path = tmp_path_factory.mktemp("nats")
    with NatsServer(folder) as started:
        yield started


def with_connection(url: str, use: Callable[[Connection], Awaitable[None]]) -> None:
    async def main() -> None:
        connection = await connect(Access((url,)), name="a test")
        try:
            await use(connection)
        finally:
            await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["_reading_task", "_flusher_task", "_ping_interval_task"])
def test_a_connection_is_lost_when_any_loop_of_the_library_has_ended(
    server: NatsServer, name: str
) -> None:
    async def use(connection: Connection) -> None:
        await connection.flush(PATIENCE_S)
        assert not connection.is_lost
        getattr(connection.client, name).cancel()
        assert await asyncio.wait_for(asyncio.shield(connection.lost), PATIENCE_S)

    with_connection(server.url, use)


async def flush_for_ever(connection: Connection) -> None:
    while True:  # a server stops a moment after it was told to
        await connection.flush(0.1)


def test_a_connection_on_which_something_failed_has_said_that_it_is_lost(
    server: NatsServer,
) -> None:
    async def use(connection: Connection) -> None:
        server.freeze()
        try:
            with pytest.raises(ConnectionLost):
                await asyncio.wait_for(flush_for_ever(connection), PATIENCE_S)
            assert connection.lost.done()
        finally:
            server.thaw()

    with_connection(server.url, use)
