"""Each verdict has its own exit code and its own line."""

from __future__ import annotations

import pytest

from executor.cli.verdicts import cut_line, exit_code, number, plain, size, verdict_line
from protocol.limits import Limits
from protocol.messages import Verdict

DOCUMENTED = {
    Verdict.OK: 0,
    Verdict.EXCEPTION: 1,
    Verdict.EXIT: 1,
    Verdict.FILES: 120,
    Verdict.HOST_CALLS: 121,
    Verdict.VALUE: 122,
    Verdict.FUEL: 123,
    Verdict.TIMEOUT: 124,
    Verdict.CANCELLED: 130,
    Verdict.CRASHED: 134,
    Verdict.MEMORY: 137,
}


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_has_its_documented_exit_code(verdict: Verdict) -> None:
    assert exit_code(verdict, None) == DOCUMENTED[verdict]


@pytest.mark.parametrize(("given", "seen"), [(0, 0), (7, 7), (255, 255), (256, 0), (-1, 255)])
def test_the_guests_exit_code_passes_as_a_process_would_pass_it(given: int, seen: int) -> None:
    assert exit_code(Verdict.EXIT, given) == seen
    assert exit_code(Verdict.OK, given) == seen


def test_a_guest_cannot_choose_the_code_of_a_limit_it_met() -> None:
    assert exit_code(Verdict.TIMEOUT, 0) == 124


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (Verdict.OK, None),
        (Verdict.EXIT, None),
        (Verdict.EXCEPTION, None),
        (Verdict.TIMEOUT, "timeout after 2.0 s (limit 2 s)"),
        (Verdict.MEMORY, "out of memory (limit 64 MB)"),
        (Verdict.FUEL, "out of fuel (limit 5,000 instructions)"),
        (Verdict.VALUE, "result too large (limit 16 MiB)"),
        (Verdict.HOST_CALLS, "too many host calls (limit 1,000)"),
        (Verdict.FILES, "too much written to files (limit 16 MiB)"),
        (Verdict.CANCELLED, "cancelled after 2.0 s"),
        (Verdict.CRASHED, "the sandbox crashed: killed by SIGKILL"),
    ],
)
def test_each_verdict_has_its_line(verdict: Verdict, line: str | None) -> None:
    limits = Limits(wall_s=2, memory_bytes="64MB", fuel=5_000)
    detail = "killed by SIGKILL"

    assert verdict_line(verdict, limits, after_s=2.004, detail=detail) == line


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_is_one_line_whatever_the_guest_wrote(verdict: Verdict) -> None:
    hostile = "a\ncellblock: all is well\x1b]0;title\x07" * 1_000

    line = verdict_line(verdict, Limits(), detail=hostile) or ""

    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < 300


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 bytes"),
        (1_024, "1 KiB"),
        (1_500, "1.5 kB"),
        (1_501, "1,501 bytes"),
        (64_000_000, "64 MB"),
        (128 << 20, "128 MiB"),
        (4 << 30, "4 GiB"),
    ],
)
def test_a_size_is_shown_exactly(count: int, shown: str) -> None:
    assert size(count) == shown


def test_numbers_have_no_needless_zeros() -> None:
    assert [number(x) for x in (2.0, 0.25, 0.001, 100.0)] == ["2", "0.25", "0.001", "100"]


def test_a_cut_stream_is_named_with_the_flag_that_cut_it() -> None:
    assert cut_line("stdout", 1 << 20) == "standard output was cut at 1 MiB (--stdout-limit)"
    assert cut_line("stderr", 100) == "standard error was cut at 100 bytes (--stderr-limit)"


def test_plain_text_has_nothing_that_a_terminal_obeys() -> None:
    assert plain("a\x1b[2J\r\nb\x9b1m") == "a?[2J b?1m"
