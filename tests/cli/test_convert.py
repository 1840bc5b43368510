"""Every value on the command line is either understood or refused with its flag and the fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from executor.cli import convert
from executor.cli.flags import Given, UsageError, parse


def limits(*argv: str, **environ: str) -> object:
    return convert.limits_from(parse("run", argv, environ))


def test_limits_come_from_their_flags() -> None:
    from protocol.limits import Limits

    flags = "--timeout 2 --memory 64MiB --fuel 5_000 --stdout-limit 1KB --stderr-limit 2KB"
    more = "--value-limit 3KB --files-limit 4KB"

    assert limits(*flags.split(), *more.split()) == Limits(
        wall_s=2.0,
        memory_bytes=64 << 20,
        fuel=5_000,
        stdout_bytes=1_000,
        stderr_bytes=2_000,
        value_bytes=3_000,
        files_bytes=4_000,
    )


def test_without_flags_the_defaults_of_the_library_hold() -> None:
    from protocol.limits import Limits

    assert limits() == Limits()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("500ms", 0.5), ("2s", 2.0), ("1m", 60.0), ("1 h", 3600.0)],
)
def test_a_duration_may_name_its_unit(text: str, seconds: float) -> None:
    assert convert.seconds(Given("--timeout", text)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--timeout", "soon"], "--timeout must be seconds such as 2, 0.5 or 500ms, not 'soon'"),
        (["--timeout", "2 parsec"], "--timeout must be seconds"),
        (["--timeout", "nan"], "--timeout must be"),
        (["--timeout", "0"], "--timeout must be 0.001 to 604800, not 0.0"),
        (["--timeout", "604801"], "--timeout must be 0.001 to 604800"),
        (["--memory", "64XB"], '--memory must be a size such as "64MB" or "64MiB", not \'64XB\''),
        (["--memory", "15MiB"], "--memory must be 16777216 to 4294967296, not 15728640"),
        (["--memory", "-1"], "--memory must be a size"),
        (["--fuel", "many"], "--fuel must be a whole number such as 5_000_000, not 'many'"),
        (["--fuel", "0"], "--fuel must be 1 to"),
        (["--stdout-limit", "2GiB"], "--stdout-limit must be 0 to 1073741824"),
    ],
)
def test_a_bad_limit_is_refused_by_the_name_of_its_flag(argv: list[str], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits(*argv)

    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_limit_in_a_variable_is_refused_by_the_name_of_the_variable() -> None:
    with pytest.raises(UsageError, match=r"^CELLBLOCK_TIMEOUT must be 0\.001 to"):
        limits(CELLBLOCK_TIMEOUT="0")


@pytest.mark.parametrize(("ending", "writable"), [("", True), (":rw", True), (":ro", False)])
def test_a_volume_is_writable_unless_it_says_ro(
    tmp_path: Path, ending: str, writable: bool
) -> None:
    given = Given("-v", f"{tmp_path}:/data{ending}")

    assert convert.volume(given) == (str(tmp_path.resolve()), "/data", writable)


def test_a_colon_in_the_hosts_directory_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()

    assert convert.volume(Given("-v", f"{tmp_path}/a:b:/d"))[0].endswith("a:b")


@pytest.mark.parametrize("text", ["", "x", "x:y", ":/data", "x:/d:xx"])
def test_a_volume_that_is_not_two_paths_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="-v must be SRC:DST or SRC:DST:ro"):
        convert.volume(Given("-v", text))


def test_a_volume_that_is_missing_or_a_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="does not exist"):
        convert.volume(Given("-v", f"{tmp_path}/none:/d"))
    with pytest.raises(UsageError, match="is not a directory; use --file"):
        convert.volume(Given("-v", f"{tmp_path}/file:/d"))


def test_a_variable_is_given_by_value_or_taken_from_ours() -> None:
    assert convert.variable(Given("--env", "A=b=c"), {}) == ("A", "b=c")
    assert convert.variable(Given("--env", "A="), {"A": "ours"}) == ("A", "")
    assert convert.variable(Given("--env", "A"), {"A": "ours"}) == ("A", "ours")


@pytest.mark.parametrize("text", ["=x", "", "A=\0"])
def test_a_variable_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--env must be NAME=VALUE"):
        convert.variable(Given("--env", text), {})


def test_a_variable_that_we_do_not_have_is_refused_with_the_fix() -> None:
    with pytest.raises(UsageError, match="--env A: no such variable here; write A=VALUE"):
        convert.variable(Given("--env", "A"), {})


def test_an_input_is_json_on_the_line_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[1, {"a": null}]')

    assert convert.entry(Given("--input", "n=3")) == ("n", 3)
    assert convert.entry(Given("--input", 's="="')) == ("s", "=")
    assert convert.entry(Given("--input", f"rows=@{tmp_path}/rows.json")) == (
        "rows",
        [1, {"a": None}],
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("n", "--input must be NAME=JSON"),
        ("1n=2", "--input must be NAME=JSON with a Python name"),
        ("n=[1,", "--input n: not JSON"),
        ("n=text", "a text needs its quotes"),
        ("n=@/no/such", "--input n: cannot read '/no/such': No such file"),
        ("n=" + "[" * 200_000, "--input n: JSON is nested too deeply"),
    ],
    ids=["no value", "bad name", "cut", "unquoted", "missing file", "deep"],
)
def test_a_bad_input_is_refused_by_its_name(text: str, fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        convert.entry(Given("--input", text))

    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_by_value_takes_its_own_name_or_another(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"1,2")

    own = convert.memory_file(Given("--file", f"{tmp_path}/data.csv"))
    other = convert.memory_file(Given("--file", f"in/x.csv={tmp_path}/data.csv"))

    assert own == ("data.csv", b"1,2")
    assert other == ("in/x.csv", b"1,2")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a//b", ""])
def test_a_file_name_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "f").touch()

    with pytest.raises(UsageError, match="--file must be NAME=PATH with a relative NAME"):
        convert.memory_file(Given("--file", f"{name}={tmp_path}/f"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x = '\xc3\xa9'", "x = 'é'"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'", "# -*- coding: latin-1 -*-\nx = 'é'"),
    ],
    ids=["utf-8", "utf-8 with a mark", "declared"],
)
def test_a_script_is_decoded_as_python_would(data: bytes, text: str) -> None:
    assert convert.source_text(data, "a.py") == text


@pytest.mark.parametrize("data", [b"x = '\xe9'", b"# coding: klingon\n", b"# coding: utf-8\n\xff"])
def test_a_script_that_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"a\.py is not UTF-8 text"):
        convert.source_text(data, "a.py")


@pytest.mark.parametrize("read", [convert.read_bytes, convert.read_text])
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    read: Callable[[str, str], object], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(str(tmp_path / "none"), "--file")
    with pytest.raises(UsageError, match="Is a directory"):
        read(str(tmp_path), "--file")
    with pytest.raises(UsageError, match="not a path"):
        read("a\0b", "--file")
