"""A TCP proxy that does to a connection what networks do: a fault for every way a link can fail.

    freeze      nothing passes in either direction; both ends see an open, silent connection
    thaw        what was held passes
    delay       each piece arrives that much later
    trickle     one byte at a time
    swallow     one direction is a black hole: the sender is told nothing
    cut         every connection is reset; new ones are accepted
    refuse      every connection is reset, and so is each new one
    heal        all of the above is over; connections that lost bytes are cut, as they are broken

Thread-safe: the proxy has a thread with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal, Self

READ_BYTES = 64 << 10
PATIENCE_S = 10.0
#: Close with a reset instead of a goodbye.
_RESET = struct.pack("ii", 1, 0)

type Direction = Literal["to_server", "to_client"]


class _Way:
    """What happens to bytes in one direction."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.delay_s = 0.0
        self.piece_bytes = READ_BYTES
        self.is_hole = False


class FaultProxy:
    """Passes connections on to a port of this machine, until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        #: How many connections were accepted.
        self.accepted = 0
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._ways: dict[Direction, _Way] = {}
        self._connections: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._torn: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._refuses = False
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._open())
        return self

    def __exit__(self, *raised: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    @property
    def open_connections(self) -> int:
        """How many connections pass through now."""
        return len(self._connections)

    def freeze(self) -> None:
        """Let nothing pass."""

        def apply() -> None:
            for way in self._ways.values():
                way.is_open.clear()

        self._on_loop(apply)

    def thaw(self) -> None:
        """Let pass what was held, and what follows."""

        def apply() -> None:
            for way in self._ways.values():
                way.is_open.set()

        self._on_loop(apply)

    def delay(self, seconds: float) -> None:
        """Let each piece arrive so much later, one after another."""

        def apply() -> None:
            for way in self._ways.values():
                way.delay_s = seconds

        self._on_loop(apply)

    def trickle(self) -> None:
        """Pass one byte at a time."""

        def apply() -> None:
            for way in self._ways.values():
                way.piece_bytes = 1

        self._on_loop(apply)

    def swallow(self, direction: Direction) -> None:
        """Take what is sent in one direction and pass none of it on."""

        def apply() -> None:
            self._ways[direction].is_hole = True

        self._on_loop(apply)

    def cut(self) -> None:
        """Reset every connection."""
        self._on_loop(self._reset_all)

    def refuse(self) -> None:
        """Reset every connection, and each new one."""

        def apply() -> None:
            self._refuses = True
            self._reset_all()

        self._on_loop(apply)

    def heal(self) -> None:
        """Be a faultless proxy again."""

        def apply() -> None:
            self._refuses = False
            for way in self._ways.values():
                way.is_open.set()
                way.delay_s, way.piece_bytes, way.is_hole = 0.0, READ_BYTES, False
            for pair in list(self._torn):
                self._reset(pair)

        self._on_loop(apply)

    # --- the proxy's own thread ------------------------------------------------------------------
    async def _open(self) -> None:
        self._ways = {"to_server": _Way(), "to_client": _Way()}
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._reset_all()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refuses:
            _abort(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _abort(writer)
            return
        pair = (writer, far_writer)
        self._connections.add(pair)
        self._begin(self._pump(reader, far_writer, self._ways["to_server"], pair))
        self._begin(self._pump(far_reader, writer, self._ways["to_client"], pair))

    def _begin(self, pump: object) -> None:
        task: asyncio.Task[None] = self._loop.create_task(pump)  # type: ignore[arg-type]  # a coroutine
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: _Way,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            while data := await reader.read(way.piece_bytes):
                if way.is_hole:
                    self._torn.add(pair)
                    continue
                if way.delay_s:
                    await asyncio.sleep(way.delay_s)
                await way.is_open.wait()
                writer.write(data)
                await writer.drain()
            await way.is_open.wait()  # an end is a word like any other
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._reset(pair)

    def _reset(self, pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._connections.discard(pair)
        self._torn.discard(pair)
        for writer in pair:
            _abort(writer)

    def _reset_all(self) -> None:
        for pair in list(self._connections):
            self._reset(pair)

    # --- any thread ------------------------------------------------------------------------------
    def _on_loop(self, action: Callable[[], object]) -> None:
        done: Future[None] = Future()

        def act() -> None:
            action()
            done.set_result(None)

        self._loop.call_soon_threadsafe(act)
        done.result(PATIENCE_S)

    def _await(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)  # type: ignore[arg-type]  # one of ours


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
