"""Keeps a link running for a supervisor: starts its isolate, and another when that one ends.

    door of the loop, door of the link    here both ends of each new pipe between the two are sent
    link thread                           reads reports; when the isolate ends, starts the next

Rule 1: the link and the loop talk to each other alone; the host only introduces them.
Rule 2: how long to wait before the next isolate is `executor.restart`'s to decide. A link that has
        given up, or was drained, is not started again.
Rule 3: whatever an isolate held, the loop still has: the next link takes it from there.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from executor import isolate
from executor.errors import Misuse
from executor.link.access import access_from
from executor.link.admission import Serving
from executor.link.options import LinkOptions, NatsLink
from executor.link.settings import Settings
from executor.link.wire import bucket_name, new_name
from executor.restart import BackoffPolicy, Breaker, BreakerPolicy, system_jitter
from executor.statistics import LinkStatistics
from protocol.errors import ProtocolError
from protocol.frames import FrameDecoder
from protocol.links import LINK_SENDS_HOST, decode_link
from protocol.messages import Drain
from protocol.reading import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.keeper import Keeper
    from executor.link.serving import Served
    from executor.options import Defaults

#: An isolate that was told to leave, or whose pipe was closed, has this long beyond its drain.
LEAVE_WAIT_S = 5.0
LOOP_WAIT_S = 10.0
_OVER = ("closed", "given_up")


class LinkKeeper:
    """The link of one supervisor. Thread-safe."""

    def __init__(self, link: NatsLink) -> None:
        """Start nothing yet.

        Raises:
            Misuse: nats-py is not installed.
        """
        self._link = link
        self._path = _library_path()
        self._machine = new_name()
        self._session_key = os.urandom(32).hex()
        self._changed = threading.Condition()
        self._loop_door: socket.socket | None = None
        self._is_loop_up = False
        self._link_door: socket.socket | None = None
        self._socket: socket.socket | None = None
        self._wait: Callable[[float], bool] = lambda timeout_s: True
        self._breaker = Breaker(BackoffPolicy(), BreakerPolicy(), system_jitter)
        self._settings: Settings | None = None
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._served: Served | None = None
        self._restarts = 0
        self._report: dict[str, Any] = {"state": "connecting", "cause": "it is being started"}

    # --- the loop --------------------------------------------------------------------------------
    def new_door(self) -> socket.socket:
        """Return a loop's end of a new door, for a loop that is about to be started."""
        ours, theirs = socket.socketpair()
        with self._changed:
            if self._loop_door is not None:
                self._loop_door.close()
            self._loop_door, self._is_loop_up = ours, False
        return theirs

    def loop_up(self) -> None:
        """Note that the loop which was started last knows its pools: the link may talk to it."""
        with self._changed:
            self._is_loop_up = True
            self._introduce()

    def begin(self, keeper: Keeper, defaults: Defaults, cells: int) -> None:
        """Start the link, after the first loop was started.

        Raises:
            ImageError: an image for counting fuel cannot be made.
            SupervisorLost: the loop does not answer.
        """
        link, pools = self._link, keeper.launcher.pools
        from executor.checks import run_limits

        functions = () if defaults.functions is None else defaults.functions.names
        if defaults.functions is not None:
            from executor.link.serving import Served

            self._served = Served(defaults.functions, keeper.client, defaults.limits.host_calls)
            keeper.client.take_from_guests = self._served.take
        serving = Serving(
            ceilings=run_limits(defaults.limits),
            pools=pools.for_others(),
            functions=functions,
            session_key=self._session_key,
        )
        self._settings = Settings(
            machine=self._machine,
            host=socket.gethostname(),
            pid=os.getpid(),
            serving=serving,
            slots=2 * cells if link.slots is None else link.slots,
            lease_s=link.lease_s,
            give_up_s=link.give_up_s,
            bucket=bucket_name(link.prefix),
            queue=link.queue,
            prefix=link.prefix,
        )
        keeper.statistics(LOOP_WAIT_S)  # once it answers, it knows its pools
        self.loop_up()
        self._thread = threading.Thread(target=self._live, name="cellblock-link-host", daemon=True)
        self._thread.start()

    # --- the face --------------------------------------------------------------------------------
    @property
    def machine(self) -> str:
        """The name of this machine, as others see it."""
        return self._machine

    def statistics(self) -> LinkStatistics:
        """Return what the link last said of itself."""
        with self._changed:
            return LinkStatistics.from_report(
                self._report, machine=self._machine, restarts=self._restarts
            )

    def wait_state(self, *states: str, timeout_s: float | None = None) -> bool:
        """Wait until the link is in one of some states; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._report["state"] in states, timeout_s)

    def wait_change(self, seen: tuple[str, str]) -> tuple[str, str]:
        """Wait until state and cause are not those that were seen; return them."""
        with self._changed:
            self._changed.wait_for(lambda: self._where != seen)
            return self._where

    @property
    def _where(self) -> tuple[str, str]:
        return self._report["state"], self._report["cause"]

    def ask_drain(self, within_s: float) -> None:
        """Begin to drain. A second call may shorten the first. Does not wait."""
        with self._changed:
            sock = self._socket
            self._is_closing = True
            self._changed.notify_all()
        if sock is not None:
            with contextlib.suppress(OSError):
                for part in encode_message(Drain(round(within_s * 1_000))):
                    sock.sendall(part)

    def close(self, within_s: float) -> None:
        """Drain for `within_s` at most, then end it. Waits. Idempotent."""
        self.ask_drain(within_s)
        if self._thread is not None:
            self.wait_state(*_OVER, timeout_s=within_s + LEAVE_WAIT_S)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            thread = self._thread
        if self._served is not None:
            self._served.close()
        if thread is not None:
            thread.join(2 * LEAVE_WAIT_S)
        with self._changed:
            for door in (self._loop_door, self._link_door):
                if door is not None:
                    door.close()
            self._loop_door = self._link_door = None

    # --- link thread -----------------------------------------------------------------------------
    def _live(self) -> None:
        while self._wait_until_due():
            try:
                sock = self._start()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next try may work
                cause = f"it cannot be started: {error}"
            else:
                cause = self._read(sock)
                self._ended()
            with self._changed:
                if self._report["state"] in _OVER:
                    return
                self._note("closed" if self._is_closing else "reconnecting", cause)
                self._breaker.fail(time.monotonic(), cause)
        with self._changed:
            if self._report["state"] not in _OVER:
                self._note("closed", "")

    def _wait_until_due(self) -> bool:
        with self._changed:
            while not self._is_closing:
                now = time.monotonic()
                if self._breaker.may_start(now):
                    self._breaker.started()
                    return True
                self._changed.wait(max(0.001, self._breaker.retry_at - now))
        return False

    def _start(self) -> socket.socket:
        assert self._settings is not None
        ours, theirs = socket.socketpair()
        access = access_from(self._link.access)
        options = LinkOptions(self._settings, access.to_json(), theirs.fileno(), (self._path,))
        sock, wait = isolate.launch(
            self._link.isolate, "executor.link.isolate", options.to_json(), door=theirs
        )
        with self._changed:
            self._socket, self._wait, self._link_door = sock, wait, ours
            self._introduce()
            if self._is_closing:  # it was told nothing of it
                sock.shutdown(socket.SHUT_RDWR)
        return sock

    def _read(self, sock: socket.socket) -> str:
        """Take reports until the pipe ends; return why it did."""
        decoder = FrameDecoder(kinds=LINK_SENDS_HOST)
        is_first = True
        try:
            while data := sock.recv(64 << 10):
                for frame in decoder.feed(data):
                    _, buffers = decode_link(frame)
                    report = json.loads(bytes(buffers[0]))
                    with self._changed:
                        self._report = report
                        self._changed.notify_all()
                        if is_first:
                            self._breaker.succeed()
                            is_first = False
        except (OSError, ProtocolError, ValueError) as error:
            return f"its isolate broke: {error}"
        return "its isolate ended"

    def _ended(self) -> None:
        with self._changed:
            sock, door, wait = self._socket, self._link_door, self._wait
            self._socket = self._link_door = None
            self._restarts += not self._is_closing and self._report["state"] not in _OVER
        for each in (sock, door):
            if each is not None:
                each.close()
        wait(LEAVE_WAIT_S)

    def _note(self, state: str, cause: str) -> None:
        self._report = {**self._report, "state": state, "cause": cause}
        self._changed.notify_all()

    def _introduce(self) -> None:
        """Give loop and link a pipe to each other, once both are there. Under the lock."""
        doors = (self._loop_door, self._link_door)
        if not self._is_loop_up or doors[0] is None or doors[1] is None:
            return
        pipe = socket.socketpair()
        for door, end in zip(doors, pipe, strict=True):
            assert door is not None
            with contextlib.suppress(OSError):  # it is gone, and will be introduced anew
                socket.send_fds(door, [b"\0"], [end.fileno()])
            end.close()


def _library_path() -> str:
    import importlib.util

    found = importlib.util.find_spec("nats")
    if found is None or not found.submodule_search_locations:
        raise Misuse("link", "the package nats-py is missing: pip install 'cellblock[nats]'")
    return os.path.dirname(os.path.abspath(next(iter(found.submodule_search_locations))))
