"""Python's own pools and pebble as peers: a place that no other code has used, for each call.

Each function here starts a fresh process or interpreter, has it compute `answer(20)`, and ends it;
what `with_numpy` is true for imports numpy there first.
"""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from typing import Any

EXPECTED = 41


def answer(n: int) -> int:
    """Do next to nothing."""
    return 2 * n + 1


def answer_with_numpy(n: int) -> int:
    """Do next to nothing with an array."""
    numpy = importlib.import_module("numpy")
    return int(numpy.arange(n + 1).max()) * 2 + 1


def work(*, with_numpy: bool) -> Callable[[int], int]:
    """Return what a peer is to compute."""
    return answer_with_numpy if with_numpy else answer


def _put(queue: Any, function: Callable[[int], int]) -> None:
    queue.send(function(20))


def process(method: str, *, with_numpy: bool) -> Callable[[], None]:
    """Return a call that starts a process by a method of `multiprocessing` and ends it."""
    context: BaseContext = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["numpy"] if with_numpy else [])
    function = work(with_numpy=with_numpy)

    def call() -> None:
        ours, theirs = context.Pipe()
        started = context.Process(target=_put, args=(theirs, function))  # type: ignore[attr-defined]  # of every context
        started.start()
        assert ours.recv() == EXPECTED
        started.join()

    return call


def executor(*, with_numpy: bool) -> Callable[[], None]:
    """Return a call that makes a `ProcessPoolExecutor` of one process and shuts it down."""
    function = work(with_numpy=with_numpy)

    def call() -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as pool:
            assert pool.submit(function, 20).result() == EXPECTED

    return call


def interpreter_pool() -> Callable[[], None] | None:
    """Return a call that makes an `InterpreterPoolExecutor` of one and shuts it down."""
    name = "concurrent.futures"
    if sys.version_info < (3, 14):
        name = "interpreters_backport.concurrent.futures.interpreter"
    try:
        pool_class = importlib.import_module(name).InterpreterPoolExecutor
    except (ImportError, AttributeError):
        return None

    def call() -> None:
        with pool_class(1) as pool:
            assert pool.submit(answer, 20).result() == EXPECTED

    return call


def pebble_pool(*, with_numpy: bool) -> Callable[[], None] | None:
    """Return a call that has pebble run one task in a process of its own; None without pebble."""
    if importlib.util.find_spec("pebble") is None:
        return None
    concurrent = importlib.import_module("pebble").concurrent
    function = concurrent.process(context=multiprocessing.get_context("forkserver"))(
        work(with_numpy=with_numpy)
    )

    def call() -> None:
        assert function(20).result() == EXPECTED

    return call
