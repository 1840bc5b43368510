"""Guarantees: each is named, held or not for a reason, and never silently weakened."""

from __future__ import annotations

import copy

import pytest

from executor import Supervisor, Unavailable, guarantees
from executor.guarantees import NAMES
from sandboxes.jail.steps import Wall


@pytest.mark.parametrize("isolate", ["interpreter", "process", "inline"])
def test_every_guarantee_is_listed_with_its_reason(isolate: str) -> None:
    listed = Supervisor(isolate=isolate).guarantees()  # type: ignore[arg-type]  # one of three

    assert tuple(g.name for g in listed) == NAMES
    assert all(g.reason for g in listed)
    assert all(bool(g.walls) for g in listed if g.held)


def test_a_loop_that_shares_the_hosts_interpreter_does_not_promise_liveness() -> None:
    held = {g.name: g.held for g in Supervisor(isolate="inline").guarantees()}

    assert not held.pop("liveness")
    assert all(held.values())


def test_what_is_required_and_held_is_no_obstacle() -> None:
    Supervisor(require=NAMES, isolate="interpreter")


def test_what_is_required_and_missing_is_refused_before_anything_is_started() -> None:
    with pytest.raises(Unavailable) as caught:
        Supervisor(require=("memory", "liveness"), isolate="inline")

    assert caught.value.guarantee == "liveness"
    assert "use isolate='interpreter'" in caught.value.reason


def test_where_no_cell_can_be_made_nothing_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = guarantees._survey()
    findings = tuple(
        copy.replace(finding, present=False, detail="refused by this kernel")
        if finding.name == Wall.USERS
        else finding
        for finding in looked.findings
    )
    monkeypatch.setattr(guarantees, "_survey", lambda: copy.replace(looked, findings=findings))

    with pytest.raises(Unavailable, match="user namespace: refused by this kernel"):
        Supervisor(require=("network",))
    assert not any(guarantee.held for guarantee in Supervisor().guarantees())
    Supervisor(require=("network",), jail="light")
