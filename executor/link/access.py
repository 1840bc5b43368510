"""Where the NATS servers are and who we are to them. Values, checked; no connection is made here.

Rule 1: secrets are in no `repr`, no error and no log. In an address they are shown as "***".
Rule 2: at most one way to say who we are. Files are read at each connect, so that renewed ones are
        used; whether they can be read is checked here, so that an error is early.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from protocol.structs import as_dict, field, fields_of, frozen

SCHEMES = ("nats", "tls", "ws", "wss")
SERVERS_MAX = 64
PORT = 4222
TEXT_CHARS_MAX = 4_096
_KINDS = ("token", "user", "creds_file", "nkey_seed_file")


class BadAccess(ValueError):
    """An argument that can never work; the text begins with its name and shows no secret."""


@frozen
class Access:
    """How to reach the servers of a cluster and be let in.

    Args:
        servers: addresses such as "nats://hub:4222" or "tls://hub"; several of one cluster.
        token: admits whoever knows it.
        user, password: admit one user.
        creds_file: a user's signed statement with its key, as `nsc generate creds` writes it.
        nkey_seed_file: a user's key alone.
        tls_ca_file: certificates to trust instead of the system's.
        tls_cert_file, tls_key_file: our own certificate, for servers that ask for one.
        connect_timeout_s: for one attempt at one server.

    Raises:
        BadAccess: an address or a file is none, or two ways to say who we are are given.
    """

    servers: tuple[str, ...] = (f"nats://127.0.0.1:{PORT}",)
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    creds_file: str = ""
    nkey_seed_file: str = ""
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    connect_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what can never work."""
        servers = tuple(self.servers)  # a text is refused below: each of its letters is no address
        object.__setattr__(self, "servers", servers)
        if not 1 <= len(servers) <= SERVERS_MAX:
            raise BadAccess(f"servers: give 1 to {SERVERS_MAX} addresses such as nats://host:4222")
        for server in servers:
            _check_server(server)
        for name in fields_of(Access):
            given = getattr(self, name)
            if name not in ("servers", "connect_timeout_s"):
                _check_text(name, given)
        given_kinds = [name for name in _KINDS if getattr(self, name)]
        if len(given_kinds) > 1:
            raise BadAccess(f"{given_kinds[1]}: {given_kinds[0]} is given too; give one of them")
        if self.password and not self.user:
            raise BadAccess("password: give user, too")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise BadAccess("tls_cert_file: give it and tls_key_file together")
        for name in fields_of(Access):
            if name.endswith("_file") and getattr(self, name):
                _check_file(name, getattr(self, name))
        if not 0 < self.connect_timeout_s <= 3_600:
            raise BadAccess(f"connect_timeout_s: must be over 0, not {self.connect_timeout_s!r}")

    @property
    def shown(self) -> str:
        """The addresses, without secrets."""
        return ", ".join(shown_server(server) for server in self.servers)

    @property
    def needs_process(self) -> bool:
        """True if a transport is asked for whose library loads in no second interpreter."""
        return any(server.startswith(("ws://", "wss://")) for server in self.servers)

    def to_json(self) -> str:
        """Return it as text, secrets included, for an isolate of ours."""
        return json.dumps(as_dict(self))

    @classmethod
    def from_json(cls, text: str) -> Access:
        """Return what `to_json` wrote."""
        given: dict[str, Any] = json.loads(text)
        return cls(**given | {"servers": tuple(given["servers"])})


def access_from(given: Access | str | Sequence[str]) -> Access:
    """Return an access for one that is given whole, or by its addresses alone.

    Raises:
        BadAccess: it can never work.
    """
    if isinstance(given, Access):
        return given
    if isinstance(given, str):
        given = [server.strip() for server in given.split(",")]
    return Access(tuple(given))


def shown_server(server: str) -> str:
    """Return an address without its secrets."""
    head, at, tail = server.rpartition("@")
    if not at:
        return server
    scheme, slashes, _ = head.partition("://")
    return f"{scheme}://***@{tail}" if slashes else f"***@{tail}"


def split_server(server: str) -> SplitResult:
    """Return an address, taken apart, as nats-py understands it."""
    return urlsplit(server if "://" in server else f"nats://{server}")


def _check_server(server: object) -> None:
    if not isinstance(server, str) or not server or not server.isprintable():
        raise BadAccess("servers: an address is text such as nats://host:4222")
    shown = shown_server(server)[:200]
    try:
        parts = split_server(server)
        port = parts.port
    except ValueError:
        raise BadAccess(f"servers: {shown} is no address; write nats://host:4222") from None
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise BadAccess(f"servers: {shown} must begin with one of {known}")
    if not parts.hostname or (port is not None and port < 1):
        raise BadAccess(f"servers: {shown} names no host; write nats://host:4222")


def _check_text(name: str, given: object) -> None:
    if not isinstance(given, str) or len(given) > TEXT_CHARS_MAX:
        raise BadAccess(f"{name}: must be text of at most {TEXT_CHARS_MAX} characters")
    if not given.isprintable():
        raise BadAccess(f"{name}: holds a line end or another control character; remove it")


def _check_file(name: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise BadAccess(f"{name}: {path} cannot be read: {error.strerror}") from None
