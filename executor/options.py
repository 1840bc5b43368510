"""What a caller may ask of a run, and the checks that turn it into a `Plan`.

Rule 1: nothing is sent before all of it has been checked; an error names the argument and the fix.
Rule 2: every cap of `protocol.messages` is checked here, as the loop passes a run on unread.
Rule 3: no pydantic: a plain run costs its caller tens of microseconds.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from executor.checks import (
    NAME_CHARS_MAX,
    PATH_CHARS_MAX,
    arguments,
    environment,
    limits_from,
    listed,
    mount_from,
    run_limits,
    text_of,
)
from executor.errors import Misuse
from executor.kinds import check_limits, check_plan, kind_from
from protocol.frames import Buffer
from protocol.limits import Limits
from protocol.messages import Mount, RunLimits, Variable
from protocol.structs import field, frozen, mutable

if TYPE_CHECKING:
    from executor.functions import Functions
    from protocol.fields import Kind

FILES_MAX = 1_024
MOUNTS_MAX = 256
QUEUE_S_MAX = 7 * 24 * 3600.0

type Stream = Literal["stdout", "stderr"]
type HostFunction = Callable[..., Any]
type FunctionsGiven = Mapping[str, HostFunction] | Iterable[HostFunction]


class Readable(Protocol):
    """Live standard input: something to read from, such as `sys.stdin.buffer`."""

    def read(self, size: int, /) -> bytes | str:
        """Return up to `size` of what is there, nothing at the end."""
        ...


class SessionOptions(TypedDict, total=False):
    """What holds for every run of a session; each may say otherwise, but for mounts and kind.

    Args:
        limits: a `Limits`, or a dict of its fields that differ from the supervisor's.
        functions: host functions, by name or as a list, that `import host` offers to the guest.
        env: the guest's environment.
        argv: `sys.argv[1:]` in the guest.
        filename: what tracebacks call the code.
        mounts: directories of the host: `Mount(host_path, guest_path, writable)` or text,
            "SRC:DST", "SRC:DST:ro".
        kind: of sandbox: "wasm", "process" or "interpreter"; without it the supervisor's.
        keep_files: return what the guest leaves in its working directory as `outcome.files`.
        on_stdout, on_stderr: called with each piece of text as it comes.
        on_log: called with each `Entry` of the guest's `logging`.
        on_output: called with "stdout" or "stderr" and each piece of it, in bytes, as it comes.
        on_progress: called with each `Note`.
        tenant: on whose behalf; cells are shared fairly between tenants.
        priority: -100 to 100; higher is served first.
        queue_timeout_s: seconds to wait for a cell before `Refused`; None waits.
    """

    limits: Limits | Mapping[str, Any] | None
    functions: FunctionsGiven | None
    env: Mapping[str, str] | None
    argv: Sequence[str]
    filename: str
    mounts: Iterable[Mount | str]
    kind: Kind
    keep_files: bool
    on_stdout: Callable[[str], object] | None
    on_stderr: Callable[[str], object] | None
    on_log: Callable[[Any], object] | None
    on_output: Callable[[Stream, bytes], object] | None
    on_progress: Callable[[Any], object] | None
    tenant: str
    priority: int
    queue_timeout_s: float | None


class RunOptions(SessionOptions, total=False):
    """What may be asked of one run, besides what `SessionOptions` lists.

    Args:
        module: a .wasm program to run instead of Python code: its path, or its bytes.
        args: the arguments of the program, the same as `argv`.
        inputs: names and values that become the guest's globals; any value that
            `protocol.values` carries.
        result: the global whose value is the run's value, instead of the last expression.
        mode: "cell" takes the value of a last expression, "script" does not.
        files: small files by value, by name relative to the guest's working directory.
        stdin: standard input: bytes, text, or an object with `read` for live input.
    """

    module: str | os.PathLike[str] | bytes | None
    args: Sequence[str]
    inputs: Mapping[str, object] | None
    result: str | None
    mode: Literal["cell", "script"]
    files: Mapping[str, bytes | bytearray | memoryview | str] | None
    stdin: bytes | str | Readable


KNOWN = RunOptions.__required_keys__ | RunOptions.__optional_keys__


@mutable
class Plan:
    """One run, checked and encoded, before it has a number and a place."""

    limits: Limits
    run_limits: RunLimits
    source: Buffer
    kind: Kind = "wasm"
    program: Literal["python", "module"] = "python"
    mode: Literal["cell", "script"] = "cell"
    filename: str = "main.py"
    argv: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    result: str = ""
    functions: Functions | None = None
    mounts: tuple[Mount, ...] = ()
    keep_files: bool = False
    inputs: Buffer | None = None
    out_of_band: Sequence[Buffer] = ()
    stdin: bytes | None = None
    live_stdin: Readable | None = None
    file_names: tuple[str, ...] = ()
    file_data: Sequence[Buffer] = ()
    on_stdout: Callable[[str], object] | None = None
    on_stderr: Callable[[str], object] | None = None
    on_log: Callable[[Any], object] | None = None
    on_output: Callable[[Stream, bytes], object] | None = None
    on_progress: Callable[[Any], object] | None = None
    tenant: str = ""
    priority: int = 0
    queue_ms: int = 7 * 24 * 3600 * 1000
    session: int = 0
    session_new: bool = False
    #: 0 for whichever pool fits the limits.
    pool: int = 0
    encode_s: float = 0.0

    @property
    def writes_files(self) -> bool:
        """True if the guest gets a folder of its own; every session has one."""
        return bool(self.file_names) or self.keep_files or self.session_new

    @property
    def is_streamed(self) -> bool:
        """True if output is wanted as it comes."""
        return (
            self.on_stdout is not None or self.on_stderr is not None or self.on_output is not None
        )

    @property
    def is_watched(self) -> bool:
        """True if something of the caller's has to be called while the run is at hand."""
        return (
            self.functions is not None
            or self.live_stdin is not None
            or self.is_streamed
            or self.on_log is not None
            or self.on_progress is not None
        )


