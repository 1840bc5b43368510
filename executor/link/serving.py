"""Functions of this machine's host for guests of other machines' callers.

A function's answer goes back by the loop, as it does for a run of the host's own. What such a guest
may call is what this supervisor gives to all of its runs, and no more.

Rule 1: what a cell says is attacker data: what is malformed, out of turn or over the limit is not
        answered, and its cell is distrusted.
Rule 2: the reader thread only queues; functions are called on threads of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.functions import Calls, Functions
from executor.threads import LoopThread, Threads
from protocol.errors import ProtocolError
from protocol.frames import Frame
from protocol.messages import KINDS, Cancel, HostCall

if TYPE_CHECKING:
    from executor.client import Client
    from executor.errors import SupervisorLost

_HOST_CALL = KINDS[HostCall]


class Served:
    """The calls of every such guest at hand. Used by the reader thread alone, but for `close`."""

    def __init__(self, functions: Functions, client: Client, calls_max: int) -> None:
        """Serve `functions`, up to `calls_max` calls of each guest."""
        self._functions = functions
        self._client = client
        self._calls_max = calls_max
        self._threads = Threads()
        self._loop_thread = LoopThread()
        self._calls: dict[int, Calls] = {}

    def take(self, item: Frame | SupervisorLost) -> bool:
        """Take a call of a guest, the end of its run, or the end of the pipe to all of them."""
        if not isinstance(item, Frame):
            for calls in self._calls.values():
                calls.cancel()
            self._calls.clear()
        elif item.kind == _HOST_CALL:
            self._call(item)
        elif (ended := self._calls.pop(item.run_id, None)) is not None:
            ended.cancel()
        return False

    def close(self) -> None:
        """Let the threads end. Does not wait. Idempotent."""
        self._threads.close()
        self._loop_thread.close()

    def _call(self, frame: Frame) -> None:
        calls = self._calls.get(frame.run_id)
        if calls is None:
            calls = Calls(self._functions, self._client, self._threads, self._loop_thread, None)
            calls.run_id = frame.run_id
            self._calls[frame.run_id] = calls
        is_in_turn = not calls.is_at_hand
        calls.is_at_hand = True
        self._threads.submit(lambda: self._begin(calls, frame, is_in_turn=is_in_turn))

    def _begin(self, calls: Calls, frame: Frame, *, is_in_turn: bool) -> None:
        try:
            message, buffers = self._client.decode(frame)
        except ProtocolError:
            message, buffers = None, []
        if isinstance(message, HostCall) and is_in_turn and message.call <= self._calls_max:
            calls.begin(message, buffers)
        else:  # no guest says that by way of an honest cell
            calls.cancel()
            self._client.send_quietly(Cancel(), frame.run_id)
