"""The flags of every command as one table, and the parser that reads them. Pure.

Rule 1: a flag is described here once; parser, variables, completion and the help's test use it.
Rule 2: flags may stand before or after FILE. What follows `--` is the script's own. A flag that
        we do not know is an error and never quietly the script's: `run evil.py --timout 1` must
        not run without its limit.
Rule 3: a flag wins over its variable, and replaces all of it where it may be repeated.

argparse is not used on this path: its import costs 6 ms, and its REMAINDER cannot keep rule 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence


class UsageError(Exception):
    """The command line cannot be obeyed; the text names the flag and the fix. Exit code 2."""


class Flag:
    """One flag: how it is written, what it takes, which variable stands for it.

    A plain class: `dataclasses` costs 12 ms to import, before the cell could be started.
    """

    __slots__ = ("choices", "help", "long", "metavar", "repeats", "short", "variable")

    def __init__(
        self,
        long: str,
        help: str,  # noqa: A002 - the word that every parser uses
        *,
        metavar: str = "",
        short: str = "",
        repeats: bool = False,
        variable: str | None = None,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.long = long
        self.help = help
        self.metavar = metavar
        self.short = short
        self.repeats = repeats
        self.choices = choices
        named = "CELLBLOCK_" + long.removeprefix("--").replace("-", "_").upper()
        self.variable = named if variable is None else variable

    @property
    def is_switch(self) -> bool:
        """True if it takes no value; it may then also be written `--no-...`."""
        return not self.metavar

    @property
    def name(self) -> str:
        """What a parsed value is found under."""
        return self.long.removeprefix("--")


class Given:
    """One value as text, and what to call it in an error."""

    __slots__ = ("origin", "text")

    def __init__(self, origin: str, text: str) -> None:
        self.origin = origin
        self.text = text

    def __repr__(self) -> str:
        return f"Given({self.origin!r}, {self.text!r})"


class Parsed:
    """What was asked for: values by flag name, and the words that are no flags."""

    __slots__ = ("switches", "values", "words")

    def __init__(self) -> None:
        self.values: dict[str, list[Given]] = {}
        self.switches: dict[str, bool] = {}
        self.words: list[str] = []

    def last(self, name: str) -> Given | None:
        """Return the value of a flag that counts once."""
        found = self.values.get(name)
        return found[-1] if found else None

    def all(self, name: str) -> list[Given]:
        """Return every value of a flag that may be repeated."""
        return self.values.get(name, [])

    def on(self, name: str, *, default: bool = False) -> bool:
        """Return how a switch stands."""
        return self.switches.get(name, default)


TIMEOUT = Flag("--timeout", "wall time, such as 2, 0.5 or 500ms (default 30)", metavar="SECONDS")
MEMORY = Flag("--memory", "memory, such as 64MB or 64MiB (default 128MiB)", metavar="SIZE")
FUEL = Flag("--fuel", "Wasm instructions; counted only if given", metavar="COUNT")
STDOUT_LIMIT = Flag("--stdout-limit", "standard output kept (default 1MiB)", metavar="SIZE")
STDERR_LIMIT = Flag("--stderr-limit", "standard error kept (default 1MiB)", metavar="SIZE")
VALUE_LIMIT = Flag("--value-limit", "size of the result (default 16MiB)", metavar="SIZE")
FILES_LIMIT = Flag("--files-limit", "bytes written to files (default 16MiB)", metavar="SIZE")
VOLUME = Flag("--volume", "give a directory", metavar="SRC:DST[:ro]", short="-v", repeats=True)
FILE = Flag("--file", "give a copy of one file", metavar="NAME[=PATH]", repeats=True)
OUT = Flag("--out", "keep the files it wrote, in DIR", metavar="DIR")
ENV = Flag("--env", "set an environment variable", metavar="NAME[=VALUE]", short="-e", repeats=True)
INPUT = Flag("--input", "set a global; NAME=@FILE reads JSON", metavar="NAME=JSON", repeats=True)
RESULT = Flag("--result", "the global that is the result; _ is the last value", metavar="NAME")
IMAGE = Flag("--image", "a prebuilt image", metavar="IMAGE")
JAIL = Flag(
    "--jail",
    "kernel walls: full (default), light or none",
    metavar="WALLS",
    choices=("full", "light", "none"),
)
KIND = Flag(
    "--kind",
    "what it runs in: wasm (default), process or interpreter",
    metavar="KIND",
    choices=("wasm", "process", "interpreter"),
)
PRELOAD = Flag(
    "--preload", "a module to import first, of this Python's own", metavar="NAME", repeats=True
)
JSON = Flag("--json", "print the outcome as one JSON object")
QUIET = Flag("--quiet", "no verdict line", short="-q")
STDIN = Flag("--stdin", "pass standard input on (default)")
RAW = Flag("--raw", "terminal escapes pass as they are")
CODE = Flag("--code", "run this text", metavar="CODE", short="-c", variable="")
HELP = Flag("--help", "show this help", short="-h", variable="")
PACKAGE = Flag(
    "--package", "a requirement to add", metavar="NAME", short="-p", repeats=True, variable=""
)
NAME = Flag("--name", "call it this", metavar="NAME", variable="")
PREIMPORT = Flag("--preimport", "a module to import", metavar="NAME", repeats=True, variable="")
OPTIMIZE = Flag("--optimize", "merge and optimise its modules", variable="")
ALL = Flag("--all", "also what is current", variable="")
AUDITED = Flag("--kind", "wasm, process, interpreter or all", metavar="KIND", variable="")
ONLY = Flag("--only", "guarantees to attack, by comma", metavar="NAMES", variable="")
ATTACK = Flag("--attack", "one attack by its id", metavar="ID", repeats=True, variable="")
ATTACKS = Flag("--attacks", "a folder of attacks of one's own", metavar="DIR", variable="")
WITHOUT = Flag("--without", "leave a wall out", metavar="WALL", repeats=True, variable="")
HTML = Flag("--html", "write the report as a page", metavar="FILE", variable="")
JUNIT = Flag("--junit", "write the report as JUnit XML", metavar="FILE", variable="")
LIST = Flag("--list", "list the attacks and end", variable="")

NATS = Flag("--nats", "NATS servers (default nats://127.0.0.1:4222)", metavar="URL[,URL]")
QUEUE = Flag("--queue", "the queue of runs (default default)", metavar="NAME")
USER = Flag("--user", "NATS user", metavar="NAME")
PASSWORD_FILE = Flag("--password-file", "that user's password", metavar="FILE")
TOKEN_FILE = Flag("--token-file", "NATS token", metavar="FILE")
CREDS = Flag("--creds", "NATS credentials: JWT and seed", metavar="FILE")
NKEY = Flag("--nkey", "NATS user's seed", metavar="FILE")
TLS_CA = Flag("--tls-ca", "certificates to trust", metavar="FILE")
TLS_CERT = Flag("--tls-cert", "our own certificate", metavar="FILE")
TLS_KEY = Flag("--tls-key", "its key", metavar="FILE")
CELLS = Flag("--cells", "runs at the same time (default one on each CPU)", metavar="COUNT")
SLOTS = Flag("--slots", "runs at hand, waiting ones included (default 2 x cells)", metavar="COUNT")
LEASE = Flag("--lease", "silent for so long, it loses its runs (default 10)", metavar="SECONDS")
GIVE_UP = Flag("--give-up", "no connection for so long, it ends (default 600)", metavar="SECONDS")
DRAIN = Flag("--drain", "what goes on at SIGTERM may end (default 30)", metavar="SECONDS")
ISOLATE = Flag("--isolate", "where loop and link run: interpreter or process", metavar="KIND")
TENANT = Flag("--tenant", "on whose behalf", metavar="NAME")
QUEUE_TIMEOUT = Flag("--queue-timeout", "wait so long for a machine", metavar="SECONDS")
REPEAT = Flag("--repeat", "begin again on another machine if one is lost (default)")
WATCH = Flag("--watch", "go on until Ctrl-C", variable="")

LIMIT_FLAGS = (TIMEOUT, MEMORY, FUEL, STDOUT_LIMIT, STDERR_LIMIT, VALUE_LIMIT, FILES_LIMIT)
GIVE_FLAGS = (VOLUME, FILE, ENV, INPUT, IMAGE, KIND, PRELOAD)
#: Where other machines are, and who we are to them.
HUB_FLAGS = (
    NATS, QUEUE, USER, PASSWORD_FILE, TOKEN_FILE, CREDS, NKEY, TLS_CA, TLS_CERT, TLS_KEY,
)  # fmt: skip
END_FLAGS = (OUT, RESULT, JSON, QUIET, STDIN, RAW, HELP)
SUBMIT_FLAGS = (TENANT, QUEUE_TIMEOUT, REPEAT)
WORKER_FLAGS = (CELLS, SLOTS, LEASE, GIVE_UP, DRAIN, ISOLATE)

FLAGS: dict[str, tuple[Flag, ...]] = {
    "run": (CODE, *LIMIT_FLAGS, *GIVE_FLAGS, OUT, RESULT, JAIL, JSON, QUIET, STDIN, RAW, HELP),
    "repl": (*LIMIT_FLAGS, *GIVE_FLAGS, JAIL, QUIET, RAW, HELP),
    "submit": (CODE, *HUB_FLAGS, *SUBMIT_FLAGS, *LIMIT_FLAGS, FILE, ENV, INPUT, *END_FLAGS),
    "workers": (*HUB_FLAGS, JSON, WATCH, HELP),
    "worker": (*HUB_FLAGS, *WORKER_FLAGS, *LIMIT_FLAGS, IMAGE, JAIL, QUIET, HELP),
    "image": (HELP,),
    "image build": (NAME, PACKAGE, PREIMPORT, OPTIMIZE, QUIET, HELP),
    "image list": (JSON, HELP),
    "image prune": (ALL, QUIET, HELP),
    "doctor": (JSON, HELP),
    "audit": (
        *(AUDITED, ONLY, ATTACK, ATTACKS, WITHOUT, JAIL),
        *(LIST, JSON, HTML, JUNIT, QUIET, HELP),
    ),
    "schema": (HELP,),
    "completion": (HELP,),
}

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def parse(command: str, argv: Sequence[str], environ: Mapping[str, str]) -> Parsed:
    """Return what `argv`, then the variables, ask of `command`.

    Raises:
        UsageError: a flag is unknown, lacks its value, or has one it does not take.
    """
    flags = FLAGS[command]
    parsed = Parsed()
    spelled = {s: f for f in flags for s in (f.long, f.short) if s}
    negated = {"--no-" + f.name: f for f in flags if f.is_switch}
    words = iter(argv)
    while (word := next(words, None)) is not None:
        if word == "--":
            parsed.words += words
            break
        if len(word) < 2 or word[0] != "-":
            parsed.words.append(word)
            continue
        name, has_value, value = _split(word, spelled)
        if name in negated and not has_value:
            parsed.switches[negated[name].name] = False
            continue
        flag = spelled.get(name)
        if flag is None:
            raise UsageError(_unknown(command, word, name, [*spelled, *negated]))
        if flag.is_switch:
            parsed.switches[flag.name] = True
            if has_value and name == flag.long:
                raise UsageError(f"{name} takes no value: write {name} alone")
            if has_value:  # -qc CODE: short flags in one word
                words = itertools.chain(["-" + value], words)
            continue
        if not has_value:
            following = next(words, None)
            if following is None:
                raise UsageError(f"{name} needs a value: {name} {flag.metavar}")
            value = following
        _add(parsed, flag, Given(name, value))
    _add_variables(parsed, flags, environ)
    return parsed


def _split(word: str, spelled: Mapping[str, Flag]) -> tuple[str, bool, str]:
    """Cut `--flag=value` and `-cVALUE` into name, whether a value is attached, and the value."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, bool(equals), value
    short = spelled.get(word[:2])
    if short is not None and len(word) > 2:
        return word[:2], True, word[2:]
    return word, False, ""


