"""Supervisors of native guests, one for each way to share a cell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executor import Limits, Supervisor


@pytest.fixture(scope="session")
def single() -> Iterator[Supervisor]:
    """Give a supervisor whose cells serve one run, or one session."""
    with Supervisor(kind="process", cells=2, limits=Limits(wall_s=20.0)) as started:
        yield started


@pytest.fixture(scope="session")
def shared() -> Iterator[Supervisor]:
    """Give a supervisor with one cell for each tenant."""
    limits = Limits(wall_s=20.0)
    with Supervisor(kind="process", reuse="tenant", cells=1, limits=limits) as started:
        yield started
