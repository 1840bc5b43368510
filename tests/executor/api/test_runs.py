"""A run from Python: what goes in reaches the guest, what the guest did comes back as data."""

from __future__ import annotations

import io
import os
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from executor import (
    Entry,
    GuestError,
    Limits,
    Misuse,
    Mount,
    Note,
    Outcome,
    Supervisor,
    Verdict,
)

PATIENCE_S = 20


def test_the_value_of_the_last_expression_comes_back(supervisor: Supervisor) -> None:
    outcome = supervisor.run("x = 6\nx * 7")

    assert (outcome.verdict, outcome.value, outcome.ok) == (Verdict.OK, 42, True)
    assert outcome.unwrap() == 42


def test_a_script_has_no_value(supervisor: Supervisor) -> None:
    outcome = supervisor.run("print(__name__)\n6 * 7", mode="script")

    assert (outcome.value, outcome.stdout) == (None, "__main__\n")


def test_a_named_global_is_the_value(supervisor: Supervisor) -> None:
    assert supervisor.run("a = 1\nb = 2\n3", result="a").value == 1


def test_values_keep_their_types_both_ways(supervisor: Supervisor) -> None:
    sent = {
        "big": 2**100,
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "price": Decimal("1.10"),
        "pair": (1, {2, 3}),
        "raw": b"\0\xff",
        "odd": {(1, 2): None},
    }

    outcome = supervisor.run(
        "dict(big=big, when=when, price=price, pair=pair, raw=raw, odd=odd)", inputs=sent
    )

    assert outcome.value == sent
    assert isinstance(outcome.value, dict)
    assert type(outcome.value["pair"]) is tuple


def test_an_exception_of_the_guest_is_data(supervisor: Supervisor) -> None:
    outcome = supervisor.run("def f():\n    raise ValueError('no')\nf()", filename="plan.py")

    assert (outcome.verdict, outcome.ok) == (Verdict.EXCEPTION, False)
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.message) == ("ValueError", "no")
    assert 'File "plan.py", line 2, in f' in outcome.error.traceback
    with pytest.raises(GuestError, match="ValueError: no") as caught:
        outcome.unwrap()
    assert caught.value.traceback == outcome.error.traceback


def test_an_exit_code_comes_back(supervisor: Supervisor) -> None:
    outcome = supervisor.run("import sys\nprint('bye')\nsys.exit(3)")

    assert (outcome.verdict, outcome.exit_code, outcome.stdout) == (Verdict.EXIT, 3, "bye\n")


def test_both_streams_come_back_as_text(supervisor: Supervisor) -> None:
    outcome = supervisor.run("import sys\nprint('grün')\nprint('rot', file=sys.stderr)")

    assert (outcome.stdout, outcome.stderr) == ("grün\n", "rot\n")
    assert outcome.stdout_raw == "grün\n".encode()
    assert not outcome.truncated


@pytest.mark.parametrize(("length", "is_cut"), [(100, False), (101, True)])
def test_a_stream_is_cut_at_its_limit_and_flagged(
    supervisor: Supervisor, length: int, is_cut: bool
) -> None:
    limits = {"stdout_bytes": 100}

    outcome = supervisor.run(f"print('x' * {length}, end='')", limits=limits)

    assert outcome.stdout == "x" * 100
    assert (outcome.truncated.stdout, outcome.truncated.stderr) == (is_cut, False)
    assert outcome.ok


def test_arguments_and_environment_reach_the_guest_and_nothing_else_does(
    supervisor: Supervisor,
) -> None:
    code = "import os, sys\n(sys.argv[1:], dict(os.environ))"

    assert supervisor.run(code, argv=["a", "ü"], env={"LANGUAGE": "de"}).value == (
        ["a", "ü"],
        {"LANGUAGE": "de"},
    )
    assert supervisor.run(code).value == ([], {})


@pytest.mark.parametrize("given", [b"a\nb\n", "a\nb\n"], ids=["bytes", "text"])
def test_standard_input_reaches_the_guest(supervisor: Supervisor, given: bytes | str) -> None:
    assert supervisor.run("[input(), input()]", stdin=given).value == ["a", "b"]


def test_input_is_empty_where_none_is_given(supervisor: Supervisor) -> None:
    assert supervisor.run("import sys\nsys.stdin.read()").value == ""


def test_live_input_is_read_while_the_guest_runs(supervisor: Supervisor) -> None:
    read_fd, write_fd = os.pipe()
    answers: list[str] = []

    def answer(text: str) -> None:
        answers.append(text)
        if "name?" in text:
            os.write(write_fd, b"Ada\n")

    with os.fdopen(read_fd, "rb") as source:
        outcome = supervisor.run(
            "print('name?', flush=True)\ninput()", stdin=source, on_stdout=answer
        )
        os.close(write_fd)

    assert outcome.value == "Ada"


def test_live_input_ends_with_its_source(supervisor: Supervisor) -> None:
    outcome = supervisor.run("import sys\nsys.stdin.read()", stdin=io.StringIO("grün" * 50_000))

    assert outcome.value == "grün" * 50_000


