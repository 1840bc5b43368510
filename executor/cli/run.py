"""`cellblock run`: one guest, once.

Its cell was launched before all this was imported (`executor.cli.main`). The command line is read
whole before the supervisor starts, which may have an image to build. This thread then waits for the
outcome; the guest's streams pass on a thread of the facade.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from executor.cli import convert, verdicts
from executor.cli.flags import (
    ENV,
    FILE,
    FUEL,
    IMAGE,
    INPUT,
    JAIL,
    JSON,
    KIND,
    OUT,
    PRELOAD,
    QUIET,
    RAW,
    RESULT,
    VOLUME,
    Given,
    Parsed,
    UsageError,
)
from executor.cli.program import Program
from executor.cli.screen import STDOUT_FD, Screen, write_all
from executor.cli.signals import Endings, Interrupted, leave_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from executor import Image, Outcome, RunHandle, Supervisor
    from protocol.limits import Limits

#: After a signal the guest's outcome is awaited this long; the loop kills a cell sooner.
ENDING_WAIT_S = 2.0
#: A signal that comes just before a wait for a lock begins is seen only when the wait is over.
SIGNALS_CHECK_S = 0.5


def run(parsed: Parsed, endings: Endings) -> int:
    """Run what the command line says and return its exit code.

    Raises:
        UsageError: it cannot be obeyed.
        Interrupted: a signal came before the guest began.
        ExecutorError: we could not do it.
    """
    limits = convert.limits_from(parsed)
    program = Program.of(parsed)
    check_kind(parsed, is_module=program.kind == "module")
    options = guest_options(parsed, dict(os.environ)) | program.options(parsed)

    def go() -> int:
        with start_supervisor(parsed, limits) as supervisor:
            if program.kind == "module":
                options["stdin"] = program.stdin(parsed, limits.wall_s)
            return OneRun(parsed, limits, endings).go(supervisor, program.source(), options)

    return reported(parsed, limits, go)


def reported(parsed: Parsed, limits: Limits, go: Callable[[], int]) -> int:
    """Do it and return its exit code; with `--json` a failure of ours is told in JSON, too.

    Raises:
        UsageError: as `go` does, and so are the rest.
        Interrupted: a signal came before the guest began.
        ExecutorError: we could not do it.
    """
    try:
        return go()
    except TimeoutError:
        from executor.cli.commands import complain

        complain(f"timeout after {limits.wall_s:.1f} s: standard input did not end (--no-stdin)")
        return verdicts.exit_code("timeout", None)
    except (UsageError, Interrupted, BrokenPipeError):
        raise
    except Exception as error:
        if not parsed.on(JSON.name):
            raise
        from executor.cli.commands import complain, describe
        from executor.cli.report import failure_json

        complain(f"failed: {describe(error)}")
        write_all(STDOUT_FD, failure_json(describe(error), verdicts.FAILED).encode() + b"\n")
        return verdicts.FAILED


def guest_options(parsed: Parsed, environ: dict[str, str]) -> dict[str, Any]:
    """Return what the guest is given: directories, files, variables, inputs.

    Raises:
        UsageError: some of it is malformed or missing.
    """
    options: dict[str, Any] = {}
    if volumes := parsed.all(VOLUME.name):
        from protocol.messages import Mount

        options["mounts"] = [Mount(*convert.volume(given)) for given in volumes]
    if files := parsed.all(FILE.name):
        options["files"] = dict(convert.memory_file(given) for given in files)
    if variables := parsed.all(ENV.name):
        options["env"] = dict(convert.variable(given, environ) for given in variables)
    if inputs := parsed.all(INPUT.name):
        options["inputs"] = dict(convert.entry(given) for given in inputs)
    if parsed.last(OUT.name):
        options["keep_files"] = True
    return options


def start_supervisor(parsed: Parsed, limits: Limits) -> Supervisor:
    """Return a supervisor for one run at a time, behind the walls that are asked for.

    Raises:
        UsageError: the image or the walls are none that we know.
    """
    from executor.api import Supervisor

    kind, image = convert.kind(parsed.last(KIND.name)), image_from(parsed)
    jail = convert.jail(parsed.last(JAIL.name))
    return Supervisor(image, kind=kind, limits=limits, cells=1, isolate="inline", jail=jail)


def image_from(parsed: Parsed) -> Image | None:
    """Return the image that `--image` or `--preload` means; None for the base image."""
    if given := parsed.last(IMAGE.name):
        from executor.cli.images import image_named

        return image_named(given)
    if modules := parsed.all(PRELOAD.name):
        from sandboxes.wasm.image import Image

        return Image(preload=[module.text for module in modules])
    return None


def check_kind(parsed: Parsed, *, is_module: bool = False) -> None:
    """Refuse what the kind of sandbox that is asked for does not have.

    Raises:
        UsageError: there is something; the text names the fix.
    """
    kind = convert.kind(parsed.last(KIND.name))
    if kind == "wasm":
        if modules := parsed.all(PRELOAD.name):
            fix = "use --image, or --kind process"
            raise UsageError(f"{modules[0].origin} is for native Python; {fix}")
        return
    if given := parsed.last(IMAGE.name):
        fix = "name modules that are installed here by --preload"
        raise UsageError(f"{given.origin} is for --kind wasm; {fix}")
    if given := parsed.last(FUEL.name):
        fix = f"a {kind} is bound by --timeout"
        raise UsageError(f"{given.origin} counts Wasm instructions; {fix}")
    if is_module:
        raise UsageError(f"--kind {kind} runs Python; a .wasm program needs --kind wasm")


class OneRun:
    """One run from its start to the command's exit code."""

    def __init__(self, parsed: Parsed, limits: Limits, endings: Endings) -> None:
        self._parsed = parsed
        self._limits = limits
        self._endings = endings
        self._screen = Screen(raw=parsed.on(RAW.name), on_broken=self._cancel)
        self._handle: RunHandle | None = None
        self._ending: Interrupted | None = None

    def go(self, supervisor: Supervisor, source: str | None, options: dict[str, Any]) -> int:
        """Run it, show it, and return the exit code."""
        self._endings.last_words = self._screen.finish
        if not self._parsed.on(JSON.name):
            options["on_output"] = self._screen.write
        self._handle = supervisor.start(source, **options)
        outcome = self._wait(self._handle)
        self._screen.finish()
        code = self._exit_code(outcome)
        if folder := self._parsed.last(OUT.name):
            self._keep(outcome, folder)
        if self._parsed.on(JSON.name):
            from executor.cli.report import outcome_json

            write_all(STDOUT_FD, outcome_json(outcome, code).encode() + b"\n")
        else:
            self._show(outcome)
        return code

    def _wait(self, handle: RunHandle) -> Outcome:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    return handle.result(timeout=SIGNALS_CHECK_S)
        except Interrupted as ending:
            self._ending = ending
            self._screen.note_typed()
            handle.cancel()
        try:
            return handle.result(timeout=ENDING_WAIT_S)
        except TimeoutError:
            # Our output is stuck in a reader who does not read, or the guest in its kill.
            leave_at_once(self._ending.exit_code, self._screen.finish)
            raise

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _exit_code(self, outcome: Outcome) -> int:
        if self._screen.failure is not None:
            return verdicts.FAILED
        if self._screen.is_broken:
            return verdicts.BROKEN_PIPE
        if self._ending is not None and outcome.verdict == "cancelled":
            return self._ending.exit_code
        return verdicts.exit_code(outcome.verdict, outcome.exit_code)

    def _show(self, outcome: Outcome) -> None:
        """Say what the streams did not: a traceback, the result, the verdict."""
        screen, parsed = self._screen, self._parsed
        error = outcome.error
        if outcome.verdict == "exception" and error is not None:
            text = error.traceback or f"{error.name}: {error.message}\n"
            screen.write("stderr", text.encode("utf-8", "backslashreplace"))
            screen.finish()
        if parsed.last(RESULT.name) and outcome.ok:
            from executor.cli.report import value_line

            screen.write("stdout", value_line(outcome.value).encode() + b"\n")
        if parsed.on(QUIET.name) or screen.is_broken:
            if screen.failure is not None:
                screen.line(f"failed: cannot write standard output: {screen.failure.strerror}")
            return
        for stream, cut, limit_bytes in (
            ("stdout", outcome.truncated.stdout, self._limits.stdout_bytes),
            ("stderr", outcome.truncated.stderr, self._limits.stderr_bytes),
        ):
            if cut:
                screen.line(verdicts.cut_line(stream, limit_bytes))
        line = verdicts.verdict_line(
            outcome.verdict,
            self._limits,
            after_s=outcome.usage.wall_s,
            detail=error.message if error else "",
        )
        if line is not None:
            screen.line(line)

    def _keep(self, outcome: Outcome, folder: Given) -> None:
        from executor.cli.keep import keep_files

        keep_files(outcome.files, folder.text)
