"""`cellblock run`, end to end: what goes in, what comes out, and what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

type Cellblock = Callable[..., subprocess.CompletedProcess[bytes]]
type Started = Callable[..., subprocess.Popen[bytes]]


# --- what is run ---------------------------------------------------------------------------------
def test_text_a_file_and_standard_input_are_run_alike(cellblock: Cellblock, tmp_path: Path) -> None:
    code = "import sys; print(6 * 7, sys.argv[1:])"
    (tmp_path / "a.py").write_text(code)

    runs = [
        cellblock("run", "-c", code, "x", "--", "--y"),
        cellblock("run", str(tmp_path / "a.py"), "x", "--", "--y"),
        cellblock("run", "-", "x", "--", "--y", stdin=code.encode()),
    ]

    for done in runs:
        assert (done.returncode, done.stdout, done.stderr) == (0, b"42 ['x', '--y']\n", b"")


def test_a_script_sees_the_name_it_was_called_by(cellblock: Cellblock, tmp_path: Path) -> None:
    script = tmp_path / "named.py"
    script.write_text("import sys; print(sys.argv[0], __name__, __file__)")

    assert cellblock("run", str(script)).stdout.decode().split() == [
        str(script),
        "__main__",
        str(script),
    ]


def test_a_wasi_program_gets_its_arguments_and_its_exit_code_passes(
    cellblock: Cellblock, tmp_path: Path
) -> None:
    module = tmp_path / "exit3.wasm"
    module.write_bytes(EXIT_3)

    assert cellblock("run", str(module), "--", "--flag").returncode == 3


#: (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
#:         (memory (export "memory") 1) (func (export "_start") i32.const 3 call 0))
EXIT_3 = bytes.fromhex(
    "0061736d010000000108026000006001 7f00".replace(" ", "")
    + "02240116776173695f736e617073686f745f707265766965773109"
    + "70726f635f657869740001"
    + "03020100"
    + "0503010001"
    + "0713020 66d656d6f72790200065f73746172740001".replace(" ", "")
    + "0a08010600410310000b"
)


# --- what it is given ----------------------------------------------------------------------------
def test_inputs_become_globals_and_the_environment_is_what_was_given(
    cellblock: Cellblock,
) -> None:
    code = "import os; print(n, rows, dict(os.environ))"

    done = cellblock(
        *("run", "-c", code, "--input", "n=3", "--input", 'rows=[{"a": null}]'),
        *("--env", "A=1", "--env", "PASSED"),
        PASSED="on",
        SECRET="hunter2",
    )

    assert done.stdout == b"3 [{'a': None}] {'A': '1', 'PASSED': 'on'}\n"


def test_a_directory_is_given_for_reading_or_for_writing(
    cellblock: Cellblock, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in/data").write_text("42")
    code = "open('/out/copy', 'w').write(open('/in/data').read())"

    done = cellblock(
        *("run", "-c", code, "-v", f"{tmp_path}/in:/in:ro", "-v", f"{tmp_path}/out:/out")
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out/copy").read_text() == "42"


def test_a_directory_given_for_reading_cannot_be_written(
    cellblock: Cellblock, tmp_path: Path
) -> None:
    done = cellblock("run", "-c", "open('/in/x', 'w')", "-v", f"{tmp_path}:/in:ro")

    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_files_are_copied_in_and_what_is_left_is_copied_out(
    cellblock: Cellblock, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text("1,2")
    code = "open('sum.txt', 'w').write(str(sum(map(int, open('data.csv').read().split(',')))))"

    done = cellblock(
        *("run", "-c", code, "--file", f"{tmp_path}/data.csv", "--out", f"{tmp_path}/out")
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "out/sum.txt").read_text() == "3"


def test_the_guest_reads_our_standard_input(cellblock: Cellblock) -> None:
    code = "import sys; print(sys.stdin.read()[::-1], end='')"

    assert cellblock("run", "-c", code, stdin=b"abc").stdout == b"cba"
    assert cellblock("run", "-c", code, "--no-stdin", stdin=b"abc").stdout == b""


def test_standard_input_is_live(started: Started) -> None:
    code = "while line := input(): print(line.upper(), flush=True)"
    with started("run", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            process.stdin.flush()
            assert process.stdout.readline() == word.upper()
        process.stdin.write(b"\n")
        process.stdin.close()

    assert process.returncode == 0


def test_input_that_never_ends_does_not_keep_us(cellblock: Cellblock) -> None:
    reader, writer = os.pipe()
    try:
        assert cellblock("run", "-c", "print(1)", stdin=reader).stdout == b"1\n"
    finally:
        os.close(reader)
        os.close(writer)


# --- what comes out ------------------------------------------------------------------------------
def test_streams_pass_byte_for_byte(cellblock: Cellblock) -> None:
    code = (
        "import sys\n"
        "for s in (sys.stdout, sys.stderr):\n"
        "    s.write('caf\\u00e9\\r\\n\\x1b[2J'); s.flush()\n"
        "    s.buffer.write(bytes(range(256))); s.flush()\n"
    )

    done = cellblock("run", "-c", code)

    expected = "café\r\n\x1b[2J".encode() + bytes(range(256))
    assert done.stdout == expected
    assert done.stderr == expected


def test_output_passes_before_the_run_has_ended(started: Started) -> None:
    code = "print('first', flush=True); input()"
    with started("run", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"first\n"
        assert process.poll() is None
        process.stdin.write(b"\n")
        process.stdin.close()


def test_the_guests_exit_code_passes_and_nothing_is_said(cellblock: Cellblock) -> None:
    done = cellblock("run", "-c", "raise SystemExit(7)")

    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")


def test_an_exception_shows_the_guests_traceback_alone(
    cellblock: Cellblock, tmp_path: Path
) -> None:
    script = tmp_path / "fails.py"
    script.write_text("def f():\n    return 1 / 0\n\nf()\n")

    done = cellblock("run", str(script))

    text = done.stderr.decode()
    assert done.returncode == 1
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert f'File "{script}", line 4, in <module>' in text
    assert f'File "{script}", line 2, in f' in text
    assert text.count("File ") == 2
    assert "cellblock" not in text.replace(str(script), "")


def test_what_was_printed_before_a_limit_is_not_lost(cellblock: Cellblock) -> None:
    done = cellblock("run", "-c", "print('before')\nwhile True: pass", "--timeout", "0.3")

    assert done.returncode == 124
    assert done.stdout == b"before\n"
    assert done.stderr.startswith(b"cellblock: timeout after 0.")
    assert done.stderr.endswith(b" s (limit 0.3 s)\n")


def test_quiet_drops_our_line_and_keeps_the_exit_code(cellblock: Cellblock) -> None:
    done = cellblock("run", "-qc", "while True: pass", "--timeout", "0.3")

    assert (done.returncode, done.stderr) == (124, b"")


def test_our_line_stands_on_a_line_of_its_own(cellblock: Cellblock) -> None:
    code = "import sys; sys.stderr.write('half a line'); sys.stderr.flush()\nwhile True: pass"

    done = cellblock("run", "-c", code, "--timeout", "0.3")

    assert done.stderr.startswith(b"half a line\ncellblock: timeout")


def test_a_cut_stream_is_said_so_and_is_no_failure(cellblock: Cellblock) -> None:
    done = cellblock("run", "-c", "print('x' * 5_000)", "--stdout-limit", "1000")

    assert done.returncode == 0
    assert done.stdout == b"x" * 1_000
    assert done.stderr == b"cellblock: standard output was cut at 1 kB (--stdout-limit)\n"


def test_output_at_its_limit_is_whole(cellblock: Cellblock) -> None:
    done = cellblock("run", "-c", "print('x' * 999)", "--stdout-limit", "1000")

    assert (len(done.stdout), done.stderr) == (1_000, b"")


@pytest.mark.parametrize(
    ("code", "name", "line"),
    [
        ("x = {'a': [1, None]}", "x", b'{"a": [1, null]}\n'),
        ("x = {1}", "x", b"{1}\n"),
        ("x = 5\nx * 2", "_", b"10\n"),
    ],
)
def test_the_result_is_printed(cellblock: Cellblock, code: str, name: str, line: bytes) -> None:
    assert cellblock("run", "-c", code, "--result", name).stdout == line


def test_json_is_the_whole_outcome_instead_of_the_streams(cellblock: Cellblock) -> None:
    done = cellblock("run", "--json", "-c", "print('out'); 6 * 7", "--result", "_")

    said = json.loads(done.stdout)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
    assert (said["verdict"], said["exit_code"], said["value"]) == ("ok", 0, 42)
    assert said["stdout"] == "out\n"
    assert said["usage"]["wall_s"] > 0


def test_json_tells_a_guests_exit_code_from_a_timeout(cellblock: Cellblock) -> None:
    chosen = cellblock("run", "--json", "-c", "raise SystemExit(124)")
    met = cellblock("run", "--json", "-c", "while True: pass", "--timeout", "0.3")

    assert chosen.returncode == met.returncode == 124
    assert json.loads(chosen.stdout)["verdict"] == "exit"
    assert json.loads(met.stdout)["verdict"] == "timeout"


def test_a_variable_sets_a_limit_and_the_flag_wins(cellblock: Cellblock) -> None:
    loop = ("run", "-c", "while True: pass")

    by_variable = cellblock(*loop, CELLBLOCK_TIMEOUT="0.2")
    by_flag = cellblock(*loop, "--timeout", "0.3", CELLBLOCK_TIMEOUT="60")

    assert b"(limit 0.2 s)" in by_variable.stderr
    assert b"(limit 0.3 s)" in by_flag.stderr


def test_a_reader_that_goes_away_ends_the_run_quietly(started: Started) -> None:
    code = "while True: print('x' * 100, flush=True)"
    with started(
        *("run", "-c", code, "--stdout-limit", "1GiB", "--timeout", "60"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (141, b"")


def test_a_full_disk_is_our_failure(cellblock: Cellblock, started: Started) -> None:
    with (
        open("/dev/full", "wb") as full,
        started("run", "-c", "print(1)", stdout=full, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr is not None
        said = process.stderr.read()

    assert process.returncode == 125
    assert said == b"cellblock: failed: cannot write standard output: No space left on device\n"
