"""Who takes part: ourselves first, then everybody who can be found or installed here."""

from __future__ import annotations

from bench.contestants.base import Contestant
from bench.contestants.cellblock import Cellblock, CountingFuel
from bench.contestants.eryx import Eryx
from bench.contestants.monty import Monty
from bench.contestants.node import Moved, Piscina, Workers
from bench.contestants.processes import Native, Processes
from bench.contestants.wasi import Wasi

ALL: tuple[Contestant, ...] = (
    Cellblock(),
    CountingFuel(),
    Native(),
    Eryx(),
    Monty(),
    Wasi(),
    Workers(),
    Moved(),
    Piscina(),
    Processes(),
)
OURS = Cellblock.name