@frozen
class Defaults:
    """What a supervisor gives to runs that do not say otherwise."""

    limits: Limits = field(default_factory=Limits)
    functions: Functions | None = None
    tenant: str = ""
    kind: Kind = "wasm"


def make_defaults(
    limits: Limits | Mapping[str, Any] | None,
    functions: FunctionsGiven | None,
    tenant: str,
    kind: Kind = "wasm",
) -> Defaults:
    """Check what a supervisor gives to its runs.

    Raises:
        Misuse: something in it can never work.
    """
    table: Functions | None = None
    if functions:
        from executor.functions import Functions

        table = Functions.of(functions)
    given = limits_from(limits, Limits())
    check_limits(kind, given)
    return Defaults(given, table, text_of(tenant, "tenant", NAME_CHARS_MAX), kind)


def make_plan(code: str | None, options: RunOptions, defaults: Defaults) -> Plan:
    """Check what a caller asks for.

    Args:
        code: Python source; None where `options` has a module.
        options: everything else.
        defaults: the supervisor's.

    Raises:
        Misuse: something in it can never work.
        TypeError: an option that does not exist.
    """
    if not options:  # the hot path: nothing to check but the code
        source = _source(code)
        return Plan(
            defaults.limits,
            run_limits(defaults.limits),
            source,
            defaults.kind,
            functions=defaults.functions,
            tenant=defaults.tenant,
        )
    unknown = options.keys() - KNOWN
    if unknown:
        raise TypeError(f"run() got an unexpected keyword argument {min(unknown)!r}")
    module = options.get("module")
    if module is not None and code is not None:
        raise Misuse("module", "code and module exclude each other; give one of them")
    limits = limits_from(options.get("limits"), defaults.limits)
    plan = Plan(
        limits,
        run_limits(limits),
        _source(code) if module is None else b"",
        kind_from(options.get("kind", defaults.kind)),
        program="python" if module is None else "module",
        functions=defaults.functions,
        tenant=options.get("tenant", defaults.tenant),
        keep_files=bool(options.get("keep_files", False)),
    )
    check_plan(plan)
    _take_program(plan, options)
    _take_inputs(plan, options.get("inputs"))
    _take_files(plan, options.get("files"))
    _take_stdin(plan, options.get("stdin", b""))
    _take_callbacks(plan, options)
    _take_place(plan, options)
    if env := options.get("env"):
        plan.env = environment(env)
    if mounts := options.get("mounts"):
        plan.mounts = tuple(map(mount_from, listed(mounts, "mounts")))
        if len(plan.mounts) > MOUNTS_MAX:
            raise Misuse("mounts", f"{len(plan.mounts)} are over {MOUNTS_MAX}")
    if functions := options.get("functions"):
        from executor.functions import Functions

        plan.functions = Functions.of(functions, beside=defaults.functions)
    return plan


def _source(code: str | None) -> bytes:
    if isinstance(code, str):
        try:
            return code.encode()
        except UnicodeEncodeError as error:
            raise Misuse("code", f"holds a lone surrogate at character {error.start}") from None
    if code is None:
        raise Misuse("code", "give Python source, or module= for a .wasm program")
    raise Misuse("code", f"must be text, not {type(code).__name__}")


