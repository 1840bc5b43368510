"""What all pools of one core have in common."""

from __future__ import annotations

from executor.pool.actions import Action
from executor.pool.parts import Cell
from executor.pool.policy import Policy
from executor.pool.timers import Timers
from executor.restart import Jitter
from protocol.structs import field, mutable

# Kinds of timers: the first item of a key; the second is the id behind it.
CELL, QUEUE, RESTART, SHRINK, AGE, TENANT, DRAIN, RUN = range(8)


@mutable
class Shared:
    """State above a single pool."""

    policy: Policy
    jitter: Jitter
    timers: Timers = field(default_factory=Timers)
    #: What the event at hand has led to so far.
    actions: list[Action] = field(default_factory=list)
    #: Every cell that is not yet gone, the dying ones included.
    cells: dict[int, Cell] = field(default_factory=dict)
    cells_made: int = 0
    draining: bool = False
