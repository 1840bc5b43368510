"""Who may say what, and when: the two conversations of a run, as tables. No I/O.

    CellConversation   supervisor loop <-> cell:  one process, one run after another; for several
                       runs at hand see `protocol.slots`
    RunConversation    host <-> supervisor loop:  one run, from its submission to its one ending

Both ends of each run the same table. Ends cross: what was sent about a run while its ending was on
the way is no fault, so the end that is spoken to drops it (`receive` returns False).

Rule 1: all transitions are in `CELL_MOVES` and `RUN_MOVES`; code below adds run ids and caps.
Rule 2: one dict lookup for each frame. A frame is judged by its header alone.
Rule 3: after an error a conversation is over; whoever holds it drops the connection.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from protocol import VERSION_MAX, VERSION_MIN
from protocol.errors import LocalProtocolError, RemoteProtocolError, VersionMismatch
from protocol.messages import (
    CELL_RUN_KINDS,
    CELL_SENDS,
    CLASSES,
    HOST_SENDS,
    KINDS,
    LOOP_SENDS_CELL,
    LOOP_SENDS_HOST,
    Cancel,
    CellHello,
    Done,
    EndSession,
    HostCall,
    HostReply,
    Interrupt,
    Log,
    Lost,
    Output,
    Placed,
    Progress,
    Ready,
    Refused,
    Report,
    Run,
    RunLimits,
    Setup,
    Stdin,
    StdinWanted,
    Submit,
)

#: An `Output` frame without its piece: the length of one buffer and the shortest body.
OUTPUT_OVERHEAD_BYTES: Final = 4 + len(b'{"stream":"stdout"}')
#: Log entries and notes of progress in one run; a cell drops what is over it.
NOTES_MAX: Final = 10_000


class CellState(enum.Enum):
    """Where the loop and one cell are."""

    NEW = "new"
    GREETED = "greeted"  # the cell said which versions it speaks
    STARTING = "starting"  # it was told what to be
    IDLE = "idle"
    RUNNING = "running"
    CALLING = "calling"  # the guest waits for a host function
    READING = "reading"  # the guest waits for its input
    RESTOCKING = "restocking"  # it answered a run and is not ready for another
    FAILED = "failed"  # it said why it gives up


class RunState(enum.Enum):
    """Where the host and the loop are with one run."""

    NEW = "new"
    QUEUED = "queued"
    PLACED = "placed"  # a cell has it; its guest may have run
    CALLING = "calling"
    READING = "reading"
    ENDED = "ended"


type Moves[State] = Mapping[State, Mapping[type, State]]

CELL_MOVES: Final[Moves[CellState]] = {
    CellState.NEW: {CellHello: CellState.GREETED},
    CellState.GREETED: {Setup: CellState.STARTING},
    CellState.STARTING: {Ready: CellState.IDLE, Report: CellState.FAILED},
    CellState.IDLE: {
        Ready: CellState.IDLE,
        Run: CellState.RUNNING,
        EndSession: CellState.IDLE,
        Report: CellState.FAILED,
    },
    CellState.RUNNING: {
        Output: CellState.RUNNING,
        Log: CellState.RUNNING,
        Progress: CellState.RUNNING,
        HostCall: CellState.CALLING,
        StdinWanted: CellState.READING,
        Done: CellState.RESTOCKING,
        Report: CellState.FAILED,
        Interrupt: CellState.RUNNING,
        EndSession: CellState.RUNNING,
    },
    CellState.CALLING: {
        Output: CellState.CALLING,
        Log: CellState.CALLING,
        Progress: CellState.CALLING,
        HostReply: CellState.RUNNING,
        Done: CellState.RESTOCKING,
        Report: CellState.FAILED,
        Interrupt: CellState.CALLING,
        EndSession: CellState.CALLING,
    },
    CellState.READING: {
        Output: CellState.READING,
        Log: CellState.READING,
        Progress: CellState.READING,
        Stdin: CellState.RUNNING,
        Done: CellState.RESTOCKING,
        Report: CellState.FAILED,
        Interrupt: CellState.READING,
        EndSession: CellState.READING,
    },
    CellState.RESTOCKING: {
        Ready: CellState.IDLE,
        EndSession: CellState.RESTOCKING,
        Report: CellState.FAILED,
    },
    CellState.FAILED: {},
}
RUN_MOVES: Final[Moves[RunState]] = {
    RunState.NEW: {Submit: RunState.QUEUED},
    RunState.QUEUED: {
        Cancel: RunState.QUEUED,
        Placed: RunState.PLACED,
        Refused: RunState.ENDED,
        Lost: RunState.ENDED,
    },
    RunState.PLACED: {
        Cancel: RunState.PLACED,
        Output: RunState.PLACED,
        Log: RunState.PLACED,
        Progress: RunState.PLACED,
        HostCall: RunState.CALLING,
        StdinWanted: RunState.READING,
        Done: RunState.ENDED,
        Lost: RunState.ENDED,
    },
    RunState.CALLING: {
        Cancel: RunState.CALLING,
        Output: RunState.CALLING,
        Log: RunState.CALLING,
        Progress: RunState.CALLING,
        HostReply: RunState.PLACED,
        Done: RunState.ENDED,
        Lost: RunState.ENDED,
    },
    RunState.READING: {
        Cancel: RunState.READING,
        Output: RunState.READING,
        Log: RunState.READING,
        Progress: RunState.READING,
        Stdin: RunState.PLACED,
        Done: RunState.ENDED,
        Lost: RunState.ENDED,
    },
    RunState.ENDED: {},
}


@dataclass(frozen=True, slots=True)
class Caps:
    """What one run may say in all. One frame costs a byte of output at least.

    The loop passes bodies on unread and does not know a run's limits, so its caps are wide; the
    host's are the run's own.
    """

    output_bytes: int = 1 << 31
    host_calls: int = 10_000_000
    notes: int = NOTES_MAX

    @classmethod
    def of(cls, limits: RunLimits) -> Caps:
        """Return the caps of a run under `limits`."""
        return cls(limits.stdout_bytes + limits.stderr_bytes, limits.host_calls)


def choose_version(hello: CellHello) -> int:
    """Return the highest version that both sides speak.

    Raises:
        VersionMismatch: there is none.
    """
    version = min(VERSION_MAX, hello.version_max)
    if not max(VERSION_MIN, hello.version_min) <= version:
        theirs = (hello.version_min, hello.version_max)
        raise VersionMismatch((VERSION_MIN, VERSION_MAX), theirs)
    return version


class _Conversation[State: enum.Enum]:
    """One end of a conversation: where it is, and what one run has said so far."""

    __slots__ = ("_caps", "_late", "_left", "_receives", "_run_id", "_sends", "_state", "_tables")
    _sends: dict[int, State]
    _receives: dict[int, State]

    def __init__(
        self, tables: _Tables[State], start: State, late: frozenset[int], run_id: int, caps: Caps
    ) -> None:
        self._tables = tables
        self._late = late
        self._run_id = run_id
        self._caps = caps
        self._enter(start)
        self._begin_run()

    @property
    def state(self) -> State:
        """Where the conversation is."""
        return self._state

    @property
    def run_id(self) -> int:
        """The run it is about; 0 for none."""
        return self._run_id

    def may_send(self, kind: int) -> bool:
        """Return whether a message of `kind` about the run at hand is in turn."""
        return kind in self._sends

    def send(self, kind: int, run_id: int = 0, payload_bytes: int = 0) -> None:
        """Note what we are about to send.

        Raises:
            LocalProtocolError: it is not ours to say now. Send nothing.
        """
        state = self._sends.get(kind)
        fault = "is out of turn" if state is None else self._fault(kind, run_id, payload_bytes)
        if fault or state is None:
            raise LocalProtocolError(self._describe(kind, fault))
        self._move(kind, run_id, state)

    def receive(self, kind: int, run_id: int = 0, payload_bytes: int = 0) -> bool:
        """Note what the peer sent; return False if it is about what ended meanwhile: drop it.

        Raises:
            RemoteProtocolError: it was not the peer's to say now, or is over a cap.
        """
        state = self._receives.get(kind)
        if kind in self._late and (run_id != self._run_id or self._state in _LAST):
            return False
        fault = "is out of turn" if state is None else self._fault(kind, run_id, payload_bytes)
        if fault or state is None:
            described = self._describe(kind, fault)
            self._sends, self._receives = {}, {}
            raise RemoteProtocolError(described)
        self._move(kind, run_id, state)
        return True

    def _move(self, kind: int, run_id: int, state: State) -> None:
        if kind == _RUN:
            self._run_id = run_id
            self._begin_run()
        if state is not self._state:
            self._enter(state)

    def _enter(self, state: State) -> None:
        self._state = state
        self._sends, self._receives = self._tables[state]

    def _begin_run(self) -> None:
        caps = self._caps
        self._left = {_OUTPUT: caps.output_bytes, _CALL: caps.host_calls, _NOTE: caps.notes}

    def _fault(self, kind: int, run_id: int, payload_bytes: int) -> str:
        if kind == _RUN:
            return "" if run_id else "names no run"
        if run_id != (self._run_id if kind in _ABOUT_RUN else 0):
            return "is about another run"
        cap = _COUNTED.get(kind)
        if cap is not None:
            cost = max(1, payload_bytes - OUTPUT_OVERHEAD_BYTES) if cap == _OUTPUT else 1
            self._left[cap] -= cost
            if self._left[cap] < 0:
                return f"is over the cap of its run on {cap}"
        return ""

    def _describe(self, kind: int, fault: str) -> str:
        cls = CLASSES.get(kind)
        name = f"kind {kind}" if cls is None else cls.__name__
        return f"{name} {fault} ({self._state.value})"


class CellConversation(_Conversation[CellState]):
    """The loop and one cell; by default the loop's end.

    Not in it: what a body says, and time.
    """

    __slots__ = ()

    def __init__(self, side: Literal["loop", "cell"] = "loop", *, caps: Caps = Caps()) -> None:
        """Begin with a cell that has said nothing; `caps` hold for each of its runs."""
        if side == "loop":
            super().__init__(_LOOP_TO_CELL, CellState.NEW, frozenset(), 0, caps)
        else:
            super().__init__(_CELL_TO_LOOP, CellState.NEW, _LATE_FOR_CELL, 0, caps)

    @classmethod
    def at_rest(cls, side: Literal["loop", "cell"], caps: Caps) -> CellConversation:
        """Return one that is past its beginning: the cell waits for a run."""
        conversation = cls(side, caps=caps)
        conversation._enter(CellState.IDLE)
        return conversation

    def _enter(self, state: CellState) -> None:
        super()._enter(state)
        if state is CellState.RESTOCKING:
            self._run_id = 0


class RunConversation(_Conversation[RunState]):
    """The host and the loop about one run; by default the host's end."""

    __slots__ = ()

    def __init__(
        self, run_id: int, side: Literal["host", "loop"] = "host", *, caps: Caps = Caps()
    ) -> None:
        """Begin before the run is submitted."""
        if side == "host":
            super().__init__(_HOST_TO_LOOP, RunState.NEW, frozenset(), run_id, caps)
        else:
            super().__init__(_LOOP_TO_HOST, RunState.NEW, _LATE_FOR_LOOP, run_id, caps)

    @property
    def is_over(self) -> bool:
        """True after the one ending of the run."""
        return self._state is RunState.ENDED