def test_an_error_of_a_live_source_is_raised_by_the_run(supervisor: Supervisor) -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise LookupError("the source is broken")

    with pytest.raises(LookupError, match="the source is broken"):
        supervisor.run("input()", stdin=Broken())


def test_pieces_of_output_are_passed_on_by_the_thread_that_waits(supervisor: Supervisor) -> None:
    seen: list[tuple[str, str, str]] = []

    def note(stream: str) -> None:
        seen.append((stream, threading.current_thread().name, ""))

    supervisor.run(
        "import sys\nprint('a')\nprint('b', file=sys.stderr)",
        on_stdout=lambda text: note("out " + text),
        on_stderr=lambda text: note("err " + text),
    )

    assert sorted(s for s, _, _ in seen) == ["err b\n", "out a\n"]
    assert {name for _, name, _ in seen} == {threading.current_thread().name}


def test_pieces_of_output_add_up_to_the_whole(supervisor: Supervisor) -> None:
    pieces: list[str] = []

    outcome = supervisor.run("for n in range(5000): print('größe', n)", on_stdout=pieces.append)

    assert "".join(pieces) == outcome.stdout == "".join(f"größe {n}\n" for n in range(5000))


def test_log_entries_and_progress_come_structured(supervisor: Supervisor) -> None:
    entries: list[Entry] = []
    notes: list[Note] = []
    code = (
        "import logging, host\n"
        "logging.getLogger('app.db').warning('slow %s', 'query', extra={'ms': 12})\n"
        "host.progress(0.25, 'loading')\n"
    )

    outcome = supervisor.run(code, on_log=entries.append, on_progress=notes.append)

    assert outcome.ok, outcome.error
    assert [(e.level, e.logger, e.message, e.fields["ms"]) for e in entries] == [
        (30, "app.db", "slow query", "12")
    ]
    assert outcome.logs == tuple(entries)
    assert notes == [Note(0.25, "loading")]


def test_an_error_of_a_callback_is_raised_and_ends_the_run() -> None:
    def refuse(text: str) -> None:
        raise LookupError(text)

    with Supervisor(cells=1, limits=Limits(wall_s=PATIENCE_S)) as small:
        with pytest.raises(LookupError, match="go"):
            small.run("print('go', flush=True)\nwhile True: pass", on_stdout=refuse)

        assert small.run("1", queue_timeout_s=PATIENCE_S / 2).value == 1


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


def test_files_are_not_returned_unless_asked_for(supervisor: Supervisor) -> None:
    assert supervisor.run("open('in').read()", files={"in": b"x"}).files == {}


def test_a_mounted_directory_is_seen_and_kept_as_asked(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "ro").mkdir()
    (tmp_path / "rw").mkdir()
    (tmp_path / "ro" / "in").write_text("data")
    mounts: list[Mount | str] = [Mount(str(tmp_path / "ro"), "/ro"), f"{tmp_path / 'rw'}:/rw"]
    code = (
        "text = open('/ro/in').read()\n"
        "open('/rw/out', 'w').write(text)\n"
        "try:\n    open('/ro/out', 'w')\nexcept OSError as e:\n    text = type(e).__name__\n"
        "text\n"
    )

    outcome = supervisor.run(code, mounts=mounts)

    assert isinstance(outcome.value, str)
    assert outcome.value.endswith("Error")
    assert (tmp_path / "rw" / "out").read_text() == "data"
    assert sorted(os.listdir(tmp_path / "ro")) == ["in"]


@pytest.mark.parametrize("length", [1 << 20, 10_000_000])
def test_large_values_cross_whole_both_ways(supervisor: Supervisor, length: int) -> None:
    data = os.urandom(length)
    limits = Limits(value_bytes="64MB")

    outcome = supervisor.run("raw[::-1]", inputs={"raw": data}, limits=limits)

    assert outcome.value == data[::-1]


def test_large_inputs_of_many_kinds_cross_in_one_run(supervisor: Supervisor) -> None:
    big, text = os.urandom(1 << 20), "ä" * 600_000
    inputs = {"a": big, "b": [b"s" * 70_000, text, big[:300_000]], "c": b"tiny"}
    code = (
        "import sys\n"
        "stdin = sys.stdin.read()\n"
        "(a, b, c, len(stdin), open('f1', 'rb').read(), open('f2').read())"
    )

    outcome = supervisor.run(
        code,
        inputs=inputs,
        stdin="z" * 400_000,
        files={"f1": big, "f2": "small"},
        limits=Limits(value_bytes="64MB"),
    )

    assert outcome.value == (big, inputs["b"], b"tiny", 400_000, big, "small")


def test_code_may_be_large(supervisor: Supervisor) -> None:
    code = f"text = '{'ä' * 400_000}'\nlen(text)"

    assert supervisor.run(code).value == 400_000


