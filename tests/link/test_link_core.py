"""A machine's link in virtual time: when it takes runs, what it promises of them, how it ends."""

from __future__ import annotations

import itertools
import random

import pytest

from executor.checks import run_limits
from executor.link.events import (
    Connect,
    Delivered,
    Disconnect,
    Exit,
    NobodyListens,
    PullEnded,
    Report,
    TellLoop,
)
from executor.link.settings import (
    BACK_S,
    FETCH_BYTES_MAX,
    PULSE_FRESH_S,
    RESULTS_MAX,
    UNHEARD_FULL_S,
    UNHEARD_S,
)
from protocol.fields import INTEGER_MAX
from protocol.limits import Limits
from protocol.links import (
    LEASE_MIN,
    Ack,
    CloseSession,
    Deny,
    Forget,
    Grant,
    Hold,
    Release,
    Request,
    RequestPart,
    Stop,
    encode_link,
)
from protocol.messages import (
    KINDS,
    Cancel,
    Done,
    EndSession,
    Mount,
    Output,
    Placed,
    Run,
    Submit,
    Verdict,
)
from protocol.reading import write
from tests.link.link_world import (
    LEASE_S,
    SLOTS,
    SUBJECTS,
    SUBMITTER,
    TENANT,
    World,
    nak_delay_s,
    request,
)


@pytest.fixture
def world() -> World:
    return World().start()


# --- states --------------------------------------------------------------------------------------
def test_it_is_active_once_it_is_connected_and_the_loop_has_spoken() -> None:
    world = World()
    assert world.state == "connecting"
    world.feed_time()
    world.connect()
    assert world.state == "paused"
    world.loop_up()
    assert world.state == "active"
    assert world.pulls == {1: SLOTS}


def test_a_lost_connection_is_made_anew_and_what_was_on_its_way_is_said_again(world: World) -> None:
    lease = world.take()
    world.end(lease)
    before = list(world.pieces)
    world.disconnect()
    assert world.state == "reconnecting"
    assert any(isinstance(action, Connect) for action in world.actions)

    world.pieces.clear()
    world.pass_time(3)
    assert not world.pieces
    world.connect()

    assert [data for _, _, data in world.pieces] == [b"".join(data for _, _, data in before)]


def test_attempts_to_connect_come_later_and_later_and_stop_at_the_limit() -> None:
    world = World({"give_up_s": 30.0})
    world.feed_time()
    times: list[float] = []
    while world.state == "connecting":
        if any(isinstance(action, Connect) for action in world.actions):
            times.append(world.now)
            world.actions.clear()
            world.fail()
        else:
            world.step()

    waits = [b - a for a, b in itertools.pairwise(times)]
    assert waits[:3] == pytest.approx([0.05, 0.1, 0.2])
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(waits))
    assert max(waits) <= 10.0
    assert world.state == "given_up"
    assert "no connection for 30 s: the test refused it" in world.core.cause
    assert isinstance(world.actions[-1], Exit)


def test_what_only_the_user_can_mend_is_given_up_at_once_and_said() -> None:
    world = World()
    world.feed_time()
    world.fail(is_final=True)

    assert world.state == "given_up"
    assert world.core.cause == "the test refused it"
    assert any(isinstance(a, Report) and a.state == "given_up" for a in world.actions)


def test_what_worked_before_is_tried_again_even_if_it_seems_final(world: World) -> None:
    world.disconnect()
    world.fail(is_final=True)

    assert world.state == "reconnecting"
    world.pass_time(1)
    assert any(isinstance(action, Connect) for action in world.actions)


@pytest.mark.parametrize(("payload_bytes", "state"), [(65_535, "given_up"), (65_536, "paused")])
def test_a_server_whose_messages_are_too_small_is_refused(payload_bytes: int, state: str) -> None:
    world = World()
    world.feed_time()
    world.connect(payload_bytes)

    assert world.state == state
    assert ("set max_payload" in world.core.cause) == (state == "given_up")


