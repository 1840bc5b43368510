"""Every message, as a plain frozen dataclass. With `protocol.pools`, this file is the contract.

    host      --Submit, Cancel, HostReply, Stdin, DefinePool, DropPool, EndSession, Distrust,
                AskStatistics, Drain-->
    supervisor loop  --Setup, Run, Interrupt, HostReply, Stdin, EndSession-->  cell
    cell      --CellHello, Ready, Output, Log, Progress, HostCall, StdinWanted, Done, Report-->
    supervisor loop  --Placed, Refused, Lost, PoolFailed, Statistics-->  host
    and passes what a cell says of a run on to the host

Rule 1: the class is the body of a frame of its kind; the run id travels in the frame's header.
Rule 2: what is large or raw is not in the body but in the frame's buffers, by index.
Rule 3: a new field has a default and a new version; a field is never given another meaning.
Rule 4: text that a guest chose is clipped by its sender and bounded again here. Show it, never
        parse it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from protocol.fields import (
    AtMost,
    Between,
    BufferIndex,
    Bytes,
    Count,
    Id,
    Line,
    Microseconds,
    Milliseconds,
    Name,
    Path,
    Text,
)
from protocol.parts import (
    Error as Error,
    File as File,
    Mount as Mount,
    RunLimits as RunLimits,
    Timings as Timings,
    Usage as Usage,
    Variable as Variable,
    Verdict as Verdict,
)
from protocol.pools import DefinePool as DefinePool, DropPool as DropPool, Setup as Setup
from protocol.structs import field, frozen


# --- host to supervisor loop ---------------------------------------------------------------------
@frozen
class Submit:
    """Queue one run. `buffers[0]` is the body of its `Run`, the rest are that `Run`'s buffers."""

    pool: Id
    wall_ms: Milliseconds
    tenant: Name = ""
    priority: Annotated[int, Between(-100, 100)] = 0
    session: Annotated[int, Between(0, 2**53 - 1)] = 0
    queue_ms: Milliseconds = 7 * 24 * 3600 * 1000
    spooled: Annotated[tuple[Name, ...], AtMost(64)] = ()


@frozen
class Cancel:
    """Give up the run, wherever it is. Answered by exactly one ending all the same."""


@frozen
class EndSession:
    """Drop the sandbox kept for `session`. Passed on to its cell."""

    session: Id


@frozen
class Distrust:
    """The cell lied about a run of `tenant`, as the host alone could see: kill it as broken."""

    cell: Id
    reason: Line
    tenant: Name = ""


@frozen
class AskStatistics:
    """Answered by one `Statistics` with the same run id in the header."""


@frozen
class Drain:
    """Refuse new runs; kill what is left after `within_ms`; then close the connection."""

    within_ms: Milliseconds


# --- supervisor loop to host ---------------------------------------------------------------------
@frozen
class Placed:
    """The run left the queue for a cell. From here on its guest may have run.

    Said again where a run whose machine was lost begins afresh on another: what came before it is
    void.
    """

    cell: Id
    queued_us: Microseconds


@frozen
class Refused:
    """The run never began. Ends it. The last two reasons are those of a link's submitter alone."""

    reason: Literal[
        "queue_full",
        "queue_timeout",
        "draining",
        "breaker_open",
        "session_lost",
        "cancelled",
        "unsupported",
        "unreachable",
    ]
    detail: Line = ""


@frozen
class Lost:
    """The cell ended before it answered. Ends the run with `verdict`; `cause` is for people."""

    verdict: Verdict
    cause: Line
    ran_us: Microseconds = 0


@frozen
class PoolFailed:
    """The cells of a pool cannot be started; runs for it are refused until they can."""

    pool: Id
    cause: Line


@frozen
class Statistics:
    """A snapshot; `buffers[0]` is a JSON object described in `executor.statistics`."""


# --- supervisor loop to cell ---------------------------------------------------------------------
@frozen
class Run:
    """Run one program under these limits. Answered by exactly one `Done`.

    Buffers: `source` (UTF-8 text, or the path of a compiled module for `program="module"`),
    `inputs` (`protocol.values`, a dict with text keys), `stdin`, those of `files`, and the
    out-of-band buffers of `inputs`: those that no field names, in their order. The files named in
    `spooled` stand for the buffers behind the frame's own.

    `mode`: "script" runs all of it as `__main__`, "cell" also captures the value of a last
    expression. `result` names a global whose value is the run's value instead.
    `stdin_live`: the guest asks for its input by messages instead.
    `session`: 0 for a fresh sandbox; otherwise the sandbox kept under that number, which only a run
    with `session_new` may begin: a run that finds its session gone ends as `crashed`, with an error
    named `SessionLost`, and its guest never begins.
    """

    limits: RunLimits
    program: Literal["python", "module"] = "python"
    mode: Literal["script", "cell"] = "script"
    filename: Path = "main.py"
    argv: Annotated[tuple[Text, ...], AtMost(1_024)] = ()
    env: Annotated[tuple[Variable, ...], AtMost(1_024)] = ()
    result: Name = ""
    functions: Annotated[tuple[Name, ...], AtMost(4_096)] = ()
    stream: bool = False
    stdin_live: bool = False
    session: Annotated[int, Between(0, 2**53 - 1)] = 0
    session_new: bool = False
    mounts: Annotated[tuple[Mount, ...], AtMost(256)] = ()
    files: Annotated[tuple[File, ...], AtMost(1_024)] = ()
    keep_files: bool = False
    spooled: Annotated[tuple[Name, ...], AtMost(64)] = ()
    source: BufferIndex = 0
    inputs: BufferIndex | None = None
    stdin: BufferIndex | None = None


