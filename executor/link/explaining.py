"""What went wrong between us and a NATS server, as an error that names the fix. No I/O but one read
of the credentials, to tell whether they are too old.

Rule: what a server wrote is clipped and escaped before it is in an error; no secret ever is.
"""

from __future__ import annotations

import datetime
import socket
import ssl
import time
from typing import Literal

from executor.link.access import Access, shown_server
from executor.link.signing import Key, expires_at, read_creds, read_seed
from protocol.errors import printable


class ConnectError(Exception):
    """There is no connection. `is_final`: trying again is useless before somebody changed it."""

    def __init__(self, cause: str, *, is_final: bool = False) -> None:
        super().__init__(cause, is_final)
        self.cause = cause
        self.is_final = is_final

    def __str__(self) -> str:
        return self.cause


type Fault = Literal["full", "no_stream", "no_jetstream", "misconfigured", "refused"]


class NotStored(Exception):
    """The server did not put a message into a stream, and says why.

    Attributes:
        fault: "full": no room now; "no_stream": nobody stores what is sent there, or not yet;
            "no_jetstream": nobody stores anything; "misconfigured": the stream is not as it must
            be; "refused": anything else.
        detail: what to do, for people.
    """

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(fault, detail)
        self.fault = fault
        self.detail = detail


class _Code:
    """Error codes of JetStream, from the server's errors.json."""

    NO_RESOURCES = 10023
    NOT_FOR_ACCOUNT = 10039
    NO_STORAGE = 10047
    TOO_LARGE = 10054
    NOT_EXPECTED = 10060
    STREAM_FULL = 10077


def not_stored(code: int | None, description: str | None, subject: str, stream: str) -> NotStored:
    """Return the error for what JetStream answered instead of storing a message."""
    text = printable(description or "")
    match code:
        case _Code.STREAM_FULL:
            fix = "start more machines, or raise its max_bytes and max_msgs"
            return NotStored("full", f"the stream {stream} is full ({text}); {fix}")
        case _Code.NO_RESOURCES | _Code.NO_STORAGE:
            fix = "raise max_file_store of the server, or the account's limit"
            return NotStored(
                "full", f"the server has no room for the stream {stream} ({text}); {fix}"
            )
        case _Code.TOO_LARGE:
            fix = "raise its max_msg_size, or remove it"
            return NotStored("misconfigured", f"the stream {stream} takes no such message; {fix}")
        case _Code.NOT_EXPECTED:
            fix = f"remove {subject} from that stream, or use another prefix"
            problem = f"{subject} goes into another stream than {stream}"
            return NotStored("misconfigured", f"{problem}; {fix}")
    return NotStored("refused", f"the stream {stream}: {text} ({code})")


def no_jetstream(code: int | None) -> str:
    """Return what to do about a server that does not answer for JetStream."""
    if code == _Code.NOT_FOR_ACCOUNT:
        return "JetStream is not enabled for this account; enable it on the server"
    return "the server has no JetStream; start it with -js, or give its file a block jetstream {}"


def explained(error: Exception, access: Access, server: str) -> ConnectError:
    """Return the error for whatever came up while we connected to a server."""
    where = shown_server(server)
    text = printable(str(error) or type(error).__name__)
    lowered = text.lower()
    match error:
        case ConnectError():
            return error
        case ssl.SSLCertVerificationError():
            why = printable(error.verify_message or text)
            fix = "give the authority that signed it as tls_ca_file"
            return ConnectError(
                f"{where}: its certificate is not trusted: {why}; {fix}", is_final=True
            )
        case ssl.SSLError() if "certificate" in lowered or "alert" in lowered:
            return ConnectError(_no_certificate(where, access), is_final=True)
        case ConnectionRefusedError():
            return ConnectError(
                f"{where}: nobody listens there; start nats-server or fix the address"
            )
        case socket.gaierror():
            return ConnectError(f"{where}: there is no host of that name; fix the address")
        case TimeoutError():
            wait_s = access.connect_timeout_s
            return ConnectError(f"{where}: no answer within {wait_s:g} s")
        case ConnectionResetError() | BrokenPipeError() if access.tls_ca_file:
            if access.tls_cert_file:
                return ConnectError(f"{where}: hung up in the TLS handshake; fix tls_cert_file")
            return ConnectError(_no_certificate(where, access))
    if "authorization violation" in lowered or "authentication" in lowered:
        return ConnectError(f"{where}: {_not_let_in(access, where)}", is_final=True)
    if "maximum connections" in lowered:
        return ConnectError(f"{where}: it has as many connections as it allows")
    return ConnectError(f"{where}: {text}")


def _no_certificate(where: str, access: Access) -> str:
    if access.tls_cert_file:
        return f"{where}: does not trust our certificate; fix tls_cert_file, or its own ca_file"
    return f"{where}: asks for a certificate of ours; give tls_cert_file and tls_key_file"


def _not_let_in(access: Access, where: str) -> str:
    if access.creds_file:
        at = expires_at(read_creds(access.creds_file)[0])
        if at is not None and at <= time.time():
            day = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
            return f"the credentials in {access.creds_file} expired on {day} UTC; make new ones"
        return f"refuses the credentials in {access.creds_file}; make new ones for its account"
    if access.nkey_seed_file:
        name = Key(read_seed(access.nkey_seed_file)).name
        return f"does not know the key {name} of {access.nkey_seed_file}; add it to its users"
    if access.token:
        return "refuses the token; fix it"
    if access.user:
        return f"refuses the user {printable(access.user)} or the password; fix them"
    if "***" in where:
        return "refuses the user or the token in its address; fix them"
    return "lets nobody in without credentials; give token, user, creds_file or nkey_seed_file"


def reason(error: Exception) -> str:
    """Return what the system says of a failure, for a line of text."""
    return printable(getattr(error, "strerror", None) or str(error))
