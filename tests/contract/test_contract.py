"""What every kind of sandbox does alike. One suite, each test for each kind; see `differences`.

A host that moves a run from one kind to another finds the same values, streams, errors, limits,
sessions, host functions and files, but for what `docs/sandboxes.md` lists.
"""

from __future__ import annotations

import asyncio
import io
import math
import os
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from executor import (
    CellExecutor,
    Entry,
    GuestError,
    Limits,
    Misuse,
    Mount,
    Note,
    Refused,
    SessionLost,
    Supervisor,
    Verdict,
)
from protocol.fields import Kind

PATIENCE_S = 20
LOOP = "while True: pass"
HARD_LOOP = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"


# --- values --------------------------------------------------------------------------------------
VALUES: list[object] = [
    True,
    0,
    -(2**200),
    1.5,
    math.inf,
    complex(1, -2),
    "grün \U0001f40d \ud800",
    b"\0\xff",
    bytearray(b"ab"),
    [1, [2, [3]]],
    (1, ("a", None)),
    {"a": 1, 2: "b", (3, 4): [5]},
    {1, 2, 3},
    frozenset({"x"}),
    date(2026, 2, 3),
    datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
    timedelta(days=-1, microseconds=5),
    Decimal("1.10"),
    Fraction(1, 3),
    UUID(int=5),
    PurePosixPath("a/b"),
    range(1, 10, 3),
    ...,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_keeps_its_type_and_content_both_ways(
    supervisor: Supervisor, value: object
) -> None:
    found = supervisor.run("[value, type(value).__name__]", inputs={"value": value}).unwrap()

    assert found == [value, type(value).__name__]
    assert isinstance(found, list)
    assert type(found[0]) is type(value)


def test_sharing_and_cycles_are_kept_both_ways(supervisor: Supervisor) -> None:
    shared: list[Any] = [1]
    shared.append(shared)

    outcome = supervisor.run(
        "assert pair[0] is pair[1] and pair[0][1] is pair[0]\npair", inputs={"pair": [shared] * 2}
    )

    pair = outcome.unwrap()
    assert isinstance(pair, list)
    assert pair[0] is pair[1]
    assert pair[0][1] is pair[0]


@pytest.mark.parametrize(
    ("code", "value"),
    [("x = 6\nx * 7", 42), ("x = 6", None), ("", None), ("def f(): pass", None)],
    ids=["expression", "statement", "empty", "definition"],
)
def test_the_value_of_a_run_is_that_of_its_last_expression(
    supervisor: Supervisor, code: str, value: object
) -> None:
    outcome = supervisor.run(code)

    assert (outcome.verdict, outcome.value) == (Verdict.OK, value)


def test_a_named_global_is_the_value_and_a_script_has_none(supervisor: Supervisor) -> None:
    assert supervisor.run("a = 1\n3", result="a").value == 1
    assert supervisor.run("3", mode="script").value is None
    assert supervisor.run("3", result="a").verdict is Verdict.EXCEPTION


def test_what_cannot_cross_is_named(supervisor: Supervisor) -> None:
    outcome = supervisor.run("import sys\n{'rows': [1, sys]}")

    assert outcome.verdict is Verdict.EXCEPTION
    assert outcome.error is not None
    assert outcome.error.name == "ValueRefused"
    assert "value['rows'][1]" in outcome.error.message


@pytest.mark.parametrize("length", [60_000, 300_000, 12_000_000], ids=["small", "spooled", "large"])
def test_bytes_of_any_size_cross_whole_both_ways(supervisor: Supervisor, length: int) -> None:
    data = os.urandom(length)

    outcome = supervisor.run(
        "data[::-1]", inputs={"data": data}, limits={"value_bytes": "64MB", "memory_bytes": "512MB"}
    )

    assert outcome.unwrap() == data[::-1]


def test_many_large_inputs_cross_in_one_run(supervisor: Supervisor) -> None:
    big, text = os.urandom(1 << 20), "ä" * 600_000
    inputs = {"a": big, "b": [b"s" * 70_000, text, big[:300_000]], "c": b"tiny"}

    outcome = supervisor.run(
        "import sys\nstdin = sys.stdin.read()\n(a, b, c, len(stdin), open('f', 'rb').read())",
        inputs=inputs,
        stdin="z" * 400_000,
        files={"f": big},
        limits={"value_bytes": "64MB"},
    )

    assert outcome.unwrap() == (big, inputs["b"], b"tiny", 400_000, big)


# --- streams -------------------------------------------------------------------------------------
def test_both_streams_come_back_as_text_and_as_bytes(supervisor: Supervisor) -> None:
    outcome = supervisor.run(
        "import sys\nprint('grün')\nprint('rot', file=sys.stderr)\n"
        "sys.stdout.buffer.write(b'\\xff\\n')\nNone"
    )

    assert (outcome.stdout, outcome.stderr) == ("grün\n\ufffd\n", "rot\n")
    assert outcome.stdout_raw == "grün\n".encode() + b"\xff\n"


def test_pieces_of_output_come_as_they_are_written(supervisor: Supervisor) -> None:
    """The guest goes on only when its host has seen the first piece."""
    seen = threading.Event()
    pieces: list[str] = []

    def note(text: str) -> None:
        pieces.append(text)
        seen.set()

    handle = supervisor.start(
        "import host\nprint('one', flush=True)\nhost.wait()\nprint('two')",
        on_stdout=note,
        functions={"wait": lambda: seen.wait(PATIENCE_S)},
    )

    assert handle.result(PATIENCE_S).stdout == "".join(pieces) == "one\ntwo\n"
    assert pieces[0] == "one\n"


@pytest.mark.parametrize(("length", "is_cut"), [(100, False), (101, True)])
def test_a_stream_is_cut_at_its_limit_and_flagged(
    supervisor: Supervisor, length: int, is_cut: bool
) -> None:
    outcome = supervisor.run(f"print('x' * {length}, end='')", limits={"stdout_bytes": 100})

    assert outcome.stdout == "x" * 100
    assert (outcome.ok, outcome.truncated.stdout) == (True, is_cut)


def test_arguments_environment_and_input_reach_the_guest_and_nothing_else_does(
    supervisor: Supervisor,
) -> None:
    code = "import os, sys\n(sys.argv, dict(os.environ), sys.stdin.read(), __name__)"

    given = supervisor.run(code, argv=["a", "ü"], env={"A": "ß"}, stdin="in", filename="f.py")

    assert given.unwrap() == (["f.py", "a", "ü"], {"A": "ß"}, "in", "__main__")
    assert supervisor.run(code).unwrap() == (["main.py"], {}, "", "__main__")


def test_live_input_is_read_while_the_guest_runs(supervisor: Supervisor) -> None:
    read_fd, write_fd = os.pipe()

    def answer(text: str) -> None:
        if "name?" in text:
            os.write(write_fd, b"Ada\n")

    with os.fdopen(read_fd, "rb") as source:
        outcome = supervisor.run(
            "print('name?', flush=True)\ninput()", stdin=source, on_stdout=answer
        )
        os.close(write_fd)

    assert outcome.unwrap() == "Ada"
    whole = supervisor.run("import sys\nsys.stdin.read()", stdin=io.StringIO("ü" * 50_000))
    assert whole.unwrap() == "ü" * 50_000


def test_log_entries_and_progress_come_structured(supervisor: Supervisor) -> None:
    entries: list[Entry] = []
    notes: list[Note] = []
    code = (
        "import logging, host\n"
        "logging.getLogger('app').warning('slow %s', 'query', extra={'ms': 12})\n"
        "host.progress(0.25, 'loading')\n"
    )

    outcome = supervisor.run(code, on_log=entries.append, on_progress=notes.append)

    assert outcome.ok, outcome.error
    assert [(e.level, e.logger, e.message, e.fields["ms"]) for e in entries] == [
        (30, "app", "slow query", "12")
    ]
    assert notes == [Note(0.25, "loading")]


# --- errors --------------------------------------------------------------------------------------
def test_an_exception_is_data_with_the_guests_own_traceback(supervisor: Supervisor) -> None:
    code = (
        "def f(n):\n    raise ValueError(f'no {n}')\ntry:\n    f(1)\nexcept ValueError:\n    f(2)"
    )
    outcome = supervisor.run(code, filename="plan.py")

    assert (outcome.verdict, outcome.exit_code) == (Verdict.EXCEPTION, 1)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.message) == ("ValueError", "no 2")
    assert outcome.error.traceback == (
        "Traceback (most recent call last):\n"
        '  File "plan.py", line 4, in <module>\n'
        "    f(1)\n    ~^^^\n"
        '  File "plan.py", line 2, in f\n'
        "    raise ValueError(f'no {n}')\n"
        "ValueError: no 1\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "plan.py", line 6, in <module>\n'
        "    f(2)\n    ~^^^\n"
        '  File "plan.py", line 2, in f\n'
        "    raise ValueError(f'no {n}')\n"
        "ValueError: no 2\n"
    )
    with pytest.raises(GuestError, match="ValueError: no 2"):
        outcome.unwrap()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("1 +", "SyntaxError"),
        ("f(", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("class E(Exception): pass\nraise E", "E"),
        ("def f(): f()\nf()", "RecursionError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ExceptionGroup('all', [ValueError(1)])", "ExceptionGroup"),
        ("open('/no/such/file')", "FileNotFoundError"),
        ("assert False", "AssertionError"),
    ],
)
def test_every_way_to_fail_is_an_outcome(supervisor: Supervisor, code: str, name: str) -> None:
    outcome = supervisor.run(code)

    assert outcome.verdict is Verdict.EXCEPTION
    assert outcome.error is not None
    assert outcome.error.name == name
    assert name in outcome.error.traceback


