"""A provider's keys: fetched, renewed, withdrawn, and which of them are used."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from generalbots_api.backends.oidc.keys import usable_key, usable_keys
from generalbots_api.errors import ApiError, BadGateway, InvalidRequest, Unauthorized, Unavailable
from tests.backends.oidc_forge import TinyOp, forged, id_claims, new_key, part, published

pytestmark = pytest.mark.anyio

HOUR, DAY = 3_600, 86_400


async def test_a_new_key_is_fetched_when_it_is_first_seen() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await op.log_in(directory)
        op.keys = [new_key("2048", "k2")]
        op.clock.advance(10)
        await op.log_in(directory)
        assert op.calls["/keys"] == 2


async def test_a_key_that_changed_under_its_id_is_fetched_again() -> None:
    op = TinyOp(keys=[new_key("2048", "k2")])
    op.bent["/keys"] = httpx2.Response(200, json={"keys": [{**published(new_key("2048"))[0], "kid": "k2"}]})
    async with op.directory() as directory:
        with pytest.raises(Unauthorized):
            await op.log_in(directory)
        del op.bent["/keys"]
        op.clock.advance(10)
        await op.log_in(directory)
        assert op.calls["/keys"] == 2


@pytest.mark.parametrize("are_down", [False, True])
async def test_tokens_of_unknown_keys_fetch_the_keys_at_most_once_in_ten_seconds(are_down: bool) -> None:
    op = TinyOp()
    token = forged(id_claims(), key=new_key("2048", "unknown"))
    async with op.directory() as directory:
        await op.log_in(directory)
        op.clock.advance(10)
        if are_down:
            op.bent["/keys"] = httpx2.Response(404)
        for _ in range(5):
            with pytest.raises(InvalidRequest):
                await directory.logout_notice(token, op.clock.now())
        assert op.calls["/keys"] == 2
        op.clock.advance(9.9)
        with pytest.raises(InvalidRequest):
            await directory.logout_notice(token, op.clock.now())
        assert op.calls["/keys"] == 2


async def test_a_token_that_fails_another_check_fetches_no_keys() -> None:
    op = TinyOp(claims={"aud": "another"})
    async with op.directory() as directory:
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await op.log_in(directory)
            op.clock.advance(11)
    assert op.calls["/keys"] == 1


async def test_a_withdrawn_key_stops_being_accepted() -> None:
    op = TinyOp(keys=[new_key("2048"), new_key("2048", "k2")])
    op.bent["/keys"] = lambda _: httpx2.Response(200, json={"keys": published(*op.keys)})
    async with op.directory() as directory:
        await op.log_in(directory)
        op.bent["/keys"] = httpx2.Response(200, json={"keys": published(new_key("2048", "k2"))})
        op.clock.advance(599)
        await op.log_in(directory)
        op.clock.advance(1)
        with pytest.raises(Unauthorized):
            await op.log_in(directory)


@pytest.mark.parametrize("answer", [httpx2.Response(404), httpx2.Response(200, text="?")], ids=["down", "nonsense"])
async def test_the_last_good_keys_serve_for_a_day(answer: httpx2.Response) -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await op.log_in(directory)
        op.bent["/keys"] = answer
        op.clock.advance(DAY - 1)
        await op.log_in(directory)
        op.clock.advance(1)
        with pytest.raises(ApiError) as caught:
            await op.log_in(directory)
    assert isinstance(caught.value, (Unavailable, BadGateway))


async def test_without_any_keys_nobody_logs_in() -> None:
    op = TinyOp(bent={"/keys": httpx2.Response(404)})
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await op.log_in(directory)


def test_keys_that_are_not_used_are_skipped() -> None:
    rsa, curve, edwards = (published(new_key(kind))[0] for kind in ("2048", "ES", "Ed"))
    skipped: list[Any] = [
        {**rsa, "n": part((1 << 2046 | 1).to_bytes(256, "big"))},
        {**rsa, "use": "enc"},
        {**rsa, "key_ops": ["encrypt"]},
        {**rsa, "key_ops": "verify"},
        {**rsa, "kty": "XY"},
        {**rsa, "kty": ["RSA"]},
        {**rsa, "n": "!"},
        {**rsa, "n": 5},
        {**rsa, "kid": 5},
        {**rsa, "alg": 5},
        {**curve, "crv": "secp256k1"},
        {**curve, "x": "AAAA"},
        {**edwards, "crv": "X25519"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
        {"kty": "RSA"},
        {},
        None,
        "key",
        [rsa],
    ]
    assert [jwk for jwk in skipped if usable_key(jwk) is not None] == []
    kept = usable_keys({"keys": [*skipped, rsa, curve, {**edwards, "key_ops": ["verify"]}]})
    assert [key.key_type for key in kept] == ["RSA", "EC", "OKP"]


def test_a_private_key_that_somebody_published_is_used_as_a_public_one() -> None:
    key = usable_key(new_key("2048").as_dict(private=True))
    assert key is not None
    assert not key.is_private


def test_sixty_four_keys_are_read_at_most() -> None:
    assert usable_keys({"keys": [None] * 64}) == []
    for bad in ([None] * 65, None, {}, "keys"):
        with pytest.raises(BadGateway):
            usable_keys({"keys": bad})
