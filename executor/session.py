"""Sessions: one sandbox kept between runs, with its globals, imports and files.

Rule 1: the runs of a session go one after another.
Rule 2: state is never lost in silence. A run that ends its sandbox (at a limit, by a crash, by a
        cancel) loses the session: the next run raises `SessionLost`, and `reset` begins afresh.
        The cell itself refuses to run in a fresh sandbox what was meant for a kept one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from executor.checks import listed, mount_from
from executor.errors import Closed, Misuse, Refused, SessionLost
from protocol.messages import EndSession

if TYPE_CHECKING:
    from executor.handle import RunHandle
    from executor.options import Plan, RunOptions, SessionOptions
    from executor.outcome import Outcome
    from executor.pools import Pools
    from executor.runs import Runs


class Session:
    """State that is kept between runs. Made by `Supervisor.session`; a context manager.

    ```python
    with supervisor.session() as session:
        session.run("x = 20")
        session.run("x + 22").value  # 42
        session.reset()  # x is gone
    ```
    """

    def __init__(self, supervisor: Runs, options: SessionOptions) -> None:
        self._supervisor = supervisor
        self._options = options
        if "mounts" in options:
            self._options["mounts"] = [mount_from(m) for m in listed(options["mounts"], "mounts")]
        self._lock = threading.Lock()
        self._number = 0
        self._pool = 0
        self._pools: Pools | None = None
        self._lost_by = ""
        self._is_closed = False

    # --- runs ------------------------------------------------------------------------------------
    def run(self, code: str, **options: Unpack[RunOptions]) -> Outcome:
        """Run Python code in the session's sandbox and wait.

        Args:
            code: Python source; sees the globals that earlier runs left.
            options: as for `Supervisor.run`, without `module`, `mounts` and `kind`.

        Returns:
            How it ended.

        Raises:
            Misuse: an argument can never work.
            SessionLost: the session's state is gone; call `reset`.
            Refused: no cell became free, or the supervisor is closing.
            Closed: the session is closed.
        """
        plan = self._plan(code, options)
        try:
            return self._supervisor.launcher().run(plan)
        except Refused as error:
            self._take_refusal(plan, error)
            raise

    async def arun(self, code: str, **options: Unpack[RunOptions]) -> Outcome:
        """Run Python code as `run` does; cancelling the await ends the run, and the session."""
        plan = self._plan(code, options)
        try:
            return await self._supervisor.launcher().arun(plan)
        except Refused as error:
            self._take_refusal(plan, error)
            raise

    def start(self, code: str, **options: Unpack[RunOptions]) -> RunHandle:
        """Begin a run as `run` does, without waiting; later runs wait for it."""
        return self._supervisor.launcher().start(self._plan(code, options))

    # --- state -----------------------------------------------------------------------------------
    def reset(self) -> None:
        """Roll back to a fresh sandbox: globals, imports and files are gone. Does not wait.

        Raises:
            Closed: the session is closed.
        """
        with self._lock:
            if self._is_closed:
                raise Closed("session")
            self._end()
            self._lost_by = ""

    def close(self) -> None:
        """Drop the sandbox. Idempotent; does not wait."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def _end(self) -> None:
        if self._number:
            self._supervisor.tell(EndSession(self._number))
            self._number = 0
            if self._pools is not None:
                self._pools.give_back(self._pool, self)

    def _plan(self, code: str, options: RunOptions) -> Plan:
        for name in ("module", "mounts", "kind"):
            if name in options:
                where = "Supervisor.run" if name == "module" else "Supervisor.session"
                raise Misuse(name, f"a session's runs cannot have it; give it to {where}")
        both = cast("RunOptions", cast("dict[str, Any]", self._options) | options)
        plan = self._supervisor.plan(code, both)
        pools = self._supervisor.launcher().pools
        with self._lock:
            if self._is_closed:
                raise Closed("session")
            if self._lost_by:
                raise SessionLost(self._lost_by)
            if not self._number:
                plan.session_new = True  # before its pool is chosen: it gets a folder
                self._pools, self._pool = pools, pools.take(plan, self)
                self._number = self._supervisor.next_session()
            elif not pools.serves(self._pool, plan.tenant):
                raise Misuse(
                    "tenant", "the cell of this session serves the tenant of its first run"
                )
            elif not pools.fits(self._pool, plan.limits):
                problem = (
                    "the runs of a session share one sandbox: fuel must be in all of their limits "
                    "or in none, and memory_bytes not above that of the first"
                )
                raise Misuse("limits", problem)
            plan.session, plan.pool = self._number, self._pool
        return plan

    def _take_refusal(self, plan: Plan, error: Refused) -> None:
        with self._lock:
            if plan.session != self._number:
                return
            if isinstance(error, SessionLost):
                self._lost_by = error.detail or "its cell is gone"
            elif plan.session_new:
                self._end()  # it never began: the next run begins it
