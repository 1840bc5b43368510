"""The loop's desk for the link: nothing that a submitter lacks is lost, and all of it is bounded.

Real sockets, no loop: the test is the selector.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Iterator

import pytest

from executor.loop.events import submitted
from executor.loop.link_desk import (
    HELD_BYTES_MAX,
    LEASE_BYTES_MAX,
    NOTE_BYTES_MAX,
    SESSION_IDLE_S,
    LinkDesk,
)
from executor.pool import PoolCore, PoolDefined
from protocol.frames import Frame, FrameDecoder
from protocol.links import (
    LEASE_MIN,
    LEASES_MAX,
    LINK_CLASSES,
    LINK_KINDS,
    Dropped,
    Forget,
    Hold,
    LinkMessage,
    Pulse,
    Release,
    Resume,
    Welcome,
    decode_link,
    encode_link,
)
from protocol.messages import (
    CLASSES,
    KINDS,
    Cancel,
    Done,
    EndSession,
    HostCall,
    Log,
    Lost,
    Message,
    Output,
    Placed,
    Submit,
    Verdict,
)
from protocol.reading import decode_frame, encode_message, read


class Desk:
    """A desk with a link that the test plays."""

    def __init__(self) -> None:
        self.host_door, door = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.taken: list[Frame] = []
        self.desk = LinkDesk(door)
        self.desk.open(self.selector, self.taken.append)
        self.link: socket.socket | None = None
        self.attach()

    def attach(self) -> None:
        """Introduce another link."""
        if self.link is not None:
            self.link.close()
        self.link, end = socket.socketpair()
        self.link.setblocking(False)
        socket.send_fds(self.host_door, [b"\0"], [end.fileno()])
        end.close()
        self.decoder = FrameDecoder()
        self.turn()

    def turn(self) -> None:
        """Let the desk take all that was sent to it."""
        while ready := self.selector.select(0):
            for key, mask in ready:
                key.data(mask & key.events)
            if not any(mask & selectors.EVENT_READ for _, mask in ready):
                return

    def say(self, message: LinkMessage, lease: int = 0, note: bytes | None = None) -> None:
        buffers = () if note is None else (note,)
        self.send(encode_link(message, lease, buffers))

    def submit(self, lease: int, **fields: int) -> None:
        self.say(Hold(), lease, b"note")
        given = {"pool": 1, "wall_ms": 1_000} | fields
        self.send(b"".join(map(bytes, encode_message(Submit(**given), lease, (b"", b"")))))  # type: ignore[arg-type]  # by name

    def send(self, data: bytes) -> None:
        assert self.link is not None
        with contextlib.suppress(OSError):
            self.link.sendall(data)
        self.turn()

    def heard(self) -> list[Frame]:
        """Return the frames that the link got since the last time."""
        assert self.link is not None
        found: list[Frame] = []
        while True:
            self.turn()
            try:
                data = self.link.recv(1 << 20)
            except BlockingIOError:
                return found
            if not data:
                return found
            found += self.decoder.feed(data)

    @property
    def is_attached(self) -> bool:
        return self.desk._peer is not None

    def keep(self, message: Message, lease: int, buffers: tuple[bytes, ...] = ()) -> Frame | None:
        [frame] = FrameDecoder().feed(b"".join(map(bytes, encode_message(message, lease, buffers))))
        return self.desk.keep(frame)

    def first_lease(self) -> int:
        welcome, _ = decode_link(self.heard()[0])
        assert isinstance(welcome, Welcome)
        return welcome.next_lease


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.desk.close()
    made.host_door.close()
    made.selector.close()
    if made.link is not None:
        made.link.close()


@pytest.fixture
def lease(desk: Desk) -> int:
    """A run that the loop has."""
    number = desk.first_lease()
    desk.submit(number)
    return number


def kinds(frames: list[Frame]) -> list[type]:
    return [(CLASSES | LINK_CLASSES)[frame.kind] for frame in frames]


def test_what_is_said_of_a_run_goes_to_the_link_and_stays_until_it_is_released(
    desk: Desk, lease: int
) -> None:
    desk.keep(Placed(1, 0), lease)
    desk.keep(Done(Verdict.OK), lease)
    assert kinds(desk.heard()) == [Placed, Done]

    desk.say(Release(1), lease)
    desk.attach()
    frames = desk.heard()
    assert kinds(frames) == [Welcome, Hold, Resume, Done]
    assert read(Resume, frames[2].split()[0]) == Resume(1)

    desk.say(Release(2), lease)
    desk.attach()
    assert kinds(desk.heard()) == [Welcome]
    assert desk.desk.held_bytes == 0


def test_the_next_link_is_told_of_every_lease_and_of_no_number_that_was_given(
    desk: Desk, lease: int
) -> None:
    desk.submit(lease + 5)
    desk.attach()
    frames = desk.heard()
    welcome, _ = decode_link(frames[0])

    assert welcome == Welcome(lease + 6)
    assert [f.run_id for f in frames if f.kind == LINK_KINDS[Hold]] == [lease, lease + 5]
    assert bytes(frames[1].split()[1][0]) == b"note"


def test_without_a_link_all_is_kept_for_the_next(desk: Desk, lease: int) -> None:
    desk.link.close() if desk.link else None
    desk.turn()
    assert not desk.is_attached
    desk.keep(Placed(1, 0), lease)
    desk.keep(Output("stdout"), lease, (b"out",))
    desk.keep(Done(Verdict.OK), lease)
    desk.attach()

    assert kinds(desk.heard()) == [Welcome, Hold, Resume, Placed, Output, Done]


def test_a_lease_holds_output_up_to_its_limit_and_says_how_much_it_left_out(
    desk: Desk, lease: int
) -> None:
    piece = Output("stdout")
    overhead = len(b"".join(map(bytes, encode_message(piece, lease, (b"",)))))
    size = LEASE_BYTES_MAX // 4 - overhead
    for _ in range(4):
        desk.keep(piece, lease, (b"x" * size,))
    assert desk.desk.held_bytes == LEASE_BYTES_MAX

    desk.keep(piece, lease, (b"yy",))
    desk.keep(Log(20, "guest", "too much"), lease)
    desk.keep(Done(Verdict.OK), lease)

    frames = desk.heard()
    assert kinds(frames) == [Output] * 4 + [Dropped, Done]
    assert decode_link(frames[4])[0] == Dropped(2, 1)


def test_all_leases_together_hold_no_more_output_than_their_limit(desk: Desk) -> None:
    first = desk.first_lease()
    number = first
    size = LEASE_BYTES_MAX - 64
    while desk.desk.held_bytes + LEASE_BYTES_MAX <= HELD_BYTES_MAX:
        desk.submit(number)
        desk.keep(Output("stdout"), number, (b"x" * size,))
        desk.heard()
        number += 1
    desk.submit(number)
    while desk.desk.held_bytes + 2_000 < HELD_BYTES_MAX:
        desk.keep(Output("stdout"), number, (b"x" * 1_000,))
    held = desk.desk.held_bytes
    desk.keep(Output("stdout"), number, (b"x" * 4_000,))
    assert desk.desk.held_bytes == held
    desk.keep(Done(Verdict.OK), number, ())

    assert desk.heard()[-1].kind == KINDS[Done]


def test_an_ending_is_kept_whatever_its_size_and_nothing_follows_it(desk: Desk, lease: int) -> None:
    desk.keep(Done(Verdict.OK, value=0), lease, (b"v" * (2 * LEASE_BYTES_MAX),))
    desk.keep(Done(Verdict.OK), lease)

    assert kinds(desk.heard()) == [Done]


def test_a_run_that_is_forgotten_is_cancelled_and_nothing_of_it_is_kept(
    desk: Desk, lease: int
) -> None:
    desk.keep(Placed(1, 0), lease)
    desk.heard()
    desk.say(Forget(), lease)
    desk.keep(Output("stdout"), lease, (b"x",))
    desk.keep(Done(Verdict.CANCELLED), lease)

    assert kinds(desk.taken) == [Submit, Cancel]
    assert not desk.heard()
    assert desk.desk.held_bytes == 0


def hold(number: int, note: bytes = b"note") -> bytes:
    return encode_link(Hold(), number, (note,))


@pytest.mark.parametrize(
    "what", ["no_lease", "twice", "old_number", "long_note", "noise", "not_its_to_say"]
)
def test_a_link_that_breaks_the_protocol_is_hung_up_on_and_its_leases_stay(
    desk: Desk, lease: int, what: str
) -> None:
    [submit] = encode_message(Submit(1, 1), lease)
    [unknown] = encode_message(Submit(1, 1), lease + 9)
    desk.send(
        {
            "no_lease": bytes(unknown),
            "twice": bytes(submit),
            "old_number": hold(lease),
            "long_note": hold(lease + 1, b"x" * NOTE_BYTES_MAX),
            "noise": b"\xff" * 64,
            "not_its_to_say": encode_link(Welcome(LEASE_MIN)),
        }[what]
    )
    assert not desk.is_attached

    desk.attach()
    assert kinds(desk.heard()) == [Welcome, Hold, Resume]


def test_no_more_leases_are_taken_than_the_limit(desk: Desk) -> None:
    number = desk.first_lease()
    for at in range(LEASES_MAX):
        desk.say(Hold(), number + at, b"")
    assert desk.is_attached
    desk.say(Hold(), number + LEASES_MAX, b"")

    assert not desk.is_attached


def test_calls_of_host_functions_go_to_the_host_which_is_told_of_the_end(
    desk: Desk, lease: int
) -> None:
    told = desk.keep(HostCall(1, "price"), lease, (b"[]",))
    assert told is not None
    assert told.kind == KINDS[HostCall]
    assert not desk.heard()

    ended = desk.keep(Done(Verdict.OK), lease)
    assert ended is not None
    assert ended.kind == KINDS[Lost]
    assert desk.keep(Done(Verdict.OK), lease) is None


def test_a_pulse_names_the_runs_that_live_and_the_endings_that_are_kept(desk: Desk) -> None:
    core = PoolCore()
    core.handle(PoolDefined(1, 2, 0, 10), 0.0)
    ended = desk.first_lease()
    waits, lost = ended + 1, ended + 2
    for number in (ended, waits, lost):
        desk.submit(number)
    message, _ = decode_frame(desk.taken[1])
    assert isinstance(message, Submit)
    core.handle(submitted(waits, message), 0.0)
    desk.keep(Done(Verdict.OK), ended)
    desk.heard()
    desk.desk.pulse(core, 1.0)

    pulse, _ = decode_link(desk.heard()[-1])
    assert isinstance(pulse, Pulse)
    assert set(pulse.leases) == {ended, waits}
    assert (pulse.cells, pulse.busy, pulse.queued) == (2, 0, 1)


def test_a_session_that_nobody_uses_is_dropped_after_its_time_and_not_before(desk: Desk) -> None:
    core = PoolCore()
    session = LEASE_MIN + 77
    lease = desk.first_lease()
    desk.submit(lease, session=session)
    desk.desk.pulse(core, 0.0)
    desk.desk.pulse(core, 10 * SESSION_IDLE_S)  # its run is at hand
    desk.keep(Done(Verdict.OK), lease)
    desk.say(Release(1), lease)
    desk.desk.pulse(core, 11 * SESSION_IDLE_S - 0.1)
    assert kinds(desk.taken) == [Submit]

    desk.desk.pulse(core, 11 * SESSION_IDLE_S)

    assert kinds(desk.taken) == [Submit, EndSession]
    assert decode_frame(desk.taken[1])[0] == EndSession(session)
