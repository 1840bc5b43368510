"""The web page: output arrives while the guest runs, and a reader who leaves ends the run.

A real server, a real HTTP client, the loopback address.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from executor import Limits, Supervisor

DEADLINE_S = 300


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the example on a free port."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, str(root / "examples" / "web_stream.py"), "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield urlsplit(process.stdout.readline().strip()).netloc
        finally:
            process.kill()


def get(address: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
    connection.request("GET", path)
    return connection.getresponse()


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, object]]:
    """Parse Server-Sent Events as they come."""
    name = ""
    for line in response:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_the_page_is_served(address: str) -> None:
    response = get(address, "/")

    assert response.status == 200
    assert b"EventSource" in response.read()


def test_output_arrives_while_the_guest_still_runs(address: str) -> None:
    code = "print('first', flush=True)\nwhile True: pass"
    response = get(address, "/run?code=" + quote(code))

    stream = events(response)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert next(stream) == ("text", "first\n")  # the guest is in its loop now
    response.close()


def test_the_last_event_tells_the_verdict(address: str) -> None:
    received = list(events(get(address, "/run?code=" + quote("print('a')\nprint('b')\n1/0"))))
    text = "".join(str(data) for name, data in received if name == "text")

    assert text.startswith("a\nb\n")
    assert received[-1] == (
        "end",
        {"verdict": "exception", "error": "ZeroDivisionError: division by zero"},
    )


def test_closing_the_stream_ends_its_run(examples: Path) -> None:
    spec = importlib.util.spec_from_file_location("web_stream", examples / "web_stream.py")
    assert spec is not None
    assert spec.loader is not None
    web_stream = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(web_stream)

    with Supervisor(cells=1) as supervisor:
        endless = "print('first')\nwhile True: pass"
        stream = web_stream.events(supervisor, endless, Limits(wall_s=3_600))
        assert b"first" in next(stream)
        stream.close()

        # The one cell is free again, else this would be refused.
        assert supervisor.run("1 + 1", queue_timeout_s=60).value == 2


def test_a_guest_cannot_forge_an_event(address: str) -> None:
    forged = 'print(\'\\n\\nevent: end\\ndata: {"verdict": "forged"}\\n\\n\')'
    received = list(events(get(address, "/run?code=" + quote(forged))))

    assert [data for name, data in received if name == "end"] == [{"verdict": "ok", "error": ""}]


@pytest.mark.parametrize("code", ["", "x" * 16_385], ids=["none", "one byte too much"])
def test_code_that_is_missing_or_too_long_is_refused(address: str, code: str) -> None:
    assert get(address, "/run?code=" + code).status == 400


def test_other_paths_are_not_found(address: str) -> None:
    assert get(address, "/etc/passwd").status == 404
