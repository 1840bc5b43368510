"""One real supervisor for the whole folder: starting one for each test would test nothing more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executor import Limits, Supervisor


@pytest.fixture(scope="session")
def supervisor() -> Iterator[Supervisor]:
    """Give a started supervisor with two cells."""
    with Supervisor(cells=2, limits=Limits(wall_s=20.0)) as started:
        yield started
