"""A machine that serves a queue of a real server: it takes runs, loses none, and says how it is.

What happens is awaited by what it leads to; only what must not happen has a time.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Access, Limits, Misuse, NatsLink, Refused, RemoteSupervisor, Supervisor
from executor.isolate import IsolateKind
from executor.link.keeper import LinkKeeper
from executor.link.wire import stream_name
from tests.executor.processes import command, descendants, is_loop, kill
from tests.executor.test_liveness import Directory
from tests.link.credentials import NO_JETSTREAM, Operator, token, user_password
from tests.link.server import NatsServer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> str:
    """A queue of each test's own."""
    return f"q{abs(hash(request.node.nodeid)) % 10**9}"


def link_of(supervisor: Supervisor) -> LinkKeeper:
    assert supervisor.link_keeper is not None
    return supervisor.link_keeper


def machine(server: NatsServer, queue: str, **options: object) -> Supervisor:
    """Return a machine with one cell; `options` are the supervisor's, those of the link first."""
    names = ("lease_s", "give_up_s", "slots")
    link = {name: options.pop(name) for name in names if name in options}
    link["isolate"] = options.pop("link_isolate", "interpreter")
    nats = NatsLink(server.url, queue=queue, **link)  # type: ignore[arg-type]  # by name
    return Supervisor(cells=1, link=nats, **options)  # type: ignore[arg-type]  # by name


def wait_active(supervisor: Supervisor) -> None:
    assert link_of(supervisor.open()).wait_state("active", timeout_s=PATIENCE_S)


def is_link(pid: int) -> bool:
    return "executor.link.isolate" in command(pid)


# --- runs ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("isolate", ["interpreter", "process"])
def test_a_machine_runs_what_another_process_submits(
    server: NatsServer, queue: str, isolate: IsolateKind
) -> None:
    with machine(server, queue, link_isolate=isolate) as supervisor:
        wait_active(supervisor)
        with RemoteSupervisor(server.url, queue=queue) as remote:
            outcomes = list(remote.map("x * 2", ({"x": x} for x in range(20))))
        assert [outcome.value for outcome in outcomes] == [x * 2 for x in range(20)]
        assert supervisor.run("1 + 1").value == 2
        found = supervisor.statistics().link
    assert found is not None
    assert (found.state, found.runs_refused, found.messages_refused) == ("active", 0, 0)


