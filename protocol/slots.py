"""Who may say what to a cell that has several runs at hand, and when. No I/O.

    the cell     hello, setup, ready, reports, sessions: as in `CellConversation`
    each run     from its `Run` to its `Done`, in a conversation of its own
    a slot       taken by `Run`; after `Done` it is owed until the next `Ready` gives it back

Rule 1: what one run says changes nothing for another; its caps are its own.
Rule 2: a `Ready` while no slot is owed is a report.
Rule 3: after an error all of it is over.
"""

from __future__ import annotations

from typing import Final, Literal

from protocol.conversation import Caps, CellConversation, CellState
from protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from protocol.messages import (
    CELL_RUN_KINDS,
    KINDS,
    HostReply,
    Interrupt,
    Ready,
    Run,
    Stdin,
)

_WIDE: Final = Caps()
_RUN: Final = KINDS[Run]
_READY: Final = KINDS[Ready]
_ANSWERS: Final = frozenset({KINDS[Interrupt], KINDS[HostReply], KINDS[Stdin]})
_ABOUT_RUN: Final = CELL_RUN_KINDS | _ANSWERS


class SlotsConversation:
    """One end of it; by default the loop's."""

    __slots__ = ("_caps", "_cell", "_is_over", "_owed", "_runs", "_side", "_slots", "free")

    def __init__(
        self, slots: int, side: Literal["loop", "cell"] = "loop", *, caps: Caps = _WIDE
    ) -> None:
        """Begin with a cell that has said nothing; `caps` hold for each of its runs."""
        self._slots = slots
        self._side: Literal["loop", "cell"] = side
        self._caps = caps
        self._cell = CellConversation(side)
        self._runs: dict[int, CellConversation] = {}
        self._owed = 0
        self._is_over = False
        #: Slots that may be given a run.
        self.free = 0

    @property
    def runs(self) -> frozenset[int]:
        """The runs at hand."""
        return frozenset(self._runs)

    def send(self, kind: int, run_id: int = 0, payload_bytes: int = 0) -> None:
        """Note what we are about to send.

        Raises:
            LocalProtocolError: it is not ours to say now. Send nothing.
        """
        conversation = self._conversation_for(kind, run_id, LocalProtocolError)
        conversation.send(kind, run_id, payload_bytes)
        self._note(kind, run_id, conversation)

    def receive(self, kind: int, run_id: int = 0, payload_bytes: int = 0) -> bool:
        """Note what the peer sent; return False if it is about a run that ended meanwhile: drop it.

        Raises:
            RemoteProtocolError: it was not the peer's to say now, or is over a cap.
        """
        is_late = self._side == "cell" and kind in _ANSWERS and run_id not in self._runs
        if is_late and not self._is_over:
            return False
        try:
            conversation = self._conversation_for(kind, run_id, RemoteProtocolError)
            is_for_now = conversation.receive(kind, run_id, payload_bytes)
        except RemoteProtocolError:
            self._is_over = True
            raise
        self._note(kind, run_id, conversation)
        return is_for_now

    def _conversation_for(
        self, kind: int, run_id: int, fault: type[ProtocolError]
    ) -> CellConversation:
        if self._is_over:
            raise fault("the conversation is over")
        if kind in _ABOUT_RUN:
            if run_id not in self._runs:
                raise fault(f"kind {kind} is about another run than those at hand")
            return self._runs[run_id]
        if kind != _RUN:
            return self._cell
        if not self.free:
            raise fault("a run was sent to a cell without a free slot")
        if run_id in self._runs:
            raise fault("a run was sent twice")
        return CellConversation.at_rest(self._side, self._caps)

    def _note(self, kind: int, run_id: int, conversation: CellConversation) -> None:
        if kind == _RUN:
            self._runs[run_id] = conversation
            self.free -= 1
        elif kind == _READY:
            if not (self.free or self._owed or self._runs):
                self.free = self._slots  # its first
            elif self._owed:
                self._owed -= 1
                self.free += 1
        elif kind in _ABOUT_RUN and conversation.state is CellState.RESTOCKING:
            del self._runs[run_id]
            self._owed += 1
