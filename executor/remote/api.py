"""`RemoteSupervisor`: the same facade as `Supervisor`, for cells of other machines.

    RemoteSupervisor -> options.make_plan -> launch.Launcher -> client.Client -> the submitter
                                             handle, running    <-              <-

The submitter (`executor.remote.shell`) speaks the protocol of a supervisor loop to its host, so
everything between the facade and the pipe is that of a supervisor with cells of its own.

Rule: what cannot travel is refused before anything is sent, with what to do instead.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from executor import guarantees
from executor.api import STATISTICS_WAIT_S, Supervisor
from executor.checks import count_of
from executor.errors import Closed, LinkFailed, Misuse, SupervisorLost, translated
from executor.keeper import Keeper
from executor.link.access import Access, BadAccess, access_from
from executor.link.wire import PREFIX, QUEUE, is_prefix, is_token, new_name
from executor.options import QUEUE_S_MAX, make_defaults, make_plan
from executor.pools import Sizes
from executor.remote.isolate import library_paths, start
from executor.remote.options import RemoteOptions
from executor.remote.statistics import RemoteStatistics
from protocol.links import REQUEST_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Buffer, Mapping

    from executor.isolate import IsolateKind
    from executor.options import Plan, RunOptions
    from executor.shared import SharedBuffer
    from executor.statistics import Statistics
    from protocol.fields import Kind
    from protocol.limits import Limits
    from sandboxes.guarantees import Guarantee
    from sandboxes.wasm.image import Compiled

QUEUE_MAX_MAX = 1_000_000
IN_FLIGHT_MAX = 65_536
#: How long `open` waits for a connection.
OPEN_WITHIN_S = 10.0
_ASK_AGAIN_S = 0.05
#: The submitter answers a question within this, whether there is a connection by then or not.
ANSWER_WITHIN_S = 5.0
#: Of a request, for what is in it beside the caller's own bytes.
_BESIDE_BYTES = 320 << 10


class RemoteSupervisor(Supervisor):
    """Runs untrusted code in cells of other machines, which `cellblock worker` offers. Thread-safe.

    ```python
    with RemoteSupervisor("nats://hub:4222") as supervisor:
        outcome = supervisor.run("sum(rows)", inputs={"rows": [1, 2, 3]})
        assert outcome.value == 6
    ```

    Everything is as with `Supervisor`, but for what cannot travel: mounts, modules, live input and
    host functions, which are refused. Guests may call the functions of the machine that runs them.

    A run whose machine is lost begins again on another one, so a guest may begin more than once.
    Its host gets one outcome, with what was said from the last beginning on and a log entry that
    says so. With `repeats=False` such a run ends as crashed instead.

    Args:
        link: addresses of NATS servers ("nats://hub:4222", several separated by commas or in a
            list), or an `Access` with credentials.
        limits: of each run that does not say otherwise: a `Limits` or a dict of its fields. A
            machine refuses what is above its own.
        isolate: where the connection is kept: "interpreter", "process" or "inline", as for
            `Supervisor`.
        queue_max: runs that may wait for a machine; one more is refused.
        tenant: on whose behalf runs are that do not say otherwise.
        queue: which machines: those that serve this queue.
        prefix: of every subject, as the machines have it.
        in_flight: runs of one `map` that are at hand at once.
        repeats: see above.
        open_within_s: how long `open` waits for a connection before it fails.

    Raises:
        Misuse: an argument can never work.
    """

    def __init__(
        self,
        link: Access | str | Sequence[str] = "nats://127.0.0.1:4222",
        *,
        limits: Limits | Mapping[str, Any] | None = None,
        isolate: IsolateKind = "interpreter",
        queue_max: int = 10_000,
        tenant: str = "",
        queue: str = QUEUE,
        prefix: str = PREFIX,
        in_flight: int = 64,
        repeats: bool = True,
        open_within_s: float = OPEN_WITHIN_S,
    ) -> None:
        # Not that of a supervisor with cells of its own: there are no cells to describe here.
        try:
            self._access = access_from(link)
        except BadAccess as error:
            raise Misuse("link", str(error)) from None
        self._isolate = guarantees.isolate_from(isolate)
        if self._access.needs_process and isolate == "interpreter":
            problem = "the library for ws:// loads in no second interpreter; use 'process'"
            raise Misuse("isolate", problem)
        if not is_token(queue):
            raise Misuse("queue", "must be 1 to 64 letters, digits, - and _")
        if not is_prefix(prefix):
            raise Misuse("prefix", "must be such words, with dots between them")
        if not 0 <= open_within_s <= QUEUE_S_MAX:
            raise Misuse("open_within_s", f"must be 0 to {QUEUE_S_MAX:g}, not {open_within_s!r}")
        self._open_within_s = float(open_within_s)
        self._sizes = Sizes(1, 0, 1, count_of(queue_max, "queue_max", 0, QUEUE_MAX_MAX))
        self._in_flight = count_of(in_flight, "in_flight", 1, IN_FLIGHT_MAX)
        self._defaults = make_defaults(limits, None, tenant)
        self._queue, self._prefix, self._repeats = queue, prefix, bool(repeats)
        self._submitter = new_name()
        self._lock = threading.Lock()
        self._sessions = itertools.count(1)
        self._keeper: Keeper | None = None
        self._is_closed = False

    # --- runs ------------------------------------------------------------------------------------
    def plan(self, code: str | None, options: RunOptions) -> Plan:
        """Return a checked run.

        Raises:
            Misuse: it asks for what cannot travel.
        """
        for name, problem in _STAYS_HERE.items():
            if options.get(name):
                raise Misuse(name, problem)
        plan = make_plan(code, options, self._defaults)
        if plan.kind != "wasm":
            problem = "guests of others run in Wasm alone, whatever the machine runs of its own"
            raise Misuse("kind", problem)
        if plan.live_stdin is not None:
            raise Misuse("stdin", "live input does not travel; give it whole, as bytes or text")
        parts = [plan.source, plan.inputs, plan.stdin, *plan.out_of_band, *plan.file_data]
        total_bytes = sum(memoryview(part).nbytes for part in parts if part is not None)
        if total_bytes > REQUEST_BYTES_MAX - _BESIDE_BYTES:
            limit_bytes = REQUEST_BYTES_MAX - _BESIDE_BYTES
            problem = (
                f"{total_bytes} bytes of code, inputs, files and stdin are over the {limit_bytes} "
                "that go to another machine; let the guest's machine have them, or split the run"
            )
            raise Misuse("inputs", problem)
        return plan

    @property
    def in_flight(self) -> int:
        """How many runs of one batch to have at hand."""
        return max(1, min(self._in_flight, self._sizes.queue_max))

    def share(self, data: Buffer) -> SharedBuffer:
        """Not of a remote supervisor: its guests share no memory with this machine.

        Raises:
            Misuse: always.
        """
        raise Misuse("share", "memory of this machine does not travel; give it as an input")

    # --- knowledge -------------------------------------------------------------------------------
    def statistics(self) -> Statistics:
        """Not of a remote supervisor: its cells are elsewhere. See `remote_statistics`.

        Raises:
            Misuse: always.
        """
        raise Misuse("statistics", "cells are elsewhere; use remote_statistics()")

    def remote_statistics(self) -> RemoteStatistics:
        """Return a snapshot of the connection and of the runs that wait or are at machines.

        Raises:
            SupervisorLost: the submitter's loop does not answer.
        """
        keeper = self._kept()
        snapshot = RemoteStatistics.from_json(keeper.statistics(STATISTICS_WAIT_S))
        return dataclasses.replace(snapshot, isolate_restarts=keeper.restarts)

    def guarantees(self, kind: Kind | None = None) -> tuple[Guarantee, ...]:
        """Return each named guarantee: none is held here, as it is the machine's to give."""
        del kind
        from sandboxes.guarantees import Guarantee

        reason = "given by the machine that runs it; ask there: cellblock doctor"
        return tuple(Guarantee(name, False, reason) for name in guarantees.NAMES)  # type: ignore[arg-type]  # NAMES are all of its names

    # --- life ------------------------------------------------------------------------------------
    def _open(self) -> Keeper:
        paths = library_paths()
        if paths is None:
            raise LinkFailed("the package nats-py is missing: pip install 'cellblock[nats]'")
        options = RemoteOptions(
            access_json=self._access.to_json(),
            submitter=self._submitter,
            prefix=self._prefix,
            queue=self._queue,
            queue_max=self._sizes.queue_max,
            repeats=self._repeats,
            paths=paths,
            answer_within_s=min(ANSWER_WITHIN_S, self._open_within_s),
        )
        kind = self._isolate
        try:
            keeper = Keeper(
                lambda spool_path: start(kind, options, spool_path=spool_path),
                checked=True,
                compiled=_nothing,
                sizes=self._sizes,
                limits=self._defaults.limits,
                is_jailed=False,
            )
        except OSError as error:
            raise translated(error) from error
        try:
            self._wait_for_connection(keeper)
        except BaseException:
            keeper.close(0.0)
            raise
        return keeper

    def _wait_for_connection(self, keeper: Keeper) -> None:
        deadline = time.monotonic() + self._open_within_s
        while True:
            try:
                left_s = max(0.0, deadline - time.monotonic()) + ANSWER_WITHIN_S
                found = RemoteStatistics.from_json(keeper.statistics(left_s))
            except (SupervisorLost, Closed) as error:
                raise LinkFailed(str(error)) from None
            if found.state == "active":
                return
            if found.state == "refused" or time.monotonic() >= deadline:
                raise LinkFailed(found.cause or f"no connection to {found.servers} yet")
            time.sleep(_ASK_AGAIN_S)  # its first answer already waited for a connection

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._keeper else "not open"
        return f"<RemoteSupervisor, {self._access.shown}, {self._isolate}, {state}>"


_STAYS_HERE = {
    "module": "a .wasm program does not travel; run it with a Supervisor, on this machine",
    "mounts": "directories of this machine do not travel; give files= by value instead",
    "functions": (
        "host functions do not travel; give them to the machines: Supervisor(functions=..., "
        "link=...)"
    ),
}


def _nothing(fuel: bool) -> Compiled:
    """Return the image of pools without cells."""
    from sandboxes.wasm.image import Compiled

    return Compiled(os.devnull, "", "", "code")