def test_a_server_that_hangs_up_at_once_is_not_asked_again_at_once(world: World) -> None:
    attempts = 0
    for _ in range(200):
        world.disconnect()
        world.actions.clear()
        world.pass_time(0.05)
        attempts += any(isinstance(action, Connect) for action in world.actions)
        world.connect()

    assert attempts < 30


# --- taking runs ---------------------------------------------------------------------------------
def test_a_run_goes_to_the_loop_only_after_its_submitter_has_granted_it(world: World) -> None:
    world.deliver(request(7))
    [(number, claim)] = world.claims
    assert number == 7
    assert not world.told_loop(Submit)

    world.grant(claim.lease)

    assert world.told_loop(Hold) == world.told_loop(Submit) == [claim.lease]


def test_a_second_grant_begins_nothing_a_second_time(world: World) -> None:
    lease = world.take()
    world.grant(lease)

    assert world.told_loop(Submit) == [lease]


def test_a_denied_run_is_taken_out_of_the_queue_or_put_back_as_its_submitter_says(
    world: World,
) -> None:
    first = world.deliver(request(1))
    world.say(Deny(world.claims[-1][1].lease))
    second = world.deliver(request(2))
    world.say(Deny(world.claims[-1][1].lease, again_ms=1_500))

    assert world.said_of(first) == [b"+TERM"]
    assert nak_delay_s(world.said_of(second)[-1]) == 1.5


def test_a_claim_is_said_again_and_a_run_that_nobody_answers_for_goes_back(world: World) -> None:
    ack = world.deliver(request(1))
    world.pass_time(LEASE_S / 2 - 0.1)
    assert len(world.claims) == 5
    assert world.said_of(ack)[-1:] in ([], [b"+WPI"])

    world.pass_time(0.2)

    assert nak_delay_s(world.said_of(ack)[-1]) == BACK_S[0]


def test_a_run_whose_submitter_is_gone_goes_back_at_once_and_later_each_time(world: World) -> None:
    waits = []
    for delivery in range(1, 8):
        ack = world.deliver(request(1), delivery=delivery)
        world.feed(NobodyListens(world.claims[-1][1].lease, TENANT))
        waits.append(nak_delay_s(world.said_of(ack)[-1]))
    assert waits == [*BACK_S, BACK_S[-1]]

    ack = world.deliver(request(1), delivery=8)
    world.feed(NobodyListens(world.claims[-1][1].lease, TENANT))
    assert world.said_of(ack) == [b"+TERM"]


def test_no_more_is_asked_for_than_there_are_slots(world: World) -> None:
    leases = [world.take(number) for number in range(1, SLOTS + 1)]
    assert sum(world.pulls.values()) == SLOTS

    world.clear()
    world.pass_time(10)
    assert not world.pulls_in_actions()

    world.end(leases[0])
    assert [pull.batch for pull in world.pulls_in_actions()] == [1]


def test_a_pull_that_ends_too_soon_is_not_repeated_at_once(world: World) -> None:
    world.clear()
    for pull in range(1, 20):
        world.feed(PullEnded(pull, is_early=True))
    assert not world.pulls_in_actions()

    world.pass_time(0.3)
    assert len(world.pulls_in_actions()) == 1


def test_a_run_delivered_again_to_the_machine_that_has_it_stays_one_run(world: World) -> None:
    lease = world.take()
    again = world.deliver(request(1), delivery=2)
    world.end(lease)
    world.lease_of[again] = lease
    world.ack(lease, 2)

    assert world.told_loop(Submit) == [lease]
    assert world.said_of(again)[-1] == b"+ACK"


def test_a_paused_machine_puts_back_what_still_comes(world: World) -> None:
    world.pulse(is_full=True)
    assert world.state == "paused"
    ack = world.deliver(request(1))

    assert nak_delay_s(world.said_of(ack)[-1]) > 0
    assert not world.claims


