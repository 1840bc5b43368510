"""What this machine gives: every wall put up once, in a throw-away process.

Nothing is inferred from versions or settings, which say what should work; a container, a security
module or a missing option may say otherwise. Run as a script, this prints what it finds.

Rule 1: each trial runs in a forked process of its own, so none changes what the next one finds.
Rule 2: a trial looks at the effect: a limit is run into, a filter is seen to kill.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # run as a script, isolated: nothing of ours is on the path yet
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import json
import select
import signal
import time
from collections.abc import Callable

from protocol.structs import as_dict, frozen

#: Things that are no walls but are needed: by their name in a survey.
PROCESS_DESCRIPTORS, MOUNTS = "process descriptors", "mounts for cells"
OVERCOMMIT = "overcommit"

TIMEOUT_S = 20.0
_TEXT_BYTES_MAX = 1 << 20
_DETAIL_CHARS_MAX = 300


@frozen
class Finding:
    """One thing that was tried.

    Args:
        name: of a wall (`sandboxes.jail.plan.Wall`), or of another thing that is needed.
        present: it works here.
        detail: what was found, or why it does not work.
    """

    name: str
    present: bool
    detail: str = ""


@frozen
class Survey:
    """What one machine gives one user."""

    platform: str
    machine: str
    kernel: str
    is_root: bool
    findings: tuple[Finding, ...]

    def find(self, name: str) -> Finding:
        """Return what was found of a thing; what was not tried is not there."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        return Finding(name, False, f"not available on {self.platform}")

    def has(self, name: str) -> bool:
        """Return whether a thing works here."""
        return self.find(name).present


def look(python: str = sys.executable, *, timeout_s: float = TIMEOUT_S) -> Survey:
    """Try everything, in a new process, and return what was found.

    Args:
        python: the interpreter to run the trials in.
        timeout_s: after which the trials are killed; what was not found by then counts as missing.
    """
    if not sys.platform.startswith("linux"):
        return _bare()
    reading, writing = os.pipe()
    try:
        pid = os.posix_spawn(
            python,
            [python, "-I", "-S", "-E", os.path.abspath(__file__)],
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writing, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
        )
        os.close(writing)
        writing = -1
        text = _read_all(reading, timeout_s)
        try:
            os.kill(pid, signal.SIGKILL)
        finally:
            os.waitpid(pid, 0)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    return parse(text) if text else _bare()


def parse(text: bytes | str) -> Survey:
    """Return a survey from its JSON.

    Raises:
        ValueError: it is not the JSON of a survey.
    """
    try:
        plain = json.loads(text)
        findings = tuple(Finding(**finding) for finding in plain.pop("findings"))
        return Survey(**plain, findings=findings)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a survey: {error}") from error


def to_json(survey: Survey) -> str:
    """Return a survey as JSON."""
    findings = [as_dict(finding) for finding in survey.findings]
    return json.dumps(as_dict(survey) | {"findings": findings})


def _bare() -> Survey:
    """Return the survey of a platform without any wall of ours."""
    return Survey(sys.platform, _uname("machine"), _uname("release"), False, ())


def _uname(field: str) -> str:
    return str(getattr(os.uname(), field)) if hasattr(os, "uname") else ""


def _read_all(descriptor: int, timeout_s: float) -> bytes:
    text, until = b"", time.monotonic() + timeout_s
    while (left := until - time.monotonic()) > 0 and len(text) < _TEXT_BYTES_MAX:
        if select.select([descriptor], [], [], left)[0]:
            data = os.read(descriptor, 65_536)
            if not data:
                return text
            text += data
    return b""


# --- the process that tries ----------------------------------------------------------------------
def take() -> Survey:
    """Try everything here and now. For a process with one thread that is given up afterwards."""
    from sandboxes.jail.trials import trials

    findings = tuple(_try(name, trial) for name, trial in trials())
    return Survey(sys.platform, _uname("machine"), _uname("release"), os.geteuid() == 0, findings)


def _try(name: str, trial: Callable[[], str]) -> Finding:
    """Run one trial in a forked process; its text is the detail, its exception the reason."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            detail, status = trial(), 0
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
            detail = str(error) or type(error).__name__
        os.write(writing, detail[:_DETAIL_CHARS_MAX].encode())
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        detail = pipe.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Finding(name, status == 0, detail or ("" if status == 0 else f"ended with {status}"))


if __name__ == "__main__":
    print(to_json(take()))  # noqa: T201 - standard output is a pipe to `look`
