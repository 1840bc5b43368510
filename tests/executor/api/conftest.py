"""One real supervisor for the whole folder: starting one for each test would test nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Limits, Supervisor
from tests.executor.api.host import Host


@pytest.fixture(scope="session")
def supervisor() -> Iterator[Supervisor]:
    """Give a started supervisor with two cells."""
    with Supervisor(cells=2, limits=Limits(wall_s=20.0)) as started:
        yield started


@pytest.fixture(params=[True, False], ids=["pydantic", "stdlib"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """Give a facade whose loop is a script."""
    made = Host(tmp_path, checked=request.param)
    yield made
    made.close()
