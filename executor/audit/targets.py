"""What attacks may attack: made for one attack, looked at from outside afterwards, removed again.

    canary/secret   a file that only the host can know; the host's directory must not change
    mount/file      what a guest is given where the attack asks for a mount
    ports, paths    listeners on loopback and on Unix sockets
    sentinel        a process of the host's that must live on as it is

`Surroundings` are made once for an audit: a variable in our environment and an open descriptor, as
a careless host would have them when it starts a supervisor.

Rule: a secret is never part of a report; `Secrets.hide` takes it out of whatever is shown.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from executor.audit.attack import CLAIM, Attack
from executor.errors import Misuse
from sandboxes.jail.identity import PLAIN_UID
from sandboxes.jail.probes.listeners import Listeners

VARIABLE: Final = "CELLBLOCK_AUDIT_CANARY"
EVIDENCE_CHARS_MAX: Final = 300
#: Of a protected file: what is looked for, and how short a line says nothing.
PROTECTED_CHARS_MAX: Final = 1 << 16
PROTECTED_CHARS_MIN: Final = 8
MOUNTED_AT: Final = "/given"
MOUNTED: Final = b"as it was given\n"
_LEAK_FROM: Final = 60
_IS_ROOT: Final = hasattr(os, "getuid") and os.getuid() == 0
_SLEEP_S: Final = "600"


class Secrets:
    """What nobody but the host can know, and the ways in which it may show."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def new(self, name: str) -> str:
        """Return a new secret that is called `name` in evidence."""
        text = secrets.token_hex(16)
        self._texts[text] = name
        return text

    def keep(self, path: pathlib.Path) -> None:
        """Take the lines of a file of the host's for secrets.

        Raises:
            Misuse: the file cannot be read, or has no line that could be recognised.
        """
        try:
            lines = path.read_text("utf-8", "replace")[:PROTECTED_CHARS_MAX].splitlines()
        except OSError as error:
            raise Misuse("protect", f"{path}: {error.strerror}") from None
        known = [line.strip() for line in lines if len(line.strip()) >= PROTECTED_CHARS_MIN]
        if not known:
            problem = f"{path}: no line has {PROTECTED_CHARS_MIN} characters to know it by"
            raise Misuse("protect", problem)
        self._texts |= dict.fromkeys(known, f"the protected file {path.name}")

    def found_in(self, text: str) -> str:
        """Return the name of a secret that shows in `text`, "" if none does."""
        for secret, name in self._texts.items():
            if any(form in text for form in _forms(secret)):
                return name
        return ""

    def hide(self, text: str) -> str:
        """Return `text` on one line, clipped, and with no secret in it."""
        for secret, name in self._texts.items():
            for form in _forms(secret):
                text = text.replace(form, f"[{name}]")
        text = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
        return text if len(text) <= EVIDENCE_CHARS_MAX else f"{text[:EVIDENCE_CHARS_MAX]}..."


