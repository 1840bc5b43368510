"""Proves to a NATS server that we hold a key, without sending it: nkeys and creds files.

The server sends a nonce and we sign it (Ed25519, RFC 8032). It is done here in plain Python because
no library that does it loads in an interpreter beside the main one, where the link lives.

    SU...         an nkey seed: base32 of kind, 32 bytes of key, checksum
    *.creds       a signed statement of who we are (a JWT), and the seed that belongs to it

Rule 1: a seed is never in an error, a repr or a log.
Rule 2: files are read when they are needed, at each connect, so that a renewed file is used.
Rule 3: signing takes some milliseconds and is not constant in time: it happens once for each
        connect, on our own machine, over a nonce that the server alone chooses.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

SEED_CHARS_MAX = 128
CREDS_BYTES_MAX = 64 << 10
_SEED, _USER = 18 << 3, 20 << 3


class BadCredentials(ValueError):
    """A seed or a creds file that cannot be used; the text names the fix and shows no secret."""


class Key:
    """A user's key: signs what a server asks, and says its public name."""

    __slots__ = ("_prefix", "_scalar", "public")

    def __init__(self, seed: str) -> None:
        """Take a seed as text.

        Raises:
            BadCredentials: it is no seed of a user.
        """
        digest = hashlib.sha512(_raw_seed(seed)).digest()
        scalar = int.from_bytes(digest[:32], "little")
        self._scalar = (scalar & ((1 << 254) - 8)) | (1 << 254)
        self._prefix = digest[32:]
        #: The raw public key.
        self.public = _encode(_times(self._scalar, _BASE))

    @property
    def name(self) -> str:
        """The public key as NATS writes it: U..."""
        body = bytes([_USER]) + self.public
        return base64.b32encode(body + _checksum(body)).decode().rstrip("=")

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`, 64 bytes."""
        nonce = int.from_bytes(hashlib.sha512(self._prefix + data).digest(), "little") % _ORDER
        point = _encode(_times(nonce, _BASE))
        hashed = hashlib.sha512(point + self.public + data).digest()
        answer = (nonce + int.from_bytes(hashed, "little") * self._scalar) % _ORDER
        return point + answer.to_bytes(32, "little")

    def __repr__(self) -> str:
        return f"<Key {self.name}>"


def read_seed(path: str) -> str:
    """Return the seed in a file.

    Raises:
        BadCredentials: there is none, or the file cannot be read.
    """
    text = _read(path, "nkey_seed_file")
    seed = next((line.strip() for line in text.splitlines() if line.strip()[:2] == "SU"), "")
    if not seed:
        raise BadCredentials(f"nkey_seed_file {path}: holds no seed of a user (a line SU...)")
    return seed


def read_creds(path: str) -> tuple[str, str]:
    """Return the JWT and the seed in a creds file.

    Raises:
        BadCredentials: one of them is not there, or the file cannot be read.
    """
    text = _read(path, "creds_file")
    found = [_between(text, word) for word in ("USER JWT", "USER NKEY SEED")]
    if not all(found):
        raise BadCredentials(
            f"creds_file {path}: holds no JWT and seed of a user; make one with: nsc generate creds"
        )
    return found[0], found[1]


def expires_at(jwt: str) -> float | None:
    """Return when a JWT expires, in seconds of the Unix epoch; None for never, or if unreadable.

    The server checks it; this is for telling the user why it said no.
    """
    try:
        body = jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        at = claims.get("exp") if isinstance(claims, dict) else None
    except (IndexError, ValueError, RecursionError):
        return None
    return float(at) if isinstance(at, int) and 0 < at < 1 << 40 else None


def _read(path: str, option: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(CREDS_BYTES_MAX + 1)
    except OSError as error:
        raise BadCredentials(f"{option} {path}: cannot be read: {error.strerror}") from None
    if len(data) > CREDS_BYTES_MAX:
        raise BadCredentials(f"{option} {path}: is over {CREDS_BYTES_MAX} bytes")
    return data.decode("ascii", "replace")


def _between(text: str, word: str) -> str:
    """Return the line behind that which begins a block named `word`."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("---") and "BEGIN" in line and f" {word}---" in line:
            return next(lines, "").strip()
    return ""


def _raw_seed(seed: str) -> bytes:
    text = seed.strip()
    try:
        raw = base64.b32decode(text[:SEED_CHARS_MAX] + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 36 or raw[-2:] != _checksum(raw[:-2]):
        raise BadCredentials("the nkey seed is damaged: it must be the text SU... of 58 characters")
    kind = ((raw[0] & 7) << 5) | (raw[1] >> 3)
    if raw[0] & 248 != _SEED or kind != _USER:
        raise BadCredentials("the nkey seed is not that of a user: it must begin with SU")
    return raw[2:34]


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")


# --- the curve: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z ---------------------------
_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _FIELD) % _FIELD

type _Point = tuple[int, int, int, int]


def _add(a: _Point, b: _Point) -> _Point:
    p = (a[1] - a[0]) * (b[1] - b[0]) % _FIELD
    q = (a[1] + a[0]) * (b[1] + b[0]) % _FIELD
    r = 2 * a[3] * b[3] * _D % _FIELD
    s = 2 * a[2] * b[2] % _FIELD
    e, f, g, h = q - p, s - r, s + r, q + p
    return e * f % _FIELD, g * h % _FIELD, f * g % _FIELD, e * h % _FIELD


def _times(factor: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


def _encode(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _FIELD)
    x, y = point[0] * inverse % _FIELD, point[1] * inverse % _FIELD
    return (y | ((x & 1) << 255)).to_bytes(32, "little")


_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _FIELD)
