"""Whose heartbeats and leases outlive a busy machine: the link's, a thread's or a coroutine's?

    python -m bench.link_lateness [--seconds 60] [--hold 30] [--png bench/link_lateness.png]

Three holders in one process each hold one run of a queue and say so: the link of a supervisor, in
its isolate; a thread with a connection of its own; a coroutine on the host's event loop. Each
renews its lease of 10 s every 2.5 s and sends a heartbeat each second. Meanwhile every CPU burns
in guests, and the host calls into C for `--hold` seconds at a time, which keeps Python's lock.

Another process watches the server: it notes when each renewal and heartbeat arrives there, and
takes every lease that is lost, as another machine would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

from bench import measure
from executor import Limits, NatsLink, RemoteSupervisor, Supervisor
from executor.link.wire import CONSUMER, bucket_name, stream_name
from tests.link.server import NatsServer

LEASE_S, RENEW_S, BEAT_S = 10.0, 2.5, 1.0
#: Between two long calls the host's event loop turns for so long.
BREATHE_S = 1.0
HOLDERS = ("isolate", "thread", "asyncio")
OTHERS = HOLDERS[1:]
BUSY = "while True: pass"
#: Below this a bar would not be seen on the plot's logarithmic scale.
SHOWN_S_MIN = 1e-4


# --- the holders beside the link -----------------------------------------------------------------
async def hold_lease(url: str, name: str, until: float) -> None:
    """Hold one run and say so, as well as this event loop lets us."""
    import nats

    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    stream = client.jetstream()
    pulls = await stream.pull_subscribe_bind(name, stream="LEASES")
    [run] = await pulls.fetch(1, timeout=20)

    async def renew() -> None:
        while True:
            with contextlib.suppress(Exception):  # the connection is being made anew
                await run.in_progress()
            await asyncio.sleep(RENEW_S)

    renewing = asyncio.create_task(renew())
    while time.monotonic() < until:
        with contextlib.suppress(Exception):  # as above
            await client.publish(f"beat.{name}", b"")
        await asyncio.sleep(BEAT_S)
    renewing.cancel()
    await client.close()


def hold_interpreter(seconds: float) -> None:
    """Call into C and keep Python's lock meanwhile."""
    ctypes.PyDLL(None).poll(None, 0, round(seconds * 1_000))


async def be_host(url: str, until: float, hold_s: float, begin: IO[str]) -> None:
    """Be a careless host: a coroutine holds a lease, and the loop is held up all the time."""
    holding = asyncio.create_task(hold_lease(url, "asyncio", until))
    await asyncio.sleep(3 * BREATHE_S)
    begin.write("go\n")
    begin.flush()
    while (left_s := until - time.monotonic()) > 0:
        hold_interpreter(min(hold_s, left_s))
        await asyncio.sleep(BREATHE_S)
    await holding


# --- the watcher ---------------------------------------------------------------------------------
class Watcher:
    """What arrives at the server, by holder: moments of renewals and beats, and lost leases."""

    def __init__(self, machine: str) -> None:
        self.seen: dict[str, dict[str, list[float]]] = {
            name: {"renewals": [], "beats": [], "lost": []} for name in HOLDERS
        }
        self._presence = f"$KV.{bucket_name('cellblock')}.{machine}"
        self._queue = stream_name("cellblock", "default")

    async def watch(self, url: str) -> None:
        """Watch until a signal comes; then print what was seen."""
        import nats

        client = await nats.connect(url)
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        await client.subscribe("$JS.ACK.>", cb=self._on_ack)
        await client.subscribe("beat.*", cb=self._on_beat)
        await client.subscribe(self._presence, cb=self._on_presence)
        await client.flush()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # until the others hold what they are to hold
        taking = [
            asyncio.create_task(self._take(client, "isolate", self._queue, CONSUMER)),
            *(asyncio.create_task(self._take(client, name, "LEASES", name)) for name in OTHERS),
        ]
        await over.wait()
        print(json.dumps(self.seen), flush=True)
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
        await client.close()

    def _note(self, name: str, what: str) -> None:
        self.seen[name][what].append(time.monotonic())

    async def _on_ack(self, message: Any) -> None:
        stream, consumer = message.subject.split(".")[2:4]
        name = "isolate" if stream == self._queue else consumer
        if message.data == b"+WPI" and name in self.seen:
            self._note(name, "renewals")

    async def _on_beat(self, message: Any) -> None:
        self._note(message.subject.removeprefix("beat."), "beats")

    async def _on_presence(self, message: Any) -> None:
        self._note("isolate", "beats")

    async def _take(self, client: Any, name: str, stream: str, consumer: str) -> None:
        """Take what is delivered again, as another machine would, and put it back."""
        pulls = await client.jetstream().pull_subscribe_bind(consumer, stream=stream)
        while True:
            try:
                [run] = await pulls.fetch(1, timeout=1)
            except TimeoutError:
                continue
            self._note(name, "lost")
            await run.nak(delay=LEASE_S)