def _take_program(plan: Plan, options: RunOptions) -> None:
    argv, args = options.get("argv", ()), options.get("args", ())
    if argv and args:
        raise Misuse("args", "args and argv are the same thing; give one of them")
    plan.argv = arguments(args, "args") if args else arguments(argv, "argv")
    filename = options.get("filename", "main.py" if plan.program == "python" else "program.wasm")
    plan.filename = text_of(filename, "filename", PATH_CHARS_MAX)
    if not filename:
        raise Misuse("filename", "must not be empty")
    mode = options.get("mode", "cell")
    if mode not in ("cell", "script"):
        raise Misuse("mode", f'must be "cell" or "script", not {mode!r}')
    plan.mode = mode
    if result := options.get("result"):
        if not isinstance(result, str) or not result.isidentifier():
            raise Misuse("result", f"must be the name of a global, not {result!r}")
        plan.result = text_of(result, "result", NAME_CHARS_MAX)


def _take_inputs(plan: Plan, inputs: Mapping[str, object] | None) -> None:
    if not inputs:
        return
    if plan.program == "module":
        raise Misuse("inputs", "a .wasm program has no globals; give args, stdin or files")
    from executor.inputs import encoded_inputs

    began = time.perf_counter()
    encoded = encoded_inputs(inputs)
    plan.inputs, plan.out_of_band = encoded.body, encoded.buffers
    plan.encode_s = time.perf_counter() - began


def _take_files(
    plan: Plan, files: Mapping[str, bytes | bytearray | memoryview | str] | None
) -> None:
    if not files:
        return
    if not isinstance(files, Mapping):
        raise Misuse("files", f"must map names to contents, not be a {type(files).__name__}")
    if len(files) > FILES_MAX:
        raise Misuse("files", f"{len(files)} are over {FILES_MAX}; mount a directory instead")
    names, contents = list(files), list[Buffer]()
    for name, data in files.items():
        label = f"files[{name!r}]"
        _check_file_name(name, label)
        if isinstance(data, str):
            contents.append(data.encode())
        elif isinstance(data, bytes | bytearray | memoryview):
            contents.append(bytes(data) if isinstance(data, memoryview) else data)
        else:
            raise Misuse(label, f"must be bytes or text, not {type(data).__name__}")
    folders = {name[:at] for name in names for at, char in enumerate(name) if char == "/"}
    if clash := folders & set(names):
        raise Misuse(f"files[{min(clash)!r}]", "is a file and the folder of another file")
    plan.file_names, plan.file_data = tuple(names), contents


def _check_file_name(name: object, label: str) -> None:
    if not isinstance(name, str) or not name:
        raise Misuse(label, "must be named by text")
    text_of(name, label, PATH_CHARS_MAX)
    if name.startswith("/"):
        raise Misuse(label, "must be relative to the guest's working directory; drop the first /")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise Misuse(label, 'must be a plain relative name such as "data/in.csv", without ".."')


def _take_stdin(plan: Plan, stdin: object) -> None:
    if isinstance(stdin, str):
        plan.stdin = stdin.encode("utf-8", "surrogateescape") or None
    elif isinstance(stdin, bytes | bytearray):
        plan.stdin = bytes(stdin) or None
    elif callable(getattr(stdin, "read", None)):
        plan.live_stdin = stdin  # type: ignore[assignment]  # it has `read`, checked above
    else:
        raise Misuse("stdin", f"must be bytes, text or have read(), not {type(stdin).__name__}")


def _take_callbacks(plan: Plan, options: RunOptions) -> None:
    for name in ("on_stdout", "on_stderr", "on_output", "on_log", "on_progress"):
        callback = options.get(name)
        if callback is None:
            continue
        if not callable(callback):
            raise Misuse(name, f"must be callable, not {type(callback).__name__}")
        setattr(plan, name, callback)


def _take_place(plan: Plan, options: RunOptions) -> None:
    text_of(plan.tenant, "tenant", NAME_CHARS_MAX)
    priority = options.get("priority", 0)
    if type(priority) is not int or not -100 <= priority <= 100:
        raise Misuse("priority", f"must be an int from -100 to 100, not {priority!r}")
    plan.priority = priority
    wait_s = options.get("queue_timeout_s")
    if wait_s is not None:
        if isinstance(wait_s, bool) or not isinstance(wait_s, int | float):
            raise Misuse("queue_timeout_s", f"must be seconds as a float, not {wait_s!r}")
        if not 0 <= wait_s <= QUEUE_S_MAX:
            raise Misuse("queue_timeout_s", f"must be 0 to {QUEUE_S_MAX:g}, not {wait_s!r}")
        plan.queue_ms = math.ceil(wait_s * 1_000)
