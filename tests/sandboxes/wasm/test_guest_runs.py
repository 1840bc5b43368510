"""What the Python guest promises, seen from outside a real sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.messages import Error, Verdict
from protocol.values import decode, encode
from sandboxes.base import Ended, HostAnswer
from tests.sandboxes.wasm.engine_kit import MIB, Bench, Recorder, limits, order


def value_of(bench: Bench, source: str, **given: Any) -> object:
    ended = bench.run(order(source, mode="cell", **given))
    assert ended.verdict is Verdict.OK, ended
    return None if ended.value is None else decode(ended.value, ended.out_of_band)


def error_of(bench: Bench, source: str, **given: Any) -> Error:
    ended = bench.run(order(source, **{"mode": "cell", **given}))
    assert ended.verdict is Verdict.EXCEPTION, ended
    assert ended.error is not None
    return ended.error


def printed(bench: Bench, source: str, **given: Any) -> tuple[Ended, Recorder]:
    host = Recorder()
    return bench.run(order(source, **given), host), host


# --- programs and values -------------------------------------------------------------------------
def test_a_cell_gives_the_value_of_its_last_expression_and_a_script_none(bench: Bench) -> None:
    assert value_of(bench, "x = (1, {2})\nx") == (1, {2})
    assert bench.run(order("1 + 1")).value is None


def test_a_script_runs_as_main_under_its_own_name(bench: Bench) -> None:
    source = "import __main__, sys\nprint(__name__, __file__, sys.argv, __main__.x)"

    said = bench.say("x = 5\n" + source, filename="tool.py", argv=["-v", "é"])

    assert said == "__main__ tool.py ['tool.py', '-v', 'é'] 5\n"


def test_inputs_are_globals_and_one_dict(bench: Bench) -> None:
    big = bytes(range(256)) * 1_000
    sent = encode({"n": 2, "raw": big})
    assert sent.buffers

    value = value_of(bench, "[n, raw, inputs]", inputs=[sent.body, *map(bytes, sent.buffers)])

    assert value == [2, big, {"n": 2, "raw": big}]


def test_the_environment_is_what_was_given_and_nothing_else(bench: Bench) -> None:
    assert bench.say("import os; print(dict(os.environ))") == "{}\n"
    assert bench.say("import os; print(dict(os.environ))", env={"K": "v"}) == "{'K': 'v'}\n"


def test_a_run_sees_nothing_of_a_run_before_it(bench: Bench) -> None:
    bench.say("import builtins, sys; builtins.leak = sys.leak = 1; x = 5")

    assert bench.say("import sys; print(hasattr(sys, 'leak'), 'leak' in dir(), 'x' in dir())")
    assert error_of(bench, "x").name == "NameError"


def test_runs_of_one_session_share_their_globals_and_nothing_of_their_streams(bench: Bench) -> None:
    first = order("x = 1\ndef f(): return x\nimport sys\nprint(sys.stdin.read())", session=7)
    second = order("x += 1\nprint(f(), repr(input()))", session=7, stdin=b"line\n", mode="cell")
    sandbox, host = bench.fresh(), Recorder()
    try:
        bench.run_in(sandbox, first, Recorder())
        ended = bench.run_in(sandbox, second, host)
    finally:
        bench.thread.do(sandbox.close)

    assert ended.verdict is Verdict.OK, ended
    assert host.stdout == "2 'line'\n"


def test_top_level_await_works_in_a_cell(bench: Bench) -> None:
    source = "import asyncio\nawait asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))"

    assert value_of(bench, source) == [1, 2]


# --- endings -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "verdict", "code", "stderr"),
    [
        ("pass", Verdict.OK, 0, b""),
        ("import sys; sys.exit()", Verdict.OK, 0, b""),
        ("import sys; sys.exit(0)", Verdict.OK, 0, b""),
        ("import sys; sys.exit(3)", Verdict.EXIT, 3, b""),
        ("import sys; sys.exit(-1)", Verdict.EXIT, -1, b""),
        ("import sys; sys.exit(2**80)", Verdict.EXIT, -1, b""),
        ("import sys; sys.exit(True)", Verdict.EXIT, 1, b""),
        ("import sys; sys.exit('why')", Verdict.EXIT, 1, b"why\n"),
        ("exit(4)", Verdict.EXIT, 4, b""),
        ("raise SystemExit(5)", Verdict.EXIT, 5, b""),
        ("1 / 0", Verdict.EXCEPTION, 1, b""),
        ("raise KeyboardInterrupt", Verdict.EXCEPTION, 1, b""),
        ("raise BaseException", Verdict.EXCEPTION, 1, b""),
        ("raise MemoryError('mine')", Verdict.EXCEPTION, 1, b""),
        ("eval('(' * 5000)", Verdict.EXCEPTION, 1, b""),
    ],
)
def test_a_program_ends_as_python_would_end_it(
    bench: Bench, source: str, verdict: Verdict, code: int, stderr: bytes
) -> None:
    ended, host = printed(bench, source)

    assert (ended.verdict, ended.exit_code, host.out["stderr"]) == (verdict, code, stderr)


def test_a_traceback_has_the_guests_file_lines_and_source_and_is_not_printed(bench: Bench) -> None:
    ended, host = printed(bench, "def f():\n    1 / 0\n\nf()\n", filename="app.py")

    assert ended.error is not None
    assert ended.error.traceback == (
        "Traceback (most recent call last):\n"
        '  File "app.py", line 4, in <module>\n'
        "    f()\n"
        "    ~^^\n"
        '  File "app.py", line 2, in f\n'
        "    1 / 0\n"
        "    ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
    )
    assert host.out["stderr"] == b""


@pytest.mark.parametrize(
    "source",
    [
        "1 / 0",
        "import time\ntime.sleep('x')",
        "import host\nhost.absent",
        "import host\nhost.fetch()",
        "import host\nhost.fetch(object())",
        "import asyncio\nasync def f(): 1 / 0\nasyncio.run(f())",
        "async def f(): 1 / 0\nawait f()",
        "print(*[1], file=5)",
        "import sys\nsys.stdout.write(5)",
        "import threading\nthreading.Thread(target=print).start()",
        "object()",
        "x = (",
    ],
)
def test_no_frame_of_ours_is_in_a_traceback(bench: Bench, source: str) -> None:
    host = Recorder()
    host.answer = lambda _, __: HostAnswer(error=Error("ValueError", "from the host"))

    ended = bench.run(order(source, mode="cell", functions=["fetch"]), host)

    assert ended.verdict is Verdict.EXCEPTION
    assert ended.error is not None
    assert "cellblock" not in ended.error.traceback
    assert "sandboxes" not in ended.error.traceback


def test_a_hook_of_the_guest_for_uncaught_exceptions_is_called(bench: Bench) -> None:
    source = "import sys\nsys.excepthook = lambda t, e, tb: print('hook', t.__name__)\n1 / 0"

    ended, host = printed(bench, source)

    assert (ended.verdict, host.stdout) == (Verdict.EXCEPTION, "hook ZeroDivisionError\n")


def test_exit_functions_destructors_and_open_files_end_within_the_run(bench: Bench) -> None:
    source = (
        "import atexit\n"
        "class A:\n"
        "    def __del__(self): print('del')\n"
        "a = A()\n"
        "f = open('out.txt', 'w')\n"
        "f.write('kept')\n"
        "atexit.register(print, 'atexit')\n"
        "print('main')\n"
    )

    host = Recorder()
    ended = bench.run(order(source, keep_files=True), host)

    assert host.stdout == "main\natexit\ndel\n"
    assert ended.files == {"out.txt": b"kept"}


def test_memory_that_runs_out_is_a_verdict_and_the_guest_may_also_catch_it(bench: Bench) -> None:
    small = limits(memory_bytes=64 * MIB)
    ended = bench.run(order("x = []\nwhile True: x.append(bytearray(1 << 20))", bound=small))
    assert ended.verdict is Verdict.MEMORY
    assert ended.error is not None
    assert ended.error.name == "MemoryError"

    caught = "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('caught')"
    assert bench.say(caught, bound=small) == "caught\n"


def test_memory_filled_with_small_objects_still_ends_in_a_reply(bench: Bench) -> None:
    source = "x = []\nwhile True: x.append([x])"

    ended = bench.run(order(source, bound=limits(memory_bytes=64 * MIB)))

    assert ended.verdict is Verdict.MEMORY


@pytest.mark.parametrize(
    "source",
    [
        "def f(): f()\nf()",
        "eval('[' * 100_000)",
        "eval('-' * 100_000 + '1')",
        "compile('x = ' + '(' * 150 + ')' * 150 + 'y' * 100_000 + '.', 'f', 'exec')",
        "import json\njson.loads('[' * 100_000)",
        "a = []\nfor _ in range(100_000): a = [a]\nrepr(a)",
        "class A:\n    def __repr__(self): return repr(self)\nraise ValueError(A())",
        "raise ExceptionGroup('g', [ValueError('v' * 100_000)] * 1000)",
        "e = ValueError()\nfor _ in range(5_000):\n"
        "    n = ValueError('x'); n.__context__ = e; e = n\n"
        "raise e",
    ],
)
def test_deep_or_huge_failures_end_as_errors_of_the_guest(bench: Bench, source: str) -> None:
    error = error_of(bench, source)

    assert len(error.message) <= 65_536
    assert len(error.traceback) <= 262_144


# --- values --------------------------------------------------------------------------------------
HOSTILE_VALUES = [
    "object()",
    "class A:\n    __class__ = int\nA()",
    "class A:\n    def __reduce__(self): raise SystemExit\nA()",
    "class A(dict):\n    def __iter__(self): raise SystemExit\n    items = __iter__\nA(a=1)",
    "class A(int):\n    def __repr__(self): return '__import__'\nA()",
    "class A(str):\n    def __str__(self): return 1\nA('x')",
    (
        "class M(type):\n    def __getattribute__(c, n): raise SystemExit(n)\n"
        "class A(metaclass=M): pass\nA()"
    ),
]


@pytest.mark.parametrize("source", HOSTILE_VALUES)
def test_a_hostile_value_is_refused_with_the_way_to_it(bench: Bench, source: str) -> None:
    error = error_of(bench, source)

    assert error.name == "ValueRefused"
    assert error.message.startswith("value")


def test_a_value_is_carried_at_its_cap_and_refused_one_byte_past_it(bench: Bench) -> None:
    size = len(encode("x" * 1_000).body)
    at, past = limits(value_bytes=size), limits(value_bytes=size - 1)

    assert value_of(bench, "'x' * 1_000", bound=at) == "x" * 1_000
    assert bench.run(order("'x' * 1_000", mode="cell", bound=past)).verdict is Verdict.VALUE


def test_a_large_value_travels_out_of_band(bench: Bench) -> None:
    ended = bench.run(order("bytes(range(256)) * 4_000", mode="cell"))

    assert ended.value is not None
    assert len(ended.out_of_band) == 1
    assert decode(ended.value, ended.out_of_band) == bytes(range(256)) * 4_000


# --- streams -------------------------------------------------------------------------------------
def test_streams_take_text_bytes_and_descriptors_in_order(bench: Bench) -> None:
    source = (
        "import os, sys\n"
        "print('a')\n"
        "sys.stdout.buffer.write(b'\\xff\\n')\n"
        "os.write(1, b'c\\n')\n"
        "print('d', file=sys.__stdout__, flush=True)\n"
        "print('e', file=sys.stderr)\n"
        "os.write(2, b'f\\n')\n"
    )

    _, host = printed(bench, source)

    assert host.out == {"stdout": b"a\n\xff\nc\nd\n", "stderr": b"e\nf\n"}


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_is_whole_at_its_cap_and_cut_and_flagged_one_byte_past_it(
    bench: Bench, stream: str
) -> None:
    source = "import sys\nfor _ in range({}): sys.{}.write('x')"
    bound = limits(stdout_bytes=5_000, stderr_bytes=5_000)

    _, at = printed(bench, source.format(5_000, stream), bound=bound)
    _, past = printed(bench, source.format(5_001, stream), bound=bound)

    assert (dict(at.out)[stream], at.cut) == (b"x" * 5_000, set())  # type: ignore[index]
    assert (dict(past.out)[stream], past.cut) == (b"x" * 5_000, {stream})  # type: ignore[index]


def test_what_was_printed_before_a_trap_is_not_lost(bench: Bench) -> None:
    ended, host = printed(bench, "import os\nprint('before')\nos.abort()")

    assert ended.verdict is Verdict.CRASHED
    assert host.stdout == "before\n"


def test_standard_input_is_given_or_empty(bench: Bench) -> None:
    assert error_of(bench, "input()").name == "EOFError"
    assert bench.say("print(input('? '), input())", stdin=b"a\nb\n") == "? a b\n"
    assert bench.say("import os; print(os.read(0, 3))", stdin=b"abcd") == "b'abc'\n"


def test_live_input_is_waited_for_after_the_prompt_was_shown(bench: Bench) -> None:
    host = Recorder()
    host.input = b"me\n"

    ended = bench.run(order("print('hello', input('name? '))", stdin_live=True), host)

    assert ended.verdict is Verdict.OK
    assert host.stdout == "name? hello me\n"


# --- host side -----------------------------------------------------------------------------------
def test_a_host_function_is_called_by_name_and_from_import(bench: Bench) -> None:
    host = Recorder()
    host.answer = lambda _, arguments: HostAnswer(encode(decode(arguments)).body)
    source = "from host import fetch\nimport host\n[fetch(1, k=2), host.fetch.__name__]"

    ended = bench.run(order(source, mode="cell", functions=["fetch"]), host)

    assert ended.value is not None
    assert decode(ended.value) == [[[1], {"k": 2}], "fetch"]


def test_an_error_of_the_host_can_be_caught(bench: Bench) -> None:
    host = Recorder()
    host.answer = lambda _, __: HostAnswer(error=Error("HTTPError", "404"))
    source = "import host\ntry:\n    host.f()\nexcept host.HostError as e:\n    print(e, e.name)"

    bench.run(order(source, functions=["f"]), host)

    assert host.stdout == "HTTPError: 404 HTTPError\n"


def test_logging_and_progress_reach_the_host(bench: Bench) -> None:
    source = (
        "import host, logging\n"
        "log = logging.getLogger('app')\n"
        "log.debug('hidden')\n"
        "log.info('shown', extra={'rows': 5})\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "log.debug('now shown')\n"
        "host.progress(0.5, 'half')\n"
    )

    _, host = printed(bench, source)

    assert host.logs == [(20, "app", "shown", {"rows": "5"}), (10, "app", "now shown", {})]
    assert host.notes == [(500, "half")]
    assert host.out["stderr"] == b""


# --- the library ---------------------------------------------------------------------------------
def test_our_own_packages_leave_their_names_to_the_guest(bench: Bench) -> None:
    files = {"protocol.py": b"x = 5", "sandboxes.py": b"y = 6"}
    source = "import protocol, sandboxes\nprint(protocol.x, sandboxes.y, (1,))\n(1,)"

    ended = bench.run(order(source, mode="cell", files=files), host := Recorder())

    assert (ended.verdict, host.stdout) == (Verdict.OK, "5 6 (1,)\n")


def test_a_module_beside_the_script_is_imported_with_its_source_in_tracebacks(bench: Bench) -> None:
    files = {"helper.py": b"def go():\n    return 1 / 0\n"}

    error = error_of(bench, "import helper\nhelper.go()", files=files)

    assert "    return 1 / 0\n" in error.traceback


@pytest.mark.parametrize(
    "name",
    [
        *("sqlite3", "zoneinfo", "decimal", "xml.dom.minidom", "email.mime.text", "http.client"),
        *("urllib.request", "csv", "difflib", "pydoc", "tomllib", "wsgiref.util", "tracemalloc"),
        *("xmlrpc.client", "unittest.mock", "importlib.resources", "string.templatelib"),
    ],
)
def test_the_standard_library_is_there(bench: Bench, name: str) -> None:
    assert bench.say(f"import {name} as m; print(m.__name__)") == f"{name}\n"


def test_every_time_zone_is_there(bench: Bench) -> None:
    source = (
        "import datetime, zoneinfo\n"
        "at = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))\n"
        "print(at.utcoffset(), len(zoneinfo.available_timezones()) > 500)"
    )

    assert bench.say(source) == "2:00:00 True\n"


def test_asyncio_runs_sleeps_times_out_and_notices_a_deadlock(bench: Bench) -> None:
    source = (
        "import asyncio\n"
        "async def main():\n"
        "    q = asyncio.Queue()\n"
        "    async with asyncio.TaskGroup() as group:\n"
        "        group.create_task(q.put(await asyncio.to_thread(lambda: 5)))\n"
        "    print(await q.get())\n"
        "    try:\n"
        "        async with asyncio.timeout(0.001): await asyncio.sleep(60)\n"
        "    except TimeoutError: print('timeout')\n"
        "asyncio.run(main())\n"
        "try: asyncio.run(q.get() if (q := asyncio.Queue()) else None)\n"
        "except RuntimeError as e: print(e)\n"
    )

    said = bench.say(source)

    assert said == "5\ntimeout\ndeadlock: the event loop has nothing left that could wake it\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import threading; threading.Thread(target=print).start()", "the sandbox has one thread"),
        ("import _thread; _thread.start_new_thread(print, ())", "the sandbox has one thread"),
        (
            "import multiprocessing; multiprocessing.Process(target=print).start()",
            "the sandbox starts no processes",
        ),
        (
            "from concurrent import futures; futures.ProcessPoolExecutor()",
            "the sandbox starts no processes",
        ),
        ("import socket; socket.create_connection(('a', 1))", "the sandbox has no network"),
        ("import socket; socket.socket()", "the sandbox has no network"),
        ("import subprocess; subprocess.run('ls')", "the sandbox starts no processes"),
    ],
)
def test_what_a_sandbox_has_not_is_refused_by_that_name(
    bench: Bench, source: str, text: str
) -> None:
    assert text in error_of(bench, source).message


def test_processor_time_is_not_negative_and_sleep_takes_its_time(bench: Bench) -> None:
    source = (
        "import time\n"
        "a, b = time.process_time(), time.monotonic()\n"
        "time.sleep(0.02)\n"
        "print(a >= 0, time.process_time() >= a, time.monotonic() - b >= 0.02)\n"
        "time.sleep(0)\n"
    )

    assert bench.say(source) == "True True True\n"
    assert error_of(bench, "import time; time.sleep(-1)").name == "ValueError"


def test_two_sandboxes_draw_different_random_numbers(bench: Bench) -> None:
    draw = "import random, secrets; print(random.random(), secrets.token_hex())"

    assert bench.say(draw) != bench.say(draw)


def test_a_deterministic_run_uses_the_same_fuel_again(fuel_bench: Bench) -> None:
    bound = limits(fuel=10**10)
    source = (
        "import host\n"
        "for n in range(100): print(n); host.progress(n / 100)\n"
        "[n * n for n in range(1000)]"
    )

    used = {fuel_bench.run(order(source, mode="cell", bound=bound)).usage.fuel for _ in range(3)}

    assert len(used) == 1
    assert used != {0}


def test_timings_are_told_and_are_none_of_a_deterministic_run(
    bench: Bench, fuel_bench: Bench
) -> None:
    source = "sum(range(200_000))"

    assert bench.run(order(source)).timings.run_us > 0
    timings = fuel_bench.run(order(source, bound=limits(fuel=10**10))).timings
    assert (timings.decode_us, timings.run_us, timings.encode_us) == (0, 0, 0)


def test_a_guest_that_wrecks_its_interpreter_harms_its_own_run_alone(bench: Bench) -> None:
    wreck = (
        "import sys, builtins\n"
        "for m in list(sys.modules): sys.modules.pop(m).__dict__.clear()\n"
        "builtins.__dict__.clear()\n"
    )

    ended = bench.run(order(wreck))

    assert ended.verdict in (Verdict.CRASHED, Verdict.EXCEPTION, Verdict.OK)
    assert json.loads(bench.say("print(1)")) == 1
