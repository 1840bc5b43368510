"""Positive controls: the same source in a process without its sandbox, which is thrown away.

    native     the guest alone
    careless   then what a host does that believes what came out: it unpickles, evaluates, compares
    loop       the guest on a loop that also has to send heartbeats

Rule: the process is confined (`executor.audit.confine`), and killed when its time is over.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import time
from typing import Any, Final

from executor.audit.attack import Attack, Control, Harm
from executor.audit.judges import Seen
from executor.audit.targets import VARIABLE, Targets

#: An attack that takes longer has had its chance.
NATIVE_S: Final = 8.0
OUTPUT_BYTES_MAX: Final = 128 << 20
#: Heartbeats of the control of liveness: how often, and for how long.
BEAT_S: Final = 0.1
BEATS: Final = 9
_ERROR: Final = re.compile(r"[\w.]+(Error|Exception|Exit|Interrupt)\b")
_ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_BEGIN: Final = """\
import sys
sys.path.insert(0, {root!r})
from executor.audit.confine import confine
confine({parent})
import types
host = types.ModuleType("host")
host.__getattr__ = lambda name: lambda *args, **kwargs: None
sys.modules["host"] = host
sys.argv = ["main.py"]
class _Wire(types.ModuleType):
    pack_reply = staticmethod(lambda reply: "{{}}")
class _Ports(types.ModuleType):
    said = []
    def emit(self, kind, text):
        self.said.append((kind, text))
    def call(self, name, payload):
        self.said.append((name, payload))
        return ""
sys.modules["guest.wire"], sys.modules["guest.ports"] = _Wire("wire"), _Ports("ports")
target = {target!r}
result = None
"""
_RUN: Final = """
_code = compile({source!r}, "main.py", "exec", dont_inherit=True)
exec(_code, globals())
"""
#: As a careful host runs a guest in its own process, where that is taken for enough.
_GUARDED: Final = """
try:
    exec(compile({source!r}, "main.py", "exec", dont_inherit=True), globals())
except Exception:
    pass
"""
#: What a host must not do with what a guest gave it.
_BELIEVE: Final = """
import pickle
for _act in (
    lambda: pickle.loads(pickle.dumps(result)),
    lambda: eval(repr(result), {}),
    lambda: str(result),
    lambda: result == 0,
    lambda: hash(result),
    lambda: bool(result),
    lambda: list(result),
    lambda: float(result),
    lambda: result.value,
    lambda: format(result),
):
    try:
        _act()
    except BaseException:
        pass
"""
#: What a cell must not do with what a guest says to it.
_TRUST: Final = """
import base64, io, json, os, pickle, sys
def _pieces(text):
    line, _, rest = text.partition("\\n")
    header = json.loads(line)
    for entry in header.get("pieces", ()):
        if isinstance(entry, list):
            with open(entry[0], "rb") as file:
                file.seek(entry[2])
                yield file.read(entry[1])
        else:
            room = bytearray(abs(entry))
            piece, rest = rest[: len(room)], rest[len(room) :]
            yield base64.b64decode(piece, validate=True) if entry < 0 else piece.encode()
    if "verdict" in header:
        header["verdict"].upper()
        int(header.get("cpu_us", 0))
for _name, _text in sys.modules["guest.ports"].said:
    if isinstance(_name, str):
        [_arguments] = _pieces(_text)
        getattr(os, _name)(*json.loads(_arguments)[0])
    else:
        _level, _logger, _message, _fields = json.loads(_text)
        print({2: _logger}[_name], _message.strip())
for _piece in _pieces(sys.modules["guest.wire"].pack_reply(None)):
    print(_piece)
    if _piece[:1] == b"\\x80":
        pickle.loads(_piece)
"""
_END: Final = """
import os, sys
sys.stdout.flush()
os.write(1, {mark!r}.encode())
"""
_LOOP: Final = """
import os, time
def _beat():
    os.write({beats}, b".")
    time.sleep({beat_s})
