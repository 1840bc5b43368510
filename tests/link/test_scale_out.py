"""`docs/scale-out.md` says what is so: its commands work, its permissions suffice and confine."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from executor import Access, Limits, NatsLink, RemoteSupervisor, Supervisor
from executor.link.wire import Subjects
from tests.link.server import Access as ServerAccess, NatsServer

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "scale-out.md").read_text()
ADDRESS = "nats://127.0.0.1:4222"
PATIENCE_S = 60.0


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    lines = [line[2:] for block in blocks("console") for line in block.splitlines()]
    with NatsServer(tmp_path) as server:
        worker, submit, workers = (
            [sys.executable, "-m", "executor.cli", *shlex.split(line)[1:]]
            for line in (line.replace(ADDRESS, server.url) for line in lines)
        )
        serving = subprocess.Popen(worker, stderr=subprocess.PIPE, text=True)
        try:
            assert serving.stderr is not None
            assert any("is active" in line for line in serving.stderr)
            done = subprocess.run(submit, capture_output=True, text=True, timeout=PATIENCE_S)
            assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
            listed = subprocess.run(workers, capture_output=True, text=True, timeout=PATIENCE_S)
            assert listed.returncode == 0, listed.stderr
            assert "active" in listed.stdout
        finally:
            serving.terminate()
            serving.communicate(timeout=PATIENCE_S)
    assert serving.returncode == 0


def test_the_program_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    [program] = blocks("python")
    with NatsServer(tmp_path) as server:
        text = program.replace(ADDRESS, server.url) + "\nassert squares == [1, 4]\n"
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, timeout=PATIENCE_S
        )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def confined() -> ServerAccess:
    """A server with the permissions of the page."""
    [config] = blocks("conf")
    return ServerAccess(config)


def test_the_permissions_of_the_page_suffice_and_confine_a_tenant(
    tmp_path: Path, confined: ServerAccess
) -> None:
    with NatsServer(tmp_path, confined) as server:
        link = NatsLink(Access((server.url,), user="machine", password="change-me"))
        red = Access((server.url,), user="red", password="change-me-too")
        with Supervisor(cells=1, limits=Limits(wall_s=10), link=link) as machine:
            assert machine.link_keeper is not None
            assert machine.link_keeper.wait_state("active", timeout_s=PATIENCE_S)
            with RemoteSupervisor(red, tenant="red", limits=Limits(wall_s=10)) as remote:
                assert remote.run("6 * 7").value == 42
                with remote.session() as session:
                    session.run("x = 1")
                    assert session.run("x + 1").value == 2
            assert asyncio.run(refusals(server.url, machine.link_keeper.machine)) == 4


async def refusals(url: str, machine: str) -> int:
    """Return how often the server refuses what one tenant may not do to another."""
    refused = 0
    all_came = asyncio.Event()

    async def count(error: Exception) -> None:
        nonlocal refused
        refused += "permissions violation" in str(error).lower()
        if refused == 4:
            all_came.set()

    client = await nats.connect(url, user="red", password="change-me-too", error_cb=count)
    subjects = Subjects()
    await client.publish(subjects.run("default", "blue"), b"")
    await client.publish(subjects.machine(machine, "blue"), b"")
    await client.publish(subjects.submitter("anybody", "blue"), b"")
    await client.subscribe(subjects.submitter("*", "blue"))
    await client.flush()
    await asyncio.wait_for(all_came.wait(), PATIENCE_S)  # errors are told by a coroutine of its own
    await client.close()
    return refused