def test_a_machine_serves_through_a_web_socket_from_a_process_of_its_own(
    tmp_path: Path, queue: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
    extra = f'websocket {{ listen: "{address}", no_tls: true }}'
    with NatsServer(tmp_path, extra=extra):
        url = f"ws://{address}"
        link = NatsLink(url, queue=queue, isolate="process")
        with Supervisor(cells=1, link=link) as supervisor:
            wait_active(supervisor)
            with RemoteSupervisor(url, queue=queue, isolate="process") as remote:
                assert remote.run("6 * 7").value == 42


def test_guests_of_others_find_the_functions_of_the_machines_host_and_no_more(
    server: NatsServer, queue: str
) -> None:
    called: list[int] = []

    def price(item: int) -> int:
        called.append(item)
        return item * 100

    with machine(server, queue, functions=[price]) as supervisor:
        wait_active(supervisor)
        with RemoteSupervisor(server.url, queue=queue) as remote:
            outcome = remote.run("import host\n[host.price(n) for n in (1, 2)]")
            missing = remote.run("import host\nhost.secret()")
    assert outcome.value == [100, 200]
    assert called == [1, 2]
    assert missing.error is not None
    assert missing.error.name == "AttributeError"


def test_the_limits_of_the_machine_are_ceilings_for_runs_of_others(
    server: NatsServer, queue: str
) -> None:
    with machine(server, queue, limits=Limits(wall_s=5)) as supervisor:
        wait_active(supervisor)
        with RemoteSupervisor(server.url, queue=queue) as remote:
            assert remote.run("1", limits={"wall_s": 5}).value == 1
            with pytest.raises(Refused, match=r"limits\.wall_ms: 5001 is over") as refused:
                remote.run("1", limits={"wall_s": 5.001})
    assert not refused.value.began


def test_guests_of_others_run_in_wasm_whatever_the_machine_runs_of_its_own(
    server: NatsServer, queue: str
) -> None:
    with machine(server, queue, kind="process") as supervisor:
        wait_active(supervisor)
        platform = "import sys\nsys.platform"
        assert supervisor.run(platform).value == sys.platform
        with RemoteSupervisor(server.url, queue=queue) as remote:
            assert remote.run(platform).value == "wasi"
            with pytest.raises(Misuse, match="kind: guests of others run in Wasm alone"):
                remote.run(platform, kind="process")
            with pytest.raises(Misuse, match="share: memory of this machine does not travel"):
                remote.share(b"x")


SUBMIT = """
import pathlib, sys
from executor import RemoteSupervisor
url, queue, folder = sys.argv[1:]
with RemoteSupervisor(url, queue=queue) as remote:
    remote.run("1")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(10):
        assert remote.run("x", inputs={"x": number}).value == number
pathlib.Path(folder, "seen").touch()
"""


def test_runs_of_others_begin_and_end_while_the_host_holds_its_interpreter(
    server: NatsServer, queue: str, tmp_path: Path
) -> None:
    watched = Directory(tmp_path)
    with machine(server, queue) as supervisor:
        wait_active(supervisor)
        with subprocess.Popen(
            [sys.executable, "-c", SUBMIT, server.url, queue, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        ) as submitter:
            assert submitter.stdin is not None
            assert submitter.stdout is not None
            assert submitter.stdout.readline() == b"ready\n"
            submitter.stdin.write(b"\n")
            submitter.stdin.close()
            seen = watched.hold_interpreter_until_a_file_appears(30_000)
    watched.close()

    assert seen
    assert submitter.returncode == 0


# --- losses --------------------------------------------------------------------------------------
def test_a_crash_of_the_links_isolate_loses_no_result_and_delivers_none_twice(
    server: NatsServer, queue: str
) -> None:
    pieces: list[str] = []
    code = "import time\nfor n in range(6):\n    print(n, flush=True)\n    time.sleep(0.15)\n'end'"
    with machine(server, queue, link_isolate="process") as supervisor:
        wait_active(supervisor)
        with RemoteSupervisor(server.url, queue=queue) as remote:
            begun = threading.Event()

            def take(text: str) -> None:
                pieces.append(text)
                begun.set()

            run = remote.start(code, on_stdout=take)
            assert begun.wait(PATIENCE_S)
            [link] = [pid for pid in descendants() if is_link(pid)]
            kill(link)
            outcome = run.result(PATIENCE_S)
            assert remote.run("1 + 1").value == 2
        found = supervisor.statistics().link
    assert outcome.value == "end"
    assert outcome.stdout == "".join(pieces) == "0\n1\n2\n3\n4\n5\n"
    assert found is not None
    assert found.restarts == 1
    assert found.runs_handed_back == found.runs_given_up == 0


def test_a_loop_that_dies_gives_its_runs_to_another_machine(server: NatsServer, queue: str) -> None:
    with machine(server, queue, isolate="process", slots=1) as first:
        wait_active(first)
        with (
            RemoteSupervisor(server.url, queue=queue) as remote,
            machine(server, queue, slots=1) as second,
        ):
            waits = "import time\ntime.sleep(1)\nx"
            runs = [remote.start(waits, inputs={"x": x}) for x in range(3)]
            [loop] = [pid for pid in descendants() if is_loop(pid)]
            while not first.statistics().pools[0].cells_by_state["busy"]:
                pass
            kill(loop)
            wait_active(second)
            assert [run.result(PATIENCE_S).value for run in runs] == [0, 1, 2]
            wait_active(first)
        found = first.statistics()
    assert found.isolate_restarts == 1


def test_a_wedged_loop_loses_its_run_to_another_machine_and_says_so_when_it_comes_back(
    server: NatsServer, queue: str
) -> None:
    with (
        machine(server, queue, isolate="process", slots=1, lease_s=2.0) as wedged,
        RemoteSupervisor(server.url, queue=queue) as remote,
    ):
        wait_active(wedged)
        before = set(descendants())
        run = remote.start("import time\ntime.sleep(1)\n'done'")
        while not wedged.statistics().pools[0].cells_by_state["busy"]:
            pass
        [loop] = [pid for pid in before if is_loop(pid)]
        os.kill(loop, signal.SIGSTOP)
        try:
            assert link_of(wedged).wait_state("paused", timeout_s=PATIENCE_S)
            with machine(server, queue, slots=1, lease_s=2.0) as healthy:
                wait_active(healthy)
                outcome = run.result(PATIENCE_S)
                done_there = healthy.statistics().link
        finally:
            os.kill(loop, signal.SIGCONT)
        wait_active(wedged)
        while link_of(wedged).statistics().runs_given_up == 0:
            pass
        found = link_of(wedged).statistics()
    assert outcome.value == "done"
    assert done_there is not None
    assert done_there.runs_begun == 1
    assert (found.runs_given_up, found.loop_silences) == (1, 1)


def test_a_server_that_restarts_costs_no_run(tmp_path: Path, queue: str) -> None:
    with NatsServer(tmp_path) as server, machine(server, queue) as supervisor:
        wait_active(supervisor)
        with RemoteSupervisor(server.url, queue=queue) as remote:
            runs = [
                remote.start("import time\ntime.sleep(0.05)\nx", inputs={"x": x}) for x in range(20)
            ]
            assert runs[0].result(PATIENCE_S).value == 0
            server.restart()
            assert [run.result(PATIENCE_S).value for run in runs] == list(range(20))
        found = link_of(supervisor).statistics()
    assert found.reconnects >= 1


# --- what cannot work ----------------------------------------------------------------------------
def given_up(access: Access | str, queue: str = "q", **link: object) -> str:
    """Return why a machine gives up."""
    nats = NatsLink(access, queue=queue, **link)  # type: ignore[arg-type]  # by name
    with Supervisor(cells=1, link=nats) as supervisor:
        assert link_of(supervisor).wait_state("given_up", timeout_s=PATIENCE_S)
        found = supervisor.statistics().link
        assert supervisor.run("1 + 1").value == 2  # its own runs go on
    assert found is not None
    assert found.state == "given_up"
    return found.cause


def test_a_wrong_password_is_given_up_with_the_fix_and_without_the_secret(tmp_path: Path) -> None:
    with NatsServer(tmp_path, user_password("ann", "right")) as server:
        cause = given_up(Access((server.url,), user="ann", password="w-r-o-n-g"))

    assert "refuses the user ann or the password; fix them" in cause
    assert "w-r-o-n-g" not in cause


def test_credentials_that_have_expired_are_given_up_with_the_file_and_the_day(
    tmp_path: Path,
) -> None:
    operator = Operator(tmp_path / "keys")
    with NatsServer(tmp_path, operator.access()) as server:
        creds = operator.creds(expires_in_s=-60)
        cause = given_up(Access((server.url,), creds_file=str(creds)))

    assert str(creds) in cause
    assert "expired on" in cause
    assert "make new ones" in cause


def test_a_server_without_jetstream_is_given_up_with_the_fix(tmp_path: Path) -> None:
    with NatsServer(tmp_path, NO_JETSTREAM) as server:
        cause = given_up(server.url)

    assert "no JetStream" in cause
    assert "start it with -js" in cause


def test_a_stream_that_loses_or_keeps_runs_is_given_up_with_the_field_and_the_fix(
    server: NatsServer, queue: str
) -> None:
    name, subject = stream_name("cellblock", queue), f"cellblock.run.{queue}.*"
    make_stream(server.url, name, subject, retention="limits")
    cause = given_up(server.url, queue)

    assert f"stream {name}: retention is limits, but must be workqueue" in cause
    assert f"nats stream rm {name}" in cause


def test_two_machines_of_a_queue_must_agree_on_the_lease(server: NatsServer, queue: str) -> None:
    with machine(server, queue, lease_s=5.0) as first:
        wait_active(first)
        cause = given_up(server.url, queue, lease_s=6.0)

    assert "ack_wait is 5 s, but must be 6 s, as lease_s is" in cause


def test_no_server_at_all_is_given_up_after_the_time_that_was_said(tmp_path: Path) -> None:
    cause = given_up("nats://127.0.0.1:1", give_up_s=1.0)

    assert "no connection for 1 s" in cause
    assert "nobody listens there" in cause


def make_stream(url: str, name: str, subject: str, *, retention: str) -> None:
    """Make a stream as an operator might, who does not know what it is for."""
    import asyncio

    import nats
    from nats.js.api import RetentionPolicy, StreamConfig

    async def make() -> None:
        client = await nats.connect(url)
        config = StreamConfig(name=name, subjects=[subject], retention=RetentionPolicy(retention))
        await client.jetstream().add_stream(config)
        await client.close()

    asyncio.run(make())


# --- secrets and arguments -----------------------------------------------------------------------
def test_a_secret_is_in_no_repr_and_on_no_command_line(tmp_path: Path, queue: str) -> None:
    with NatsServer(tmp_path, token("s3cr3t-t0k3n")) as server:
        link = NatsLink(Access((server.url,), token="s3cr3t-t0k3n"), queue=queue, isolate="process")
        with Supervisor(cells=1, link=link) as supervisor:
            wait_active(supervisor)
            shown = [repr(link), repr(supervisor.statistics()), repr(supervisor)]
            shown += [command(pid) for pid in descendants()]
    assert any("executor.link.isolate" in text for text in shown)
    assert not any("s3cr3t-t0k3n" in text for text in shown)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"queue": "a.b"}, "queue: must be letters"),
        ({"prefix": "a..b"}, "prefix: must be words"),
        ({"slots": 0}, "slots: must be 1 to 512"),
        ({"slots": 513}, "slots: must be 1 to 512"),
        ({"lease_s": 1.9}, "lease_s: must be 2 to 3600"),
        ({"lease_s": float("nan")}, "lease_s: must be seconds"),
        ({"give_up_s": 0.5}, "give_up_s: must be 1 to"),
        ({"isolate": "inline"}, "isolate: must be"),
        ({"access": "ws://hub:80"}, 'need isolate="process"'),
        ({"access": "http://hub"}, "servers: http://hub must begin with"),
    ],
)
def test_an_argument_that_can_never_work_is_refused_by_its_name(
    options: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        NatsLink(**options)  # type: ignore[arg-type]  # wrong on purpose


def test_nats_py_is_imported_by_nobody_who_has_no_link() -> None:
    code = (
        "import sys, executor\n"
        "with executor.Supervisor(cells=1, isolate='inline') as s: assert s.run('1').value == 1\n"
        "assert not {'nats', 'executor.link', 'protocol.links'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
