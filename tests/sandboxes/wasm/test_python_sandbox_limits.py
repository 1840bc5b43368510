"""Every limit of a Python guest ends its run with its own verdict, and harms no other run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.messages import Verdict
from sandboxes.base import HostAnswer
from sandboxes.errors import SandboxBroken
from sandboxes.wasm.backend import WasmBackend
from sandboxes.wasm.conversation import Conversation
from sandboxes.wasm.store import Store
from sandboxes.wasm.turn import Turn
from tests.sandboxes.wasm.engine_kit import MIB, Bench, Recorder, limits, order

SPINNERS = {
    "loop": "while True: pass",
    "catches everything": "while True:\n try:\n  while True: pass\n except BaseException: pass",
    "iterator in C": "import itertools\nsum(itertools.count())",
    "regular expression": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "huge integer": "x = 10 ** 10 ** 8",
    "huge integer as text": "import sys\nsys.set_int_max_str_digits(0)\nstr(1 << 40_000_000)",
    "sort": "while True: sorted(range(10**6), key=lambda n: -n)",
    "sleep": "import time\ntime.sleep(3_600)",
    "sleep in a loop that catches": (
        "import time\nwhile True:\n try: time.sleep(1)\n except BaseException: pass"
    ),
    "event loop": "import asyncio\nasync def f(): await asyncio.sleep(3_600)\nasyncio.run(f())",
    "output": "while True: print('x' * 1000)",
}


# --- interrupts ----------------------------------------------------------------------------------
@pytest.mark.parametrize("what", SPINNERS)
def test_an_interrupt_ends_a_guest_in(bench: Bench, what: str) -> None:
    wanted = order("print('ready', flush=True)\n" + SPINNERS[what])
    ended, _ = bench.run_until_interrupted(wanted, Verdict.TIMEOUT)
    assert (ended.verdict, ended.reusable) == (Verdict.TIMEOUT, False)


@pytest.mark.parametrize("verdict", [Verdict.TIMEOUT, Verdict.CANCELLED, Verdict.FILES])
def test_the_verdict_of_an_interrupt_is_the_one_it_came_with(
    bench: Bench, verdict: Verdict
) -> None:
    wanted = order("print('ready', flush=True)\nwhile True: pass")
    assert bench.run_until_interrupted(wanted, verdict)[0].verdict is verdict


def test_the_first_of_two_interrupts_stands(bench: Bench) -> None:
    sandbox, host = bench.fresh(), Recorder()

    def twice() -> None:
        sandbox.interrupt(Verdict.CANCELLED)
        sandbox.interrupt(Verdict.TIMEOUT)

    host.when_ready = twice
    ended = bench.run_in(sandbox, order("print('ready', flush=True)\nwhile True: pass"), host)
    assert ended.verdict is Verdict.CANCELLED
    bench.thread.do(sandbox.close)


def test_an_interrupt_before_the_run_ends_it_before_its_first_line(bench: Bench) -> None:
    sandbox, host = bench.fresh(), Recorder()
    sandbox.interrupt(Verdict.CANCELLED)
    ended = bench.run_in(sandbox, order("print('began')"), host)
    assert (ended.verdict, host.stdout) == (Verdict.CANCELLED, "")
    assert bench.run_in(sandbox, order("print('the next')"), host).verdict is Verdict.OK
    bench.thread.do(sandbox.close)


def test_what_was_printed_before_an_interrupt_is_not_lost(bench: Bench) -> None:
    wanted = order("for i in range(10): print('line', i)\nprint('ready')\nwhile True: pass")
    _, host = bench.run_until_interrupted(wanted, Verdict.TIMEOUT)
    assert host.stdout.splitlines()[:10] == [f"line {i}" for i in range(10)]


def test_an_interrupt_of_one_run_ends_no_other_sandbox(bench: Bench) -> None:
    stocked = [bench.fresh() for _ in range(3)]
    for _ in range(3):
        bench.run_until_interrupted(order("print('ready')\nwhile True: pass"), Verdict.TIMEOUT)
    for sandbox in stocked:
        host = Recorder()
        ended = bench.run_in(sandbox, order("for i in range(10**5): pass\nprint('well')"), host)
        assert (ended.verdict, host.stdout) == (Verdict.OK, "well\n")
        bench.thread.do(sandbox.close)


def test_an_interrupt_of_an_idle_sandbox_does_not_touch_the_one_that_runs(bench: Bench) -> None:
    idle, host = bench.fresh(), Recorder()

    def interrupt(_: str, arguments: bytes) -> HostAnswer:
        idle.interrupt(Verdict.TIMEOUT)
        return HostAnswer(arguments)

    host.answer = interrupt
    source = "import host\nhost.f()\nfor i in range(10**5): pass\nprint('well')"
    ended = bench.run(order(source, functions=["f"]), host)
    assert (ended.verdict, host.stdout) == (Verdict.OK, "well\n")
    bench.thread.do(idle.close)


def test_an_interrupt_that_came_too_late_does_not_end_the_next_run(bench: Bench) -> None:
    """The guest's last act is a call during which it is interrupted: it may still end well."""
    engine = bench.backend._loaded.engine

    def act() -> list[Verdict | None]:
        store, turn = Store(engine, Conversation()), Turn(engine)
        told = [turn.begin(store)]
        turn.interrupt(Verdict.TIMEOUT)
        told += [turn.end(), turn.begin(store), turn.end()]
        store.close()
        return told

    assert bench.thread.do(act) == [None, Verdict.TIMEOUT, None, None]


