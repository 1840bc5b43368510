"""`RemoteSupervisor` is a supervisor whose cells are on other machines: same calls, same outcomes.

One real server and two real machines for the whole file.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import (
    Access,
    GuestError,
    LinkFailed,
    Misuse,
    Refused,
    RemoteSupervisor,
    SessionLost,
    Verdict,
)
from executor.isolate import IsolateKind
from protocol.links import REQUEST_BYTES_MAX
from tests.link.credentials import (
    NO_JETSTREAM,
    Authority,
    Operator,
    nkey,
    token,
    user_password,
)
from tests.link.fleet import Machine
from tests.link.proxy import FaultProxy
from tests.link.server import Access as ServerAccess, NatsServer

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats")) as started:
        yield started


@pytest.fixture(scope="module")
def machine(server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    log = tmp_path_factory.mktemp("machine") / "log"
    made = Machine(server, log, "--value-limit", "32MB", "--files-limit", "32MB")
    with made.proxy:
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def remote(server: NatsServer, machine: Machine) -> Iterator[RemoteSupervisor]:
    with RemoteSupervisor(server.url) as opened:
        yield opened


# --- the facade ----------------------------------------------------------------------------------
def test_a_run_gives_what_a_run_here_gives(remote: RemoteSupervisor) -> None:
    said: list[str] = []
    outcome = remote.run(
        "import sys, logging\n"
        "print(sys.argv[1:], sys.stdin.read(), open('given.txt').read())\n"
        "print('to stderr', file=sys.stderr)\n"
        "logging.getLogger('guest').warning('beware')\n"
        "open('made.txt', 'w').write('made')\n"
        "{'sum': sum(rows), 'rows': rows}",
        inputs={"rows": [1, 2, 2**70]},
        argv=["a", "b"],
        stdin="typed",
        files={"given.txt": "given"},
        keep_files=True,
        on_stdout=said.append,
    )

    assert outcome.value == {"sum": 3 + 2**70, "rows": [1, 2, 2**70]}
    assert outcome.stdout == "['a', 'b'] typed given\n" == "".join(said)
    assert outcome.stderr == "to stderr\n"
    assert outcome.files["made.txt"] == b"made"
    assert [entry.message for entry in outcome.logs] == ["beware"]
    assert outcome.usage.wall_s > 0


@pytest.mark.parametrize(
    ("code", "limits", "verdict"),
    [
        ("1 / 0", {}, Verdict.EXCEPTION),
        ("raise SystemExit(3)", {}, Verdict.EXIT),
        ("while True: pass", {"wall_s": 0.3}, Verdict.TIMEOUT),
        ("bytearray(10**10)", {}, Verdict.EXCEPTION),
        ("b'x' * 1000", {"value_bytes": 100}, Verdict.VALUE),
    ],
)
def test_an_ending_is_the_one_it_would_have_here(
    remote: RemoteSupervisor, code: str, limits: dict[str, float], verdict: Verdict
) -> None:
    assert remote.run(code, limits=limits).verdict is verdict


def test_what_is_larger_than_a_message_travels_both_ways(remote: RemoteSupervisor) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB; a message takes 1 MB

    outcome = remote.run("data[::-1]", inputs={"data": data}, limits={"value_bytes": "32MB"})

    assert outcome.value == data[::-1]


def test_what_is_larger_than_a_link_carries_is_refused_before_anything_is_sent(
    remote: RemoteSupervisor,
) -> None:
    before = remote.remote_statistics().runs_submitted
    with pytest.raises(Misuse, match="go to another machine"):
        remote.run("1", inputs={"data": bytes(REQUEST_BYTES_MAX)})

    assert remote.remote_statistics().runs_submitted == before


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        ("mounts", ["/tmp:/data"], "files="),
        ("module", "program.wasm", "Supervisor"),
        ("functions", {"f": len}, "Supervisor(functions=..., link=...)"),
        ("stdin", io.BytesIO(b"live"), "bytes or text"),
    ],
)
def test_what_cannot_travel_is_refused_with_what_to_do_instead(
    remote: RemoteSupervisor, option: str, value: object, fix: str
) -> None:
    code = None if option == "module" else "1"
    with pytest.raises(Misuse) as refused:
        remote.run(code, **{option: value})  # type: ignore[arg-type]  # by name

    assert refused.value.argument == option
    assert fix in refused.value.problem


def test_many_runs_go_in_order_or_as_they_come(remote: RemoteSupervisor) -> None:
    inputs = [{"n": n} for n in range(50)]

    assert [outcome.value for outcome in remote.map("n * 2", inputs)] == list(range(0, 100, 2))
    unordered = remote.map("n * 2", inputs, ordered=False)
    assert sorted(int(str(outcome.value)) for outcome in unordered) == list(range(0, 100, 2))


def test_an_event_loop_awaits_runs_and_a_cancelled_await_ends_its_run(
    remote: RemoteSupervisor,
) -> None:
    async def main() -> None:
        first, second = await asyncio.gather(remote.arun("1"), remote.arun("2"))
        assert (first.value, second.value) == (1, 2)
        begun = asyncio.Event()
        code = "print('begun', flush=True)\nwhile True: pass"
        endless = asyncio.create_task(remote.arun(code, on_stdout=lambda text: begun.set()))
        await begun.wait()
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless

    asyncio.run(main())
    wait_idle(remote)


def test_a_function_is_shipped_and_its_call_is_typed(remote: RemoteSupervisor) -> None:
    @remote.sandboxed
    def area(width: float, height: float) -> float:
        return width * height

    assert area(2.0, 3.5) == 7.0
    with pytest.raises(Misuse):
        area("2", 3.5)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(GuestError):
        remote.run("1 / 0").unwrap()


@pytest.mark.parametrize("isolate", ["interpreter", "process", "inline"])
def test_it_works_in_every_isolate(
    server: NatsServer, machine: Machine, isolate: IsolateKind
) -> None:
    with RemoteSupervisor(server.url, isolate=isolate) as supervisor:
        assert supervisor.run("6 * 7").value == 42


def wait_idle(remote: RemoteSupervisor) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = remote.remote_statistics()
        if not found.runs_waiting and not found.runs_at_machines:
            return
    raise AssertionError("runs are left over")


# --- cancel, close, sessions ---------------------------------------------------------------------
def test_a_cancel_reaches_a_guest_on_another_machine(remote: RemoteSupervisor) -> None:
    begun: list[str] = []
    handle = remote.start("print('begun', flush=True)\nwhile True: pass", on_stdout=begun.append)
    while not begun:
        assert not handle.done()
    handle.cancel()

    assert handle.result(PATIENCE_S).verdict is Verdict.CANCELLED
    wait_idle(remote)


def test_closing_frees_what_runs_on_other_machines(
    server: NatsServer, machine: Machine, remote: RemoteSupervisor
) -> None:
    """Its machine has one cell: another run ends only once the endless one is gone."""
    supervisor = RemoteSupervisor(server.url)
    begun: list[str] = []
    code = "print('begun', flush=True)\nwhile True: pass"
    handle = supervisor.start(code, on_stdout=begun.append, limits={"wall_s": 30})
    while not begun:
        assert not handle.done()
    supervisor.close(within_s=0.0)

    assert handle.result(PATIENCE_S).verdict is Verdict.CANCELLED
    assert remote.run("1", queue_timeout_s=15.0).value == 1


def test_a_session_keeps_its_state_on_its_machine(remote: RemoteSupervisor) -> None:
    with remote.session() as session:
        session.run("x = 20")
        assert session.run("x + 22").value == 42
        session.reset()
        assert session.run("'x' in globals()").value is False


def test_a_session_is_lost_with_its_machine_and_says_so(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "server") as server:
        machine = Machine(server, tmp_path / "log")
        with machine.proxy, RemoteSupervisor(server.url) as supervisor:
            machine.start()
            try:
                session = supervisor.session()
                session.run("x = 1")
                machine.kill()
                with pytest.raises(SessionLost, match="gone"):
                    session.run("x")
                machine.start()
                session.reset()
                assert session.run("2").value == 2
            finally:
                machine.stop()


# --- queues and limits ---------------------------------------------------------------------------
def test_a_run_that_no_machine_takes_in_time_is_refused(server: NatsServer) -> None:
    with (
        RemoteSupervisor(server.url, queue="nobody") as supervisor,
        pytest.raises(Refused) as refused,
    ):
        supervisor.run("1", queue_timeout_s=0.2)

    assert refused.value.reason == "queue_timeout"


def test_a_run_above_every_machines_ceilings_is_refused_with_the_limit(
    remote: RemoteSupervisor,
) -> None:
    with pytest.raises(Refused, match=r"limits\.wall_ms") as refused:
        remote.run("1", limits={"wall_s": 1_000})

    assert refused.value.reason == "unsupported"


def test_more_runs_than_may_wait_are_refused(server: NatsServer) -> None:
    with RemoteSupervisor(server.url, queue="nobody", queue_max=3) as supervisor:
        handles = [supervisor.start("1") for _ in range(4)]
        with pytest.raises(Refused) as refused:
            handles[3].result(PATIENCE_S)
        assert refused.value.reason == "queue_full"
        assert not handles[2].done()
        supervisor.close(within_s=0.0)


# --- what goes wrong, and the fix ----------------------------------------------------------------
def failure(url: str, *, open_within_s: float = PATIENCE_S, **options: str) -> str:
    access = Access((url,), **options)  # type: ignore[arg-type]  # by name
    supervisor = RemoteSupervisor(access, open_within_s=open_within_s, isolate="inline")
    with pytest.raises(LinkFailed) as failed:
        supervisor.open()
    return failed.value.cause


def test_every_way_to_log_in_is_accepted_and_a_wrong_one_told_with_the_fix(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "ca")
    mutual = authority.access(mutual=True)
    operator = Operator(tmp_path / "operator")
    another = Operator(tmp_path / "another").access().options
    ways: list[tuple[ServerAccess, dict[str, str], str]] = [
        (token("s3cret"), {"token": "wr0ng"}, "refuses the token"),
        (user_password("ann", "s3cret"), {"user": "ann", "password": "wr0ng"}, "the user ann"),
        (nkey(tmp_path / "key"), dict(nkey(tmp_path / "other").options), "add it to its users"),
        (operator.access(), dict(another), "make new ones"),
        (authority.access(mutual=False), {}, "tls_ca_file"),
        (mutual, {"tls_ca_file": mutual.options["tls_ca_file"]}, "tls_cert_file"),
    ]
    for at, (access, wrong, fix) in enumerate(ways):
        with NatsServer(tmp_path / str(at), access) as server:
            given = Access((server.url,), **access.options)  # type: ignore[arg-type]  # by name
            with RemoteSupervisor(given, isolate="inline") as supervisor:
                assert supervisor.remote_statistics().state == "active"
            cause = failure(server.url, **wrong)  # type: ignore[arg-type]  # by name
            assert fix in cause
            assert "s3cret" not in cause
            assert "wr0ng" not in cause


def test_credentials_that_have_expired_are_told_with_the_day(tmp_path: Path) -> None:
    access = Operator(tmp_path / "operator").access(expires_in_s=-100)
    with NatsServer(tmp_path / "server", access) as server:
        assert "expired on" in failure(server.url, **dict(access.options))  # type: ignore[arg-type]  # by name


def test_a_server_that_is_not_there_is_told_by_its_address_without_secrets() -> None:
    cause = failure("nats://ann:s3cret@127.0.0.1:1", open_within_s=0.1)

    assert "nats://***@127.0.0.1:1: nobody listens there" in cause


def test_a_server_without_jetstream_is_told_when_a_run_is_sent(tmp_path: Path) -> None:
    with (
        NatsServer(tmp_path / "server", NO_JETSTREAM) as server,
        RemoteSupervisor(server.url) as supervisor,
        pytest.raises(Refused, match="start it with -js") as refused,
    ):
        supervisor.run("1")

    assert refused.value.reason == "unreachable"


def test_a_full_stream_refuses_the_run_with_the_fix(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "server") as server:
        _make_stream(server.url, max_msgs=2)
        with RemoteSupervisor(server.url) as supervisor:
            waiting = [supervisor.start("1") for _ in range(2)]
            _wait_stored(server.url, 2)
            with pytest.raises(Refused, match="raise its max_bytes and max_msgs") as refused:
                supervisor.run("1")
            assert refused.value.reason == "queue_full"
            assert not any(handle.done() for handle in waiting)
            supervisor.close(within_s=0.0)


def test_a_subject_that_another_stream_takes_is_told_with_the_fix(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "server") as server:
        _make_stream(server.url, name="another")
        with (
            RemoteSupervisor(server.url) as supervisor,
            pytest.raises(Refused, match="goes into another stream") as refused,
        ):
            supervisor.run("1")

    assert refused.value.reason == "unreachable"


def test_a_subject_that_is_not_permitted_is_told(tmp_path: Path) -> None:
    access = ServerAccess(
        "authorization { users: [ { user: ann, password: pw, permissions: "
        '{ publish: ["$JS.>"], subscribe: [">"] } } ] }'
    )
    with NatsServer(tmp_path / "server", access) as server:
        given = Access((server.url,), user="ann", password="pw")
        with (
            RemoteSupervisor(given) as supervisor,
            pytest.raises(Refused, match=r"permissions violation.*permit it") as refused,
        ):
            supervisor.run("1")

    assert refused.value.reason == "unreachable"


def _make_stream(url: str, name: str = "cellblock_default", **changes: int) -> None:
    import nats
    from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig

    async def make() -> None:
        client = await nats.connect(url)
        await client.jetstream().add_stream(
            StreamConfig(
                name=name,
                subjects=["cellblock.run.default.*"],
                retention=RetentionPolicy.WORK_QUEUE,
                discard=DiscardPolicy.NEW,
                **changes,  # type: ignore[arg-type]  # by name
            )
        )
        await client.close()

    asyncio.run(make())


def _wait_stored(url: str, count: int) -> None:
    import nats

    async def wait() -> None:
        client = await nats.connect(url)
        while (await client.jetstream().stream_info("cellblock_default")).state.messages < count:
            pass
        await client.close()

    asyncio.run(wait())


# --- the submitter's connection ------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["cut", "trickle", "delay", "swallow", "server restart"])
def test_a_fault_of_the_submitters_connection_costs_no_run(
    server: NatsServer, machine: Machine, fault: str
) -> None:
    with FaultProxy(server.port) as proxy:
        link = Access((server.url_by(proxy.port),))
        with RemoteSupervisor(link) as supervisor:
            handles = [supervisor.start("n", inputs={"n": n}) for n in range(10)]
            match fault:
                case "cut":
                    proxy.cut()
                case "trickle":
                    proxy.trickle()
                case "delay":
                    proxy.delay(0.05)
                case "swallow":
                    proxy.swallow("to_client")
                    handles[-1].add_waiter(lambda: None)
                    proxy.heal()
                case _:
                    server.restart()
            handles += [supervisor.start("n", inputs={"n": n}) for n in range(10, 20)]
            outcomes = [handle.result(PATIENCE_S) for handle in handles]

    assert [outcome.value for outcome in outcomes] == list(range(20))
