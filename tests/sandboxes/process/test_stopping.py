"""How a native guest is ended: the right one, soon, and without harm to what comes after it."""

from __future__ import annotations

import threading

import pytest

from executor import Outcome, Supervisor, Verdict

WAYS = {
    "computes": "while True: pass",
    "sleeps": "import time\ntime.sleep(1000)",
    "waits for a lock": "import threading\nthreading.Event().wait()",
    "waits in asyncio": "import asyncio\nawait asyncio.sleep(1000)",
    "matches": "import re\nre.match('(a+)+b', 'a' * 40)",
    "multiplies": "x = 3 ** (10 ** 8)",
    "prints": "while True: print('x' * 100)",
    "calls its host": "import host\nwhile True: host.f(1)",
    "logs": "import logging\nwhile True: logging.warning('x')",
    "catches all": "while True:\n    try:\n        while 1: pass\n    except BaseException: pass",
    "never ends its end": "try:\n    while True: pass\nfinally:\n    while True: pass",
    "waits for its thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(1000,)).start()",
    "prints in its thread": "import threading\ndef f():\n    while True: print(1)\n"
    "threading.Thread(target=f, daemon=True).start()\nwhile True: pass",
}


@pytest.mark.parametrize("code", WAYS.values(), ids=WAYS)
def test_a_guest_is_ended_at_its_deadline_and_says_so(single: Supervisor, code: str) -> None:
    limits = {"wall_s": 0.3, "host_calls": 10_000_000}
    outcome = single.run(code, limits=limits, functions={"f": lambda x: x})

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.exit_code is None


@pytest.mark.parametrize("code", WAYS.values(), ids=WAYS)
def test_a_guest_is_ended_when_it_is_given_up(single: Supervisor, code: str) -> None:
    began = threading.Event()
    handle = single.start(
        f"print('on', flush=True)\n{code}",
        on_stdout=lambda _: began.set(),
        functions={"f": lambda x: x},
        limits={"host_calls": 10_000_000},
    )
    assert began.wait(20)
    handle.cancel()

    assert handle.result().verdict is Verdict.CANCELLED


def test_an_interrupt_never_ends_the_run_after_the_one_it_was_meant_for(
    shared: Supervisor,
) -> None:
    ended: list[Outcome] = []
    for _ in range(60):
        given_up = shared.start("1", tenant="late")
        given_up.cancel()
        ended.append(shared.run("2", tenant="late"))

    assert [outcome.value for outcome in ended] == [2] * 60


def test_calls_over_their_limit_end_a_guest_that_catches_what_they_raise(
    single: Supervisor,
) -> None:
    code = """
import host
while True:
    try:
        host.f()
    except BaseException:
        pass
"""
    outcome = single.run(code, functions={"f": lambda: None}, limits={"host_calls": 3})

    assert outcome.verdict is Verdict.HOST_CALLS
    assert outcome.usage.host_calls == 3


def test_what_was_printed_before_the_end_is_kept(single: Supervisor) -> None:
    code = "print('a')\nprint('b', end='', flush=True)\nwhile True: pass"

    assert single.run(code, limits={"wall_s": 0.3}).stdout == "a\nb"


def test_threads_of_a_guest_may_call_the_host_at_the_same_time(single: Supervisor) -> None:
    code = """
import concurrent.futures, host
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    found = list(pool.map(host.double, range(100)))
found
"""
    outcome = single.run(code, functions={"double": lambda x: 2 * x})

    assert outcome.value == [2 * x for x in range(100)]


def test_a_guest_that_stops_the_clock_is_ended_all_the_same(single: Supervisor) -> None:
    code = "import time\ntime.monotonic = time.time = lambda: 0.0\nwhile True: pass"

    assert single.run(code, limits={"wall_s": 0.3}).verdict is Verdict.TIMEOUT