@pytest.mark.parametrize(
    ("code", "verdict", "exit_code", "stderr"),
    [
        ("import sys; sys.exit()", Verdict.OK, 0, ""),
        ("exit(3)", Verdict.EXIT, 3, ""),
        ("raise SystemExit('bye')", Verdict.EXIT, 1, "bye\n"),
        ("import atexit\natexit.register(print, 'last')\nexit(4)", Verdict.EXIT, 4, ""),
    ],
)
def test_an_exit_code_comes_back(
    supervisor: Supervisor, code: str, verdict: Verdict, exit_code: int, stderr: str
) -> None:
    outcome = supervisor.run(code)

    assert (outcome.verdict, outcome.exit_code, outcome.stderr) == (verdict, exit_code, stderr)
    assert outcome.stdout == ("last\n" if "atexit" in code else "")


def test_a_failed_run_keeps_what_it_had_written(supervisor: Supervisor) -> None:
    outcome = supervisor.run("print('before')\n1 / 0")

    assert outcome.stdout == "before\n"


# --- limits --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "code",
    [LOOP, HARD_LOOP, "sum(range(10**12))", "import time\ntime.sleep(1000)", "10 ** 10 ** 8"],
    ids=["loop", "hard loop", "c loop", "sleep", "big integer"],
)
def test_a_run_ends_at_its_deadline_whatever_it_does(supervisor: Supervisor, code: str) -> None:
    began = threading.Event()
    outcome = supervisor.run(
        f"import host\nprint('on', flush=True)\nhost.began()\n{code}",
        functions={"began": began.set},
        limits={"wall_s": 0.3},
    )

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.stdout == "on\n" or not began.is_set()  # a busy machine is late to begin
    assert supervisor.run("6 * 7").value == 42


