"""From a plan to a run at hand: number, pool, files, frames, and who takes them.

Rule 1: whatever a run holds (files of the spool, host calls, a read of its input) is given
        back by the reader thread when the run's ending comes, or here if the run could not be sent.
Rule 2: a run that is not placed when its loop ends waits here and is sent to the next, as it was;
        a run that is placed is never sent again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from executor import errors
from executor.client import ENDINGS
from executor.errors import ExecutorError, Misuse, SupervisorLost, translated
from executor.handle import RunHandle
from executor.lifeline import Fate, Lifeline, State
from executor.running import Running
from executor.spool import arrange
from executor.threads import LoopThread, Threads
from protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from protocol.frames import Frame
from protocol.messages import KINDS, Cancel, File, Message, Placed, Refused, Run, Submit
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
_PLACED = KINDS[Placed]


class Launcher:
    """Starts the runs of one supervisor. Thread-safe."""

    def __init__(
        self, client: Client, pools: Pools, spool: Spool, lifeline: Lifeline | None = None
    ) -> None:
        """`lifeline` says what becomes of runs whose loop ends; without one, no other comes."""
        self.client = client
        self.pools = pools
        self._spool = spool
        self._lifeline = lifeline
        #: Runs that are not placed, for the next loop.
        self._unplaced: dict[int, _Receiver] = {}
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
        receiver = _Receiver(plan, running, deliver, self._spool, self._unplaced, self._lifeline)
        lifeline = self._lifeline
        if lifeline is not None and lifeline.state is not State.UP:
            self._check_room()
        running.run_id = run_id = self.client.open(receiver.take)
        try:
            buffers = self._buffers(plan, receiver)
            submit = Submit(
                pool=running.take_pool(self.pools),
                wall_ms=plan.run_limits.wall_ms,
                tenant=plan.tenant,
                priority=plan.priority,
                session=plan.session,
                queue_ms=plan.queue_ms,
                spooled=tuple(receiver.spooled),
            )
            receiver.submit = submit, buffers
            self._unplaced[run_id] = receiver
            if not receiver.waits:  # the pipe ended while it was opened
                self._unplaced.pop(run_id, None)
            if lifeline is None or lifeline.state is State.UP:  # else it is sent with the others
                receiver.send(self.client)
        except SupervisorLost as error:
            if lifeline is None or not lifeline.holds or not receiver.waits:
                self.client.abandon(run_id)
                receiver.release()
                raise SupervisorLost(error.cause, began=False) from None
        except (ExecutorError, ProtocolError, SandboxError, OSError) as error:
            self.client.abandon(run_id)
            receiver.release()
            if isinstance(error, LocalProtocolError):
                raise Misuse("run", f"cannot be sent: {error}") from None
            raise translated(error) from None

    def submit_waiting(self) -> None:
        """Send to a new loop what waits for it, in order.

        Raises:
            SupervisorLost: it has ended again.
        """
        for run_id in sorted(self._unplaced):
            receiver = self._unplaced.get(run_id)
            if receiver is None:
                continue
            try:
                receiver.send(self.client)
            except LocalProtocolError as error:
                self.client.abandon(run_id)
                receiver.fail(error)

    def _check_room(self) -> None:
        if len(self._unplaced) >= self.pools.queue_max:
            detail = f"{len(self._unplaced)} runs wait for the supervisor's loop"
            raise errors.Refused("queue_full", detail)

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
        "_backlog_max", "_deliver", "_delivered_bytes", "_generation", "_is_flooded", "_is_placed",
        "_is_released", "_lifeline", "_loops", "_placed", "_plan", "_running", "_spool",
        "_submitted_at", "_turn", "_unplaced", "spooled", "submit",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        running: Running,
        deliver: Callable[[Item], None],
        spool: Spool,
        unplaced: dict[int, _Receiver],
        lifeline: Lifeline | None,
    ) -> None:
        self.spooled: list[str] = []
        #: What is to be sent, with its buffers; None once a cell has the run.
        self.submit: tuple[Submit, list[Buffer]] | None = None
        self._plan = plan
        self._running = running
        self._deliver = deliver
        self._spool = spool
        self._unplaced = unplaced
        self._lifeline = lifeline
        self._submitted_at = time.monotonic()
        #: Held to send: two threads may find that it is to be done.
        self._turn = threading.Lock()
        self._generation = 0
        self._loops = 0
        self._is_placed = False
        #: Kept for the next frame: to wake somebody for it would take a processor from the cell.
        self._placed: Frame | None = None
        self._is_released = False
        limits = plan.run_limits
        self._backlog_max = (
            BACKLOG_BYTES_MAX
            + limits.stdout_bytes + limits.stderr_bytes + limits.value_bytes + limits.files_bytes
        )  # fmt: skip
        self._delivered_bytes = 0
        self._is_flooded = False

    @property
    def waits(self) -> bool:
        """True if the run has neither a cell nor an ending."""
        return not (self._is_placed or self._is_released)

    def send(self, client: Client) -> None:
        """Send the run to the loop of this moment, unless it was. Any thread.

        Raises:
            SupervisorLost: the loop has ended.
            LocalProtocolError: the run is larger than the protocol carries.
        """
        running = self._running
        with self._turn:
            generation = client.generation
            if self.submit is None or self._generation == generation or not self.waits:
                return
            if self._loops and self._is_over_before(client):
                return
            self._generation = running.generation = generation
            self._loops += 1
            submit, buffers = self.submit
            client.send(submit, running.run_id, buffers, generation=generation)
        if self._loops > 1 and running.is_cancelled:  # while it was being sent
            client.send_quietly(Cancel(), running.run_id)

    def _is_over_before(self, client: Client) -> bool:
        """End the run here if nobody wants it any more, or not so late."""
        waited_s = time.monotonic() - self._submitted_at
        if self._running.is_cancelled:
            refused = Refused("cancelled")
        elif waited_s * 1_000 > self._plan.queue_ms:
            refused = Refused("queue_timeout", f"waited for {waited_s:.3g} s")
        else:
            return False
        run_id = self._running.run_id
        client.abandon(run_id)
        self.take(Frame(KINDS[Refused], run_id, 0, write(refused)))
        return True

    def take(self, item: Frame | SupervisorLost) -> bool:
        """Take what the reader thread has; return whether the run stays for another loop."""
        if not isinstance(item, Frame):
            if self._stays():
                return True
            self.release()
            self._pass_on(item)
            return False
        if item.kind == _PLACED and self._placed is None:
            self._is_placed = True
            self._placed = item
            self._forget()
            return False
        if item.kind in ENDINGS:
            self.release()
            self._pass_on(item)
            return False
        if self._is_flooded:
            return False
        self._delivered_bytes += len(item.payload)
        if self._delivered_bytes - self._running.taken_bytes > self._backlog_max:
            self._is_flooded = True
            self._pass_on(RemoteProtocolError("its cell said more than the host could take"))
        else:
            self._pass_on(item)
        return False

    def _pass_on(self, item: Item) -> None:
        placed, self._placed = self._placed, None
        if placed is not None:
            self._deliver(placed)
        self._deliver(item)

    def fail(self, error: LocalProtocolError) -> None:
        """End a run that cannot be sent."""
        self.release()
        self._deliver(SupervisorLost(f"the run cannot be sent: {error}", began=False))

    def _stays(self) -> bool:
        lifeline = self._lifeline
        return (
            lifeline is not None
            and not self._is_released
            and lifeline.fate(placed=self._is_placed, loops=self._loops) is Fate.WAITS
        )

    def _forget(self) -> None:
        self.submit = None
        self._unplaced.pop(self._running.run_id, None)

    def release(self) -> None:
        self._is_released = True
        self._forget()
        self._running.end_calls()
        self._running.give_back_pool()
        names, self.spooled, plan = self.spooled, [], self._plan  # once: shared files count runs
        if names:
            self._spool.take_back(names, tenant=plan.tenant, reusable=plan.session == 0)
