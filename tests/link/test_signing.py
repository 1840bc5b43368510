"""Keys: what is signed is what NATS's own library signs, and no error shows a secret."""

from __future__ import annotations

import os
from pathlib import Path

import nkeys
import pytest

from executor.link.signing import (
    CREDS_BYTES_MAX,
    BadCredentials,
    Key,
    expires_at,
    read_creds,
    read_seed,
)
from tests.link.credentials import Operator, make_seed


def test_a_signature_is_the_one_of_the_reference_library() -> None:
    for size in range(0, 64, 7):
        seed = make_seed(nkeys.PREFIX_BYTE_USER)
        ours, theirs = Key(seed.decode()), nkeys.from_seed(bytearray(seed))
        nonce = os.urandom(size)

        assert ours.name == bytes(theirs.public_key).decode()
        assert ours.sign(nonce) == theirs.sign(nonce)


def test_a_signature_is_the_one_of_the_standard() -> None:
    """The second vector of RFC 8032, section 7.1."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    seed = nkeys.encode_seed(secret, nkeys.PREFIX_BYTE_USER).decode()

    key = Key(seed)

    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@pytest.mark.parametrize("harm", ["short", "flipped", "another kind", "empty", "no base32"])
def test_a_seed_that_is_none_is_refused_without_being_shown(harm: str) -> None:
    seed = make_seed(nkeys.PREFIX_BYTE_USER).decode()
    bad = {
        "short": seed[:-4],
        "flipped": seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:],
        "another kind": make_seed(nkeys.PREFIX_BYTE_ACCOUNT).decode(),
        "empty": "",
        "no base32": "!" * 58,
    }[harm]

    with pytest.raises(BadCredentials, match="seed") as caught:
        Key(bad)

    assert not bad or bad not in str(caught.value)
    assert seed not in repr(Key(seed))


def test_a_creds_file_gives_its_statement_and_its_seed(tmp_path: Path) -> None:
    creds = Operator(tmp_path).creds(expires_in_s=3_600)

    jwt, seed = read_creds(str(creds))

    assert jwt.count(".") == 2
    assert jwt in creds.read_text()
    assert f"\n{seed}\n" in creds.read_text()
    assert Key(seed).name.startswith("U")
    assert expires_at(jwt) is not None


def test_a_file_without_a_key_is_refused_by_its_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("nothing\n")
    large = tmp_path / "large"
    large.write_bytes(b"\n" * (CREDS_BYTES_MAX + 1))

    with pytest.raises(BadCredentials, match=r"nkey_seed_file .*empty"):
        read_seed(str(empty))
    with pytest.raises(BadCredentials, match=r"creds_file .*empty"):
        read_creds(str(empty))
    with pytest.raises(BadCredentials, match=r"creds_file .*missing: cannot be read"):
        read_creds(str(tmp_path / "missing"))
    with pytest.raises(BadCredentials, match="is over"):
        read_creds(str(large))


@pytest.mark.parametrize("jwt", ["", "a", "a.b.c", "a.bnVsbA.c", "a.eyJleHAiOiAieCJ9.c"])
def test_a_statement_that_cannot_be_read_has_no_end(jwt: str) -> None:
    assert expires_at(jwt) is None
