"""`cellblock submit`: what `cellblock run` does, on another machine.

Streams, result, files and exit codes are those of `run`. What differs is what cannot travel: there
are no volumes, images and programs, which are the machine's, and the guest's standard input is read
whole before the run is sent.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from executor.cli import convert
from executor.cli.flags import QUEUE_TIMEOUT, REPEAT, TENANT, Parsed, UsageError
from executor.cli.hub import access_from, queue_from
from executor.cli.program import Program, whole_input
from executor.cli.run import OneRun, guest_options, reported

if TYPE_CHECKING:
    from executor.cli.signals import Endings
    from executor.remote.api import RemoteSupervisor
    from protocol.limits import Limits

#: A server that is not there at once is waited for so long.
OPEN_WITHIN_S = 5.0


def submit(parsed: Parsed, endings: Endings) -> int:
    """Run what the command line says on another machine and return its exit code.

    Raises:
        UsageError: it cannot be obeyed.
        Interrupted: a signal came before the guest began.
        ExecutorError: we could not do it.
    """
    limits = convert.limits_from(parsed)
    program = Program.of(parsed)
    if program.kind == "module":
        raise UsageError("a .wasm program does not travel; run it here: cellblock run")
    options = guest_options(parsed, dict(os.environ)) | program.options(parsed)
    options |= _place(parsed)
    wants_input = options.pop("stdin", None) is not None

    def go() -> int:
        with _supervisor(parsed, limits) as supervisor:
            if wants_input and not os.isatty(0):
                options["stdin"] = whole_input(limits.wall_s)
            return OneRun(parsed, limits, endings).go(supervisor, program.source(), options)

    return reported(parsed, limits, go)


def _place(parsed: Parsed) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if tenant := parsed.last(TENANT.name):
        options["tenant"] = tenant.text
    if timeout := parsed.last(QUEUE_TIMEOUT.name):
        options["queue_timeout_s"] = convert.seconds(timeout)
    return options


def _supervisor(parsed: Parsed, limits: Limits) -> RemoteSupervisor:
    from executor.errors import Misuse
    from executor.remote.api import RemoteSupervisor

    try:
        return RemoteSupervisor(
            access_from(parsed),
            limits=limits,
            queue=queue_from(parsed),
            repeats=parsed.on(REPEAT.name, default=True),
            isolate="inline",
            open_within_s=OPEN_WITHIN_S,
        )
    except Misuse as error:
        raise UsageError(str(error)) from None
