"""Each example prints what its reader is told to expect, and ends well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

type RunProgram = Callable[..., list[str]]


def test_every_example_is_run_by_a_test(examples: Path) -> None:
    tested = "".join(test.read_text() for test in Path(__file__).parent.glob("test_*.py"))
    programs = [program.name for program in examples.glob("*.py")]

    assert programs
    assert [name for name in programs if f'"{name}"' not in tested] == []


def test_one_shot_shows_every_kind_of_end(run_program: RunProgram, examples: Path) -> None:
    assert run_program(examples / "one_shot.py") == [
        r"ok 6.5 'adding 3 numbers\n'",
        "exception ZeroDivisionError division by zero",
        "timeout",
        "memory",
        "1267650600228229401496703205376",
    ]


def test_session_keeps_its_state_until_it_is_reset(run_program: RunProgram, examples: Path) -> None:
    assert run_program(examples / "session.py") == [
        "['Oslo', 'Turin']",
        "TypeError",
        "['Oslo', 'Turin', 'Porto']",
        "False",
        "False",
    ]


def test_host_functions_check_what_the_guest_sends(run_program: RunProgram, examples: Path) -> None:
    assert run_program(examples / "host_functions.py") == [
        "apple from co-op for 55",
        "pear is sold out",
        "refused: TypeError",
        "no such fruit: 'quince'",
        "host_calls 100",
    ]


def test_csv_analysis_gives_back_values_and_files(run_program: RunProgram, examples: Path) -> None:
    lines = run_program(examples / "csv_analysis.py")

    assert "'2024-01': Decimal('277.60')" in lines[0]
    assert lines[1:] == [
        "month,total",
        "2024-01,277.60",
        "2024-02,726.40",
        "2024-03,138.80",
        "by_month.svg has 3 bars",
        "chair: 607.00",
    ]


def test_csv_analysis_takes_a_file_of_the_reader(
    run_program: RunProgram, examples: Path, tmp_path: Path
) -> None:
    sales = tmp_path / "mine.csv"
    sales.write_text("date,product,pieces,price\n2020-05-05,kite,2,10.50\n")

    assert run_program(examples / "csv_analysis.py", sales)[-1] == "kite: 21.00"


def test_bad_plugins_are_reported_and_the_good_ones_still_work(
    run_program: RunProgram, examples: Path
) -> None:
    lines = run_program(examples / "plugins.py")
    how = dict(line.split(maxsplit=1) for line in lines[: lines.index("---")])

    assert how["capitals"] == how["contents"] == "ok"
    assert how["endless"] == "timeout"
    assert how["hungry"] == "memory"
    assert how["nosy"] == "no change"
    assert lines[lines.index("---") + 1 :][:3] == ["1. BREAD", "2. BUTTER", "# BREAD"]


def test_a_plugin_that_leaves_no_text_is_reported(
    run_program: RunProgram, examples: Path, tmp_path: Path
) -> None:
    (tmp_path / "number.py").write_text("def transform(text): return 5")

    assert run_program(examples / "plugins.py", tmp_path)[0] == "number    gave int, not text"


def test_the_model_corrects_itself_by_what_the_tool_says(
    run_program: RunProgram, examples: Path
) -> None:
    lines = run_program(examples / "agent_tool_loop.py")
    said = "\n".join(line for line in lines if line.startswith("  > "))

    for error in ("ModuleNotFoundError: No module named 'sympy'", "timeout", "NameError"):
        assert error in said
    assert lines[-1] == "There are 2262; the largest is 19997."


def test_a_program_in_c_runs_and_its_exit_code_comes_back(
    run_program: RunProgram, examples: Path
) -> None:
    assert run_program(examples / "wasm_program.py") == [
        "ok 0",
        "     3 the",
        "     2 and",
        "exit 2 tally: COUNT must be a number above 0, not 'many'",
    ]


@pytest.mark.parametrize("kind", ["wasm", "process", "interpreter"])
def test_futures_are_the_same_for_each_kind(
    run_program: RunProgram, examples: Path, kind: str
) -> None:
    assert run_program(examples / "futures.py", kind) == [
        "[4, 25, 168]",
        "[1, 1, 2, 6, 24, 120, 720, 5040]",
        "IndexError: string index out of range",
        "True True True",
    ]


def test_native_numpy_reads_shared_data_and_stays_behind_its_walls(
    run_program: RunProgram, examples: Path
) -> None:
    pytest.importorskip("numpy")

    assert run_program(examples / "native_numpy.py") == [
        *(f"part {n}: mean 2.00, period 50" for n in range(4)),
        "['PermissionError: the sandbox has no network', 'no such file']",
    ]


@pytest.mark.parametrize("command", [("-m", "executor.cli"), ()], ids=["sandbox", "plain python"])
def test_analyse_prints_the_same_in_a_sandbox_and_outside(
    run_program: RunProgram, examples: Path, command: tuple[str, ...]
) -> None:
    lines = run_program(*command, *(("run",) if command else ()), examples / "analyse.py", "200")

    assert "speed = 454 km/s/Mpc * distance -41 km/s" in lines
    assert "correlation 0.79, 24 galaxies" in lines
    assert any(line.startswith("95 % of 200 resampled slopes") for line in lines)
    assert sum(line.count("o") for line in lines if "|" in line) >= 20
