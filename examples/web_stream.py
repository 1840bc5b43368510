"""Shows what a guest prints on a web page while it still runs.

The page sends code and reads the answer as Server-Sent Events. When the reader goes away, its run
is cancelled. Only the standard library serves it.

python examples/web_stream.py [--port PORT]
"""

import argparse
import json
import queue
from collections.abc import Generator
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from executor import Limits, Refused, Supervisor

LIMITS = Limits(wall_s=10, stdout_bytes="256kB", host_calls=0, files_bytes=0)
CODE_BYTES_MAX = 16_384
KEEP_ALIVE_S = 1.0
PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>Sandbox</title>
<textarea id="code" rows="8" cols="70">
import time
for n in range(10):
    print(n, n ** 2)
    time.sleep(0.3)
</textarea><br>
<button id="run">Run</button>
<pre id="output"></pre>
<script>
  const output = document.getElementById("output");
  let source = null;
  document.getElementById("run").onclick = () => {
    if (source) source.close();
    output.textContent = "";
    const code = document.getElementById("code").value;
    source = new EventSource("/run?code=" + encodeURIComponent(code));
    source.addEventListener("text", (event) => { output.textContent += JSON.parse(event.data); });
    source.addEventListener("end", (event) => {
      const end = JSON.parse(event.data);
      output.textContent += "[" + end.verdict + "] " + end.error;
      source.close();
    });
    source.onerror = () => source.close();
  };
</script>
"""


def event(name: str, data: object) -> bytes:
    """Return one Server-Sent Event. JSON has no line breaks, so no guest can forge one."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def events(supervisor: Supervisor, code: str, limits: Limits = LIMITS) -> Generator[bytes]:
    """Run `code`; yield `text` events, then `end` with the verdict. Closing it cancels the run."""
    said: queue.Queue[str | None] = queue.Queue()
    run = supervisor.start(
        code, mode="script", limits=limits, on_stdout=said.put, on_stderr=said.put
    )
    run.add_waiter(lambda: said.put(None))
    try:
        while True:
            try:
                text = said.get(timeout=KEEP_ALIVE_S)
            except queue.Empty:
                yield b": still running\n\n"  # finds out whether the reader is still there
                continue
            if text is None:
                break
            yield event("text", text)
        outcome = run.result()
        error = outcome.error
        said_last = f"{error.name}: {error.message}" if error else ""
        yield event("end", {"verdict": outcome.verdict, "error": said_last})
    except Refused as error:
        yield event("end", {"verdict": "refused", "error": str(error)})
    finally:
        run.cancel()


class Handler(BaseHTTPRequestHandler):
    """Serves the page and runs."""

    def __init__(self, supervisor: Supervisor, *args: Any) -> None:
        self.supervisor = supervisor
        super().__init__(*args)  # answers the request at once

    def do_GET(self) -> None:
        """Answer `/` with the page and `/run?code=...` with a stream of events."""
        url = urlsplit(self.path)
        if url.path == "/":
            self.begin(HTTPStatus.OK, "text/html; charset=utf-8")
            self.wfile.write(PAGE.encode())
            return
        code = parse_qs(url.query).get("code", [""])[0]
        if url.path != "/run" or not 0 < len(code.encode()) <= CODE_BYTES_MAX:
            self.send_error(HTTPStatus.NOT_FOUND if url.path != "/run" else HTTPStatus.BAD_REQUEST)
            return
        self.begin(HTTPStatus.OK, "text/event-stream")
        stream = events(self.supervisor, code)
        try:
            for piece in stream:
                self.wfile.write(piece)
        except ConnectionError:
            pass  # the reader has left
        finally:
            stream.close()

    def begin(self, status: HTTPStatus, content_type: str) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one")
    port: int = parser.parse_args().port
    with (
        Supervisor() as supervisor,
        ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, supervisor)) as server,
    ):
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("bye")


if __name__ == "__main__":
    main()
