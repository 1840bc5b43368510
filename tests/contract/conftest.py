"""A supervisor of each kind of sandbox: every test of this folder runs against all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executor import Limits, Supervisor
from executor.kinds import KINDS
from protocol.fields import Kind


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Give each kind of sandbox in turn."""
    found: Kind = request.param
    return found


@pytest.fixture(scope="session")
def supervisor(kind: Kind) -> Iterator[Supervisor]:
    """Give a started supervisor whose runs are of the kind."""
    with Supervisor(kind=kind, cells=2, limits=Limits(wall_s=20.0)) as started:
        yield started
