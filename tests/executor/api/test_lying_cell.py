"""What a cell says is attacker data: a lie costs one run, is data, and never hurts the host.

The loop passes on what cells say of their runs unread, so each of these can reach us.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from executor import Limits, SessionLost, SupervisorLost, Verdict, launch as launching
from executor.options import Defaults, Plan, make_plan
from protocol.frames import encode_frame
from protocol.limits import LOG_CHARS_MAX
from protocol.messages import (
    KINDS,
    Cancel,
    Distrust,
    Done,
    Error,
    File,
    HostCall,
    Log,
    Lost,
    Output,
    Placed,
    Progress,
    StdinWanted,
    Variable,
)
from protocol.values import encode
from tests.executor.api.host import PATIENCE_S, Host
from tests.executor.api.peer import Peer

VALUE = encode([1]).body
LIES: dict[str, tuple[Any, ...]] = {
    "not JSON": ((Done, b"{"),),
    "no UTF-8": ((Done, b"\xff"),),
    "unknown field": ((Done, b'{"verdict":"ok","x":1}'),),
    "unknown verdict": ((Done, b'{"verdict":"fine"}'),),
    "wrong type": ((Done, b'{"verdict":"ok","exit_code":"0"}'),),
    "no buffer": (Done(Verdict.OK, value=0),),
    "no such buffer": ((Done(Verdict.OK, stdout=1), b"x"),),
    "no out of band": ((Done(Verdict.OK, value=0, out_of_band=1), VALUE),),
    "value of junk": ((Done(Verdict.OK, value=0), b"#[junk"),),
    "file outside": ((Done(Verdict.OK, files=(File("../x", 0),)), b"x"),),
    "file at the root": ((Done(Verdict.OK, files=(File("/etc/x", 0),)), b"x"),),
    "file with NUL": ((Done(Verdict.OK, files=(File("a\0", 0),)), b"x"),),
    "output of nothing": (Output("stdout"),),
    "output of two": ((Output("stdout"), b"a", b"b"),),
    "a call where none is offered": ((HostCall(1, "f"), encode([[], {}]).body),),
    "input where none is offered": (StdinWanted(1),),
    "a stream of no name": ((Output, b'{"stream":"stdlog"}'),),
}


@pytest.mark.parametrize("said", LIES.values(), ids=LIES)
def test_a_lie_ends_its_run_as_crashed(host: Host, said: tuple[Any, ...]) -> None:
    outcome = host.run((Output("stdout"), b"before"), *said)

    assert outcome.verdict is Verdict.CRASHED
    assert outcome.stdout == "before"
    assert outcome.error is not None
    assert outcome.error.name == "SandboxLost"


@pytest.mark.parametrize("said", LIES.values(), ids=LIES)
def test_a_cell_that_lied_is_given_up_by_its_number(host: Host, said: tuple[Any, ...]) -> None:
    host.run(*said, tenant="t")
    host.client.send(Cancel(), 999)

    message, run_id, _ = host.peer.receive()
    if said is LIES["value of junk"]:  # bytes of the guest's, which an honest cell passes on
        assert (message, run_id) == (Cancel(), 999)
    else:
        assert isinstance(message, Distrust)
        assert (message.cell, message.tenant, run_id) == (1, "t", 0)


def test_a_lie_to_a_loop_that_is_gone_costs_no_cell_of_the_next(host: Host) -> None:
    handle = host.launcher.start(make_plan("1", {}, Defaults()))
    host.peer.receive()
    ended = threading.Event()
    handle.add_waiter(ended.set)
    host.peer.say(Placed(cell=1, queued_us=0), handle.run_id)
    host.peer.say_bytes(encode_frame(KINDS[Done], handle.run_id, b"{"))
    assert ended.wait(PATIENCE_S)
    host.peer.hang_up()
    assert host.client.wait_ended(PATIENCE_S)
    host.peer.host.close()
    host.peer = Peer()
    host.client.attach(host.peer.host)

    assert handle.result(PATIENCE_S).verdict is Verdict.CRASHED
    host.client.send(Cancel(), 999)
    assert host.peer.receive()[:2] == (Cancel(), 999)


def test_a_run_after_a_lie_is_as_good_as_before(host: Host) -> None:
    assert host.run((Done, b"{")).verdict is Verdict.CRASHED
    assert isinstance(host.peer.receive()[0], Distrust)

    assert host.run((Done(Verdict.OK, value=0), VALUE)).value == [1]


def test_text_of_a_cell_is_escaped_before_it_enters_our_errors(host: Host) -> None:
    outcome = host.run(Lost(Verdict.CRASHED, "died\n\x1b[31mroot logged in"))

    assert outcome.error is not None
    assert "\n" not in outcome.error.message
    assert "\x1b" not in outcome.error.message


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_over_the_limit_is_cut_here_too(host: Host, stream: Any) -> None:
    seen: list[str] = []
    limits = {f"{stream}_bytes": 10}

    outcome = host.run(
        (Output(stream), b"12345678"),
        (Output(stream), b"90123"),
        (Output(stream), b"more"),
        Done(Verdict.OK),
        limits=limits,
        **{f"on_{stream}": seen.append},
    )

    assert getattr(outcome, stream) == "".join(seen) == "1234567890"
    assert getattr(outcome.truncated, stream)
    assert outcome.ok


def test_a_character_that_is_cut_between_pieces_stays_whole(host: Host) -> None:
    seen: list[str] = []
    first, second = "ä€".encode()[:3], "ä€".encode()[3:]

    outcome = host.run(
        (Output("stdout"), first),
        (Output("stdout"), second),
        (Done(Verdict.OK, stdout=0), b"\xff"),
        on_stdout=seen.append,
    )

    assert "".join(seen) == outcome.stdout == "ä€�"
    assert outcome.stdout_raw == first + second + b"\xff"


@pytest.mark.parametrize(("extra", "verdict"), [(0, Verdict.OK), (1, Verdict.VALUE)])
def test_a_value_over_its_limit_is_refused_here_too(
    host: Host, extra: int, verdict: Verdict
) -> None:
    body = json.dumps("x" * 98).encode()

    outcome = host.run((Done(Verdict.OK, value=0), body), limits={"value_bytes": 100 - extra})

    assert outcome.verdict is verdict


@pytest.mark.parametrize(("count", "verdict"), [(10_000, Verdict.OK), (10_001, Verdict.CRASHED)])
def test_log_entries_and_notes_are_counted_here_too(
    host: Host, count: int, verdict: Verdict
) -> None:
    handle = host.launcher.start(make_plan("1", {}, Defaults()))
    host.peer.receive()

    entry = b'{"level":20,"logger":"","message":"m"}'
    host.peer.say_bytes(encode_frame(KINDS[Log], handle.run_id, entry) * count)
    host.peer.say(Done(Verdict.OK), handle.run_id)

    assert handle.result(PATIENCE_S).verdict is verdict


@pytest.mark.parametrize(("extra", "verdict"), [(0, Verdict.OK), (1, Verdict.CRASHED)])
def test_the_text_of_all_log_entries_is_counted_here_too(
    host: Host, extra: int, verdict: Verdict
) -> None:
    full = LOG_CHARS_MAX // 65_536
    last = Log(20, "", "m" * (65_535 + extra), (Variable("n", "v"),))

    outcome = host.run(*[Log(20, "", "m" * 65_536)] * (full - 1), last, Done(Verdict.OK))

    assert outcome.verdict is verdict


def offered(host: Host, **options: Any) -> tuple[Any, int]:
    calls: list[int] = []
    plan = make_plan("1", {"functions": {"f": lambda: calls.append(1)}, **options}, Defaults())  # type: ignore[typeddict-item]  # any
    handle = host.launcher.start(plan)
    host.peer.receive()
    return handle, handle.run_id


def test_a_second_call_before_the_first_is_answered_is_a_lie(host: Host) -> None:
    gate = threading.Event()
    plan = make_plan("1", {"functions": {"f": lambda: gate.wait(PATIENCE_S)}}, Defaults())
    handle = host.launcher.start(plan)
    host.peer.receive()

    for number in (1, 2):
        host.peer.say(HostCall(number, "f"), handle.run_id, encode([[], {}]).body)

    assert handle.result(PATIENCE_S).verdict is Verdict.CRASHED
    gate.set()


def test_more_calls_than_the_limit_are_a_lie(host: Host) -> None:
    handle, run_id = offered(host, limits={"host_calls": 1})

    host.peer.say(HostCall(2, "f"), run_id, encode([[], {}]).body)

    assert handle.result(PATIENCE_S).verdict is Verdict.CRASHED


@pytest.mark.parametrize(
    "body", [b"{", encode([]).body, encode([[], {1: 2}]).body, encode({"a": 1}).body]
)
def test_arguments_that_are_none_are_the_guests_error(host: Host, body: bytes) -> None:
    handle, run_id = offered(host)

    host.peer.say(HostCall(1, "f"), run_id, body)

    reply, _, _ = host.peer.receive()
    assert reply.error.name == "ValueError"  # type: ignore[union-attr]  # a HostReply
    host.peer.say(Done(Verdict.OK), run_id)
    assert handle.result(PATIENCE_S).ok


def test_a_cell_that_says_more_than_the_host_takes_is_cut_off(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "BACKLOG_BYTES_MAX", 0)
    plan = make_plan(
        "1",
        {"limits": Limits(stdout_bytes=0, stderr_bytes=0, value_bytes=0, files_bytes=1_000)},
        Defaults(),
    )
    handle = host.launcher.start(plan)
    host.peer.receive()

    for _ in range(50):
        host.peer.say(Progress(permille=1, message="x" * 100), handle.run_id)
    host.peer.say(Done(Verdict.OK), handle.run_id)

    outcome = handle.result(PATIENCE_S)
    assert outcome.verdict is Verdict.CRASHED
    assert "more than the host could take" in (outcome.error.message if outcome.error else "")


def test_a_loop_that_dies_loses_its_runs_and_says_whether_they_began(host: Host) -> None:
    plan = make_plan("1", {}, Defaults())
    began, waiting = host.launcher.start(plan), host.launcher.start(plan)
    host.peer.receive()
    host.peer.say(Placed(cell=1, queued_us=0), began.run_id)
    host.peer.hang_up()

    lost = began.result(PATIENCE_S)
    assert (lost.verdict, lost.error and lost.error.name) == (Verdict.CRASHED, "SupervisorLost")
    with pytest.raises(SupervisorLost) as unbegun:
        waiting.result(PATIENCE_S)
    assert not unbegun.value.began


def session_plan(*, is_new: bool) -> Plan:
    plan = make_plan("1", {}, Defaults())
    plan.session, plan.session_new = 5, is_new
    return plan


def test_only_a_run_that_had_a_session_can_lose_it(host: Host) -> None:
    lost = Done(Verdict.CRASHED, error=Error("SessionLost", "gone"))
    handles = [host.launcher.start(session_plan(is_new=new)) for new in (True, False)]
    for handle in handles:
        host.peer.receive()
        host.peer.say(lost, handle.run_id)

    assert handles[0].result(PATIENCE_S).verdict is Verdict.CRASHED
    with pytest.raises(SessionLost):
        handles[1].result(PATIENCE_S)


@pytest.mark.parametrize(("session", "free_files"), [(0, 1), (5, 0)])
def test_the_files_of_a_run_are_recycled_at_its_ending_unless_its_guest_lives_on(
    host: Host, session: int, free_files: int
) -> None:
    plan = make_plan("1", {"inputs": {"x": b"a" * 1_000_000}}, Defaults())
    plan.session = session
    handle = host.launcher.start(plan)  # nobody asks for its result
    host.peer.receive()
    ended = threading.Event()
    handle.add_waiter(ended.set)

    host.peer.say(Done(Verdict.OK), handle.run_id)

    assert ended.wait(PATIENCE_S)
    assert host.spool.free_files == free_files
