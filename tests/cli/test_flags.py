"""The command line is read as it is documented, and nothing on it is quietly dropped."""

from __future__ import annotations

import pytest

from executor.cli import help as help_texts
from executor.cli.flags import FLAGS, Flag, UsageError, parse

RUN_FLAGS = FLAGS["run"]


def test_flags_may_stand_before_and_after_the_file() -> None:
    before = parse("run", ["--timeout", "2", "a.py", "x"], {})
    after = parse("run", ["a.py", "x", "--timeout", "2"], {})

    assert before.words == after.words == ["a.py", "x"]
    assert str(before.last("timeout")) == str(after.last("timeout"))


def test_what_follows_two_dashes_is_the_scripts_own() -> None:
    parsed = parse("run", ["a.py", "--", "--timeout", "1", "--"], {})

    assert parsed.words == ["a.py", "--timeout", "1", "--"]
    assert parsed.last("timeout") is None


@pytest.mark.parametrize("word", ["--timout", "--verbose", "-x", "--timout=1"])
def test_an_unknown_flag_is_refused_wherever_it_stands(word: str) -> None:
    for argv in ([word, "a.py"], ["a.py", word]):
        with pytest.raises(UsageError, match=f"unknown option {word.split('=')[0]}.*after --"):
            parse("run", argv, {})


def test_a_misspelt_flag_is_answered_with_the_right_one() -> None:
    with pytest.raises(UsageError, match=r"did you mean --timeout\?"):
        parse("run", ["--timout", "1"], {})


@pytest.mark.parametrize(
    "argv", [["--memory", "64MB"], ["--memory=64MB"], ["--memory=1MB", "--memory", "64MB"]]
)
def test_a_value_may_stand_behind_a_space_or_an_equals_sign_and_the_last_counts(
    argv: list[str],
) -> None:
    given = parse("run", argv, {}).last("memory")

    assert given is not None
    assert given.text == "64MB"


@pytest.mark.parametrize("argv", [["-c", "1+1"], ["-c1+1"], ["--code=1+1"]])
def test_a_short_flag_takes_its_value_attached_or_apart(argv: list[str]) -> None:
    given = parse("run", argv, {}).last("code")

    assert given is not None
    assert given.text == "1+1"


def test_a_value_may_begin_with_a_dash() -> None:
    given = parse("run", ["-c", "-1"], {}).last("code")

    assert given is not None
    assert given.text == "-1"


def test_a_single_dash_is_a_word() -> None:
    assert parse("run", ["-", "a"], {}).words == ["-", "a"]


def test_a_missing_value_names_the_flag_and_what_it_takes() -> None:
    with pytest.raises(UsageError, match=r"--timeout needs a value: --timeout SECONDS"):
        parse("run", ["a.py", "--timeout"], {})


def test_a_switch_with_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match="--json takes no value"):
        parse("run", ["--json=1"], {})


def test_short_flags_may_share_a_word() -> None:
    parsed = parse("run", ["-qc", "1+1", "-qe", "A=1"], {})

    assert parsed.on("quiet")
    assert [parsed.all(name)[0].text for name in ("code", "env")] == ["1+1", "A=1"]
    with pytest.raises(UsageError, match="unknown option -x"):
        parse("run", ["-qx"], {})


def test_repeated_flags_keep_their_order() -> None:
    found = parse("run", ["-e", "A=1", "--env", "B=2"], {}).all("env")

    assert [given.text for given in found] == ["A=1", "B=2"]


@pytest.mark.parametrize("flag", [f for f in RUN_FLAGS if f.variable], ids=lambda f: f.long)
def test_each_flag_has_a_variable_and_the_flag_wins(flag: Flag) -> None:
    if flag.is_switch:
        assert parse("run", [], {flag.variable: "1"}).on(flag.name) is True
        assert parse("run", [], {flag.variable: "no"}).on(flag.name, default=True) is False
        assert parse("run", [f"--no-{flag.name}"], {flag.variable: "1"}).on(flag.name) is False
        assert parse("run", [flag.long], {flag.variable: "0"}).on(flag.name) is True
    else:
        environ = {flag.variable: "from the variable"}
        (said,) = parse("run", [], environ).all(flag.name)
        (won,) = parse("run", [flag.long, "from the flag"], environ).all(flag.name)
        assert (said.origin, said.text) == (flag.variable, "from the variable")
        assert (won.origin, won.text) == (flag.long, "from the flag")


def test_only_what_is_about_one_call_alone_has_no_variable() -> None:
    assert {f.long for f in RUN_FLAGS if not f.variable} == {"--code", "--help"}


def test_an_empty_variable_says_nothing() -> None:
    parsed = parse("run", [], {"CELLBLOCK_TIMEOUT": "", "CELLBLOCK_JSON": ""})

    assert parsed.last("timeout") is None
    assert not parsed.on("json")


def test_a_variable_of_a_repeated_flag_holds_one_value_a_line() -> None:
    found = parse("run", [], {"CELLBLOCK_ENV": "A=1 2\n\nB=3\n"}).all("env")

    assert [given.text for given in found] == ["A=1 2", "B=3"]


def test_a_switch_variable_that_is_neither_yes_nor_no_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="CELLBLOCK_JSON must be 1 or 0, not 'maybe'"):
        parse("run", [], {"CELLBLOCK_JSON": "maybe"})


@pytest.mark.parametrize("command", sorted(help_texts.TEXTS))
def test_help_fits_a_screen_and_shows_an_example(command: str) -> None:
    lines = help_texts.TEXTS[command].splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  cellblock") or '"$(cellblock' in line for line in lines)


@pytest.mark.parametrize("command", sorted(FLAGS))
def test_help_names_every_flag(command: str) -> None:
    text = help_texts.TEXTS[command]
    for flag in FLAGS[command]:
        spellings = (flag.long, flag.short or flag.long, "--no-" + flag.name)
        assert flag.name == "help" or any(s in text for s in spellings), flag.long


def test_the_help_of_run_names_every_exit_code() -> None:
    from executor.cli import verdicts

    codes = {verdicts.exit_code(v, None) for v in verdicts._CODES} | {2, 125, 130, 141, 143}

    assert all(f"{code} " in help_texts.RUN for code in codes)
