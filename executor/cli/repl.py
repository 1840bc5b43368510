"""`cellblock repl`: an interactive session with a guest.

The guest's own Python decides whether an input is complete and how a value is shown, by its
standard library's `code` module: its syntax is that of the guest and not of ours, and a value never
has to cross. So each line is one short run in the session, with the run's limits.

Rule: what ends a run (a limit, Ctrl-C) ends the guest's memory with it. The session then begins
afresh and says so; it never goes on as if nothing had been lost.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from executor.cli import verdicts
from executor.cli.flags import QUIET, RAW, Parsed
from executor.cli.screen import Screen
from executor.cli.signals import Endings, Interrupted
from executor.cli.terminal import Lines, PlainLines, TerminalLines
from executor.cli.version import VERSION

if TYPE_CHECKING:
    from executor import Outcome, Session
    from protocol.limits import Limits

PROMPT, MORE_PROMPT = ">>> ", "... "
HELP = """\
Each input runs in the sandbox, with a deadline and limits of its own.
  :help    show this
  :reset   forget all names and begin afresh
  :quit    leave (or Ctrl-D)
Ctrl-C ends what runs; that forgets all names, too.
"""

#: Run once in each session. `push` is kept in a module of its own, so that it is no global.
_PREPARE = """\
import code as _code, sys as _sys
_sys.modules["_cellblock_repl"] = type(_sys)("_cellblock_repl")
_sys.modules["_cellblock_repl"].push = (
    lambda source, shell=_code.InteractiveInterpreter(globals()):
        shell.runsource(source, "<stdin>", "single")
)
del _code, _sys
"""
_PUSH = '__import__("_cellblock_repl").push({source!r})'


class Exit(Exception):
    """The user, or the guest's `exit()`, leaves the session."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Repl:
    """The session behind the prompt. Lines in; says which prompt comes next."""

    def __init__(
        self,
        session: Session,
        limits: Limits,
        screen: Screen,
        options: dict[str, Any],
    ) -> None:
        self._session = session
        self._limits = limits
        self._screen = screen
        self._options = options
        self._lines: list[str] = []
        self._is_fresh = True

    @property
    def prompt(self) -> str:
        """What to ask the next line with."""
        return MORE_PROMPT if self._lines else PROMPT

    def forget_line(self) -> None:
        """Drop an input that is not complete, as after Ctrl-C at the prompt."""
        self._lines.clear()

    def end(self) -> int:
        """Run what was begun, as the end of a file ends its last block; return the exit code."""
        try:
            if self._lines:
                self.take("")
        except Exit as leaving:
            return leaving.code
        return verdicts.OK

    def take(self, line: str) -> None:
        """Take one line: a command, or one more line of an input, which runs once complete.

        Raises:
            Exit: the session is over.
        """
        if not self._lines and line.startswith(":"):
            self._obey(line[1:].strip())
            return
        if not self._lines and not line.strip():
            return
        self._lines.append(line)
        if self._push("\n".join(self._lines)):
            return
        self._lines.clear()

    def _obey(self, command: str) -> None:
        match command:
            case "reset":
                self._reset()
            case "quit" | "exit" | "q":
                raise Exit(verdicts.OK)
            case "help":
                self._screen.write("stdout", HELP.encode())
            case _:
                self._screen.line(f"no command :{verdicts.plain(command)}; see :help")

    def _reset(self) -> None:
        self._session.reset()
        self._is_fresh = True

    def _push(self, source: str) -> bool:
        """Run an input; return whether it needs more lines."""
        if self._is_fresh:
            self._prepare()
        outcome = self._run(_PUSH.format(source=source), mode="cell")
        self._screen.finish()
        if outcome.ok and isinstance(outcome.value, bool):
            return outcome.value
        if outcome.verdict in ("ok", "exit"):  # the guest left by `exit()` before it could answer
            raise Exit(verdicts.exit_code(outcome.verdict, outcome.exit_code))
        self._tell(outcome)
        self._reset()
        return False

    def _prepare(self) -> None:
        outcome = self._run(_PREPARE, mode="script", **self._options)
        if not outcome.ok:
            self._tell(outcome)
            raise Exit(verdicts.exit_code(outcome.verdict, outcome.exit_code))
        self._is_fresh = False

    def _run(self, source: str, **options: Any) -> Outcome:
        handle = self._session.start(source, filename="<stdin>", **options)
        try:
            return handle.result()
        except Interrupted:
            self._screen.note_typed()
            handle.cancel()
            return handle.result()

    def _tell(self, outcome: Outcome) -> None:
        detail = outcome.error.message if outcome.error else ""
        line = verdicts.verdict_line(
            outcome.verdict, self._limits, after_s=outcome.usage.wall_s, detail=detail
        )
        if line is None and outcome.error is not None:
            line = verdicts.plain(f"{outcome.error.name}: {detail}")
        self._screen.line(f"{line or outcome.verdict}; the session begins afresh")


def repl(parsed: Parsed, endings: Endings) -> int:
    """Talk until the user leaves; return the exit code.

    Raises:
        UsageError: the command line cannot be obeyed.
        ExecutorError: we could not do it.
    """
    from executor.cli import convert
    from executor.cli.commands import no_words
    from executor.cli.run import check_kind, guest_options, start_supervisor

    no_words(parsed, "repl")
    check_kind(parsed)
    limits = convert.limits_from(parsed)
    screen = Screen(raw=parsed.on(RAW.name))
    first = guest_options(parsed, dict(os.environ))
    with start_supervisor(parsed, limits) as supervisor:
        lasting = {name: first.pop(name) for name in ("mounts", "env") if name in first}
        with supervisor.session(on_output=screen.write, **lasting) as session:
            core = Repl(session, limits, screen, first)
            return _talk(core, screen, endings, greet=not parsed.on(QUIET.name))


def _talk(core: Repl, screen: Screen, endings: Endings, *, greet: bool) -> int:
    is_terminal = os.isatty(0)
    lines: Lines = TerminalLines(dict(os.environ)) if is_terminal else PlainLines()
    if greet and is_terminal:
        screen.write("stdout", f"cellblock {VERSION}: Python in a sandbox. :help\n".encode())
    with lines:
        while not screen.is_broken:
            try:
                endings.rearm()
                core.take(lines.read(core.prompt))
            except EOFError:
                screen.write("stdout", b"\n" if is_terminal else b"")
                return core.end()
            except Exit as leaving:
                return leaving.code
            except Interrupted as ending:
                if ending.exit_code != verdicts.INTERRUPTED:
                    return ending.exit_code
                core.forget_line()
                screen.write("stdout", b"\n")
    return verdicts.BROKEN_PIPE