def _forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it is, backwards, in hexadecimal, and the digest of a file that is it."""
    return (
        secret,
        secret[::-1],
        secret.encode().hex(),
        hashlib.sha256(secret.encode()).hexdigest(),
    )


class Surroundings:
    """What all attacks of an audit have in common. A context manager."""

    def __init__(
        self, protect: Iterable[pathlib.Path] = (), places: Iterable[pathlib.Path] = ()
    ) -> None:
        """Make them.

        Args:
            protect: files of the host's that no guest may read.
            places: directories of the host's that no guest may see into.
        """
        self._undo = contextlib.ExitStack()
        self.secrets = Secrets()
        self.protected = tuple(path.resolve() for path in protect)
        self.places = tuple(path.resolve() for path in places)
        for path in self.protected:
            self.secrets.keep(path)
        self.base = tempfile.mkdtemp(prefix="cellblock-audit-")
        self._undo.callback(shutil.rmtree, self.base, ignore_errors=True)
        open_to_all(self.base)
        self.variable = self.secrets.new("the host's environment")
        os.environ[VARIABLE] = self.variable
        self._undo.callback(os.environ.pop, VARIABLE, None)
        leaked = os.path.join(self.base, "leaked")
        write(leaked, self.secrets.new("a descriptor of the host's").encode(), 0o600)
        with open(leaked) as file:
            self.leak = fcntl.fcntl(file, fcntl.F_DUPFD, _LEAK_FROM)
        self._undo.callback(os.close, self.leak)

    def __enter__(self) -> Surroundings:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()


class Targets:
    """What one attack may attack. A context manager."""

    def __init__(self, around: Surroundings, attack: Attack, *, is_native: bool = False) -> None:
        """Make them.

        Args:
            around: what they have in common with others.
            attack: whose they are.
            is_native: for a guest without a sandbox, which is no root and has no mounts: what the
                host would mount for it belongs to it.
        """
        self._undo = contextlib.ExitStack()
        self.around = around
        self.secrets = Secrets()
        self.secret = self.secrets.new("the canary")
        self.base = tempfile.mkdtemp(dir=around.base)
        self._undo.callback(shutil.rmtree, self.base, ignore_errors=True)
        self.canary = os.path.join(self.base, "canary")
        self.mount = os.path.join(self.base, "mount")
        self.file = os.path.join(self.canary, "secret")
        for folder in (self.base, self.canary, self.mount):
            os.makedirs(folder, exist_ok=True)
            open_to_all(folder)
        write(self.file, self.secret.encode(), 0o644)
        write(os.path.join(self.mount, "file"), MOUNTED, 0o644)
        os.symlink(self.file, os.path.join(self.mount, "link-out"))
        if _IS_ROOT:  # whoever attacks owns them: it is walls that hold, and not modes of files
            owned = (
                [] if attack.hole is not None and attack.hole.mount else [self.canary, self.file]
            )
            if is_native:
                owned += [self.mount, os.path.join(self.mount, "file")]
            for path in owned:
                os.chown(path, PLAIN_UID, PLAIN_UID)
        self._planted: list[str] = []
        if attack.hole is not None:
            for place in around.places:
                self._plant(place)
        self._listeners: Listeners | None = None
        self._sentinel: subprocess.Popen[bytes] | None = None
        text = attack.guest + attack.then
        if _ADDRESS.search(text):
            self._listeners = self._undo.enter_context(Listeners(self.base))
        if 'target["sentinel"]' in text:
            self._sentinel = _start_sentinel()
            self._undo.callback(_end, self._sentinel)
        self._given_writable = attack.mount == "rw"
        self.before = self.state()
        self.sentinel_before = self.sentinel_state()

    def __enter__(self) -> Targets:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def told(self, *, mount: str, start: str = "/", mounts: Sequence[str] = ()) -> dict[str, Any]:
        """Return the guest's global `target`.

        Args:
            mount: where the mounted directory is for this guest.
            start: where a guest that looks for everything begins.
            mounts: where else something is mounted.
        """
        told: dict[str, Any] = {
            "claim": CLAIM,
            "file": self.file,
            "dir": self.canary,
            "mount": mount,
            "mount_source": self.mount,
            "start": start,
            "mounts": list(mounts),
            "protected": [str(path) for path in self.around.protected],
            "planted": [os.path.join(folder, "secret") for folder in self._planted],
            "planted_dirs": list(self._planted),
            "variable": VARIABLE,
            "descriptor": self.around.leak,
            "host_pid": os.getpid(),
            "platform": sys.platform,
        }
        if self._sentinel is not None:
            told["sentinel"] = self._sentinel.pid
        if self._listeners is not None:
            addresses = self._listeners.addresses()
            told |= {
                "tcp": addresses.tcp4_port,
                "tcp6": addresses.tcp6_port,
                "udp": addresses.udp_port,
                "unix": addresses.stream_path,
                "abstract": addresses.stream_name,
                "datagram": addresses.datagram_path,
            }
        return told

    def _plant(self, place: pathlib.Path) -> None:
        """Put a canary into a directory of the host's, for as long as the attack takes.

        Raises:
            Misuse: it cannot be written to.
        """
        try:
            folder = tempfile.mkdtemp(prefix=".cellblock-audit-", dir=place)
        except OSError as error:
            raise Misuse("places", f"{place}: {error.strerror}") from None
        self._undo.callback(shutil.rmtree, folder, ignore_errors=True)
        open_to_all(folder)
        write(os.path.join(folder, "secret"), self.secret.encode(), 0o644)
        self._planted.append(folder)

    # --- judging ---------------------------------------------------------------------------------
    def state(self) -> dict[str, object]:
        """Return what may not change: names, modes, times and contents."""
        state: dict[str, object] = {}
        folders = [self.canary] if self._given_writable else [self.canary, self.mount]
        for folder in (*folders, *self._planted):
            for place, names, files in os.walk(folder):
                for name in (".", *names, *files):
                    path = os.path.join(place, name)
                    found = os.lstat(path)
                    state[os.path.relpath(path, self.base)] = (
                        found.st_mode,
                        found.st_size,
                        found.st_mtime_ns,
                        found.st_nlink,
                    )
        return state

    def changes(self) -> list[str]:
        """Return the names of what is not as it was."""
        now = self.state()
        return sorted(
            name for name in now.keys() | self.before if now.get(name) != self.before.get(name)
        )

    def heard(self) -> bool:
        """Return whether anybody spoke to a listener since the last call."""
        return self._listeners is not None and self._listeners.heard()

    def sentinel_state(self) -> object:
        """Return what others may do to the sentinel."""
        if self._sentinel is None:
            return None
        if self._sentinel.poll() is not None:
            return f"ended with {self._sentinel.returncode}"
        pid = self._sentinel.pid
        try:
            with open(f"/proc/{pid}/stat") as stat:
                is_stopped = stat.read().rpartition(")")[2].split()[0] in "Tt"
            with open(f"/proc/{pid}/limits") as limits:
                files = next(line for line in limits if line.startswith("Max open files"))
            return is_stopped, files, os.getpriority(os.PRIO_PROCESS, pid)
        except (OSError, StopIteration):
            return "gone"

    def sentinel_harmed(self, patience_s: float = 0.1) -> bool:
        """Return whether the sentinel is not as it was; a signal may take a moment to arrive."""
        until = time.monotonic() + patience_s
        while self.sentinel_state() == self.sentinel_before:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True

    def leaked_in(self, text: str) -> str:
        """Return the name of a secret that shows in `text`, "" if none does."""
        return self.secrets.found_in(text) or self.around.secrets.found_in(text)

    def hide(self, text: str) -> str:
        """Return `text` as it may be shown."""
        return self.secrets.hide(self.around.secrets.hide(text))


_ADDRESS: Final = re.compile(r"target\[.(tcp6?|udp|unix|abstract|datagram).\]")


def _start_sentinel() -> subprocess.Popen[bytes]:
    sleep = shutil.which("sleep") or "/bin/sleep"
    return subprocess.Popen(  # noqa: S603 - a program of the system, our own argument
        [sleep, _SLEEP_S],
        user=PLAIN_UID if _IS_ROOT else None,
        group=PLAIN_UID if _IS_ROOT else None,
        extra_groups=() if _IS_ROOT else None,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def open_to_all(folder: str) -> None:
    """Let every user look into a folder: it is walls that hold, and not modes of files."""
    os.chmod(folder, 0o755)  # noqa: S103 - see above


def write(path: str, data: bytes, mode: int) -> None:
    """Write a file of a mode."""
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