def test_a_run_within_its_deadline_is_not_ended(supervisor: Supervisor) -> None:
    assert supervisor.run("import time\ntime.sleep(0.05)\n1", limits={"wall_s": 15}).value == 1


@pytest.mark.parametrize(
    "code",
    ["x = bytearray(10**9)", "x = []\nwhile True: x.append(bytearray(1 << 20))"],
    ids=["at once", "by and by"],
)
def test_memory_over_its_limit_has_its_own_verdict(supervisor: Supervisor, code: str) -> None:
    outcome = supervisor.run(code, limits={"memory_bytes": "96MiB"})

    assert outcome.verdict is Verdict.MEMORY
    assert supervisor.run("6 * 7").value == 42


def test_a_guest_that_catches_the_lack_of_memory_goes_on(supervisor: Supervisor) -> None:
    code = "try:\n    bytearray(10**9)\nexcept MemoryError:\n    caught = True\ncaught"

    assert supervisor.run(code).unwrap() is True


def test_a_run_may_have_more_memory_than_its_supervisor_gives(supervisor: Supervisor) -> None:
    code = "len(bytearray(600 * 2**20))"

    assert supervisor.run(code).verdict is Verdict.MEMORY
    assert supervisor.run(code, limits={"memory_bytes": "1GiB"}).value == 600 << 20


@pytest.mark.parametrize(("length", "verdict"), [(1_000, Verdict.OK), (1_200, Verdict.VALUE)])
def test_a_value_over_its_limit_has_its_own_verdict(
    supervisor: Supervisor, length: int, verdict: Verdict
) -> None:
    outcome = supervisor.run(f"'x' * {length}", limits={"value_bytes": 1_100})

    assert outcome.verdict is verdict
    assert (outcome.value is None) is (verdict is Verdict.VALUE)


