"""The pools of one supervisor: one for plain runs, others only where a run needs other cells.

A cell's engine either counts fuel or does not, and its process has one cap on memory. A jailed cell
sees the directories and runs the programs that it was given before its jail closed, and no other.
So a run goes to the pool of its kind; a pool is defined when the first run needs it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from protocol.messages import DefinePool, Mount

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.client import Client
    from executor.options import Plan
    from protocol.limits import Limits
    from sandboxes.wasm.image import Compiled


class Sizes(NamedTuple):
    """How large each pool is: cells, spares, sandboxes in stock for each, and the queue."""

    cells: int
    spares: int
    stock: int
    queue_max: int


class Needs(NamedTuple):
    """What a run needs of the cell it goes to. Runs with equal needs share a pool."""

    fuel: bool
    memory_bytes: int
    files_bytes: int = 0
    mounts: tuple[Mount, ...] = ()
    program: str = ""


class Pools:
    """Numbers the pools and defines them. Thread-safe."""

    def __init__(
        self,
        client: Client,
        *,
        compiled: Callable[[bool], Compiled],
        sizes: Sizes,
        limits: Limits,
        is_jailed: bool,
    ) -> None:
        """Define the pool for plain runs with `limits`, the supervisor's own.

        Args:
            client: where to define them.
            compiled: returns the image, compiled so that fuel is counted or not; may take seconds.
            sizes: of each pool.
            limits: of the runs to expect.
            is_jailed: cells have kernel walls, so what they need has to be given ahead.

        Raises:
            ImageError: the image cannot be made.
        """
        self._client = client
        self._compiled = compiled
        self._sizes = sizes
        self._is_jailed = is_jailed
        self._memory_bytes = int(limits.memory_bytes)
        self._files_bytes = int(limits.files_bytes)
        self._lock = threading.Lock()
        self._numbers: dict[Needs, int] = {}
        self._needs: dict[int, Needs] = {}
        self._number(Needs(limits.fuel is not None, self._memory_bytes))

    def number_for(self, plan: Plan) -> int:
        """Return the pool whose cells can serve a run.

        Raises:
            ImageError: it needs an image that cannot be made.
        """
        limits = plan.limits
        needs = Needs(
            limits.fuel is not None, _at_least(int(limits.memory_bytes), self._memory_bytes)
        )
        if self._is_jailed and (plan.writes_files or plan.mounts or plan.program != "python"):
            files_bytes = _at_least(int(limits.files_bytes), self._files_bytes)
            needs = needs._replace(
                files_bytes=max(1, files_bytes) if plan.writes_files else 0,
                mounts=plan.mounts,
                program=os.fsdecode(bytes(plan.source)) if plan.program == "module" else "",
            )
        return self._number(needs)

    def fits(self, number: int, limits: Limits) -> bool:
        """Return whether the cells of a session's pool can hold one more run of it to `limits`."""
        needs = self._needs[number]
        return (
            needs.fuel == (limits.fuel is not None)
            and int(limits.memory_bytes) <= needs.memory_bytes
            and not 0 < needs.files_bytes < int(limits.files_bytes)
        )

    def _number(self, needs: Needs) -> int:
        number = self._numbers.get(needs)
        if number is not None:
            return number
        with self._lock:
            number = self._numbers.get(needs)
            if number is None:
                number = len(self._numbers) + 1
                self._define(number, needs)
                self._needs[number] = needs
                self._numbers[needs] = number
        return number

    def _define(self, number: int, needs: Needs) -> None:
        sizes, compiled = self._sizes, self._compiled(needs.fuel)
        is_plain = number == 1
        self._client.send(
            DefinePool(
                pool=number,
                kind="wasm",
                image_path=compiled.path,
                image_sha256=compiled.sha256,
                cells_max=sizes.cells,
                spares=sizes.spares if is_plain else 0,
                stock=sizes.stock,
                queue_max=sizes.queue_max,
                memory_bytes=needs.memory_bytes,
                fuel=needs.fuel,
                on_demand=not is_plain,
                mounts=needs.mounts,
                files_bytes=needs.files_bytes,
                programs=(needs.program,) if needs.program else (),
            )
        )


def _at_least(wanted_bytes: int, usual_bytes: int) -> int:
    """Return a pool's cap for a run: the supervisor's own, or the next power of two above."""
    return usual_bytes if wanted_bytes <= usual_bytes else 1 << (wanted_bytes - 1).bit_length()