_beat()
_beat()
try:
    exec(compile({source!r}, "main.py", "exec", dont_inherit=True), globals())
except BaseException:
    pass
while True:
    _beat()
"""


def run_native(attack: Attack, targets: Targets) -> Seen:
    """Run an attack's guests in one process without any wall, and say what came of it."""
    told = targets.told(mount=targets.mount, start=targets.base)
    mark = secrets.token_hex(16)
    run = _GUARDED if attack.harm is Harm.BROKE else _RUN
    text = begin(told) + run.format(source=attack.guest)
    if attack.then:
        text += run.format(source=attack.then)
    if attack.control is Control.CARELESS:
        text += _BELIEVE if attack.result else _TRUST
    process = start(text + _END.format(mark=mark), targets)
    output, ended = read(process, NATIVE_S)
    said = output.decode("utf-8", "replace")
    came_to_its_end = mark in said
    return Seen(
        text=said.replace(mark, ""),
        verdict=_how(process.returncode, ended=ended),
        error="" if came_to_its_end else last_error(said),
        grew_bytes=len(output),  # a host that keeps what comes holds this much
        broke="" if came_to_its_end or not ended else "the process that ran it died",
    )


def run_on_loop(attack: Attack, targets: Targets) -> Seen:
    """Run an attack on a loop that beats, and count the beats that do not come."""
    reader, writer = os.pipe()
    told = targets.told(mount=targets.mount, start=targets.base)
    loop = _LOOP.format(beats=writer, beat_s=BEAT_S, source=attack.guest)
    process = start(begin(told) + loop, targets, writer)
    os.close(writer)
    try:
        heard = _count_beats(reader, process)
    finally:
        os.close(reader)
        kill(process)
    return Seen(verdict="killed", beats=BEATS, missed=max(0, BEATS - heard))


def begin(told: dict[str, Any]) -> str:
    """Return what every disposable process does first."""
    return _BEGIN.format(root=_ROOT, parent=os.getpid(), target=told)


def start(text: str, targets: Targets, *given: int) -> subprocess.Popen[bytes]:
    """Start a process that runs a text and inherits what a careless host's would."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own attack
        [sys.executable, "-I", "-S", "-E", "-c", text],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=targets.canary,
        env={VARIABLE: targets.around.variable, "HOME": targets.canary, "PATH": os.defpath},
        pass_fds=(targets.around.leak, *given),
        start_new_session=True,
    )


def read(process: subprocess.Popen[bytes], within_s: float) -> tuple[bytes, bool]:
    """Return what it says and whether it ended by itself in time; it is dead then."""
    assert process.stdout is not None
    pieces, kept = [], 0
    until = time.monotonic() + within_s
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            if not selector.select(left):
                break
            data = os.read(process.stdout.fileno(), 1 << 16)
            if not data:
                break
            if kept < OUTPUT_BYTES_MAX:
                pieces.append(data)
                kept += len(data)
    ended = True
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        ended = False
    kill(process)
    return b"".join(pieces), ended


def _count_beats(reader: int, process: subprocess.Popen[bytes]) -> int:
    """Return how many beats come in the time of `BEATS`, from the first one on."""
    os.set_blocking(reader, False)
    heard, until = 0, time.monotonic() + NATIVE_S
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if not (data := os.read(key.fd, 1 << 16)):
                    selector.unregister(key.fileobj)
                elif key.fd == reader:
                    if not heard:
                        until = time.monotonic() + BEAT_S * BEATS
                    heard += len(data)
            if not selector.get_map():
                break
    return heard


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started in its session. Harmless if it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def last_error(said: str) -> str:
    """Return the last line of a traceback, "" if there is none."""
    if "Traceback" not in said:
        return ""
    line = said.rstrip().rpartition("\n")[2]
    return line if _ERROR.match(line) else ""


def _how(code: int, *, ended: bool) -> str:
    if not ended:
        return "killed when its time was over"
    return f"exit {code}" if code >= 0 else f"signal {-code}"
