"""The vault: what it seals opens with a known key and for the same login, and with nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from generalbots_api.auth.model import Grant, Secret
from generalbots_api.auth.ports import Vault
from generalbots_api.backends.jose import TokenVault
from generalbots_api.errors import Unauthorized
from generalbots_api.ids import LoginId

OLD, NEW = b"o" * 32, b"n" * 32
ME, OTHER = LoginId("login-one"), LoginId("login-two")
GRANT = Grant(
    access_token=Secret("the access token"),
    refresh_token=Secret("the refresh token"),
    id_token=Secret("the id token"),
    expires_at=datetime(2026, 1, 20, 12, 0, 0, 250_000, UTC),
)


@pytest.mark.parametrize(
    "grant",
    [GRANT, Grant(access_token=Secret("ä\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")))],
    ids=["full", "least"],
)
def test_what_was_sealed_opens_again(grant: Grant) -> None:
    vault: Vault = TokenVault([NEW])
    assert vault.open(vault.seal(grant, ME), ME) == grant


def test_a_sealed_grant_shows_nothing_and_is_never_the_same_twice() -> None:
    vault = TokenVault([NEW])
    first, second = vault.seal(GRANT, ME), vault.seal(GRANT, ME)
    assert first != second
    seen = b"".join(plain(part) for part in first.split(b"."))
    assert b"token" not in seen
    assert NEW not in seen
    assert header_of(first) == {"alg": "dir", "enc": "A256GCM", "kid": header_of(second)["kid"], "login": ME}


def header_of(sealed: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(plain(sealed.split(b".")[0]))
    return found


def test_it_opens_for_its_own_login_only() -> None:
    vault = TokenVault([NEW])
    with pytest.raises(Unauthorized):
        vault.open(vault.seal(GRANT, ME), OTHER)


def test_the_login_in_the_header_cannot_be_changed() -> None:
    vault = TokenVault([NEW])
    head, *rest = vault.seal(GRANT, ME).split(b".")
    changed = base64.urlsafe_b64encode(json.dumps({**header_of(head), "login": OTHER}, separators=(",", ":")).encode())
    for login in (ME, OTHER):
        with pytest.raises(Unauthorized):
            vault.open(b".".join([changed.rstrip(b"="), *rest]), login)


def test_the_newest_key_seals_and_every_key_opens() -> None:
    sealed_before = TokenVault([OLD]).seal(GRANT, ME)
    vault = TokenVault([OLD, NEW])
    sealed = vault.seal(GRANT, ME)
    assert vault.open(sealed_before, ME) == vault.open(sealed, ME) == TokenVault([NEW]).open(sealed, ME) == GRANT
    with pytest.raises(Unauthorized):
        TokenVault([OLD]).open(sealed, ME)
    with pytest.raises(Unauthorized):
        TokenVault([NEW]).open(sealed_before, ME)


def test_a_key_that_is_listed_twice_is_as_new_as_its_last_place() -> None:
    assert TokenVault([NEW]).open(TokenVault([NEW, OLD, NEW]).seal(GRANT, ME), ME) == GRANT


def test_another_key_of_the_same_name_does_not_open() -> None:
    head, *rest = TokenVault([OLD]).seal(GRANT, ME).split(b".")
    name = header_of(TokenVault([NEW]).seal(GRANT, ME))["kid"]
    renamed = json.dumps({**header_of(head), "kid": name}, separators=(",", ":")).encode()
    with pytest.raises(Unauthorized):
        TokenVault([NEW]).open(b".".join([base64.urlsafe_b64encode(renamed).rstrip(b"="), *rest]), ME)


def test_a_secret_key_is_not_itself_the_key() -> None:
    head, _, iv, text, tag = TokenVault([NEW]).seal(GRANT, ME).split(b".")
    nonce, sealed = plain(iv), plain(text) + plain(tag)
    with pytest.raises(InvalidTag):
        AESGCM(NEW).decrypt(nonce, sealed, head)
    derived = hmac.digest(NEW, b"generalbots_api token vault", hashlib.sha256)
    assert b"the access token" in AESGCM(derived).decrypt(nonce, sealed, head)


def plain(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"==")


@pytest.mark.parametrize("part", range(5))
def test_a_changed_bit_does_not_open(part: int) -> None:
    vault = TokenVault([NEW])
    parts = vault.seal(GRANT, ME).split(b".")
    raw = bytearray(plain(parts[part])) or bytearray(b"x")
    raw[len(raw) // 2] ^= 1
    parts[part] = base64.urlsafe_b64encode(raw).rstrip(b"=")
    with pytest.raises(Unauthorized):
        vault.open(b".".join(parts), ME)


@pytest.mark.parametrize(
    "sealed", [b"", b"x", b"....", b"a.b.c.d.e", b"\xff\x00", b"W10....", b"e30....", b"bnVsbA....", b"{}"]
)
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unauthorized):
        TokenVault([NEW]).open(sealed, ME)


def test_a_cut_or_prolonged_one_does_not_open() -> None:
    vault = TokenVault([NEW])
    sealed = vault.seal(GRANT, ME)
    for bad in (sealed[:-4], sealed[4:], sealed + b"AAAA", sealed + b".x", sealed.rpartition(b".")[0]):
        with pytest.raises(Unauthorized):
            vault.open(bad, ME)


def test_tokens_as_long_as_an_answer_may_be_are_kept() -> None:
    grant = Grant(access_token=Secret("a" * 500_000), id_token=Secret("i" * 16_384))
    vault = TokenVault([NEW])
    assert vault.open(vault.seal(grant, ME), ME) == grant


def test_a_text_opens_for_what_it_belongs_to_only_and_is_no_grant() -> None:
    vault = TokenVault([OLD, NEW])
    sealed = vault.seal_text("the verifier", "one")
    assert "verifier" not in plain(sealed.encode().split(b".")[3]).decode("latin-1")
    assert vault.open_text(sealed, "one") == TokenVault([NEW]).open_text(sealed, "one") == "the verifier"
    for other in (TokenVault([OLD]), vault):
        with pytest.raises(Unauthorized):
            other.open_text(sealed, "one" if other is not vault else "two")
    for name in ("one", "text:one"):
        with pytest.raises(Unauthorized):
            vault.open(sealed.encode(), LoginId(name))
    with pytest.raises(Unauthorized):
        vault.open_text(vault.seal(GRANT, LoginId("one")).decode(), "one")
    with pytest.raises(Unauthorized):
        vault.open_text("the verifier", "one")


def test_without_a_key_there_is_no_vault() -> None:
    with pytest.raises(ValueError, match=r"^keys: "):
        TokenVault([])


def test_no_text_of_an_error_shows_a_token() -> None:
    vault = TokenVault([NEW])
    with pytest.raises(Unauthorized) as caught:
        vault.open(vault.seal(GRANT, ME), OTHER)
    assert "token" not in caught.value.message
    assert caught.value.details == {}
