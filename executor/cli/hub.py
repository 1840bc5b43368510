"""Where other machines are, from the command line. Secrets come from files, never from flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.cli.convert import read_bytes
from executor.cli.flags import (
    CREDS,
    NATS,
    NKEY,
    PASSWORD_FILE,
    QUEUE,
    TLS_CA,
    TLS_CERT,
    TLS_KEY,
    TOKEN_FILE,
    USER,
    Flag,
    Parsed,
    UsageError,
)

if TYPE_CHECKING:
    from executor.link.access import Access

_FIELDS: tuple[tuple[Flag, str], ...] = (
    (USER, "user"),
    (CREDS, "creds_file"),
    (NKEY, "nkey_seed_file"),
    (TLS_CA, "tls_ca_file"),
    (TLS_CERT, "tls_cert_file"),
    (TLS_KEY, "tls_key_file"),
)
_SECRETS: tuple[tuple[Flag, str], ...] = ((PASSWORD_FILE, "password"), (TOKEN_FILE, "token"))


def access_from(parsed: Parsed) -> Access:
    """Return the servers, and who we are to them.

    Raises:
        UsageError: they can never work.
    """
    from executor.link.access import Access, BadAccess

    given: dict[str, str] = {}
    for flag, field in _FIELDS:
        if found := parsed.last(flag.name):
            given[field] = found.text
    for flag, field in _SECRETS:
        if found := parsed.last(flag.name):
            given[field] = read_bytes(found.text, found.origin).decode("utf-8", "replace").strip()
    servers = parsed.last(NATS.name)
    try:
        if servers is None:
            return Access(**given)  # type: ignore[arg-type]  # texts for fields of text
        addresses = tuple(address.strip() for address in servers.text.split(","))
        return Access(addresses, **given)  # type: ignore[arg-type]  # as above
    except BadAccess as error:
        text = str(error)
        for flag, field in (*_FIELDS, *_SECRETS, (NATS, "servers")):
            if text.startswith(f"{field}:"):
                text = f"{flag.long}{text[len(field) :]}"
        raise UsageError(text) from None


def queue_from(parsed: Parsed) -> str:
    """Return the queue that is meant.

    Raises:
        UsageError: it is no name.
    """
    from executor.link.wire import QUEUE as DEFAULT, is_token

    given = parsed.last(QUEUE.name)
    if given is None:
        return DEFAULT
    if not is_token(given.text):
        wrong = given.text[:80]
        raise UsageError(f"{given.origin} must be letters, digits, - and _, not {wrong!r}")
    return given.text