# --- leases --------------------------------------------------------------------------------------
def test_a_lease_is_renewed_in_time_for_as_long_as_its_run_lives(world: World) -> None:
    ack = world.deliver(request(1))
    world.grant(world.claims[-1][1].lease)
    world.pulse()
    for _ in range(20):
        before = len(world.said_of(ack))
        world.pass_time(LEASE_S / 2)
        assert len(world.said_of(ack)) > before

    assert set(world.said_of(ack)) == {b"+WPI"}


def test_no_lease_is_renewed_and_no_run_said_to_live_once_the_loop_is_silent(world: World) -> None:
    ack = world.deliver(request(1))
    world.grant(world.claims[-1][1].lease)
    world.pass_time(5)
    world.clear()
    world.pass_time(PULSE_FRESH_S, pulses=False)
    assert world.state == "paused"
    assert world.core.cause == "the supervisor loop is silent"
    world.clear()

    world.pass_time(60, pulses=False)

    assert not world.said_of(ack)
    assert not world.beats


def test_a_run_that_does_not_go_on_is_not_renewed_though_the_loop_lives(world: World) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.loop[lease].is_silent = True
    world.pulse()
    world.clear()

    world.pass_time(60)

    assert not world.said_of(ack)
    assert all(lease not in beat.leases for beat in world.beats)


def test_a_loop_that_comes_back_is_believed_again_and_its_silence_is_counted(world: World) -> None:
    ack = world.deliver(request(1))
    world.grant(world.claims[-1][1].lease)
    world.pass_time(30, pulses=False)
    world.clear()
    world.pulse()

    assert world.state == "active"
    world.pass_time(5)
    assert b"+WPI" in world.said_of(ack)
    assert world.count("loop_silences") == 1


def test_every_submitter_hears_each_second_which_of_its_runs_live(world: World) -> None:
    leases = [world.take(number) for number in (1, 2)]
    world.pulse()
    world.clear()

    world.pass_time(10)

    assert 9 <= len(world.beats) <= 11
    assert all(set(beat.leases) == set(leases) for beat in world.beats)


# --- results -------------------------------------------------------------------------------------
def test_the_queue_hears_that_a_run_is_done_only_when_its_submitter_has_the_ending(
    world: World,
) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.end(lease)
    assert world.frames_of(lease) == [KINDS[Placed], KINDS[Done]]
    world.ack(lease, 1)
    assert b"+ACK" not in world.said_of(ack)

    world.ack(lease, 2)

    assert world.said_of(ack)[-1] == b"+ACK"
    assert world.told_loop(Release) == [lease, lease]
    assert world.count("leases") == 0


def test_what_is_not_acknowledged_is_said_again_from_there(world: World) -> None:
    lease = world.take()
    world.end(lease)
    world.ack(lease, 1)
    world.pieces.clear()

    world.pass_time(2.5)

    assert [piece.seq for _, piece, _ in world.pieces] == [2]


def test_an_acknowledgement_of_what_was_never_said_is_ignored(world: World) -> None:
    lease = world.take()
    world.loop_says(lease, Placed(1, 0))
    for seq in (0, 2, INTEGER_MAX):
        world.say(Ack(lease, seq))

    assert not world.told_loop(Release)


def test_results_are_kept_for_a_submitter_that_does_not_listen_and_not_for_ever(
    world: World,
) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.end(lease)
    world.feed(NobodyListens(lease, TENANT))
    world.pass_time(UNHEARD_S - 1)
    assert not world.told_loop(Forget)
    assert world.said_of(ack)[-1] == b"+WPI"

    world.pass_time(2)

    assert world.told_loop(Forget) == [lease]
    assert world.said_of(ack)[-1] == b"+TERM"


def test_a_submitter_that_listens_again_keeps_its_results(world: World) -> None:
    lease = world.take()
    world.end(lease)
    world.feed(NobodyListens(lease, TENANT))
    world.pass_time(UNHEARD_S - 1)
    world.ack(lease, 1)
    world.pass_time(UNHEARD_S - 1)

    assert not world.told_loop(Forget)