@pytest.mark.parametrize(("calls", "verdict"), [(3, Verdict.OK), (4, Verdict.HOST_CALLS)])
def test_host_calls_over_their_limit_have_their_own_verdict(
    supervisor: Supervisor, calls: int, verdict: Verdict
) -> None:
    code = f"import host\nfor n in range({calls}): host.f()"

    outcome = supervisor.run(code, functions={"f": lambda: None}, limits={"host_calls": 3})

    assert outcome.verdict is verdict
    assert outcome.usage.host_calls == 3


def test_files_over_their_limit_have_their_own_verdict(supervisor: Supervisor) -> None:
    code = "import time\nopen('big', 'wb').write(bytes(3 << 20))\ntime.sleep(10)"

    outcome = supervisor.run(code, keep_files=True, limits={"files_bytes": "1MiB"})

    assert outcome.verdict is Verdict.FILES
    fine = supervisor.run(
        "open('small', 'wb').write(bytes(1 << 19))", keep_files=True, limits={"files_bytes": "1MiB"}
    )
    assert fine.value == 1 << 19


def test_usage_and_timings_say_where_the_time_went(supervisor: Supervisor) -> None:
    outcome = supervisor.run("sum(range(10**6))", inputs={"a": list(range(1000))})

    assert outcome.ok
    assert 0 < outcome.timings.run_s <= outcome.usage.wall_s + 0.001
    assert outcome.timings.encode_s > 0
    assert outcome.timings.decode_s > 0
    assert outcome.usage.cpu_s > 0
    assert outcome.usage.peak_memory_bytes > 5 << 20


# --- cancellation --------------------------------------------------------------------------------
@pytest.mark.parametrize("code", [LOOP, HARD_LOOP], ids=["loop", "hard loop"])
def test_a_run_at_hand_can_be_given_up(supervisor: Supervisor, code: str) -> None:
    began = threading.Event()
    handle = supervisor.start(f"print('on', flush=True)\n{code}", on_stdout=lambda _: began.set())
    assert began.wait(PATIENCE_S)

    handle.cancel()

    assert handle.result(PATIENCE_S).verdict is Verdict.CANCELLED
    assert supervisor.run("6 * 7").value == 42


def test_cancelling_an_await_ends_the_run(supervisor: Supervisor) -> None:
    async def main() -> object:
        began = asyncio.Event()
        task = asyncio.create_task(
            supervisor.arun(f"print('on', flush=True)\n{LOOP}", on_stdout=lambda _: began.set())
        )
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return (await supervisor.arun("6 * 7")).value

    assert asyncio.run(main()) == 42


def test_a_run_that_waits_for_its_host_can_be_given_up(supervisor: Supervisor) -> None:
    asked, gate = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        gate.wait(PATIENCE_S)

    handle = supervisor.start("import host\nhost.hold()", functions=[hold])
    assert asked.wait(PATIENCE_S)
    handle.cancel()

    assert handle.result(PATIENCE_S).verdict is Verdict.CANCELLED
    gate.set()


# --- fresh sandboxes, sessions -------------------------------------------------------------------
MARK = (
    "import builtins, os, sys, json\n"
    "seen = hasattr(builtins, 'mark'), hasattr(json, 'mark'), 'X' in os.environ, 'made' in dir()\n"
    "builtins.mark = json.mark = made = 1\nos.environ['X'] = '1'\nsys.path.append('/x')\nseen"
)


def test_each_run_has_a_sandbox_that_no_other_has_touched(supervisor: Supervisor) -> None:
    assert [supervisor.run(MARK).value for _ in range(8)] == [(False,) * 4] * 8


