"""From a plan to a run at hand: number, pool, files, frames, and who takes them.

Rule: whatever a run holds (files of the spool, host calls, a read of its input) is given
back by the reader thread when the run's ending comes, or here if the run could not be sent.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from executor.client import ENDINGS
from executor.errors import ExecutorError, Misuse, SupervisorLost, translated
from executor.handle import RunHandle
from executor.running import Running
from executor.spool import arrange
from executor.threads import LoopThread, Threads
from protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from protocol.frames import Frame
from protocol.messages import File, Message, Run, Submit
from protocol.reading import write
from sandboxes.errors import SandboxError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from executor.client import Client
    from executor.feeder import Feeder
    from executor.functions import Calls
    from executor.options import Plan
    from executor.outcome import Outcome
    from executor.pools import Pools
    from executor.running import Item
    from executor.spool import Spool
    from protocol.frames import Buffer

#: A cell that says more than this beyond its run's limits, faster than the host takes it, is lost.
BACKLOG_BYTES_MAX = 64 << 20


class Launcher:
    """Starts the runs of one supervisor. Thread-safe."""

    def __init__(self, client: Client, pools: Pools, spool: Spool) -> None:
        self.client = client
        self.pools = pools
        self._spool = spool
        self._threads = Threads()
        self._loop_thread = LoopThread()

    def run(self, plan: Plan) -> Outcome:
        """Run a plan and wait, calling its callbacks on this thread."""
        running = self._running(plan, loop=None)
        handle = RunHandle(running, None)
        self._send(plan, running, handle.deliver)
        try:
            return handle.result()
        except BaseException:
            if not running.is_over:  # an interrupt from the keyboard, above all
                running.cancel()
            raise

    def start(self, plan: Plan) -> RunHandle:
        """Run a plan without waiting; its callbacks are called on threads of ours."""
        running = self._running(plan, loop=None)
        handle = RunHandle(running, self._threads if plan.is_watched else None)
        self._send(plan, running, handle.deliver)
        return handle

    async def arun(self, plan: Plan) -> Outcome:
        """Run a plan, calling its callbacks and async functions on the running loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        running = self._running(plan, loop=loop)
        ended: asyncio.Future[None] = loop.create_future()

        def take(item: Item) -> None:
            if ended.done():
                return
            try:
                if running.take(item):
                    ended.set_result(None)
            except Exception as error:  # noqa: BLE001 - a callback's, for whoever awaits
                ended.set_exception(error)

        def deliver(item: Item) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(take, item)

        self._send(plan, running, deliver)
        try:
            await ended
        except asyncio.CancelledError:
            running.cancel()
            raise
        return running.outcome()

    def ask(self, message: Message, timeout_s: float) -> bytes:
        """Send a message that has one answer, and return its only buffer.

        Raises:
            SupervisorLost: there was no answer in time, or not this one.
        """
        from queue import Empty, SimpleQueue

        answers: SimpleQueue[Frame | SupervisorLost] = SimpleQueue()
        number = self.client.open(answers.put)
        self.client.send(message, number)
        try:
            answer = answers.get(timeout=timeout_s)
        except Empty:
            self.client.abandon(number)
            raise SupervisorLost(f"no answer within {timeout_s:g} s", began=False) from None
        if not isinstance(answer, Frame):
            raise SupervisorLost(answer.cause, began=False)
        try:
            _, buffers = self.client.decode(answer)
            return bytes(buffers[0])
        except (ProtocolError, IndexError) as error:
            raise SupervisorLost(f"its answer cannot be read: {error}", began=False) from None

    def close(self) -> None:
        """Let the threads end. Does not wait. Idempotent."""
        self._threads.close()
        self._loop_thread.close()

    def _running(self, plan: Plan, loop: asyncio.AbstractEventLoop | None) -> Running:
        calls: Calls | None = None
        if plan.functions is not None:
            from executor.functions import Calls

            calls = Calls(plan.functions, self.client, self._threads, self._loop_thread, loop)
        feeder: Feeder | None = None
        if plan.live_stdin is not None:
            from executor.feeder import Feeder

            feeder = Feeder(plan.live_stdin, self.client)
        return Running(plan, self.client, calls, feeder)

    def _send(self, plan: Plan, running: Running, deliver: Callable[[Item], None]) -> None:
        """Give the run its number and send it.

        Raises:
            Misuse: it is larger than the protocol carries.
            SupervisorLost: the loop is gone.
            Closed: the supervisor is closed.
        """
        receiver = _Receiver(plan, running, deliver, self._spool)
        running.run_id = run_id = self.client.open(receiver.take)
        try:
            buffers = self._buffers(plan, receiver)
            submit = Submit(
                pool=plan.pool or self.pools.number_for(plan),
                wall_ms=plan.run_limits.wall_ms,
                tenant=plan.tenant,
                priority=plan.priority,
                session=plan.session,
                queue_ms=plan.queue_ms,
                spooled=tuple(receiver.spooled),
            )
            self.client.send(submit, run_id, buffers)
        except (ExecutorError, ProtocolError, SandboxError, OSError) as error:
            self.client.abandon(run_id)
            receiver.release()
            if isinstance(error, LocalProtocolError):
                raise Misuse("run", f"cannot be sent: {error}") from None
            raise translated(error) from None

    def _buffers(self, plan: Plan, receiver: _Receiver) -> list[Buffer]:
        """Return the buffers of the `Submit`: the body of its `Run`, and those of the `Run`."""
        named: list[Buffer] = [plan.source]
        inputs_at = stdin_at = None
        if plan.inputs is not None:
            inputs_at = len(named)
            named.append(plan.inputs)
        if plan.stdin is not None:
            stdin_at = len(named)
            named.append(plan.stdin)
        files_at = len(named)
        named += plan.file_data
        inline, receiver.spooled, indices = arrange(
            named, plan.out_of_band, self._spool, tenant=plan.tenant
        )
        run = Run(
            limits=plan.run_limits,
            program=plan.program,
            mode=plan.mode,
            filename=plan.filename,
            argv=plan.argv,
            env=plan.env,
            result=plan.result,
            functions=plan.functions.names if plan.functions is not None else (),
            stream=plan.is_streamed,
            stdin_live=plan.live_stdin is not None,
            session=plan.session,
            session_new=plan.session_new,
            mounts=plan.mounts,
            files=tuple(
                File(name, indices[files_at + at]) for at, name in enumerate(plan.file_names)
            ),
            keep_files=plan.keep_files,
            spooled=tuple(receiver.spooled),
            source=indices[0],
            inputs=None if inputs_at is None else indices[inputs_at],
            stdin=None if stdin_at is None else indices[stdin_at],
        )
        return [write(run), *inline]