# --- tables by side and kind ---------------------------------------------------------------------
type _Tables[State] = dict[State, tuple[dict[int, State], dict[int, State]]]


def _tables[State](moves: Moves[State], ours: frozenset[int]) -> _Tables[State]:
    tables: _Tables[State] = {}
    for state, by_class in moves.items():
        by_kind = {KINDS[cls]: after for cls, after in by_class.items()}
        sends = {kind: after for kind, after in by_kind.items() if kind in ours}
        receives = {kind: after for kind, after in by_kind.items() if kind not in ours}
        tables[state] = (sends, receives)
    return tables


_LOOP_TO_CELL: Final = _tables(CELL_MOVES, LOOP_SENDS_CELL)
_CELL_TO_LOOP: Final = _tables(CELL_MOVES, CELL_SENDS)
_HOST_TO_LOOP: Final = _tables(RUN_MOVES, HOST_SENDS)
_LOOP_TO_HOST: Final = _tables(RUN_MOVES, LOOP_SENDS_HOST)

_RUN: Final = KINDS[Run]
_OUTPUT, _CALL, _NOTE = "output", "host calls", "log entries and notes"
_COUNTED: Final = {
    KINDS[Output]: _OUTPUT,
    KINDS[HostCall]: _CALL,
    KINDS[Log]: _NOTE,
    KINDS[Progress]: _NOTE,
}
_ABOUT_RUN: Final = CELL_RUN_KINDS | {
    KINDS[cls] for cls in (Submit, Cancel, Placed, Refused, Lost, Interrupt, HostReply, Stdin)
}
#: Nothing follows them.
_LAST: Final = frozenset({CellState.FAILED, RunState.ENDED})
#: What may be on its way to a peer for whom the run is over already.
_LATE_FOR_CELL: Final = frozenset({KINDS[Interrupt], KINDS[HostReply], KINDS[Stdin]})
_LATE_FOR_LOOP: Final = frozenset({KINDS[Cancel], KINDS[HostReply], KINDS[Stdin]})
