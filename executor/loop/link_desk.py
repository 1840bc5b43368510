"""The loop's side of the link: which leases it serves, and all that their submitters do not have.

    link: Hold, Submit  ->  a lease is begun      loop: Pulse, twice a second, if a link listens
    cell or core        ->  a frame is kept and sent on       link: Release -> it is dropped

What a run says is kept here, in the loop, until its submitter has it: the link may crash and
another take its place (`attach`), which is then told everything that is kept, in order.

Rule 1: frames of one lease are numbered from 1 by their order alone; link and loop count alike.
Rule 2: an ending is always kept. Output, log entries and notes are left out when a lease, or all of
        them together, have too much waiting; a `Dropped` then stands in their place.
Rule 3: a link that breaks the protocol, or that is replaced, is hung up on; its leases stay.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable

from executor.loop.peer import Peer, PeerClosed
from executor.pool import PoolCore
from protocol.errors import ProtocolError, RemoteProtocolError
from protocol.frames import FRAME_BYTES_MAX, HEADER_BYTES, Frame
from protocol.links import (
    LEASE_MIN,
    LEASES_MAX,
    LINK_CLASSES,
    LINK_KINDS,
    LINK_SENDS_LOOP,
    Dropped,
    Forget,
    Hold,
    LinkMessage,
    Pulse,
    Release,
    Resume,
    Welcome,
    encode_link,
)
from protocol.messages import (
    KINDS,
    Cancel,
    Done,
    EndSession,
    HostCall,
    Log,
    Lost,
    Output,
    Progress,
    Refused,
    Submit,
    Verdict,
)
from protocol.reading import read, write
from protocol.structs import field, mutable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
#: What one lease, and all of them, may have waiting before output is left out.
LEASE_BYTES_MAX = 1 << 20
HELD_BYTES_MAX = 64 << 20
NOTE_BYTES_MAX = 4 << 10
#: A session of another machine's caller is dropped when no run of it came for so long.
SESSION_IDLE_S = 900.0

_HOLD, _RELEASE, _FORGET = LINK_KINDS[Hold], LINK_KINDS[Release], LINK_KINDS[Forget]
_SUBMIT = KINDS[Submit]
_OPTIONAL = frozenset(KINDS[c] for c in (Output, Log, Progress))
_OUTPUT, _HOST_CALL, _END_SESSION = KINDS[Output], KINDS[HostCall], KINDS[EndSession]
_ENDINGS = frozenset(KINDS[c] for c in (Done, Lost, Refused))


@mutable
class _Lease:
    """A lease from its `Hold` until its ending is released."""

    note: Frame
    #: Frames that its submitter may not have; the first of them is number `released + 1`.
    kept: deque[Frame] = field(default_factory=deque)
    kept_bytes: int = 0
    released: int = 0
    dropped_bytes: int = 0
    dropped_entries: int = 0
    session: int = 0
    is_begun: bool = False
    has_ended: bool = False


class LinkDesk:
    """Leases and their frames, and the pipe to the link of the moment, if there is one.

    Args:
        door: where pipes to links come from, each as a descriptor beside one byte.
    """

    _selector: selectors.BaseSelector
    _take: Callable[[Frame], None]

    def __init__(self, door: socket.socket) -> None:
        self._peer: Peer | None = None
        self._mask = 0
        self._door: socket.socket | None = door
        self._leases: dict[int, _Lease] = {}
        #: Runs that called functions of this machine's host, and have not ended.
        self._calling: set[int] = set()
        #: When each session was last used.
        self._sessions: dict[int, float] = {}
        # Those of an earlier loop may still be known to submitters, under the machine's one name.
        self._next = LEASE_MIN + int.from_bytes(os.urandom(8)) % (LEASE_MIN // 2)
        self.held_bytes = 0

    def open(self, selector: selectors.BaseSelector, take: Callable[[Frame], None]) -> None:
        """Begin: called once, before anything else.

        Args:
            selector: the loop's.
            take: called with each `Submit`, `Cancel` and `EndSession` of the link.
        """
        self._selector, self._take = selector, take
        if self._door is not None:
            self._door.setblocking(False)
            selector.register(self._door, READ, self._on_door)

    # --- the pipe --------------------------------------------------------------------------------
    def _on_door(self, _mask: int) -> None:
        assert self._door is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._door, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            self.attach(socket.socket(fileno=descriptor))
        if not data:
            self._selector.unregister(self._door)
            self._door.close()
            self._door = None

    def attach(self, sock: socket.socket) -> None:
        """Talk to another link, in the place of the last one; tell it what is kept."""
        self._hang_up()
        self._peer = Peer(sock, kinds=LINK_SENDS_LOOP, limit_bytes=FRAME_BYTES_MAX)
        self._mask = READ
        self._selector.register(sock, READ, self._on_link)
        self._say(Welcome(self._next))
        for number, lease in list(self._leases.items()):
            self._forward(lease.note)
            self._say(Resume(lease.released), number)
            for frame in lease.kept:
                self._forward(frame)

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._hang_up()
        if self._door is not None:
            self._door.close()
            self._door = None

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._selector.unregister(self._peer.sock)
            self._peer.close()
            self._peer = None

    def _on_link(self, mask: int) -> None:
        peer = self._peer
        assert peer is not None
        try:
            if mask & WRITE:
                peer.flush()
            if mask & READ:
                for frame in peer.receive():
                    self._receive(frame)
        except (PeerClosed, ProtocolError):
            if self._peer is peer:
                self._hang_up()
        else:
            self._watch()

    def _watch(self) -> None:
        if self._peer is not None:
            mask = READ | WRITE if self._peer.waiting_bytes else READ
            if mask != self._mask:
                self._mask = mask
                self._selector.modify(self._peer.sock, mask, self._on_link)

    def _say(self, message: LinkMessage, number: int = 0) -> None:
        self._send(lambda peer: peer.send((encode_link(message, number),)))

    def _forward(self, frame: Frame) -> None:
        self._send(lambda peer: peer.forward(frame))

    def _send(self, send: Callable[[Peer], None]) -> None:
        if self._peer is None:
            return
        try:
            send(self._peer)
        except PeerClosed:
            self._hang_up()
        else:
            self._watch()

    # --- from the link ---------------------------------------------------------------------------
    def _receive(self, frame: Frame) -> None:
        number, kind = frame.run_id, frame.kind
        lease = self._leases.get(number)
        if kind == _HOLD:
            self._hold(frame)
        elif kind == _SUBMIT:
            if lease is None or lease.is_begun:
                raise RemoteProtocolError("a run without a lease of its own")
            lease.is_begun = True
            body, _ = frame.split()
            lease.session = read(Submit, body).session
            self._take(frame)
        elif kind == _RELEASE:
            if lease is not None:
                body, _ = frame.split()
                self._release(number, lease, read(Release, body).seq)
        elif kind == _FORGET:
            self._forget(number)
        elif kind == _END_SESSION:
            body, _ = frame.split()
            self._sessions.pop(read(EndSession, body).session, None)
            self._take(frame)
        elif lease is not None:
            self._take(frame)

    def _hold(self, frame: Frame) -> None:
        number = frame.run_id
        if number < self._next or len(frame.payload) > NOTE_BYTES_MAX:
            raise RemoteProtocolError("a lease whose number was given before, or a long note")
        if len(self._leases) >= LEASES_MAX:
            raise RemoteProtocolError(f"more than {LEASES_MAX} leases")
        self._next = number + 1
        self._leases[number] = _Lease(frame)

    def _release(self, number: int, lease: _Lease, seq: int) -> None:
        while lease.kept and lease.released < seq:
            dropped = lease.kept.popleft()
            lease.released += 1
            self._count(lease, -len(dropped.payload) - HEADER_BYTES)
        if lease.has_ended and not lease.kept:
            del self._leases[number]

    def _forget(self, number: int) -> None:
        lease = self._leases.pop(number, None)
        if lease is not None:
            self._count(lease, -lease.kept_bytes)
            if lease.is_begun and not lease.has_ended:
                self._take(Frame(KINDS[Cancel], number, 0, write(Cancel())))

    def _count(self, lease: _Lease, by_bytes: int) -> None:
        lease.kept_bytes += by_bytes
        self.held_bytes += by_bytes

    # --- from cells and the core -----------------------------------------------------------------
    def keep(self, frame: Frame) -> Frame | None:
        """Keep what is said of a lease's run until it is released, and send it to the link.

        Returns:
            What the host is to be told: of calls of its functions, and that such a run ended.
        """
        number, kind = frame.run_id, frame.kind
        if kind == _HOST_CALL:
            self._calling.add(number)
            return frame
        lease = self._leases.get(number)
        if lease is not None and not lease.has_ended:  # else nobody wants it
            self._keep(lease, frame)
        if kind in _ENDINGS and number in self._calling:
            self._calling.discard(number)
            return Frame(KINDS[Lost], number, 0, write(Lost(Verdict.CANCELLED, "")))
        return None

    def _keep(self, lease: _Lease, frame: Frame) -> None:
        size_bytes = len(frame.payload) + HEADER_BYTES
        if frame.kind in _OPTIONAL and (
            lease.kept_bytes + size_bytes > LEASE_BYTES_MAX
            or self.held_bytes + size_bytes > HELD_BYTES_MAX
        ):
            if frame.kind == _OUTPUT:
                lease.dropped_bytes += _output_bytes(frame)
            else:
                lease.dropped_entries += 1
            return
        if lease.dropped_bytes or lease.dropped_entries:
            body = write(Dropped(lease.dropped_bytes, lease.dropped_entries))
            lease.dropped_bytes = lease.dropped_entries = 0
            self._add(lease, Frame(LINK_KINDS[Dropped], frame.run_id, 0, body))
        lease.has_ended = frame.kind in _ENDINGS
        self._add(lease, frame)

    def _add(self, lease: _Lease, frame: Frame) -> None:
        lease.kept.append(frame)
        self._count(lease, len(frame.payload) + HEADER_BYTES)
        self._forward(frame)

    # --- life ------------------------------------------------------------------------------------
    def pulse(self, core: PoolCore, now: float) -> None:
        """Tell the link which leases live, and how busy the loop is."""
        self._end_sessions(now)
        load = core.load()
        self._say(
            Pulse(
                leases=tuple(self._living(core, now)),
                cells=load.cells,
                busy=load.busy,
                queued=load.queued,
                load=min(1_000, load.busy * 1_000 // load.cells) if load.cells else 0,
                held_bytes=self.held_bytes,
                is_full=self.held_bytes > HELD_BYTES_MAX // 2,
            )
        )

    def _end_sessions(self, now: float) -> None:
        """Drop the sandboxes of sessions that nobody has used for long."""
        for lease in self._leases.values():
            if lease.session:
                self._sessions[lease.session] = now
        for session in [s for s, at in self._sessions.items() if now - at >= SESSION_IDLE_S]:
            del self._sessions[session]
            self._take(Frame(_END_SESSION, 0, 0, write(EndSession(session))))

    def _living(self, core: PoolCore, now: float) -> Iterable[int]:
        for number, lease in self._leases.items():
            if lease.has_ended or not lease.is_begun or core.lives(number, now):
                yield number


def _output_bytes(frame: Frame) -> int:
    with contextlib.suppress(ProtocolError):
        return sum(buffer.nbytes for buffer in frame.split()[1])
    return 0


assert not LINK_CLASSES.keys() & KINDS.values(), "a frame's kind is one message"
