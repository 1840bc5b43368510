"""What a queue needs on its servers: a stream, a consumer, a bucket. Made if absent, else checked.

    stream    PREFIX_QUEUE       a work queue of requests; refuses more when it is full
    consumer  machines           shared by all machines; its ack wait is their lease
    bucket    PREFIX_machines    one entry for each machine, gone when the machine is

Rule 1: what is there and is not as it must be is an error that names the field and the fix; nothing
        of somebody else's is ever changed.
Rule 2: an operator may make them first, with limits, replicas and placement of his own: checked is
        only what the link's promises rest on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from executor.link.connection import Connection
from executor.link.explaining import ConnectError
from executor.link.wire import (
    CONSUMER,
    DUPLICATE_WINDOW_S,
    QUEUE_AGE_S,
    QUEUE_BYTES_MAX,
    QUEUE_MESSAGES_MAX,
    Subjects,
    bucket_name,
    stream_name,
)
from protocol.errors import printable

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerConfig, StreamConfig

API_WAIT_S = 5.0
#: A machine that has not said anything for so long is no longer listed.
PRESENCE_TTL_S = 10.0
#: Requests on their way to machines, of all machines together.
PENDING_MAX = 100_000
PULLS_WAITING_MAX = 8_192


async def prepare(
    connection: Connection,
    *,
    prefix: str,
    queue: str,
    lease_s: float,
    said: Callable[[], str] = lambda: "",
) -> None:
    """Make what a queue needs, or check it.

    Args:
        connection: of somebody who may.
        prefix: what every subject begins with.
        queue: its name.
        lease_s: a machine that is silent for so long loses its runs.
        said: returns what the server last complained of.

    Raises:
        ConnectError: it is not there, and cannot be made, or is not as it must be.
    """
    from nats.errors import NoRespondersError
    from nats.js.errors import APIError, ServiceUnavailableError

    js = connection.client.jetstream(timeout=API_WAIT_S)
    try:
        await _stream(js, prefix, queue)
        await _consumer(js, stream_name(prefix, queue), lease_s)
        await _bucket(js, bucket_name(prefix))
    except (NoRespondersError, ServiceUnavailableError) as error:
        text = printable(str(error))
        raise ConnectError(
            f"the server has no JetStream for us ({text}): start it with -js, or enable JetStream "
            "for the account",
            is_final=True,
        ) from None
    except APIError as error:
        text = printable(f"{error.description} ({error.err_code})")
        raise ConnectError(
            f"the server refuses what queue {queue!r} needs: {text}; raise the account's limits, "
            f"or make stream {stream_name(prefix, queue)}, its consumer {CONSUMER} and bucket "
            f"{bucket_name(prefix)} beforehand",
            is_final=True,
        ) from None
    except TimeoutError:
        complaint = said()
        if "permission" in complaint.lower():
            raise ConnectError(
                f"the server does not permit it: {complaint}; let machines use $JS.API.> ",
                is_final=True,
            ) from None
        text = f"JetStream does not answer within {API_WAIT_S:g} s"
        raise ConnectError(f"{text}: {complaint}" if complaint else text) from None


async def _stream(js: JetStreamContext, prefix: str, queue: str) -> None:
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

    name, subject = stream_name(prefix, queue), Subjects(prefix).runs(queue)
    wanted = StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        storage=StorageType.FILE,
        max_msgs=QUEUE_MESSAGES_MAX,
        max_bytes=QUEUE_BYTES_MAX,
        max_age=QUEUE_AGE_S,
        duplicate_window=DUPLICATE_WINDOW_S,
    )
    found = await _found_or_made(
        lambda: _stream_config(js, name), lambda: js.add_stream(config=wanted)
    )
    if found is None:
        return
    for field, is_right, must in (
        ("retention", found.retention == RetentionPolicy.WORK_QUEUE, "workqueue"),
        ("discard", found.discard == DiscardPolicy.NEW, "new, or a full queue loses runs"),
        ("subjects", subject in (found.subjects or []), f"{subject} among them"),
        ("no_ack", not found.no_ack, "off, or a request that was not stored seems to be"),
        ("sealed", not found.sealed, "off"),
    ):
        if not is_right:
            raise _wrong(f"stream {name}", field, getattr(found, field), must, f"stream rm {name}")


async def _stream_config(js: JetStreamContext, name: str) -> StreamConfig:
    return (await js.stream_info(name)).config


async def _consumer(js: JetStreamContext, stream: str, lease_s: float) -> None:
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

    wanted = ConsumerConfig(
        durable_name=CONSUMER,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=lease_s,
        max_deliver=-1,
        max_ack_pending=PENDING_MAX,
        max_waiting=PULLS_WAITING_MAX,
    )
    found = await _found_or_made(
        lambda: _consumer_config(js, stream), lambda: js.add_consumer(stream, config=wanted)
    )
    if found is None:
        return
    what, fix = f"consumer {CONSUMER} of stream {stream}", f"consumer rm {stream} {CONSUMER}"
    is_for_all = not (found.filter_subject or found.filter_subjects or found.deliver_subject)
    for field, is_right, must in (
        ("ack_policy", found.ack_policy == AckPolicy.EXPLICIT, "explicit"),
        ("max_deliver", (found.max_deliver or -1) < 0, "-1: a run is delivered until it is taken"),
        ("filter_subject", is_for_all, "empty, and a pull consumer"),
    ):
        if not is_right:
            raise _wrong(what, field, getattr(found, field), must, fix)
    if abs((found.ack_wait or 0) - lease_s) > 0.001:
        must = f"{lease_s:g} s, as lease_s is; give every machine of the queue the same lease_s, or"
        raise _wrong(what, "ack_wait", f"{found.ack_wait:g} s", must, fix)


async def _consumer_config(js: JetStreamContext, stream: str) -> ConsumerConfig:
    config: ConsumerConfig = (await js.consumer_info(stream, CONSUMER)).config
    return config


async def _bucket(js: JetStreamContext, bucket: str) -> None:
    from nats.js.api import KeyValueConfig, StorageType

    wanted = KeyValueConfig(
        bucket=bucket, ttl=PRESENCE_TTL_S, history=1, storage=StorageType.MEMORY
    )
    found = await _found_or_made(
        lambda: _stream_config(js, f"KV_{bucket}"), lambda: js.create_key_value(config=wanted)
    )
    if found is not None and not 0 < (found.max_age or 0) <= 60:
        must = f"{PRESENCE_TTL_S:g} s (a minute at most), or machines that are gone stay listed"
        raise _wrong(
            f"bucket {bucket}", "ttl", f"{found.max_age or 0:g} s", must, f"kv del {bucket}"
        )


async def _found_or_made[C](
    find: Callable[[], Awaitable[C]], make: Callable[[], Awaitable[object]]
) -> C | None:
    """Return what is there; None if it was not and is made now."""
    from nats.js.errors import APIError, NotFoundError

    try:
        return await find()
    except NotFoundError:
        pass
    try:
        await make()
    except APIError:
        try:  # another machine may have been first
            return await find()
        except NotFoundError:
            pass
        raise
    return None


def _wrong(what: str, field: str, found: object, must: str, fix: str) -> ConnectError:
    shown = printable(str(getattr(found, "value", found)))
    text = f"{what}: {field} is {shown}, but must be {must}; remove it with: nats {fix}"
    return ConnectError(text, is_final=True)
