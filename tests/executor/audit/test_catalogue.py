"""The catalogue is data: every attack is of its own, judged, controlled, and about a promise."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from executor.audit.attack import CLAIM, GUARANTEES, Control, Entry, Harm, Limit
from executor.audit.catalogue import FOLDER, adopted, load, whole
from executor.errors import Misuse
from executor.guarantees import NAMES
from sandboxes.jail.probes.probe import catalogue as probes

OURS = load()
EVERY = [pytest.param(entry, id=name) for name, entry in OURS.items()]
REFERENCE = re.compile(r"CWE-\d+|CVE-\d{4}-\d{4,}|RUSTSEC-\d{4}-\d{4}|GHSA(-\w{4}){3}")
GOOD = '''"""Do something."""
from executor.audit import Attack, Harm
ATTACK = Attack(harm=Harm.SECRET, guest="print(1)")
'''


def test_there_are_attacks_on_every_promise() -> None:
    of_guests = Counter(entry.guarantee for entry in OURS.values())

    assert set(of_guests) == set(GUARANTEES) >= set(NAMES)
    assert min(of_guests.values()) >= 8
    assert len([e for e in OURS.values() if e.attack and e.attack.guest]) >= 110
    assert len(whole()) >= 150


@pytest.mark.parametrize("entry", EVERY)
def test_an_attack_names_what_it_tries_and_public_weaknesses_of_its_sort(entry: Entry) -> None:
    assert len(entry.title) > 10
    assert entry.references
    assert all(REFERENCE.fullmatch(reference) for reference in entry.references)
    assert entry.kinds


def test_no_two_attacks_are_the_same() -> None:
    attacks = [entry.attack for entry in OURS.values() if entry.attack is not None]
    bodies = Counter((a.harm, a.guest, a.then, a.lies, a.tenant, a.hole is None) for a in attacks)
    titles = Counter(entry.title.lower() for entry in OURS.values())

    assert [body for body, count in bodies.items() if count > 1] == []
    assert [title for title, count in titles.items() if count > 1] == []


@pytest.mark.parametrize("entry", EVERY)
def test_a_guest_never_claims_without_having_looked(entry: Entry) -> None:
    """A claim that stands on its own, with nothing before it, would prove nothing."""
    attack = entry.attack
    assert attack is not None
    source = attack.then or attack.guest
    assert (CLAIM in source or 'target["claim"]' in source) == (attack.harm is Harm.CLAIMED)
    if attack.harm is Harm.CLAIMED:
        assert not ast.unparse(ast.parse(source).body[0]).startswith("print(")


def test_every_probe_of_the_jail_is_adopted_once() -> None:
    assert sorted(entry.probe for entry in adopted().values()) == sorted(probes())
    assert all(entry.control is Control.DOWN for entry in adopted().values())


def test_every_wall_of_ours_is_attacked() -> None:
    attacked = {wall for entry in OURS.values() for wall in entry.stopped_by}
    holes = any(e.attack is not None and e.attack.hole is not None for e in OURS.values())

    assert attacked | ({Limit.NOTHING_GIVEN} if holes else set()) == set(Limit)


def test_every_file_of_the_catalogue_is_in_it() -> None:
    files = {path.relative_to(FOLDER) for path in FOLDER.rglob("*.py")}

    assert files == {Path(*name.split(".", 1)).with_suffix(".py") for name in OURS}


# --- attacks of one's own ------------------------------------------------------------------------
def folder_with(path: Path, text: str, guarantee: str = "files") -> Path:
    (path / guarantee).mkdir()
    (path / guarantee / "mine.py").write_text(text)
    return path


def test_an_attack_of_ones_own_is_beside_ours(tmp_path: Path) -> None:
    entry = whole([folder_with(tmp_path, GOOD)])["files.mine"]

    assert (entry.guarantee, entry.title, entry.control) == (
        "files",
        "Do something",
        Control.NATIVE,
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1", "has no ATTACK"),
        ("raise ValueError('no')", "ValueError: no"),
        (GOOD.replace('"""Do something."""', ""), "its docstring has to say"),
        (GOOD.replace('guest="print(1)"', ""), "either a guest's source or lies"),
        (GOOD.replace("print(1)", "print("), "its guest is no Python"),
        (GOOD.replace("SECRET", "EXCESS"), "measured against a limit"),
        (GOOD.replace("SECRET", "GREW"), "needs taken_bytes"),
    ],
)
def test_a_file_that_is_no_attack_is_named_with_the_reason(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(Misuse, match=r"mine\.py") as caught:
        whole([folder_with(tmp_path, text)])

    assert problem in str(caught.value)


def test_a_folder_of_no_guarantee_and_a_second_attack_of_one_name_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(Misuse, match="must be named after one of state"):
        whole([folder_with(tmp_path, GOOD, "fun")])
    taken = tmp_path / "taken"
    (taken / "files").mkdir(parents=True)
    (taken / "files" / "read_by_path.py").write_text(GOOD)
    with pytest.raises(Misuse, match=r"there is an attack files\.read_by_path already"):
        whole([taken])
    with pytest.raises(Misuse, match="is no folder"):
        whole([tmp_path / "nothing"])
