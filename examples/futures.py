"""Sandboxes where a program has a `concurrent.futures.Executor`: futures, batches, a cancel.

    python examples/futures.py [KIND]

KIND is wasm, process or interpreter. Functions go by their source, or by reference where every
guest has them; what they raise, and that they loop for ever, is the future's affair.
"""

from __future__ import annotations

import math
import sys
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

from executor import CellExecutor, GuestError, Supervisor


def primes_below(n: int) -> int:
    """Count primes; runs in a sandbox, so it imports what it needs."""
    from math import isqrt

    return sum(all(m % d for d in range(2, isqrt(m) + 1)) for m in range(2, n))


def first_letter(word: str) -> str:
    return word[0]


def wait_for_ever() -> None:
    while True:
        pass


def main() -> None:
    kind: Any = sys.argv[1] if len(sys.argv) > 1 else "wasm"
    with Supervisor(kind=kind, cells=2) as supervisor, CellExecutor(supervisor) as pool:
        futures = [pool.submit(primes_below, n) for n in (10, 100, 1_000)]
        print([future.result() for future in futures])

        print(list(pool.map(math.factorial, range(8), chunksize=4)))  # four calls in each sandbox

        failed = pool.submit(first_letter, "")
        try:
            failed.result()
        except GuestError as error:
            print(error)

        endless, quick = pool.submit(wait_for_ever), pool.submit(first_letter, "quick")
        done, _ = wait([endless, quick], return_when=FIRST_COMPLETED)
        print(done == {quick}, endless.cancel(), endless.cancelled())


if __name__ == "__main__":
    main()