def test_interrupts_at_any_moment_give_a_run_one_of_two_endings(bench: Bench) -> None:
    """The interrupter races the run on purpose, without any coordination."""
    for _ in range(100):
        sandbox, host = bench.fresh(), Recorder()
        racer = threading.Thread(target=sandbox.interrupt, args=(Verdict.TIMEOUT,))
        wait = bench.thread.begin(lambda s=sandbox, h=host: s.run(order("print('well')"), h))  # type: ignore[misc]  # bound now
        racer.start()
        ended = wait()
        racer.join()
        assert ended.verdict in (Verdict.OK, Verdict.TIMEOUT)
        assert ended.verdict is not Verdict.OK or host.stdout == "well\n"
        bench.thread.do(sandbox.close)
    assert bench.say("print('well')") == "well\n"


# --- memory --------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit_mib", [48, 64, 128, 256])
def test_one_stock_serves_every_limit_on_memory(bench: Bench, limit_mib: int) -> None:
    bound = limits(memory_bytes=limit_mib * MIB)
    fits = f"x = bytearray({limit_mib - 36} << 20)\nprint('well')"
    too_much = f"x = bytearray({limit_mib - 20} << 20)\nprint('well')"
    assert bench.run(order(fits, bound=bound)).verdict is Verdict.OK
    ended = bench.run(order(too_much, bound=bound))
    assert ended.verdict is Verdict.MEMORY
    assert ended.usage.peak_memory_bytes <= limit_mib * MIB


