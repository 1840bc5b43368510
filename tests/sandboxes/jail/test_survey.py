"""What a survey says is what the machine does; a wall that is refused is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandboxes.jail.steps import NEEDS_USER_NAMESPACE, Wall
from sandboxes.jail.survey import MOUNTS, PROCESS_DESCRIPTORS, Survey, look, parse, to_json

ROOT = Path(__file__).resolve().parents[3]
UNSHARE_NUMBER, LANDLOCK_NUMBER = 272, 444


@pytest.fixture(scope="module")
def here() -> Survey:
    return look()


def test_every_wall_is_tried(here: Survey) -> None:
    tried = {finding.name for finding in here.findings}
    expected = set(Wall) - (set() if here.is_root else {Wall.IDENTITY})

    assert {wall.value for wall in expected} | {PROCESS_DESCRIPTORS, MOUNTS} <= tried


def test_a_machine_whose_cells_pass_all_probes_is_found_to_have_all_walls(here: Survey) -> None:
    assert [finding for finding in here.findings if not finding.present] == []


def test_a_survey_survives_json_unchanged(here: Survey) -> None:
    assert parse(to_json(here)) == here


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"findings": [{"nam": 1}]}', '{"findings": 3}'])
def test_what_is_no_survey_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"survey|Expecting"):
        parse(text)


def test_a_survey_that_takes_too_long_finds_nothing() -> None:
    slow = look(timeout_s=0.0)

    assert slow.findings == ()
    assert not slow.has(Wall.SECCOMP)


REFUSE = """
import ctypes, errno, json, os, sys
sys.path.insert(0, {root!r})
from sandboxes.jail import no_new_privileges, seccomp
from sandboxes.jail.seccomp import ALLOW, ERRNO, JUMP_EQUAL, LOAD, RETURN
no_new_privileges.give_up()
program = [(LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 1, {number}),
           (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ALLOW)]
seccomp.install(seccomp.encode(program))
from sandboxes.jail.survey import look, to_json
print(to_json(look()))
"""


def survey_where_refused(number: int) -> Survey:
    """Return the survey of a container that refuses one system call."""
    code = REFUSE.format(root=str(ROOT), number=number)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return parse(done.stdout)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
def test_where_user_namespaces_are_refused_exactly_their_walls_are_missing() -> None:
    found = survey_where_refused(UNSHARE_NUMBER)

    missing = {finding.name for finding in found.findings if not finding.present}
    assert missing == {wall.value for wall in NEEDS_USER_NAMESPACE} | {MOUNTS}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
def test_where_landlock_is_refused_it_alone_is_missing() -> None:
    found = survey_where_refused(LANDLOCK_NUMBER)

    assert [f.name for f in found.findings if not f.present] == [Wall.LANDLOCK]
    assert "no Landlock" in found.find(Wall.LANDLOCK).detail


ELSEWHERE = """
import sys
sys.path.insert(0, {root!r})
sys.platform = "win32"
import ctypes, os
os.name = "nt"
sys.modules["resource"] = None
import json
from sandboxes.guarantees import guarantees, refusal
from sandboxes.jail.survey import look
survey = look()
print(json.dumps([
    survey.platform, len(survey.findings),
    refusal(survey, "wasm", "full").reason,
    refusal(survey, "wasm", "light").reason,
    refusal(survey, "wasm", "none") is None,
    refusal(survey, "process", "full").reason,
    any(g.held for g in guarantees(survey, "process", "none")),
    [g.name for g in guarantees(survey, "wasm", "none") if not g.held],
]))
"""


def test_a_platform_without_our_walls_says_so_and_promises_native_guests_nothing() -> None:
    code = ELSEWHERE.format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [
        "win32",
        0,
        "not available on win32",
        "not available on win32",
        True,
        "not available on win32",
        False,
        ["cpu", "wall_time"],
    ]
