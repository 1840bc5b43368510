"""Peers that lie: whoever may write to a subject can cost itself, and nobody else, an outcome.

Raw messages on a real server, to a real submitter and a real machine.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.aio.msg
import pytest

from executor import RemoteSupervisor, Verdict
from executor.link.wire import Subjects
from protocol.frames import encode_frame
from protocol.links import (
    LEASE_MIN,
    LINK_KINDS,
    MESSAGE_BYTES_MAX,
    TO_MACHINE,
    Ack,
    Beat,
    Claim,
    CloseSession,
    Deny,
    Grant,
    Piece,
    Request,
    Stop,
    decode_link,
    encode_link,
    only_frame,
)
from protocol.messages import KINDS, Done, Placed, Verdict as Said
from protocol.reading import encode_message
from tests.link.fleet import Machine
from tests.link.server import NatsServer

PATIENCE_S = 60.0
SUBJECTS = Subjects()
NOISE = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats"), extra="max_payload: 9MB") as started:
        yield started


@pytest.fixture(scope="module")
def machine(server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(server, tmp_path_factory.mktemp("machine") / "log")
    with made.proxy:
        made.start()
        yield made
        made.stop()


@pytest.fixture
def remote(server: NatsServer) -> Iterator[RemoteSupervisor]:
    with RemoteSupervisor(server.url, isolate="process") as opened:
        yield opened


def noise(seed: int) -> list[bytes]:
    """Return messages that are wrong in many ways, and some that are right but about nothing."""
    chance = random.Random(seed)
    lease = LEASE_MIN + 1
    sound = [
        encode_link(Claim("machine", lease), 1),
        encode_link(Piece("machine", lease, 1), 1, [b"x"]),
        encode_link(Beat("machine", (lease,)), 0),
        encode_link(Grant(lease), 1),
        encode_link(Deny(lease), 1),
        encode_link(Ack(lease, 2**52), 1),
        encode_link(Stop(lease, "revoked"), 1),
        encode_link(CloseSession("submitter", 1), 0),
        encode_link(Request(1, "submitter", session=1), 1),
    ]
    messages = [b"", b"\0" * 16, b"\xff" * 64, b"x" * (MESSAGE_BYTES_MAX + 1)]
    messages += [encode_frame(kind, 1, b"{}") for kind in LINK_KINDS.values()]
    messages += [encode_frame(KINDS[Done], 1, b'{"verdict": "ok"}')]
    for _ in range(NOISE):
        damaged = bytearray(chance.choice(sound))
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        messages.append(bytes(damaged))
    return messages + sound


def publish(url: str, subject: str, messages: list[bytes]) -> None:
    async def send() -> None:
        client = await nats.connect(url)
        for message in messages:
            await client.publish(subject, message)
        await client.flush()
        await client.close()

    asyncio.run(send())


def test_noise_on_a_submitters_subject_costs_none_of_its_runs(
    server: NatsServer, machine: Machine, remote: RemoteSupervisor
) -> None:
    handle = remote.start("import time\ntime.sleep(0.5)\n6 * 7")
    publish(server.url, SUBJECTS.submitter(remote._submitter, ""), noise(1))

    assert handle.result(PATIENCE_S).value == 42
    found = remote.remote_statistics()
    assert found.messages_refused > NOISE / 4
    assert found.isolate_restarts == 0


def test_noise_on_a_machines_subjects_costs_none_of_its_runs(
    server: NatsServer, machine: Machine, remote: RemoteSupervisor
) -> None:
    assert remote.run("1").value == 1
    name = machine_name(server.url)
    handle = remote.start("import time\ntime.sleep(0.5)\n6 * 7")
    publish(server.url, SUBJECTS.machine(name, "stranger"), noise(2))
    publish(server.url, SUBJECTS.run("default", "stranger"), noise(3))
    publish(server.url, SUBJECTS.machine(name, ""), noise(4))

    assert handle.result(PATIENCE_S).value == 42
    assert remote.run("2").value == 2
    assert machine_name(server.url) == name, "it was restarted"


def machine_name(url: str) -> str:
    from executor.link.access import Access
    from executor.link.machines import Machines

    async def look() -> str:
        machines = await Machines.connect(Access((url,)))
        seen = await machines.look()
        await machines.close()
        [found] = seen.machines
        return found.machine

    return asyncio.run(look())


def test_a_machine_that_forges_an_outcome_is_not_believed_without_a_grant(
    server: NatsServer, machine: Machine, remote: RemoteSupervisor
) -> None:
    handle = remote.start("import time\ntime.sleep(0.3)\n'true'")
    said = b"".join(
        b"".join(encode_message(message, 7)) for message in (Placed(1, 1), Done(Said.EXCEPTION))
    )
    forged = [
        encode_link(Piece(name, LEASE_MIN + lease, 1), handle.run_id, [said])
        for name in ("forger", machine_name(server.url))
        for lease in range(50, 60)
    ]
    publish(server.url, SUBJECTS.submitter(remote._submitter, ""), forged)

    assert handle.result(PATIENCE_S).value == "true"


def test_a_machine_that_lies_about_its_run_ends_that_run_alone(tmp_path: Path) -> None:
    """A machine of ours by its words, which says what no machine may."""
    with NatsServer(tmp_path / "server") as server:
        lies = [b"\xff" * 100, b"".join(encode_message(Done(Said.OK), 7))]

        async def lie(client: nats.aio.client.Client, submitter: str) -> None:
            heard = asyncio.Queue[nats.aio.msg.Msg]()
            await client.subscribe(SUBJECTS.machine_all("liar"), cb=heard.put)
            ours = SUBJECTS.submitter(submitter, "")
            for handle, said in zip(handles, lies, strict=True):
                lease = LEASE_MIN + handle.run_id
                claim = encode_link(Claim("liar", lease), handle.run_id)
                while True:  # as machines do: the submitter may not listen yet
                    await client.publish(ours, claim)
                    try:
                        answer = await asyncio.wait_for(heard.get(), 0.5)
                    except TimeoutError:
                        continue
                    if isinstance(decode_link(only_frame(answer.data, TO_MACHINE))[0], Grant):
                        break
                piece = encode_link(Piece("liar", lease, 1), handle.run_id, [said])
                await client.publish(ours, piece)
                while True:
                    answer = await asyncio.wait_for(heard.get(), PATIENCE_S)
                    told, _ = decode_link(only_frame(answer.data, TO_MACHINE))
                    if told == Stop(lease, "revoked"):
                        break

        async def main() -> None:
            client = await nats.connect(server.url)
            await lie(client, remote._submitter)
            await client.close()

        with RemoteSupervisor(server.url, queue="liars") as remote:
            _make_queue(server.url)
            handles = [remote.start("1") for _ in lies]
            asyncio.run(main())
            outcomes = [handle.result(PATIENCE_S) for handle in handles]

    for outcome in outcomes:
        assert outcome.verdict is Verdict.CRASHED
        assert outcome.error is not None
        assert "broke the protocol" in outcome.error.message


def _make_queue(url: str) -> None:
    from nats.js.api import StreamConfig

    async def make() -> None:
        client = await nats.connect(url)
        config = StreamConfig(name="cellblock_liars", subjects=["cellblock.run.liars.*"])
        await client.jetstream().add_stream(config)
        await client.close()

    asyncio.run(make())