def test_memory_ends_at_the_page_where_the_limit_is(bench: Bench) -> None:
    """The same guest fits at some limit and not one byte below it."""
    source = "x = bytearray(30 << 20)"

    def fits(memory_bytes: int) -> bool:
        return (
            bench.run(order(source, bound=limits(memory_bytes=memory_bytes))).verdict is Verdict.OK
        )

    low, high = 40 * MIB, 80 * MIB
    assert not fits(low)
    assert fits(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    assert high % (64 << 10) == 0


def test_a_guest_may_catch_the_error_and_go_on(bench: Bench) -> None:
    source = (
        "try: x = bytearray(10**9)\nexcept MemoryError: print('caught')\ny = bytearray(1 << 20)"
    )
    assert bench.say(source) == "caught\n"


@pytest.mark.parametrize(
    "source",
    [
        "x = []\nwhile True: x.append(bytearray(100_000))",
        "x = []\nwhile True: x.append(x[:])",
        "x = 'a'\nwhile True: x += x",
        "x = {}\nwhile True: x[len(x)] = str(len(x)) * 100",
        "x = ()\nwhile True: x = (x, x, bytearray(10_000))",
    ],
)
def test_memory_that_leaks_ends_with_its_verdict(bench: Bench, source: str) -> None:
    ended = bench.run(order(source, bound=limits(memory_bytes=64 * MIB)))
    assert ended.verdict is Verdict.MEMORY


def test_a_limit_below_what_the_guest_begins_with_ends_before_its_first_line(bench: Bench) -> None:
    host = Recorder()
    ended = bench.run(order("print('began')", bound=limits(memory_bytes=16 * MIB)), host)
    assert (ended.verdict, host.stdout) == (Verdict.MEMORY, "")
    assert ended.error is not None
    assert str(16 * MIB) in ended.error.message


# --- fuel ----------------------------------------------------------------------------------------
def _fuel(bench: Bench, source: str, fuel: int = 10**12) -> tuple[Verdict, int]:
    ended = bench.run(order(source, bound=limits(fuel=fuel)))
    return ended.verdict, ended.usage.fuel


@pytest.mark.parametrize(
    "source",
    [
        "",
        "print(1 + 1)",
        "for i in range(10_000): pass",
        "import json\njson.dumps(list(range(1000)))",
    ],
)
def test_fuel_is_the_same_number_in_every_fresh_sandbox(fuel_bench: Bench, source: str) -> None:
    measured = {_fuel(fuel_bench, source) for _ in range(3)}
    assert len(measured) == 1
    ((verdict, used),) = measured
    assert verdict is Verdict.OK
    assert used > 10_000


def test_fuel_holds_to_the_last_unit(fuel_bench: Bench) -> None:
    source = "for i in range(10_000): pass"
    _, used = _fuel(fuel_bench, source)
    assert _fuel(fuel_bench, source, used) == (Verdict.OK, used)
    assert _fuel(fuel_bench, source, used - 1) == (Verdict.FUEL, used - 1)


def test_fuel_ends_a_guest_that_catches_everything(fuel_bench: Bench) -> None:
    assert _fuel(fuel_bench, SPINNERS["catches everything"], 10**8) == (Verdict.FUEL, 10**8)


def test_a_cell_that_counts_fuel_serves_runs_without_a_limit(fuel_bench: Bench) -> None:
    ended = fuel_bench.run(order("for i in range(10_000): pass"))
    assert (ended.verdict, ended.usage.fuel) == (Verdict.OK, 0)


def test_an_interrupt_ends_a_guest_that_still_has_fuel(fuel_bench: Bench) -> None:
    wanted = order("print('ready', flush=True)\nwhile True: pass", bound=limits(fuel=10**15))
    assert fuel_bench.run_until_interrupted(wanted, Verdict.TIMEOUT)[0].verdict is Verdict.TIMEOUT


def test_a_limit_on_fuel_in_a_cell_that_counts_none_is_refused(bench: Bench) -> None:
    with pytest.raises(SandboxBroken, match="count fuel"):
        bench.run(order("", bound=limits(fuel=10**9)))


# --- depth ---------------------------------------------------------------------------------------
DEEP = {
    "recursion": "def f(): return f()\nf()",
    "recursion without its limit": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()"
    ),
    "repr": "x = []\nfor i in range(10**5): x = [x]\nrepr(x)",
    "json": "import json\njson.loads('[' * 10**6)",
    "json out": "import json\nx = []\nfor i in range(10**5): x = [x]\njson.dumps(x)",
    "parentheses": "eval('(' * 10**5 + ')' * 10**5)",
    "unary": "eval('-' * 10**6 + '1')",
    "attributes": "eval('a' + '.a' * 10**5)",
    "sum": "eval('+'.join(['1'] * 10**5))",
    "nested functions": "exec('\\n'.join(' ' * i + 'def f():' for i in range(200)))",
    "deep copy": "import copy\nx = []\nfor i in range(10**5): x = [x]\ncopy.deepcopy(x)",
    "release": "x = []\nfor i in range(3 * 10**6): x = [x]\ndel x\nprint('well')",
    "comparison": "x = []; y = []\nfor i in range(10**5): x = [x]; y = [y]\nx == y",
    "pickle": "import pickle\nx = []\nfor i in range(10**5): x = [x]\npickle.dumps(x)",
    "iterators": "x = iter([])\nfor i in range(10**6): x = map(id, x)\nlist(x)",
    "pattern": "import re\nre.compile('(' * 10**5 + ')' * 10**5)",
    "class chain": "class A: pass\nfor i in range(1_000): A = type('A', (A,), {})",
    "error chain": (
        "e = None\nfor i in range(10**5):\n    n = ValueError(i); n.__cause__ = e; e = n\nraise e"
    ),
    "integer": "x = 7 ** 10 ** 6\nprint(x % 1000)",
    "integer as text": "str(7 ** 10 ** 6)",
    "parser of a large source": "compile('x = 1\\n' * 10**5, 'a', 'exec')\nprint('well')",
}