def test_state_stays_from_one_run_of_a_session_to_the_next(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("import math\nx = 20\nopen('kept', 'w').write('2')")
        session.run("def f(n): return n + x")

        assert session.run("f(20) + math.floor(0.5) + int(open('kept').read())").value == 42
        assert session.run("x = 2\n1 / 0").verdict is Verdict.EXCEPTION
        assert session.run("x").value == 2


def test_sessions_are_apart_from_each_other_and_from_runs(supervisor: Supervisor) -> None:
    with supervisor.session() as one, supervisor.session() as two:
        one.run("import builtins\nbuiltins.mark = x = 1")

        for run in (two.run, supervisor.run):
            assert run("'x' in globals(), hasattr(__builtins__, 'mark')").value == (False, False)
        assert one.run("x").value == 1


def test_reset_rolls_back_to_a_fresh_sandbox(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("import builtins\nbuiltins.mark = x = 1\nopen('left', 'w').close()")

        session.reset()

        code = (
            "import os\n('x' in globals(), hasattr(__builtins__, 'mark'), os.path.exists('left'))"
        )
        assert session.run(code).value == (False, False, False)


@pytest.mark.parametrize("ending", ["timeout", "cancel", "exit of the cell"])
def test_a_session_that_lost_its_sandbox_says_so(supervisor: Supervisor, ending: str) -> None:
    with supervisor.session(limits={"wall_s": 20}) as session:
        assert session.run("x = 1").ok
        if ending == "timeout":
            assert session.run(HARD_LOOP, limits={"wall_s": 0.3}).verdict is Verdict.TIMEOUT
        elif ending == "cancel":
            began = threading.Event()
            handle = session.start(
                f"print('on', flush=True)\n{HARD_LOOP}", on_stdout=lambda _: began.set()
            )
            assert began.wait(PATIENCE_S)
            handle.cancel()
            assert handle.result(PATIENCE_S).verdict is Verdict.CANCELLED
        else:
            outcome = session.run("import os\nos._exit(7)")
            assert outcome.verdict in (Verdict.CRASHED, Verdict.EXIT)

        with pytest.raises(SessionLost):
            session.run("x")
        session.reset()
        assert session.run("'x' in globals()").value is False


def test_runs_of_a_session_go_one_after_another(supervisor: Supervisor) -> None:
    with supervisor.session() as session:
        session.run("seen = []")
        handles = [session.start(f"seen.append({n})\nlen(seen)") for n in range(10)]

        assert [handle.result(PATIENCE_S).value for handle in handles] == list(range(1, 11))


def test_a_crash_is_an_outcome_and_costs_no_later_run(supervisor: Supervisor) -> None:
    outcome = supervisor.run("import os\nprint('on', flush=True)\nos.abort()")

    assert outcome.verdict is Verdict.CRASHED
    assert [supervisor.run("6 * 7").value for _ in range(4)] == [42] * 4


# --- host functions ------------------------------------------------------------------------------
def in_stock(fruit: str) -> int:
    return {"apple": 12}[fruit]


async def slow(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1


def test_guests_call_functions_of_the_host(supervisor: Supervisor) -> None:
    code = "import host\n(host.in_stock('apple'), host.slow(n=41))"

    assert supervisor.run(code, functions=[in_stock, slow]).unwrap() == (12, 42)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("host.in_stock('pear')", "KeyError"),
        ("host.in_stock(5)", "TypeError"),
        ("host.missing()", "AttributeError"),
        ("host.in_stock(open)", "ValueRefused"),
    ],
)
def test_a_host_call_that_fails_raises_in_the_guest(
    supervisor: Supervisor, call: str, name: str
) -> None:
    code = (
        f"import host\ntry:\n    {call}\nexcept Exception as e:\n    name = type(e).__name__\nname"
    )

    assert supervisor.run(code, functions=[in_stock]).unwrap() == name


def test_large_values_cross_in_host_calls(supervisor: Supervisor) -> None:
    def turn(data: bytes) -> bytes:
        return data[::-1]

    code = "import host\ndata = bytes(range(256)) * 4000\nhost.turn(data) == data[::-1]"

    assert supervisor.run(code, functions=[turn]).unwrap() is True


# --- files ---------------------------------------------------------------------------------------
def test_small_files_go_in_and_come_out(supervisor: Supervisor) -> None:
    code = (
        "from pathlib import Path\n"
        "text = Path('data/in.csv').read_text()\n"
        "Path('out.txt').write_text(text.upper())\n"
        "Path('new').mkdir()\n"
        "Path('new/raw').write_bytes(b'\\0\\xff')\n"
    )

    outcome = supervisor.run(code, files={"data/in.csv": "a,b"}, keep_files=True)

    assert outcome.ok, outcome.error
    assert outcome.files["out.txt"] == b"A,B"
    assert outcome.files["new/raw"] == b"\0\xff"
    assert supervisor.run("open('out.txt')", files={"in": b"x"}).files == {}


def test_a_run_finds_no_files_that_another_one_left(supervisor: Supervisor) -> None:
    write = "import os\nopen('left', 'w').write('x')\nos.listdir()"

    for _ in range(4):
        outcome = supervisor.run(write, keep_files=True)
        assert outcome.value == ["left"]


def test_a_mounted_directory_is_seen_and_kept_as_asked(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "ro").mkdir()
    (tmp_path / "rw").mkdir()
    (tmp_path / "ro" / "in").write_text("data")
    mounts: list[Mount | str] = [Mount(str(tmp_path / "ro"), "/ro"), f"{tmp_path / 'rw'}:/rw"]
    code = (
        "import os\n"
        "text = open('/ro/in').read()\nopen('/rw/out', 'w').write(text)\nfound = []\n"
        "for attack in (lambda: open('/ro/new', 'w'), lambda: os.unlink('/ro/in'),\n"
        "               lambda: open('/ro/../outside', 'w')):\n"
        "    try:\n        attack()\n    except OSError:\n        found.append('stopped')\nfound"
    )
    (tmp_path / "outside").write_text("untouched")

    outcome = supervisor.run(code, mounts=mounts)

    assert outcome.unwrap() == ["stopped"] * 3
    assert (tmp_path / "rw" / "out").read_text() == "data"
    assert os.listdir(tmp_path / "ro") == ["in"]
    assert (tmp_path / "outside").read_text() == "untouched"


def test_a_guest_reads_no_file_of_the_host(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")

    for path in (tmp_path / "secret", "/etc/passwd", "/proc/self/environ", Path.home()):
        code = f"import os\ntry:\n    os.stat({str(path)!r})\nexcept OSError as e:\n    e.errno\n"
        outcome = supervisor.run(
            f"{code}try:\n    print(open({str(path)!r}).read())\nexcept OSError: pass"
        )
        assert outcome.ok, outcome.error
        assert outcome.stdout == ""


# --- the ways to start a run ---------------------------------------------------------------------
def test_a_batch_gives_each_input_its_outcome(supervisor: Supervisor) -> None:
    outcomes = supervisor.map("1 // n", [{"n": n} for n in (1, 0, -1)])

    found = [(outcome.verdict, outcome.value) for outcome in outcomes]
    assert found == [(Verdict.OK, 1), (Verdict.EXCEPTION, None), (Verdict.OK, -1)]


def test_more_runs_than_cells_all_have_their_outcome(supervisor: Supervisor) -> None:
    handles = [supervisor.start("n + 1", inputs={"n": n}) for n in range(30)]

    assert [handle.result(PATIENCE_S).value for handle in handles] == list(range(1, 31))


def test_a_plain_function_runs_in_a_sandbox(supervisor: Supervisor) -> None:
    @supervisor.sandboxed
    def mean(numbers: list[float]) -> float:
        import statistics

        return statistics.mean(numbers)

    assert mean([1.0, 2.0, 6.0]) == 3.0
    with pytest.raises(Misuse):
        mean("abc")  # type: ignore[arg-type]  # the point


def test_it_can_be_used_as_an_executor(supervisor: Supervisor) -> None:
    with CellExecutor(supervisor) as pool:
        assert list(pool.map(math.factorial, range(6), chunksize=2)) == [1, 1, 2, 6, 24, 120]


def test_a_run_of_this_kind_may_be_asked_of_any_supervisor(kind: Kind) -> None:
    other: Kind = "process" if kind == "wasm" else "wasm"
    with Supervisor(kind=other, cells=1) as supervisor:
        code = "import sys\nsys.platform"
        assert (supervisor.run(code, kind=kind).value == "wasi") is (kind == "wasm")


def test_the_queue_is_bounded_and_refuses_one_more(kind: Kind) -> None:
    with Supervisor(kind=kind, cells=1, queue_max=1, limits=Limits(wall_s=PATIENCE_S)) as small:
        began, gate = threading.Event(), threading.Event()
        functions = {"began": began.set, "wait": lambda: gate.wait(PATIENCE_S)}
        first = small.start("import host\nhost.began()\nhost.wait()", functions=functions)
        assert began.wait(PATIENCE_S)
        second = small.start("2")

        with pytest.raises(Refused, match="queue is full"):
            small.run("3")
        gate.set()

        assert first.result(PATIENCE_S).ok
        assert second.result(PATIENCE_S).value == 2
