"""The pools of one supervisor: one for plain runs, others only where a run needs other cells.

A cell's engine either counts fuel or does not, and its process has one cap on memory. So a run
goes to the pool of its kind; a pool is defined when the first run needs it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from protocol.messages import DefinePool

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor.client import Client
    from protocol.limits import Limits
    from sandboxes.wasm.image import Compiled


class Sizes(NamedTuple):
    """How large each pool is: cells, spares, sandboxes in stock for each, and the queue."""

    cells: int
    spares: int
    stock: int
    queue_max: int


class Pools:
    """Numbers the pools and defines them. Thread-safe."""

    def __init__(
        self,
        client: Client,
        *,
        compiled: Callable[[bool], Compiled],
        sizes: Sizes,
        limits: Limits,
    ) -> None:
        """Define the pool for runs with `limits`, the supervisor's own.

        Args:
            client: where to define them.
            compiled: returns the image, compiled so that fuel is counted or not; may take seconds.
            sizes: of each pool.
            limits: of the runs to expect.

        Raises:
            ImageError: the image cannot be made.
        """
        self._client = client
        self._compiled = compiled
        self._sizes = sizes
        self._memory_bytes = int(limits.memory_bytes)
        self._lock = threading.Lock()
        self._numbers: dict[tuple[bool, int], int] = {}
        self._keys: dict[int, tuple[bool, int]] = {}
        self.number_for(limits)

    def number_for(self, limits: Limits) -> int:
        """Return the pool whose cells can hold a run to `limits`.

        Raises:
            ImageError: it needs an image that cannot be made.
        """
        key = (limits.fuel is not None, self._memory_for(int(limits.memory_bytes)))
        number = self._numbers.get(key)
        if number is not None:
            return number
        with self._lock:
            number = self._numbers.get(key)
            if number is None:
                number = len(self._numbers) + 1
                self._define(number, fuel=key[0], memory_bytes=key[1])
                self._keys[number] = key
                self._numbers[key] = number
        return number

    def fits(self, number: int, limits: Limits) -> bool:
        """Return whether the cells of a pool can hold a run to `limits`."""
        fuel, memory_bytes = self._keys[number]
        return fuel == (limits.fuel is not None) and int(limits.memory_bytes) <= memory_bytes

    def _memory_for(self, memory_bytes: int) -> int:
        """Return the pool's own cap: the supervisor's, or the next power of two above."""
        if memory_bytes <= self._memory_bytes:
            return self._memory_bytes
        return 1 << (memory_bytes - 1).bit_length()

    def _define(self, number: int, *, fuel: bool, memory_bytes: int) -> None:
        sizes, compiled = self._sizes, self._compiled(fuel)
        self._client.send(
            DefinePool(
                pool=number,
                kind="wasm",
                image_path=compiled.path,
                image_sha256=compiled.sha256,
                cells_max=sizes.cells,
                spares=sizes.spares,
                stock=sizes.stock,
                queue_max=sizes.queue_max,
                memory_bytes=memory_bytes,
                fuel=fuel,
            )
        )
