"""Keys, certificates and signed tokens, made anew for each test run. Nothing secret is in the repo.

plain, token, user_password, nkey     one line of configuration each
Operator                              the decentralised kind: a signed chain of operator,
                                      account and user, and creds files, also expired ones
Authority                             a certificate authority, for TLS with and without clients
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from pathlib import Path

import nkeys
import trustme

from tests.link.server import Access

NO_JETSTREAM = Access(jetstream=False)


def token(secret: str) -> Access:
    """Admit whoever knows one text."""
    return Access(f'authorization {{ token: "{secret}" }}', {"token": secret})


def user_password(user: str, password: str) -> Access:
    """Admit one user."""
    return Access(
        f'authorization {{ user: "{user}", password: "{password}" }}',
        {"user": user, "password": password},
    )


def nkey(folder: Path) -> Access:
    """Admit whoever holds one key; its seed is in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = make_seed(nkeys.PREFIX_BYTE_USER)
    path = folder / "user.nk"
    path.write_bytes(seed)
    path.chmod(0o600)
    config = f"authorization {{ users: [ {{ nkey: {public_of(seed)} }} ] }}"
    return Access(config, {"nkey_seed_file": str(path)})


def make_seed(prefix: int) -> bytes:
    """Return the seed of a new key of one kind."""
    import os

    return bytes(nkeys.encode_seed(os.urandom(32), prefix))


def public_of(seed: bytes) -> str:
    """Return the public key as text."""
    return bytes(nkeys.from_seed(bytearray(seed)).public_key).decode()


class Operator:
    """Signs one account with JetStream, and users of it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._operator = make_seed(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = make_seed(nkeys.PREFIX_BYTE_ACCOUNT)

    def access(self, *, expires_in_s: int | None = None) -> Access:
        """Return the server's configuration and the creds file of a new user of it."""
        account = public_of(self._account)
        unlimited = {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": True, "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1,
            "streams": -1, "consumer": -1,
        }  # fmt: skip
        account_claims = {"limits": unlimited, "type": "account", "version": 2}
        system = make_seed(nkeys.PREFIX_BYTE_ACCOUNT)  # JetStream's own subscriptions are in it
        system_claims = {"type": "account", "version": 2}
        operator_claims = {"type": "operator", "version": 2}
        config = "\n".join(
            [
                f"operator: {self._sign(self._operator, self._operator, operator_claims)}",
                f"system_account: {public_of(system)}",
                "resolver: MEMORY",
                "resolver_preload: {",
                f"  {account}: {self._sign(self._operator, self._account, account_claims)}",
                f"  {public_of(system)}: {self._sign(self._operator, system, system_claims)}",
                "}",
            ]
        )
        return Access(config, {"creds_file": str(self.creds(expires_in_s=expires_in_s))})

    def creds(self, *, expires_in_s: int | None = None) -> Path:
        """Write the creds file of a new user and return its path."""
        user = make_seed(nkeys.PREFIX_BYTE_USER)
        claims = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        signed = self._sign(self._account, user, claims, expires_in_s=expires_in_s)
        path = self._folder / f"{public_of(user)[:12]}.creds"
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{signed}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.decode()}\n------END USER NKEY SEED------\n"
        )
        path.chmod(0o600)
        return path

    @staticmethod
    def _sign(
        issuer: bytes, subject: bytes, claims: dict[str, object], *, expires_in_s: int | None = None
    ) -> str:
        now = int(time.time())
        body: dict[str, object] = {
            "iat": now,
            "iss": public_of(issuer),
            "name": "test",
            "sub": public_of(subject),
            "nats": claims,
        }
        if expires_in_s is not None:
            body["exp"] = now + expires_in_s
        digest = hashlib.new("sha512_256", json.dumps(body).encode()).digest()
        body["jti"] = base64.b32encode(digest).decode().rstrip("=")
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, body]
        signed = ".".join(_unpadded(json.dumps(part).encode()) for part in parts)
        signature = nkeys.from_seed(bytearray(issuer)).sign(signed.encode())
        return f"{signed}.{_unpadded(signature)}"


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Authority:
    """A certificate authority with certificates of a server and of a client."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self._server = _write(authority.issue_cert("localhost", "127.0.0.1"), folder / "server")
        self._client = _write(authority.issue_cert("client.test"), folder / "client")

    def access(self, *, mutual: bool) -> Access:
        """Return TLS; with `mutual` the client shows a certificate, too."""
        certificate, key = self._server
        verify = f'ca_file: "{self.ca}", verify: true' if mutual else ""
        config = f'tls {{ cert_file: "{certificate}", key_file: "{key}", {verify} }}'
        options = {"tls_ca_file": str(self.ca)}
        if mutual:
            options |= {"tls_cert_file": str(self._client[0]), "tls_key_file": str(self._client[1])}
        return Access(config, options, scheme="tls")


def _write(certificate: trustme.LeafCert, stem: Path) -> tuple[Path, Path]:
    paths = stem.with_suffix(".pem"), stem.with_suffix(".key")
    paths[0].write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(paths[1]))
    return paths