class _Receiver:
    """What the reader thread does with the frames of one run."""

    __slots__ = (
        "_backlog_max", "_deliver", "_delivered_bytes", "_is_flooded", "_plan", "_running",
        "_spool", "spooled",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, running: Running, deliver: Callable[[Item], None], spool: Spool
    ) -> None:
        self.spooled: list[str] = []
        self._plan = plan
        self._running = running
        self._deliver = deliver
        self._spool = spool
        limits = plan.run_limits
        self._backlog_max = (
            BACKLOG_BYTES_MAX
            + limits.stdout_bytes + limits.stderr_bytes + limits.value_bytes + limits.files_bytes
        )  # fmt: skip
        self._delivered_bytes = 0
        self._is_flooded = False

    def take(self, item: Frame | SupervisorLost) -> None:
        if not isinstance(item, Frame):
            self.release()
            self._deliver(item)
            return
        if item.kind in ENDINGS:
            self.release()
            self._deliver(item)
            return
        if self._is_flooded:
            return
        self._delivered_bytes += len(item.payload)
        if self._delivered_bytes - self._running.taken_bytes > self._backlog_max:
            self._is_flooded = True
            self._deliver(RemoteProtocolError("its cell said more than the host could take"))
            return
        self._deliver(item)

    def release(self) -> None:
        self._running.end_calls()
        if self.spooled:
            plan = self._plan
            self._spool.take_back(self.spooled, tenant=plan.tenant, reusable=plan.session == 0)