@pytest.mark.parametrize(("is_full", "patience_s"), [(False, UNHEARD_S), (True, UNHEARD_FULL_S)])
def test_results_are_not_kept_for_ever_for_a_submitter_that_listens_and_takes_none(
    world: World, is_full: bool, patience_s: float
) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.end(lease)
    until = world.now + patience_s
    while world.now < until - 1:
        world.pass_time(0.5)
        world.pulse(is_full=is_full)
    assert not world.told_loop(Forget)
    assert world.said_of(ack)[-1] == b"+WPI"

    while world.now < until:
        world.pass_time(0.5)
        world.pulse(is_full=is_full)

    assert world.told_loop(Forget) == [lease]
    assert world.said_of(ack)[-1] == b"+TERM"


def test_results_that_a_submitter_takes_one_by_one_are_kept_till_the_last(world: World) -> None:
    lease = world.take()
    world.loop_says(lease, Placed(1, 0))
    for _ in range(3):
        world.loop_says(lease, Output("stdout"), (b"#",))
    world.loop_says(lease, Done(Verdict.OK))
    for seq in range(1, 5):
        world.pass_time(UNHEARD_S - 1)
        world.say(Ack(lease, seq))

    assert not world.told_loop(Forget)


def test_while_it_cannot_be_reached_no_submitter_is_late(world: World) -> None:
    world = World({"give_up_s": 1e6}).start()
    lease = world.take()
    world.end(lease)
    world.pass_time(UNHEARD_S - 1)
    world.disconnect()
    world.pass_time(UNHEARD_S)
    world.connect()
    world.pass_time(UNHEARD_S - 1)

    assert not world.told_loop(Forget)


def test_a_tenant_that_takes_no_results_keeps_no_other_tenant_from_being_served(
    world: World,
) -> None:
    for number in range(1, RESULTS_MAX + 1):
        world.end(world.take(number))
    world.clear()
    ack = world.deliver(request(RESULTS_MAX + 1))
    world.hear(request(RESULTS_MAX + 2, session=3))
    assert nak_delay_s(world.said_of(ack)[-1]) == BACK_S[0]
    assert [claim.refusal for _, claim in world.claims] == ["handed_back"]

    assert world.count("leases") == RESULTS_MAX
    world.core.handle(Delivered(SUBJECTS.run("default", "blue"), request(1), "", 1), world.now)
    assert world.count("leases") == RESULTS_MAX + 1


def test_a_cancel_reaches_the_loop_at_once_and_its_ending_is_still_told(world: World) -> None:
    lease = world.take()
    world.say(Stop(lease, "cancelled"))
    assert world.told_loop(Cancel) == [lease]

    world.loop_says(lease, Placed(1, 0))
    world.loop_says(lease, Done(Verdict.CANCELLED))
    assert world.frames_of(lease) == [KINDS[Placed], KINDS[Done]]


def test_a_run_that_another_machine_has_by_now_is_dropped_and_the_queue_is_told_nothing(
    world: World,
) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.loop_says(lease, Placed(1, 0))
    world.clear()
    world.say(Stop(lease, "revoked"))

    assert world.told_loop(Forget) == [lease]
    assert not world.said_of(ack)
    assert world.count("runs_given_up") == 1


