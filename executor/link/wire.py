"""Subjects, names and numbers that machines and submitters agree on. No I/O.

    PREFIX.run.QUEUE.TENANT              a stream, a work queue: `Request`
    PREFIX.machine.TENANT.MACHINE        what submitters of a tenant say to one machine
    PREFIX.submitter.TENANT.SUBMITTER    what machines say to one submitter
    ....gone.NUMBER                      below both: where the server answers that nobody listens

A tenant confined by the server's permissions may publish to PREFIX.run.*.TENANT and
PREFIX.machine.TENANT.*, and subscribe to PREFIX.submitter.TENANT.>; a machine the other way round.

Rule 1: names in subjects are tokens: letters, digits, "-" and "_". A tenant may be any text; what
        is no token is written as its bytes in hexadecimal, so that no two tenants share a subject.
Rule 2: what came on a subject is believed as far as the subject says, and no further: a message
        about a lease of another tenant is dropped.
"""

from __future__ import annotations

import os
import re

from protocol.links import MESSAGE_BYTES_MAX

PREFIX = "cellblock"
QUEUE = "default"
#: Defaults of what a queue's stream and its consumer are made with.
QUEUE_BYTES_MAX = 1 << 30
QUEUE_MESSAGES_MAX = 100_000
#: A request that nobody took for this long is dropped by the server; its submitter, if it lives,
#: has it sent again long before.
QUEUE_AGE_S = 24 * 3600.0
#: How long the server knows a request sent twice by its `Nats-Msg-Id`.
DUPLICATE_WINDOW_S = 120.0
MESSAGE_ID = "Nats-Msg-Id"
#: The durable consumer that all machines of a queue share.
CONSUMER = "machines"
#: What a frame of ours may need beside its data in one message: header, lengths, a short body.
OVERHEAD_BYTES = 4_096

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}")
_PLAIN_TENANT = re.compile(r"t-[A-Za-z0-9_-]{1,64}")


def is_token(text: str) -> bool:
    """Return whether a text may stand in a subject as it is."""
    return _TOKEN.fullmatch(text) is not None


def is_prefix(text: str) -> bool:
    """Return whether a text may begin every subject: tokens with dots between them."""
    return _PREFIX.fullmatch(text) is not None


def new_name() -> str:
    """Return a name for one start of a machine or a submitter; no other has it."""
    return os.urandom(12).hex()


def tenant_token(tenant: str) -> str:
    """Return what stands for a tenant in subjects."""
    plain = f"t-{tenant}"
    if _PLAIN_TENANT.fullmatch(plain):
        return plain
    return f"x-{tenant.encode('utf-8', 'surrogatepass').hex()}"


def tenant_of(token: str) -> str:
    """Return the tenant that a token of a subject stands for.

    Raises:
        ValueError: it stands for none.
    """
    kind, text = token[:2], token[2:]
    if _PLAIN_TENANT.fullmatch(token):
        return text
    if kind != "x-" or len(text) > 2 * 4 * 256:
        raise ValueError("a subject whose tenant is none of ours")
    tenant = bytes.fromhex(text).decode("utf-8", "surrogatepass")
    if tenant_token(tenant) != token or len(tenant) > 256:
        raise ValueError("a subject whose tenant is written in another way")
    return tenant


class Subjects:
    """The subjects below one prefix."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: str = PREFIX) -> None:
        self.prefix = prefix

    def run(self, queue: str, tenant: str) -> str:
        """Return where a tenant's requests go."""
        return f"{self.prefix}.run.{queue}.{tenant_token(tenant)}"

    def runs(self, queue: str) -> str:
        """Return what the stream of a queue takes."""
        return f"{self.prefix}.run.{queue}.*"

    def machine(self, machine: str, tenant: str) -> str:
        """Return where a tenant's submitters reach a machine."""
        return f"{self.prefix}.machine.{tenant_token(tenant)}.{machine}"

    def machine_all(self, machine: str) -> str:
        """Return what a machine subscribes to; `machine_all(machine) + ".>"` beside it."""
        return f"{self.prefix}.machine.*.{machine}"

    def submitter(self, submitter: str, tenant: str) -> str:
        """Return where machines reach a submitter."""
        return f"{self.prefix}.submitter.{tenant_token(tenant)}.{submitter}"

    def tenant_in(self, subject: str) -> str:
        """Return the tenant that a message to a machine or a submitter, or a request, is of.

        Raises:
            ValueError: the subject is none of these.
        """
        rest = subject.removeprefix(f"{self.prefix}.").split(".")
        if len(rest) < 3 or rest[0] not in ("run", "machine", "submitter"):
            raise ValueError("a subject that is none of ours")
        return tenant_of(rest[2] if rest[0] == "run" else rest[1])


def gone(subject: str, number: int) -> str:
    """Return the reply subject that tells a sender that nobody listens on another subject.

    Args:
        subject: the sender's own.
        number: what it wants to be reminded of.
    """
    return f"{subject}.gone.{number}"


def gone_number(subject: str) -> int | None:
    """Return the number in a subject that `gone` made; None for another subject."""
    head, _, last = subject.rpartition(".")
    if not head.endswith(".gone") or not last.isascii() or not last.isdigit() or len(last) > 16:
        return None
    return int(last)


def stream_name(prefix: str, queue: str) -> str:
    """Return the name of a queue's stream."""
    return f"{prefix.replace('.', '_')}_{queue}"


def bucket_name(prefix: str) -> str:
    """Return the name of the bucket in which machines are listed."""
    return f"{prefix.replace('.', '_')}_machines"


def part_bytes(server_max_bytes: int) -> int:
    """Return how much data goes into one message of a server that takes `server_max_bytes`."""
    return max(1, min(server_max_bytes, MESSAGE_BYTES_MAX) - OVERHEAD_BYTES)
