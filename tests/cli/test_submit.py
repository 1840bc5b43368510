"""`cellblock submit` is `cellblock run` on another machine; `cellblock workers` lists machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.cli.workers import to_text
from executor.link.machines import Seen
from protocol.links import LINK_VERSION, Presence
from tests.cli.conftest import Cellblock
from tests.link.credentials import token
from tests.link.fleet import Machine
from tests.link.server import NatsServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as started:
        yield started


@pytest.fixture(scope="module")
def machine(server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(server, tmp_path_factory.mktemp("machine") / "log")
    with made.proxy:
        made.start()
        yield made
        made.stop()


def test_streams_input_result_and_files_are_those_of_run(
    cellblock: Cellblock, server: NatsServer, machine: Machine, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "print(sys.argv[1:], sys.stdin.read(), n)\n"
        "print('beware', file=sys.stderr)\n"
        "open('made.txt', 'w').write('made')\n"
        "total = n + 1\n"
    )
    done = cellblock(
        "submit", str(script), "--input", "n=41", "--result", "total",
        "--out", str(tmp_path / "out"), "--", "--flag", stdin=b"typed", CELLBLOCK_NATS=server.url,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == b"['--flag'] typed 41\n42\n"
    assert done.stderr == b"beware\n"
    assert (tmp_path / "out" / "made.txt").read_text() == "made"


@pytest.mark.parametrize(
    ("code", "flags", "exit_code", "line"),
    [
        ("raise SystemExit(3)", (), 3, b""),
        ("1 / 0", (), 1, b"ZeroDivisionError"),
        ("while True: pass", ("--timeout", "0.3"), 124, b"timeout after"),
        ("1", ("--timeout", "1000"), 125, b"limits.wall_ms"),
        ("1", ("--queue", "nobody", "--queue-timeout", "0.2"), 125, b"queue_timeout_s"),
    ],
)
def test_the_exit_code_is_the_one_of_run(
    cellblock: Cellblock,
    server: NatsServer,
    machine: Machine,
    code: str,
    flags: tuple[str, ...],
    exit_code: int,
    line: bytes,
) -> None:
    done = cellblock("submit", "-c", code, "--nats", server.url, *flags)

    assert done.returncode == exit_code, done.stderr
    assert line in done.stderr


def test_json_is_the_one_of_run_also_where_nobody_is_reached(
    cellblock: Cellblock, server: NatsServer, machine: Machine
) -> None:
    done = cellblock("submit", "-c", "6 * 7", "--result", "_", "--json", "--nats", server.url)
    assert json.loads(done.stdout)["value"] == 42

    lost = cellblock("submit", "-c", "1", "--json", "--nats", "nats://ann:s3cret@127.0.0.1:1")
    found = json.loads(lost.stdout)
    assert (found["verdict"], found["exit_code"], lost.returncode) == (None, 125, 125)
    assert "nobody listens" in found["failure"]
    assert b"s3cret" not in lost.stdout + lost.stderr


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("-c", "1", "-v", "/tmp:/x"), b"--file NAME[=PATH]"),
        (("-c", "1", "--image", "pandas"), b"--queue NAME"),
        (("examples/wasm/tally.wasm",), b"cellblock run"),
        (("-c", "1", "--nats", "http://hub"), b"--nats: http://hub must begin with one of nats://"),
        (("-c", "1", "--queue", "a.b"), b"--queue must be letters"),
        (("-c", "1", "--creds", "/nowhere"), b"--creds: /nowhere cannot be read"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_what_to_write(
    cellblock: Cellblock, argv: tuple[str, ...], text: bytes
) -> None:
    done = cellblock("submit", *argv)

    assert done.returncode == 2
    assert text in done.stderr


def test_the_machines_are_listed(
    cellblock: Cellblock, server: NatsServer, machine: Machine, tmp_path: Path
) -> None:
    cellblock("submit", "-c", "1", "--nats", server.url)  # it serves by now
    shown = cellblock("workers", "--nats", server.url)
    [found] = json.loads(cellblock("workers", "--json", "--nats", server.url).stdout)

    assert shown.returncode == 0
    assert found["machine"][:12].encode() in shown.stdout
    assert (found["queue"], found["cells"]) == ("default", 1)
    nobody = cellblock("workers", "--queue", "nobody", "--nats", server.url)
    assert nobody.returncode == 1
    assert b"no machines" in nobody.stderr


def test_a_token_from_a_file_opens_the_door(cellblock: Cellblock, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    with NatsServer(tmp_path / "server", token("s3cret")) as server:
        admitted = cellblock("workers", "--nats", server.url, "--token-file", str(secret))
        refused = cellblock("workers", "--nats", server.url)

    assert admitted.returncode == 1, "there are none"
    assert refused.returncode == 125
    assert b"lets nobody in without credentials" in refused.stderr


def test_what_a_machine_says_of_itself_cannot_work_the_terminal() -> None:
    machine = Presence(
        LINK_VERSION, "m\x1b[2J", "host\nFORGED", 1, "active", "cause\x1b]0;x\x07", "default",
        2, 1, 0, 1, 500, 1_000, 10, 900, 1_000, 0, 5, 0, 90_000,
    )  # fmt: skip

    text = to_text(Seen((machine,), 1))

    assert "\x1b" not in text
    assert "\nFORGED" not in text
    assert "50%" in text
    assert "0.9 ms" in text
    assert "1.5 min" in text
    assert "1 entries cannot be read" in text