@frozen
class Interrupt:
    """End the run named in the header softly, with this verdict. Else the kill follows."""

    verdict: Verdict


@frozen
class HostReply:
    """The answer to one `HostCall`: its value and out-of-band buffers, or `error`."""

    call: Id
    error: Error | None = None


@frozen
class Stdin:
    """The answer to one `StdinWanted`: `buffers[0]`, or `end` where there is no more."""

    end: bool = False


# --- cell to supervisor loop, most of it passed on to the host unread ----------------------------
@frozen
class CellHello:
    """First message of a cell."""

    version_min: Annotated[int, Between(1, 65_535)]
    version_max: Annotated[int, Between(1, 65_535)]
    pid: Count


@frozen
class Ready:
    """The cell waits for a run, with `stock` warmed, never used sandboxes.

    The first one offers all slots of the cell; each `Done` takes one away until the next `Ready`
    gives it back. One that gives nothing back is a report, and no cell of one slot makes it while
    it has a run. `spent`: the cell must serve nothing more; it is ended when it has no run.
    """

    stock: Count
    heap_bytes: Bytes = 0
    spent: bool = False


@frozen
class Report:
    """The cell could not become ready; it exits after this."""

    failure: Text


@frozen
class Output:
    """`buffers[0]` is the next piece of a stream, UTF-8 for a Python guest, cut anywhere."""

    stream: Literal["stdout", "stderr"]


@frozen
class Log:
    """One structured log entry of the guest's `logging`."""

    level: Annotated[int, Between(0, 1_000)]
    logger: Name
    message: Text
    fields: Annotated[tuple[Variable, ...], AtMost(64)] = ()


@frozen
class Progress:
    """How far the guest says it is; `permille` of the whole."""

    permille: Annotated[int, Between(0, 1_000)]
    message: Line = ""


@frozen
class HostCall:
    """The guest calls a host function and waits; the buffers hold the value `[args, kwargs]`."""

    call: Id
    function: Name


@frozen
class StdinWanted:
    """The guest of a run with `stdin_live` waits for up to `count` bytes of its input."""

    count: Annotated[int, Between(1, 1 << 20)]


@frozen
class Done:
    """The run ended by itself or at a limit.

    Buffers: the value (`value`), the last pieces of the streams (`stdout`, `stderr`), those of
    `files`, and the value's out-of-band buffers from `out_of_band` on.
    """

    verdict: Verdict
    exit_code: Annotated[int, Between(-(2**31), 2**31)] | None = None
    error: Error | None = None
    value: BufferIndex | None = None
    stdout: BufferIndex | None = None
    stderr: BufferIndex | None = None
    out_of_band: BufferIndex | None = None
    truncated_stdout: bool = False
    truncated_stderr: bool = False
    files: Annotated[tuple[File, ...], AtMost(1_024)] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)


type Message = (
    DefinePool | Submit | Cancel | EndSession | AskStatistics | Drain | Distrust | DropPool
    | Placed | Refused | Lost | PoolFailed | Statistics
    | Setup | Run | Interrupt | HostReply | Stdin
    | CellHello | Ready | Report | Output | Log | Progress | HostCall | Done | StdinWanted
)  # fmt: skip

#: The byte that names each message in a frame's header. A number is never given to another.
KINDS: dict[type, int] = {
    DefinePool: 1,
    Submit: 2,
    Cancel: 3,
    EndSession: 4,
    AskStatistics: 5,
    Drain: 6,
    Distrust: 7,
    DropPool: 8,
    Placed: 16,
    Refused: 17,
    Lost: 18,
    PoolFailed: 19,
    Statistics: 20,
    Setup: 32,
    Run: 33,
    Interrupt: 34,
    HostReply: 35,
    Stdin: 36,
    CellHello: 48,
    Ready: 49,
    Report: 50,
    Output: 51,
    Log: 52,
    Progress: 53,
    HostCall: 54,
    Done: 55,
    StdinWanted: 56,
}
CLASSES: dict[int, type] = {kind: cls for cls, kind in KINDS.items()}

#: Who may send what. A frame of another kind ends the connection.
HOST_SENDS = frozenset(
    KINDS[c]
    for c in (
        DefinePool, Submit, Cancel, EndSession, AskStatistics, Drain, Distrust, DropPool,
        HostReply, Stdin,
    )
)  # fmt: skip
LOOP_SENDS_CELL = frozenset(KINDS[c] for c in (Setup, Run, Interrupt, HostReply, Stdin, EndSession))
CELL_SENDS = frozenset(
    KINDS[c] for c in (CellHello, Ready, Report, Output, Log, Progress, HostCall, StdinWanted, Done)
)
#: Of those, what belongs to a run and goes on to the host unread.
CELL_RUN_KINDS = frozenset(KINDS[c] for c in (Output, Log, Progress, HostCall, StdinWanted, Done))
LOOP_SENDS_HOST = CELL_RUN_KINDS | frozenset(
    KINDS[c] for c in (Placed, Refused, Lost, PoolFailed, Statistics)
)