#: What overflows the guest's stack where CPython does not look; anything else it can catch.
MAY_CRASH = {"recursion without its limit", "iterators", "release"}


@pytest.mark.parametrize("what", DEEP)
def test_a_guest_that_goes_too_deep_ends_alone(bench: Bench, what: str) -> None:
    ended = bench.run(order(DEEP[what], bound=limits(memory_bytes=512 * MIB)))
    if what in MAY_CRASH and ended.verdict is Verdict.CRASHED:
        assert ended.error is not None
        assert ended.error.message in ("the guest's stack overflowed", "the guest aborted")
    else:
        assert ended.verdict in (Verdict.OK, Verdict.EXCEPTION, Verdict.MEMORY)
    assert bench.say("print('well')") == "well\n"


def test_a_huge_traceback_comes_out_clipped(bench: Bench) -> None:
    source = "def f(n): f(n - 1) if n else 1 / 0\nimport sys\nsys.setrecursionlimit(5000)\nf(4000)"
    ended = bench.run(order(source + f"\n# {'x' * 100_000}"))
    assert ended.error is not None
    assert ended.error.name == "ZeroDivisionError"
    assert len(ended.error.traceback) <= 262_144


# --- nothing is left -----------------------------------------------------------------------------
def _counts() -> tuple[int, int, int]:
    """Descriptors, threads and mappings of this process."""
    return (
        len(os.listdir("/proc/self/fd")),
        len(os.listdir("/proc/self/task")),
        len(Path("/proc/self/maps").read_text().splitlines()),
    )


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def _grown(thread_do: Callable[[], None]) -> tuple[list[int], int]:
    thread_do()
    before, before_bytes = _counts(), _resident_bytes()
    thread_do()
    after = _counts()
    return [b - a for a, b in zip(before, after, strict=True)], _resident_bytes() - before_bytes


def test_a_thousand_sandboxes_leave_nothing_behind(bench: Bench) -> None:
    backend: WasmBackend = bench.backend

    def cycles() -> None:
        for _ in range(500):
            sandbox = backend.fresh()
            ended = sandbox.run(order("print(1 + 1)"), Recorder())
            assert ended.verdict is Verdict.OK
            sandbox.close()

    grown, grown_bytes = _grown(lambda: bench.thread.do(cycles))
    assert grown[0] == 0
    assert grown[1] <= 0  # those of earlier tests may go
    assert abs(grown[2]) < 20
    assert grown_bytes < 4 * MIB


def test_large_texts_in_every_direction_leave_nothing_behind(bench: Bench) -> None:
    backend: WasmBackend = bench.backend
    host = Recorder()
    host.answer = lambda *_: HostAnswer(b'"' + b"x" * 500_000 + b'"')
    source = (
        "import host, os\nprint('x' * 500_000)\nhost.f('x' * 500_000)\n"
        "import sys; sys.stdin.read(); os.write(1, b'x' * 100_000)\n'x' * 500_000\n"
        f"# {'x' * 500_000}"
    )
    wanted = order(
        source, mode="cell", functions=["f"], session=1, stdin=b"x" * 500_000, keep_files=True
    )

    def runs() -> None:
        sandbox = backend.fresh()
        for _ in range(20):
            assert sandbox.run(wanted, host).verdict is Verdict.OK
            host.calls.clear()
            host.out = {"stdout": b"", "stderr": b""}
        sandbox.close()

    _, grown_bytes = _grown(lambda: bench.thread.do(runs))
    assert grown_bytes < 8 * MIB


def test_runs_that_end_badly_leave_nothing_behind(bench: Bench) -> None:
    backend: WasmBackend = bench.backend
    bad = (
        order("import os; os.abort()"),
        order("import host; host.f()", functions=["f"]),
        order("x = bytearray(10**9)"),
        order("import os; os._exit(2)"),
        order("open('a', 'w').write('x')", files={"b": b"y"}, keep_files=True),
        order("import os; os.write(1, b'x' * 10_000)"),
        order("def f(): f()\nf()"),
    )

    def cycles() -> None:
        for wanted in bad * 10:
            sandbox = backend.fresh()
            sandbox.run(wanted, Recorder())
            sandbox.close()

    grown, grown_bytes = _grown(lambda: bench.thread.do(cycles))
    assert grown[0] == 0
    assert grown[1] < 5  # wasmtime's own threads come and go
    assert abs(grown[2]) < 40
    assert grown_bytes < 8 * MIB
