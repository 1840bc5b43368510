"""What `cellblock doctor` promises: what is so here, and the price and cure of each gap."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from executor.cli.doctor import (
    COLUMNS,
    NATIVE,
    STRENGTHS,
    WALLED,
    Examined,
    examine,
    to_plain,
    to_text,
)
from sandboxes.guarantees import Strength, costs, refusal, remedy
from sandboxes.jail.steps import NEEDS_USER_NAMESPACE, Wall
from sandboxes.jail.survey import OVERCOMMIT, Finding, Survey

type Cellblock = Callable[..., subprocess.CompletedProcess[bytes]]


def machine(*missing: str, platform: str = "linux", is_root: bool = False) -> Survey:
    """Return the survey of a machine that has all but some of the walls."""
    names = [*Wall, "process descriptors", "mounts for cells", OVERCOMMIT]
    findings = tuple(
        Finding(str(name), name not in missing, "not permitted" if name in missing else "")
        for name in names
    )
    return Survey(platform, "x86_64", "6.1.0", is_root, findings)


def examined(
    survey: Survey,
    *,
    problems: tuple[str, ...] = (),
    runs: Mapping[Strength, str] | None = None,
    base_image: str = "ready",
    form: str = "base",
    no_optimiser: str = "",
) -> Examined:
    return Examined(
        survey,
        "3.13.0",
        "50.0.1",
        problems,
        base_image,
        {},
        runs or {},
        form=form,
        no_optimiser=no_optimiser,
    )


# --- here ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def here() -> Examined:
    return examine()


def test_a_jail_that_the_survey_allows_is_seen_to_run_code_and_no_other_is_tried(
    here: Examined,
) -> None:
    allowed = [s for s in STRENGTHS if refusal(here.survey, "wasm", s) is None]

    assert here.base_image == "ready"  # the fixture of this folder builds it
    assert dict(here.runs) == dict.fromkeys(allowed, "ok")
    for kind in NATIVE:
        walled = [s for s in WALLED if refusal(here.survey, kind, s) is None]
        assert list(here.native[kind]) == walled
        for strength, ended in here.native[kind].items():
            # A root host may have its Python where nobody else reads it.
            closed = (
                kind == "interpreter" and strength == "light" and "is closed to others" in ended
            )
            assert ended == "ok" or closed, ended


def test_the_command_answers_and_its_exit_code_tells_whether_the_full_jail_works(
    cellblock: Cellblock, here: Examined
) -> None:
    text, plain = cellblock("doctor"), cellblock("doctor", "--json")

    assert text.returncode == plain.returncode == (0 if here.works("full") else 1)
    assert text.stderr == plain.stderr == b""
    assert json.loads(plain.stdout)["full_jail_works"] is here.works("full")
    assert text.stdout.decode() == to_text(here)


def test_every_wall_that_was_tried_is_in_both_forms(here: Examined) -> None:
    text, plain = " ".join(to_text(here).split()), json.dumps(to_plain(here))

    for finding in here.survey.findings:
        assert finding.name in text
        assert finding.name in plain


# --- elsewhere -----------------------------------------------------------------------------------
@pytest.mark.parametrize("wall", [*Wall, "process descriptors", "mounts for cells", OVERCOMMIT])
def test_a_missing_wall_is_named_with_its_reason_its_price_and_its_cure(wall: str) -> None:
    survey = machine(wall, is_root=True)
    text = " ".join(to_text(examined(survey)).split())

    assert f"missing {wall}: not permitted" in text
    assert f"remedy {' '.join(remedy(survey, wall).split())}" in text
    for name in costs(wall):
        assert name.replace("_", " ") in text.partition("weakens")[2].partition("remedy")[0]
    [row] = [row for row in to_plain(examined(survey))["walls"] if not row["present"]]  # type: ignore[attr-defined]  # a list
    assert row["name"] == wall
    assert row["costs"] == list(costs(wall))
    assert row["remedy"] == remedy(survey, wall)


def test_without_user_namespaces_the_light_jail_works_and_the_full_one_does_not() -> None:
    without = examined(machine(*NEEDS_USER_NAMESPACE))

    assert not without.works("full")
    assert without.works("light")
    assert without.works("none")
    assert "Promised of runs, jail=light" in to_text(without)
    assert to_text(without).endswith("The full jail does not work here.\n")


def test_a_cure_of_several_walls_is_told_once() -> None:
    text = " ".join(to_text(examined(machine(*NEEDS_USER_NAMESPACE))).split())

    assert text.count("remedy allow user namespaces") == 1
    assert text.index(f"missing {Wall.OWN_USERS}") < text.index("remedy allow user namespaces")


def test_only_a_missing_wall_that_belongs_to_a_jail_refuses_it() -> None:
    assert not examined(machine(Wall.SECCOMP)).works("light")
    assert not examined(machine(Wall.IDENTITY, is_root=True)).works("full")
    assert examined(machine(Wall.IDENTITY, is_root=False)).works("full")


def test_a_platform_without_our_walls_has_the_sandbox_alone() -> None:
    bare = examined(Survey("darwin", "arm64", "24.0", False, ()))

    assert [s for s in STRENGTHS if bare.works(s)] == ["none"]
    assert "  remedy    run on Linux" in to_text(bare)


def test_kinds_of_sandbox_are_told_apart() -> None:
    survey = machine()
    failing = Examined(
        survey, "3.13.0", "50.0.1", (), "ready", {}, {}, {"process": {"full": "no such call"}}
    )

    assert not failing.works("full", "process")
    assert failing.works("full", "interpreter")
    assert failing.works("full")
    text = " ".join(to_text(failing).split())
    assert "Jails for --kind process full a run in it failed: no such call" in text
    otherwise = text.partition("Otherwise for --kind interpreter")[2]
    assert "state NOT HELD: runs of one tenant share a process" in otherwise
    plain: dict[str, Any] = to_plain(failing)
    native = plain["native"]
    assert native["process"]["jails"]["full"]["works"] is False
    assert [g["name"] for g in native["interpreter"]["guarantees"]["full"] if not g["held"]] == [
        "state"
    ]


def test_a_jail_in_which_a_run_fails_does_not_work_whatever_the_survey_says() -> None:
    failing = examined(machine(), runs={"full": "the cell ended", "light": "ok"})

    assert not failing.works("full")
    assert failing.works("light")
    assert "a run in it failed: the cell ended" in to_text(failing)


def test_what_keeps_any_run_from_starting_keeps_every_jail_from_working() -> None:
    broken = examined(machine(), problems=("wasmtime is not installed",))

    assert not any(broken.works(s) for s in STRENGTHS)
    assert "Promised" not in to_text(broken)


@pytest.mark.parametrize(
    "survey",
    [machine(), machine(*Wall, OVERCOMMIT), Survey("darwin", "arm64", "24.0", False, ())],
    ids=["all", "nothing", "elsewhere"],
)
@pytest.mark.parametrize("base_image", ["ready", "built", "missing", "unknown"])
def test_the_text_fits_the_screen(survey: Survey, base_image: str) -> None:
    text = to_text(examined(survey, base_image=base_image))

    assert max(map(len, text.splitlines())) <= COLUMNS
    assert text.isascii()


@pytest.mark.parametrize(
    ("no_optimiser", "remedy_text"),
    [("", "cellblock image build --optimize"), ("npm is not installed", "npm is not installed")],
)
def test_what_an_optimised_image_would_gain_is_said_with_the_way_to_it(
    no_optimiser: str, remedy_text: str
) -> None:
    text = to_text(examined(machine(), no_optimiser=no_optimiser))

    assert "half of the CPU" in " ".join(text.split())
    assert f"remedy      {remedy_text}" in text
    plain = to_plain(examined(machine(), no_optimiser=no_optimiser))
    assert plain["base_image_form"] == "base"
    assert plain["optimiser"] == (no_optimiser or None)


def test_an_optimised_image_has_no_remedy() -> None:
    text = to_text(examined(machine(), form="optimised"))

    assert "optimised   yes" in text
    assert "--optimize" not in text
