"""The positive control of lies: a host that reads what a cell sends and checks nothing of it.

It does what was seen in hosts: takes any length for true, goes by the run's number in the frame,
joins names to paths, unpickles values, calls what is named, keeps all that comes.

Rule: it runs in a process that is thrown away, confined like every control.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from typing import Final

from executor.audit.attack import Attack
from executor.audit.confine import OUTER_MEMORY_BYTES
from executor.audit.disposable import NATIVE_S, begin, read, start
from executor.audit.judges import Seen
from executor.audit.lies import as_text
from executor.audit.targets import Targets

#: What the careless host would have done with the run of somebody else.
NEIGHBOUR: Final = 4_711
_PROGRAM: Final = """
import base64, io, json, os, pickle, struct
from executor.audit.lies import from_text, told
lies, times = from_text({lies!r})
stream = io.BytesIO(b"".join(told(lie, 7) for lie in lies) * times)
runs = {{7: None, {neighbour}: None}}
kept = {{"stdout_bytes": 0, "stderr_bytes": 0, "value_bytes": 0, "log_entries": 0, "calls": 0}}
room = []
while head := stream.read(16):
    size, kind, flags, count, run = struct.unpack("<IBBHQ", head)
    room.append(bytearray(size))
    room[-1][:] = b"\\1" * size
    payload = stream.read(size)
    lengths = struct.unpack(f"<{{count}}I", payload[: 4 * count])
    text = payload[4 * count : len(payload) - sum(lengths)]
    at, buffers = len(payload) - sum(lengths), []
    for length in lengths:
        buffers.append(payload[at : at + length])
        at += length
    body = json.loads(text or b"{{}}")
    if kind == 51:
        kept[body["stream"] + "_bytes"] += len(buffers[0])
    elif kind == 52:
        kept["log_entries"] += 1
        print(body["message"])
    elif kind == 54:
        kept["calls"] += 1
        arguments = json.loads(buffers[0])[0] if buffers else []
        getattr(os, body["function"])(*arguments)
    elif kind == 55:
        for file in body.get("files", ()):
            path = os.path.join({folder!r}, file["name"])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(buffers[file["buffer"]])
        if body.get("value") is not None:
            kept["value_bytes"] += len(buffers[body["value"]])
            value = buffers[body["value"]]
            if value[:1] == b"\\x80":
                value = pickle.loads(value)
            elif value[:1] == b"#":
                value = dict(json.loads(value[1:])[2])
            else:
                value = json.loads(value)
            int(str(value)[:0] or 0)
            hash(str(value))
        for name in ("stdout", "stderr"):
            if body.get(name) is not None:
                kept[name + "_bytes"] += len(buffers[body[name]])
        if body.get("error"):
            print(body["error"]["message"])
        runs[run]
        runs[run] = body["verdict"]
        runs[run].lower()
        if runs[{neighbour}] is not None:
            raise SystemExit("the outcome of another run was replaced")
    else:
        raise SystemExit(f"a host that knows no message {{kind}} ends")
import resource
kept["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(kept))
"""


def run_receiver(attack: Attack, targets: Targets) -> Seen:
    """Let a careless host read the lies of an attack, and say what came of it."""
    told = targets.told(mount=targets.mount, start=targets.base)
    mark = secrets.token_hex(16)
    folder = os.path.join(targets.base, "files")
    os.mkdir(folder)
    os.chmod(folder, 0o777)  # noqa: S103 - the careless host is another user than we
    program = _PROGRAM.format(
        lies=as_text(attack.lies, attack.times), neighbour=NEIGHBOUR, folder=folder
    )
    process = start(begin(told) + program + f"\nprint({mark!r})\n", targets)
    output, ended = read(process, NATIVE_S)
    text = output.decode("utf-8", "replace")
    finished = mark in text
    counts = _counts(text)
    if "MemoryError" in text:
        counts["peak_bytes"] = OUTER_MEMORY_BYTES
    return Seen(
        text=text.replace(mark, ""),
        verdict=_how(process),
        stream_bytes=counts,
        broke="" if finished else "the host that read it ended" if ended else "it hung",
        grew_bytes=counts.get("peak_bytes", 0),
    )


def _how(process: subprocess.Popen[bytes]) -> str:
    return f"exit {process.returncode}"


def _counts(text: str) -> dict[str, int]:
    import json

    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            found: dict[str, int] = json.loads(line)
            return found
    return {}
