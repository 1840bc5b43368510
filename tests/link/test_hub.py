"""What a submitter has to say is bounded by what its connection takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from executor.link.access import Access
from executor.remote.hub import WAITING_BYTES_MAX, Hub
from executor.remote.options import RemoteOptions
from tests.link.server import NatsServer

PATIENCE_S = 20.0


def options(url: str) -> RemoteOptions:
    return RemoteOptions(
        access_json=Access((url,)).to_json(),
        submitter="submitter-1",
        prefix="cellblock",
        queue="default",
        queue_max=1,
        repeats=True,
        paths=(),
        answer_within_s=1.0,
    )


async def ignore(message: object) -> None:
    """Take what a machine says."""


def test_while_much_waits_no_request_in_parts_is_begun_and_none_is_read(tmp_path: Path) -> None:
    asked: list[int] = []

    def parts(number: int, size_bytes: int) -> list[bytes]:
        asked.append(number)
        return [b"#" * (size_bytes // 16)] * 16

    async def use(url: str) -> None:
        connected = asyncio.Event()
        hub = Hub(options(url), ignore, connected.set, connected.set)
        hub.say_all("somewhere", lambda: parts(1, 16))  # there is no connection
        hub.start()
        try:
            await asyncio.wait_for(connected.wait(), PATIENCE_S)
            hub.say_all("somewhere", lambda: parts(2, WAITING_BYTES_MAX - 16))
            hub.say_all("somewhere", lambda: parts(3, 16))
            hub.say_all("somewhere", lambda: parts(4, 16))
            await asyncio.wait_for(hub.flush(), PATIENCE_S)
            hub.say_all("somewhere", lambda: parts(5, 16))
        finally:
            await hub.close()

    with NatsServer(tmp_path) as server:
        asyncio.run(use(server.url))
    assert asked == [2, 3, 5]
