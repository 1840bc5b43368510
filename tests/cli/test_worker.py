"""`cellblock worker` serves until a signal comes, and leaves as it says."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import RemoteSupervisor
from executor.cli.flags import UsageError, parse
from executor.cli.hub import access_from, queue_from
from tests.executor.processes import descendants, wait_gone
from tests.link.credentials import NO_JETSTREAM, token
from tests.link.server import NatsServer

COMMAND = [str(Path(sys.executable).with_name("cellblock")), "worker", "--cells", "1"]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as running:
        yield running


class Worker:
    """One `cellblock worker`."""

    def __init__(self, server: NatsServer, *flags: str) -> None:
        command = [*COMMAND, "--nats", server.url, *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []

    def wait_said(self, text: str) -> None:
        """Read what it says until a line holds `text`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if text in line:
                return
        raise AssertionError(f"it never said {text!r}: {self.said}")

    def end(self, signum: signal.Signals) -> int:
        self.process.send_signal(signum)
        assert self.process.stderr is not None
        self.said += self.process.stderr.readlines()
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_run_at_hand_end_and_hands_back_what_waits(
    server: NatsServer, signum: signal.Signals
) -> None:
    queue = f"drain-{signum.name}"
    with Worker(server, "--queue", queue) as first:
        first.wait_said("is active")
        with RemoteSupervisor(server.url, queue=queue) as remote:
            code = "import time\nprint(x, flush=True)\ntime.sleep(1)\nx"
            begun: list[str] = []
            run = remote.start(code, inputs={"x": 1}, on_stdout=begun.append)
            while not begun:
                pass
            waits = remote.start("x", inputs={"x": 2})
            assert first.end(signum) == 0
            assert run.result(PATIENCE_S).value == 1
            with Worker(server, "--queue", queue) as second:
                second.wait_said("is active")
                assert waits.result(PATIENCE_S).value == 2
    assert "draining for up to 30 s; a second signal ends it at once" in "".join(first.said)
    assert "left: 1 runs ended" in first.said[-1]


def test_a_second_signal_ends_it_at_once_with_all_that_it_started(server: NatsServer) -> None:
    with Worker(server, "--queue", "forced") as worker:
        worker.wait_said("is active")
        with RemoteSupervisor(server.url, queue="forced") as remote:
            begun: list[str] = []
            run = remote.start("print(1, flush=True)\nwhile True: pass", on_stdout=begun.append)
            while not begun:
                pass
            started = descendants(worker.process.pid)
            worker.process.send_signal(signal.SIGTERM)
            worker.wait_said("draining")
            assert worker.end(signal.SIGTERM) == 128 + signal.SIGTERM
            assert started
            assert not wait_gone(started, PATIENCE_S)
            run.cancel()


def test_one_that_gives_up_ends_with_the_reason(tmp_path: Path) -> None:
    with NatsServer(tmp_path, NO_JETSTREAM) as server, Worker(server) as worker:
        worker.wait_said("gave up")
        assert worker.process.wait(PATIENCE_S) == 125
    assert "start it with -js" in worker.said[-1]


def test_a_token_comes_from_a_file_and_is_said_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t-t0k3n\n")
    flags = ("--token-file", str(tmp_path / "token"))
    access = token("s3cr3t-t0k3n")
    with NatsServer(tmp_path / "nats", access) as server, Worker(server, *flags) as worker:
        worker.wait_said("is active")
        assert worker.end(signal.SIGTERM) == 0
    assert "s3cr3t" not in "".join(worker.said)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--nats", "http://hub"], "--nats: http://hub must begin with"),
        (["--creds", "/nowhere"], "--creds: /nowhere cannot be read"),
        (["--tls-cert", __file__], "--tls-cert: give it and tls_key_file together"),
        (["--user", "a", "--nkey", __file__], "--nkey: user is given too"),
        (["--token-file", "/nowhere"], "/nowhere"),
        (["--queue", "a.b"], "--queue must be letters"),
    ],
)
def test_what_can_never_work_is_refused_by_its_flag(argv: list[str], text: str) -> None:
    parsed = parse("worker", argv, {})

    with pytest.raises(UsageError) as raised:
        _ = access_from(parsed), queue_from(parsed)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--slots", "0"], "--slots: must be 1 to 512"),
        (["--lease", "1"], "--lease: must be 2 to 3600"),
        (["--drain", "-1"], "--drain must be 0 to"),
        (["--isolate", "inline"], "--isolate must be interpreter or process"),
        (["--cells", "0"], "--cells: must be 1 to 1024"),
        (["script.py"], "cellblock worker takes no 'script.py'"),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_flag(argv: list[str], text: str) -> None:
    done = subprocess.run(
        [*COMMAND[:2], *argv], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )

    assert done.returncode == 2
    assert text in done.stderr
