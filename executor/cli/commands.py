"""Picks the command and turns whatever went wrong into an exit code.

Rule: what fails on our side is one line on standard error and exit code 125, or 2 where the
command line itself is at fault; the traceback of our own code shows with CELLBLOCK_DEBUG=1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from executor.cli import verdicts
from executor.cli.flags import FLAGS, HELP, Parsed, UsageError, parse
from executor.cli.screen import STDERR_FD, STDOUT_FD, write_all
from executor.cli.signals import Endings, Interrupted


def run_command(argv: Sequence[str]) -> int:
    """Obey a command line and return its exit code; nothing escapes but a second signal."""
    endings = Endings()
    try:
        endings.install()
        return _obey(argv, endings)
    except Interrupted as ending:
        return ending.exit_code
    except UsageError as error:
        complain(str(error))
        return verdicts.USAGE
    except BrokenPipeError:
        return verdicts.BROKEN_PIPE
    except Exception as error:
        if os.environ.get("CELLBLOCK_DEBUG"):
            raise
        complain(f"failed: {describe(error)}")
        return verdicts.FAILED


_OURS = ("executor.", "sandboxes.", "protocol.")


def describe(error: BaseException) -> str:
    """Return an error of ours on one line."""
    text = " ".join(str(error).split())
    return (
        text
        if text and type(error).__module__.startswith(_OURS)
        else (f"{type(error).__name__}: {text}" if text else type(error).__name__)
    )


def say(text: str) -> None:
    """Write to standard output, whole.

    Raises:
        BrokenPipeError: nobody reads it.
    """
    write_all(STDOUT_FD, text.encode("utf-8", "backslashreplace"))


def complain(text: str) -> None:
    """Write one line to standard error; if nobody reads it, so be it."""
    try:  # noqa: SIM105 - contextlib is not loaded yet on this path
        write_all(STDERR_FD, f"cellblock: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def _obey(argv: Sequence[str], endings: Endings) -> int:
    name, rest = (argv[0], argv[1:]) if argv else ("", ())
    if name in ("-h", "--help", "help"):
        return _help(" ".join(rest[:2]) if name == "help" else "")
    if name in ("--version", "-V", "version"):
        from executor.cli.version import VERSION

        say(f"cellblock {VERSION}\n")
        return verdicts.OK
    if name == "image" and rest and rest[0] in ("build", "list", "prune"):
        name, rest = f"image {rest[0]}", rest[1:]
    if name not in FLAGS:
        raise UsageError(_no_such_command(name))
    parsed = parse(name, rest, os.environ)
    if parsed.on(HELP.name):
        return _help(name)
    return _COMMANDS[name](parsed, endings)


def _run(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.run import run

    return run(parsed, endings)


def _repl(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.repl import repl

    return repl(parsed, endings)


def _submit(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.submit import submit

    return submit(parsed, endings)


def _workers(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.workers import workers

    return workers(parsed)


def _worker(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.worker import worker

    return worker(parsed, endings)


def _image(parsed: Parsed, endings: Endings) -> int:
    raise UsageError("say what to do: cellblock image build, cellblock image list or prune")


def _image_build(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.images import build

    return build(parsed)


def _image_list(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.images import show

    return show(parsed)


def _image_prune(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.images import prune

    return prune(parsed)


def _doctor(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.doctor import doctor

    return doctor(parsed)


def _audit(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.audit import audit

    return audit(parsed)


def _schema(parsed: Parsed, endings: Endings) -> int:
    no_words(parsed, "schema")
    import json

    from protocol.schema import export

    say(json.dumps(export(), indent=2) + "\n")
    return verdicts.OK


def _completion(parsed: Parsed, endings: Endings) -> int:
    from executor.cli.completion import SHELLS, script

    if len(parsed.words) != 1 or parsed.words[0] not in SHELLS:
        raise UsageError(f"name one shell: cellblock completion {'|'.join(SHELLS)}")
    say(script(parsed.words[0]))
    return verdicts.OK


_COMMANDS: dict[str, Callable[[Parsed, Endings], int]] = {
    "run": _run,
    "repl": _repl,
    "worker": _worker,
    "submit": _submit,
    "workers": _workers,
    "image": _image,
    "image build": _image_build,
    "image list": _image_list,
    "image prune": _image_prune,
    "doctor": _doctor,
    "audit": _audit,
    "schema": _schema,
    "completion": _completion,
}


def no_words(parsed: Parsed, command: str) -> None:
    """Refuse words for a command that takes none."""
    if parsed.words:
        raise UsageError(f"cellblock {command} takes no {parsed.words[0][:80]!r}")


def _help(command: str) -> int:
    from executor.cli.help import TEXTS

    if command not in TEXTS:
        raise UsageError(_no_such_command(command))
    say(TEXTS[command])
    return verdicts.OK


def _no_such_command(name: str) -> str:
    if not name:
        return "say what to do: cellblock run FILE, or cellblock --help"
    if os.path.exists(name):
        return f"no command {name[:80]!r}; to run the file: cellblock run {name[:80]}"
    import difflib

    near = difflib.get_close_matches(name, FLAGS, 1)
    return f"no command {name[:80]!r}; " + (
        f"did you mean {near[0]}?" if near else "see cellblock --help"
    )
