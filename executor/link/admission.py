"""Which requests this machine takes, and what they become for its loop. Pure.

Rule 1: everything a request says is a stranger's. What the loop passes on unread is read here, by
        the rules that `executor.options` has for a caller of this machine.
Rule 2: limits above this machine's ceilings are refused, not lowered: the run would end otherwise
        than its caller was told.
Rule 3: a session's sandbox has a number that no other tenant, submitter or session can be given:
        a keyed hash, so that it needs no memory and outlives the link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

from protocol.errors import RemoteProtocolError
from protocol.frames import Buffer
from protocol.limits import MEMORY_BYTES_MIN
from protocol.links import LEASE_MIN, RUN_BODY_BYTES_MAX, Request
from protocol.messages import Run, RunLimits, Submit
from protocol.reading import read, write
from protocol.structs import field, fields_of, frozen

type Refusal = Literal["limits", "unsupported", "invalid"]


@frozen
class Serving:
    """What a machine serves, as its host said when it started the link.

    Args:
        ceilings: the most that a run may ask for; None in `fuel` for any number.
        pools: numbers of four pools: for plain runs, for runs that count fuel, for those that write
            files, and for those that do both; 0 for what this machine does not serve.
        functions: host functions that guests here find, whoever sent them.
        session_key: hexadecimal; kept by the host, so that it outlives a link.
    """

    ceilings: RunLimits
    pools: tuple[int, ...]
    functions: tuple[str, ...]
    session_key: str = field(repr=False)


class Refused(Exception):
    """This machine will not run it."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(refusal, detail)
        self.refusal = refusal
        self.detail = detail


class Admitted(NamedTuple):
    """A run as the loop takes it; the first of `buffers` is the body of its `Run`."""

    submit: Submit
    buffers: list[Buffer]


def admit(
    request: Request,
    buffers: Sequence[memoryview],
    serving: Serving,
    *,
    tenant: str,
    queue_ms: int,
) -> Admitted:
    """Return what to hand to the loop.

    Raises:
        Refused: the request is malformed, or asks for what is not served here.
    """
    run = _read_run(buffers)
    _check_limits(run.limits, serving.ceilings)
    _check_supported(run, request)
    _check_buffers(run, len(buffers) - 1)
    _check_texts(run)
    needs_files = bool(run.files) or run.keep_files or request.session != 0
    pool = serving.pools[(run.limits.fuel is not None) + 2 * needs_files]
    if not pool:
        raise Refused("unsupported", "limits.fuel: this machine does not count fuel")
    session = 0
    if request.session:
        key = serving.session_key
        session = session_number(key, tenant, request.submitter, request.session, pool)
    ours = run.__replace__(
        session=session,
        functions=serving.functions,
        session_new=run.session_new and session != 0,
    )
    submit = Submit(
        pool=pool,
        wall_ms=run.limits.wall_ms,
        tenant=tenant,
        priority=request.priority,
        session=session,
        queue_ms=queue_ms,
    )
    return Admitted(submit, [write(ours), *buffers[1:]])


def session_number(key: str, tenant: str, submitter: str, session: int, pool: int) -> int:
    """Return the number of a session in this machine's loop.

    The pool is part of it: a later run that needs other cells finds its session gone.
    """
    text = repr((tenant, submitter, session, pool))
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=bytes.fromhex(key))
    return LEASE_MIN + int.from_bytes(hashed.digest()[:8]) % LEASE_MIN


def _read_run(buffers: Sequence[memoryview]) -> Run:
    if not buffers:
        raise Refused("invalid", "the request holds no run")
    if buffers[0].nbytes > RUN_BODY_BYTES_MAX:
        detail = f"argv, env and files take {buffers[0].nbytes} B, over {RUN_BODY_BYTES_MAX} B"
        raise Refused("invalid", detail)
    try:
        return read(Run, buffers[0])
    except RemoteProtocolError as error:
        raise Refused("invalid", str(error)) from None


def _check_limits(limits: RunLimits, ceilings: RunLimits) -> None:
    for name in fields_of(RunLimits):
        asked, most = getattr(limits, name), getattr(ceilings, name)
        if asked is not None and most is not None and asked > most:
            raise Refused("limits", f"limits.{name}: {asked} is over this machine's {most}")
    if limits.memory_bytes < MEMORY_BYTES_MIN:
        raise Refused("invalid", f"limits.memory_bytes: under {MEMORY_BYTES_MIN}")
    if limits.wall_ms < 1 or limits.fuel == 0:
        raise Refused("invalid", "limits: wall_ms and fuel begin at 1")


def _check_supported(run: Run, request: Request) -> None:
    for name, is_asked in (
        ("module", run.program != "python"),
        ("mounts", run.mounts),
        ("functions", run.functions),
        ("stdin", run.stdin_live),
        ("files", run.spooled),
    ):
        if is_asked:
            raise Refused("unsupported", f"{name}: cannot be had on another machine")
    if run.session_new and not request.session:
        raise Refused("invalid", "session_new without a session")


def _check_buffers(run: Run, count: int) -> None:
    named = [run.source, run.inputs, run.stdin, *(file.buffer for file in run.files)]
    indices = [at for at in named if at is not None]
    if max(indices) >= count or len(set(indices)) != len(indices):
        raise Refused("invalid", "a buffer is named that is not there, or twice")


def _check_texts(run: Run) -> None:
    if not run.filename or (run.result and not run.result.isidentifier()):
        raise Refused("invalid", "filename or result is none")
    names = [file.name for file in run.files]
    folders = {name[:at] for name in names for at, char in enumerate(name) if char == "/"}
    if len(set(names)) != len(names) or folders & set(names):
        raise Refused("invalid", "files: a name is given twice, or is also a folder")
    for name in names:
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise Refused("invalid", "files: a name leads out of its folder")
    for variable in run.env:
        if not variable.name or "=" in variable.name:
            raise Refused("invalid", "env: a name is empty, or holds =")
    texts = [run.filename, *run.argv, *names]
    texts += [text for variable in run.env for text in (variable.name, variable.value)]
    if any("\0" in text for text in texts):
        raise Refused("invalid", "a text holds a NUL character")