# --- requests in parts ---------------------------------------------------------------------------
def in_parts(number: int, count: int, size_bytes: int) -> tuple[bytes, list[bytes]]:
    whole = request(number, code=b"#" * size_bytes)
    step = -(-len(whole) // count)
    parts = [whole[at : at + step] for at in range(0, len(whole), step)]
    first = Request(1, SUBMITTER, parts=len(parts), total_bytes=len(whole))
    return encode_link(first, number), parts


def test_a_large_request_is_fetched_in_parts_that_come_in_any_order(world: World) -> None:
    first, parts = in_parts(1, 5, 3_000_000)
    world.deliver(first)
    lease = world.claims[-1][1].lease
    world.grant(lease)
    order = list(enumerate(parts))
    random.Random(5).shuffle(order)
    for at, part in [*order[:3], *order]:  # some of them twice
        assert not world.told_loop(Submit)
        world.hear(encode_link(RequestPart(lease, at), 1, (part,)))

    assert world.told_loop(Submit) == [lease]


def test_a_second_grant_asks_for_nothing_that_has_come(world: World) -> None:
    first, parts = in_parts(1, 3, 300_000)
    world.deliver(first)
    lease = world.claims[-1][1].lease
    world.grant(lease)
    for at, part in enumerate(parts):
        world.hear(encode_link(RequestPart(lease, at), 1, (part,)))
        world.grant(lease)

    assert world.told_loop(Submit) == [lease]


def test_parts_that_never_come_put_the_run_back(world: World) -> None:
    first, parts = in_parts(1, 5, 3_000_000)
    ack = world.deliver(first)
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.hear(encode_link(RequestPart(lease, 0), 1, (parts[0],)))
    world.clear()

    world.pass_time(LEASE_S)

    assert len(world.claims) >= 3  # so that the submitter sends it again
    assert nak_delay_s(world.said_of(ack)[-1]) == BACK_S[0]


def test_parts_that_are_more_or_other_than_was_said_are_refused(world: World) -> None:
    first, parts = in_parts(1, 2, 300_000)
    world.deliver(first)
    lease = world.claims[-1][1].lease
    world.grant(lease)
    for at in range(2):
        world.hear(encode_link(RequestPart(lease, at), 1, (parts[at][::-1],)))
    assert world.claims[-1][1].refusal == "invalid"

    first, parts = in_parts(2, 2, 300_000)
    world.deliver(first)
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.hear(encode_link(RequestPart(lease, 0), 2, (parts[0] * 3,)))
    assert world.claims[-1][1].refusal == "invalid"
    assert not world.told_loop(Submit)


def test_so_much_is_fetched_at_once_and_what_is_one_more_goes_back_for_a_while() -> None:
    world = World({"slots": 4}).start()
    half = Request(1, SUBMITTER, parts=64, total_bytes=FETCH_BYTES_MAX // 2)
    first, second = (world.deliver(encode_link(half, number)) for number in (1, 2))
    leases = [claim.lease for _, claim in world.claims]
    third = world.deliver(encode_link(half.__replace__(parts=1, total_bytes=1), 3))
    assert len(leases) == 2
    assert not world.said_of(first) + world.said_of(second)
    assert nak_delay_s(world.said_of(third)[-1]) == BACK_S[0]

    world.grant(leases[0])
    world.say(Deny(leases[1]))
    world.clear()
    world.deliver(encode_link(half, 4))
    assert len(world.claims) == 1


def test_a_cancel_while_it_is_fetched_ends_it(world: World) -> None:
    first, _ = in_parts(1, 5, 300_000)
    ack = world.deliver(first)
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.say(Stop(lease, "cancelled"))
    assert len(world.frames_of(lease)) == 1
    world.acked_endings.add(lease)
    world.say(Ack(lease, 1))

    assert world.said_of(ack)[-1] == b"+ACK"


# --- what is not taken ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"limits": run_limits(Limits(wall_s=60.001))}, "limits"),
        ({"limits": run_limits(Limits(memory_bytes="256MiB"))}, "limits"),
        ({"limits": run_limits(Limits(fuel=10**9 + 1))}, "limits"),
        ({"program": "module"}, "unsupported"),
        ({"mounts": (Mount("/", "/host"),)}, "unsupported"),
        ({"functions": ("anything",)}, "unsupported"),
        ({"stdin_live": True}, "unsupported"),
        ({"spooled": ("buffer-1",)}, "unsupported"),
        ({"source": 9}, "invalid"),
        ({"filename": "a\0b"}, "invalid"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_what_this_machine_does_not_grant_is_refused_with_a_reason(
    world: World, changes: dict[str, object], refusal: str
) -> None:
    ack = world.deliver(request(1, **changes))  # type: ignore[arg-type]  # by name
    claim = world.claims[-1][1]

    assert claim.refusal == refusal
    assert claim.detail
    world.grant(claim.lease)
    assert not world.told_loop(Submit)
    assert world.count("runs_refused") == 1
    world.say(Deny(claim.lease))
    assert world.said_of(ack)[-1] == b"+TERM"


def test_limits_at_the_ceilings_are_taken(world: World) -> None:
    lease = world.take(1, limits=run_limits(Limits(wall_s=60, fuel=10**9)))

    assert world.told_loop(Submit) == [lease]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        request(1)[:-1],
        request(1) + b"x",
        request(0),
        encode_link(Request(1, "no.token"), 1, (write(Run(run_limits(Limits()))), b"")),
        encode_link(Request(1, SUBMITTER), 1),
        encode_link(Request(1, SUBMITTER, parts=2), 1),
        encode_link(Grant(LEASE_MIN), 1),
    ],
)
def test_a_request_that_nobody_of_ours_sends_is_taken_out_of_the_queue(
    world: World, data: bytes
) -> None:
    ack = world.deliver(data)

    assert world.said_of(ack) == [b"+TERM"]
    assert not world.claims
    assert world.count("messages_refused") == 1


def test_a_message_of_another_tenant_about_a_lease_does_nothing(world: World) -> None:
    world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.say(Grant(lease), tenant="blue")
    assert not world.told_loop(Submit)
    world.grant(lease)
    world.end(lease)
    before = len(world.actions)
    for message in (Stop(lease, "revoked"), Stop(lease, "cancelled"), Ack(lease, 2), Deny(lease)):
        world.say(message, tenant="blue")

    assert not [a for a in world.actions[before:] if not isinstance(a, Report)]


def test_another_tenant_cannot_say_that_nobody_listens(world: World) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.feed(NobodyListens(lease, "blue"))
    assert not world.said_of(ack)
    world.grant(lease)
    world.feed(NobodyListens(lease, "blue"))
    world.pass_time(UNHEARD_S + 1)

    assert not world.told_loop(Forget)


def test_noise_on_its_subject_is_counted_and_harms_nothing(world: World) -> None:
    lease = world.take()
    chance = random.Random(1)
    honest = encode_link(Stop(lease, "cancelled"), 1)
    for _ in range(500):
        data = bytearray(honest if chance.random() < 0.5 else chance.randbytes(60))
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        world.hear(bytes(data))
    world.end(lease)
    world.ack(lease, 2)

    assert world.state == "active"
    assert world.count("leases") in (0, 1)
    assert world.count("messages_refused") > 100


# --- sessions ------------------------------------------------------------------------------------
def test_runs_of_a_session_come_straight_from_their_submitter(world: World) -> None:
    world.hear(request(1, session=3))
    claim = world.claims[-1][1]
    world.grant(claim.lease)
    world.end(claim.lease)
    world.ack(claim.lease, 2)

    assert world.told_loop(Submit) == [claim.lease]
    assert not world.queue_said


def test_a_run_of_no_session_that_comes_past_the_queue_is_refused(world: World) -> None:
    world.hear(request(1))

    assert not world.claims
    assert world.count("messages_refused") == 1


def test_a_session_ends_when_its_submitter_says_so(world: World) -> None:
    world.say(CloseSession(SUBMITTER, 3))

    assert len(world.told_loop(EndSession)) == 4  # one for each pool that may keep it


# --- the loop and the end ------------------------------------------------------------------------
def test_a_loop_that_ends_gives_its_runs_back_at_once_and_keeps_results(world: World) -> None:
    first, second = world.deliver(request(1)), world.deliver(request(2))
    one, two = (claim.lease for _, claim in world.claims)
    world.grant(one)
    world.grant(two)
    world.end(one)
    world.clear()
    world.loop_lost()

    assert world.claims[-1][1].refusal == "handed_back"
    assert world.claims[-1][1].lease == two
    assert nak_delay_s(world.said_of(second)[-1]) == 0
    assert not world.said_of(first)
    world.acked_endings.add(one)
    world.say(Ack(one, 2))
    assert world.said_of(first) == [b"+ACK"]


def test_a_new_link_goes_on_with_what_the_loop_kept_of_the_last_one() -> None:
    old = World().start()
    lease = old.take()
    note = next(a.frame for a in old.actions if isinstance(a, TellLoop))
    new = World().start()
    new.granted.add(lease)
    new.adopt(note, released=1)
    new.loop_says(lease, Done(Verdict.OK))

    assert [piece.seq for _, piece, _ in new.pieces] == [2]
    new.ack(lease, 2)
    assert new.told_loop(Release) == [lease]
    assert b"+ACK" in [data for said in new.queue_said.values() for data in said]


def test_draining_takes_nothing_hands_back_what_waits_and_ends_with_the_rest(world: World) -> None:
    waiting, begun = world.deliver(request(1)), world.deliver(request(2))
    one, two = (claim.lease for _, claim in world.claims)
    world.grant(one)
    world.grant(two)
    world.loop_says(two, Placed(1, 0))
    world.clear()
    world.drain(30)

    assert world.state == "draining"
    assert nak_delay_s(world.said_of(waiting)[-1]) == 0
    assert world.told_loop(Forget) == [one]
    world.pass_time(10)
    assert not world.pulls_in_actions()
    assert world.said_of(begun)[-1] == b"+WPI"
    world.loop_says(two, Done(Verdict.OK))
    assert world.state == "draining"
    world.ack(two, 2)
    assert world.state == "closed"
    assert isinstance(world.actions[-1], Exit)
    assert any(isinstance(action, Disconnect) for action in world.actions)


def test_a_drain_has_an_end_and_what_has_not_ended_by_then_is_handed_back(world: World) -> None:
    ack = world.deliver(request(1))
    lease = world.claims[-1][1].lease
    world.grant(lease)
    world.loop_says(lease, Placed(1, 0))
    world.drain(5)
    world.pass_time(4.9)
    assert world.state == "draining"

    world.pass_time(0.2)

    assert world.state == "closed"
    assert nak_delay_s(world.said_of(ack)[-1]) == 0


def test_a_second_drain_may_only_be_shorter(world: World) -> None:
    lease = world.take()
    world.loop_says(lease, Placed(1, 0))
    world.drain(50)
    world.drain(500)
    world.pass_time(40)
    assert world.state == "draining"
    world.drain(0)

    assert world.state == "closed"


def test_a_drain_without_a_connection_ends_at_its_end() -> None:
    world = World()
    world.feed_time()
    world.drain(0)

    assert world.state == "closed"


# --- output --------------------------------------------------------------------------------------
def test_at_most_a_window_is_on_its_way_to_a_submitter_that_does_not_answer(world: World) -> None:
    lease = world.take()
    for _ in range(100):
        world.loop_says(lease, Output("stdout"), (b"x" * 60_000,))
    sent = sum(len(data) for _, _, data in world.pieces)
    assert 1_000_000 < sent < 1_200_000

    world.ack(lease, 3)
    more = sum(len(data) for _, _, data in world.pieces)
    assert 100_000 < more - sent < 250_000


def test_a_frame_that_is_larger_than_a_message_goes_in_parts(world: World) -> None:
    lease = world.take()
    world.loop_says(lease, Output("stdout"), (b"x" * 3_000_000,))
    parts = [(piece.seq, piece.part, piece.parts) for _, piece, _ in world.pieces]

    assert parts == [(1, 0, 3), (1, 1, 3), (1, 2, 3)]
    assert sum(len(data) for _, _, data in world.pieces) > 3_000_000


# --- presence ------------------------------------------------------------------------------------
def test_it_says_each_second_how_it_is_and_no_more_once_it_has_left(world: World) -> None:
    world.pass_time(5)
    assert 5 <= len(world.presence) <= 7
    assert world.presence[-1].state == "active"
    world.drain(0)
    count = len(world.presence)
    world.feed_time()

    assert len(world.presence) == count
    assert TENANT not in repr(world.presence)


def test_the_list_of_machines_shows_a_new_state_at_once(world: World) -> None:
    world.pulse(is_full=True)
    world.pulse(is_full=True)

    states = [presence.state for presence in world.presence]
    assert states[-2:] == ["active", "paused"]