def _add(parsed: Parsed, flag: Flag, given: Given) -> None:
    if flag.repeats:
        parsed.values.setdefault(flag.name, []).append(given)
    else:
        parsed.values[flag.name] = [given]


def _add_variables(parsed: Parsed, flags: Iterable[Flag], environ: Mapping[str, str]) -> None:
    """Fill in from the variables what no flag said. A variable that is empty says nothing."""
    for flag in flags:
        text = environ.get(flag.variable, "") if flag.variable else ""
        if not text or flag.name in parsed.values or flag.name in parsed.switches:
            continue
        if flag.is_switch:
            parsed.switches[flag.name] = _truth(flag.variable, text)
        else:
            for line in text.splitlines() if flag.repeats else (text,):
                if line.strip():
                    _add(parsed, flag, Given(flag.variable, line))


def _truth(variable: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in _TRUE + _FALSE:
        raise UsageError(f"{variable} must be 1 or 0, not {text[:40]!r}")
    return lowered in _TRUE


#: What `run` has and `submit` cannot have, and what to use.
_STAYS_HERE = {
    "-v": "directories do not travel; give copies: --file NAME[=PATH]",
    "--volume": "directories do not travel; give copies: --file NAME[=PATH]",
    "--image": "machines have their image; choose machines: --queue NAME",
    "--jail": "machines have their jail; choose machines: --queue NAME",
}


def _unknown(command: str, word: str, name: str, known: Sequence[str]) -> str:
    fix = _STAYS_HERE.get(name) or _STAYS_HERE.get(name[:2])
    if command == "submit" and fix is not None:
        return f"{name}: {fix}"
    import difflib

    near = difflib.get_close_matches(name, [k for k in known if k.startswith("--")], 1)
    hint = f"did you mean {near[0]}?" if near else f"see cellblock {command} --help"
    if command in ("run", "submit"):
        hint += f" To pass {word} to the script, put it after --"
    return f"unknown option {name}; {hint}"
