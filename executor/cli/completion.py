"""Shell completion: an `argparse` parser built from the table of flags, for `shtab` to print.

The parser is never used to parse. It gives each shell the commands, the flags, and which of them
take a file or a directory.
"""

from __future__ import annotations

import argparse

import shtab

from executor.cli.flags import ATTACKS, FILE, FLAGS, HTML, JUNIT, OUT, VOLUME, Flag

SHELLS = ("bash", "zsh", "fish", "tcsh")
SUMMARIES = {
    "run": "run a Python script or a WASI program once",
    "repl": "an interactive Python session in a sandbox",
    "worker": "run what others submit, on this machine",
    "submit": "run a Python script once, on another machine",
    "workers": "list the machines that run what is submitted",
    "image": "build, list and prune prebuilt images",
    "doctor": "say what this machine gives and what is missing",
    "audit": "attack the sandboxes here and say which promises hold",
    "schema": "print the JSON Schema of the protocol",
    "completion": "print shell completion",
}
IMAGE_SUMMARIES = {
    "build": "build an image",
    "list": "list the images in the cache",
    "prune": "delete images",
}


def script(shell: str) -> str:
    """Return the completion script for one of `SHELLS`."""
    return shtab.complete(build_parser(), shell)


def build_parser() -> argparse.ArgumentParser:
    """Return a parser that knows every command and flag, and nothing of what they do."""
    parser = argparse.ArgumentParser(prog="cellblock")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers()
    for name, summary in SUMMARIES.items():
        command = commands.add_parser(name, help=summary, description=summary, add_help=False)
        _add_flags(command, FLAGS[name])
        if name in ("run", "submit"):
            _completes(command.add_argument("file", help="a script or a WASI program"), shtab.FILE)
            _completes(command.add_argument("args", nargs="*", help="its arguments"), shtab.FILE)
        elif name == "completion":
            command.add_argument("shell", choices=SHELLS, help="the shell")
        elif name == "image":
            actions = command.add_subparsers()
            for action, text in IMAGE_SUMMARIES.items():
                sub = actions.add_parser(action, help=text, description=text, add_help=False)
                _add_flags(sub, FLAGS[f"image {action}"])
    return parser


def _add_flags(parser: argparse.ArgumentParser, flags: tuple[Flag, ...]) -> None:
    for flag in flags:
        names = [flag.short, flag.long] if flag.short else [flag.long]
        text = flag.help.replace("%", "%%")
        if flag.is_switch:
            if flag.variable:
                names.append("--no-" + flag.name)
            parser.add_argument(*names, action="store_true", help=text)
        else:
            choices = flag.choices or None
            action = parser.add_argument(*names, metavar=flag.metavar, choices=choices, help=text)
            if flag in (VOLUME, OUT, ATTACKS):
                _completes(action, shtab.DIRECTORY)
            elif flag in (FILE, HTML, JUNIT):
                _completes(action, shtab.FILE)


def _completes(action: argparse.Action, what: object) -> None:
    # This attribute is how shtab is told.
    action.complete = what  # type: ignore[attr-defined]