# --- the whole -----------------------------------------------------------------------------------
async def make_leases(url: str) -> None:
    """Make a queue like that of the link, for the two other holders."""
    import nats
    from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

    client = await nats.connect(url)
    stream = client.jetstream()
    await stream.add_stream(
        StreamConfig(name="LEASES", subjects=["lease.*"], retention=RetentionPolicy.WORK_QUEUE)
    )
    for name in OTHERS:
        config = ConsumerConfig(
            durable_name=name,
            filter_subject=f"lease.{name}",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=LEASE_S,
        )
        await stream.add_consumer("LEASES", config)
        await stream.publish(f"lease.{name}", b"run")
    await client.close()


def measured(url: str, seconds: float, hold_s: float) -> dict[str, dict[str, list[float]]]:
    """Return what the watcher saw."""
    cpus = os.process_cpu_count() or 1
    asyncio.run(make_leases(url))
    limits = Limits(wall_s=seconds + 120)
    link = NatsLink(url, lease_s=LEASE_S, slots=1)
    with (
        Supervisor(cells=cpus + 1, limits=limits, link=link) as supervisor,
        RemoteSupervisor(url, limits=limits) as remote,
    ):
        assert supervisor.link_keeper is not None
        assert supervisor.link_keeper.wait_state("active", timeout_s=60)
        begun = threading.Event()
        code = f"print(1, flush=True)\n{BUSY}"
        runs = [remote.start(code, on_stdout=lambda text: begun.set())]
        assert begun.wait(60)
        runs += [supervisor.start(BUSY) for _ in range(cpus)]
        until = time.monotonic() + seconds
        thread = threading.Thread(
            target=lambda: asyncio.run(hold_lease(url, "thread", until)), daemon=True
        )
        thread.start()
        machine = supervisor.link_keeper.machine
        watcher = subprocess.Popen(
            [sys.executable, "-m", "bench.link_lateness", "--watch", url, machine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        asyncio.run(be_host(url, until, hold_s, watcher.stdin))
        watcher.terminate()
        seen: dict[str, dict[str, list[float]]] = json.loads(watcher.stdout.readline())
        watcher.wait()
        thread.join(5)
        for run in runs:
            run.cancel()
    return seen


def late(moments: list[float], period_s: float) -> list[float]:
    """Return how much later than planned each came after the one before it, in seconds."""
    return sorted(max(0.0, b - a - period_s) for a, b in itertools.pairwise(moments))


def row(name: str, seen: dict[str, list[float]]) -> list[str]:
    """Return what became of one holder."""
    cells = [name]
    for what, period_s in (("beats", BEAT_S), ("renewals", RENEW_S)):
        found = late(seen[what], period_s) or [0.0]
        p99 = found[min(len(found) - 1, round(0.99 * len(found)))]
        middle = found[len(found) // 2]
        cells += [f"{s * 1e3:.1f}" for s in (middle, p99, found[-1])] + [str(len(seen[what]))]
    return [*cells, str(len(seen["lost"]))]


def plot(seen: dict[str, dict[str, list[float]]], path: Path, title: str) -> None:
    """Draw how late each heartbeat was, over time, and where leases were lost."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.5))
    begun = min(moments["beats"][0] for moments in seen.values() if moments["beats"])
    for name, colour in zip(HOLDERS, ("tab:green", "tab:orange", "tab:red"), strict=True):
        beats, lost = seen[name]["beats"], seen[name]["lost"]
        lates = [max(SHOWN_S_MIN, b - a - BEAT_S) for a, b in itertools.pairwise(beats)]
        label = f"{name}: {len(lost)} leases lost"
        axes.plot([at - begun for at in beats[1:]], lates, ".-", color=colour, label=label)
        axes.plot([at - begun for at in lost], [LEASE_S] * len(lost), "x", color=colour, ms=9)
    axes.axhline(LEASE_S - BEAT_S, color="grey", ls="--", lw=1)
    axes.set(yscale="log", xlabel="seconds", ylabel="heartbeat late by (s)", title=title)
    axes.legend(loc="center right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the table and draw the picture, or watch."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="in all")
    parser.add_argument("--hold", type=float, default=30.0, help="of each call into C")
    parser.add_argument("--png", type=Path, help="where to draw the picture")
    parser.add_argument("--watch", nargs=2, metavar=("URL", "MACHINE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        url, machine = given.watch
        asyncio.run(Watcher(machine).watch(url))
        return

    measure.machine()
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder)) as server:
        seen = measured(server.url, given.seconds, given.hold)
    head = ["holder", "beat p50 ms", "p99", "max", "beats", "renewal p50 ms", "p99", "max"]
    measure.table([*head, "renewals", "leases lost"], [row(name, seen[name]) for name in HOLDERS])
    if given.png:
        title = f"every CPU burns in guests, the host holds its lock for {given.hold:g} s at a time"
        plot(seen, given.png, title)


if __name__ == "__main__":
    main()