@pytest.mark.parametrize(("length", "verdict"), [(1_000, Verdict.OK), (1_200, Verdict.VALUE)])
def test_a_value_over_its_limit_has_its_own_verdict(
    supervisor: Supervisor, length: int, verdict: Verdict
) -> None:
    outcome = supervisor.run(f"'x' * {length}", limits={"value_bytes": 1_100})

    assert outcome.verdict is verdict
    assert (outcome.value is None) is (verdict is Verdict.VALUE)


def test_a_loop_without_end_is_a_timeout(supervisor: Supervisor) -> None:
    outcome = supervisor.run("print('on', flush=True)\nwhile True: pass", limits={"wall_s": 0.2})

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.stdout == "on\n"
    with pytest.raises(GuestError, match="timeout"):
        outcome.unwrap()


def test_memory_over_its_limit_has_its_own_verdict(supervisor: Supervisor) -> None:
    outcome = supervisor.run("x = bytearray(10**9)", limits={"memory_bytes": "64MiB"})

    assert outcome.verdict is Verdict.MEMORY


def test_a_run_may_have_more_memory_than_its_supervisor_gives(supervisor: Supervisor) -> None:
    code = "len(bytearray(200 * 2**20))"

    assert supervisor.run(code).verdict is Verdict.MEMORY
    assert supervisor.run(code, limits={"memory_bytes": "300MiB"}).value == 200 * 2**20


def test_fuel_is_the_same_in_every_run_and_has_its_own_verdict(supervisor: Supervisor) -> None:
    code = "sum(range(1000))"
    used = {supervisor.run(code, limits={"fuel": 10**10}).usage.fuel for _ in range(3)}

    assert len(used) == 1
    assert min(used) > 0
    assert supervisor.run("while True: pass", limits={"fuel": 10**8}).verdict is Verdict.FUEL


def test_usage_and_timings_say_where_the_time_went(supervisor: Supervisor) -> None:
    outcome = supervisor.run("sum(range(10**6))", inputs={"a": list(range(1000))})

    assert 0 < outcome.timings.run_s <= outcome.usage.wall_s + 0.001
    assert outcome.timings.encode_s > 0
    assert outcome.timings.decode_s > 0
    assert outcome.usage.peak_memory_bytes > 10 << 20


def test_each_run_has_a_fresh_sandbox(supervisor: Supervisor) -> None:
    code = "import builtins\nseen = hasattr(builtins, 'mark')\nbuiltins.mark = 1\nseen"

    assert [supervisor.run(code).value for _ in range(10)] == [False] * 10


def test_an_outcome_cannot_be_changed(supervisor: Supervisor) -> None:
    outcome = supervisor.run("1")

    with pytest.raises(AttributeError):
        outcome.value = 2  # type: ignore[misc]  # that it is refused is the point
    assert isinstance(outcome, Outcome)


def test_bad_input_is_refused_before_anything_is_started() -> None:
    supervisor = Supervisor()

    with pytest.raises(Misuse):
        supervisor.run("1", inputs={"x": object()})

    supervisor.close()


# --- programs ------------------------------------------------------------------------------------
#: (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
#:   (memory (export "memory") 1) (func (export "_start") i32.const 7 call 0))
EXITS_7 = bytes.fromhex(
    "0061736d01000000" "0108026000006001" "7f00"
    "02240116776173695f736e617073686f745f7072657669657731" "0970726f635f65786974" "0001"
    "03020100" "0503010001"
    "0713" "02" "066d656d6f7279" "0200" "065f7374617274" "0001"
    "0a08" "01" "06" "00" "4107" "1000" "0b"
)  # fmt: skip


def test_a_wasm_program_is_run_by_its_bytes_or_its_path(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "program.wasm").write_bytes(EXITS_7)

    for module in (EXITS_7, tmp_path / "program.wasm", str(tmp_path / "program.wasm")):
        outcome = supervisor.run(module=module)
        assert (outcome.verdict, outcome.exit_code) == (Verdict.EXIT, 7), outcome


def test_what_is_no_wasm_program_is_an_image_failure(supervisor: Supervisor) -> None:
    from executor import ImageFailed

    with pytest.raises(ImageFailed, match="not WebAssembly"):
        supervisor.run(module=b"#!/bin/sh")


def test_a_program_cannot_have_inputs(supervisor: Supervisor) -> None:
    with pytest.raises(Misuse, match="has no globals"):
        supervisor.run(module=EXITS_7, inputs={"a": 1})


def test_a_warning_at_an_import_names_the_line_that_imports(supervisor: Supervisor) -> None:
    """As for a module in a file: the frames of whatever loads it are passed over."""
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    import sre_compile\n"
        "[(w.filename, w.lineno) for w in seen]"
    )

    assert supervisor.run(code).value == [("main.py", 4)]


def test_a_module_imported_at_build_time_knows_that_its_source_is_not_there(
    supervisor: Supervisor,
) -> None:
    code = (
        "import inspect, json, linecache\n"
        "(json.__loader__.get_source('json'), linecache.getlines(json.__file__, vars(json)),"
        " json.__spec__.loader is json.__loader__)"
    )

    assert supervisor.run(code).value == (None, [], True)
