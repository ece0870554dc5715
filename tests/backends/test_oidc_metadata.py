"""What a provider says of itself, and its keys: checked before use, kept, renewed, held on to."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest

from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.backends.oidc.keys import usable_key, usable_keys
from generalbots_api.errors import ApiError, BadGateway, InvalidRequest, Unauthorized, Unavailable
from tests.backends.oidc_forge import CLIENT, ISSUER, TinyOp, forged, id_claims, new_key, part, published

pytestmark = pytest.mark.anyio

DISCOVERY = "/.well-known/openid-configuration"
DOWN = httpx2.Response(503, text="<h1>down</h1>")
HOUR, DAY = 3_600, 86_400


async def begin(op: TinyOp, directory: OidcDirectory) -> str:
    return await directory.authorization_url(op.pending(), "the state")


WRONG: dict[str, dict[str, Any]] = {
    "a slash more": {"issuer": f"{ISSUER}/"},
    "another case": {"issuer": ISSUER.upper()},
    "another issuer": {"issuer": "https://elsewhere.example"},
    "no issuer": {"issuer": None},
    "no token endpoint": {"token_endpoint": None},
    "no keys": {"jwks_uri": None},
    "http": {"token_endpoint": "http://op.example/token"},
    "http on loopback": {"jwks_uri": "http://127.0.0.1/keys"},
    "http where tokens are revoked": {"revocation_endpoint": "http://op.example/revoke"},
    "no URL": {"userinfo_endpoint": "/userinfo"},
    "a user in it": {"authorization_endpoint": "https://user@op.example/authorize"},
    "a bad port": {"authorization_endpoint": "https://op.example:x/authorize"},
    "a fragment": {"authorization_endpoint": "https://op.example/authorize#"},
    "another scheme": {"end_session_endpoint": "javascript:alert(1)//x"},
    "no text": {"token_endpoint": 5},
    "no list": {"id_token_signing_alg_values_supported": "RS256"},
    "no PKCE": {"code_challenge_methods_supported": ["plain"]},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
async def test_metadata_that_is_not_to_be_trusted_is_not_used(changes: dict[str, Any]) -> None:
    op = TinyOp(metadata=changes)
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await begin(op, directory)
        with pytest.raises(BadGateway):
            await directory.ping()
    assert set(op.calls) == {DISCOVERY}


NO_METADATA = [
    DOWN,
    httpx2.Response(404, text="no"),
    httpx2.Response(302, headers={"location": f"{ISSUER}/elsewhere"}),
    httpx2.Response(200, text="<h1>hello</h1>"),
    httpx2.Response(200, json=[]),
    httpx2.Response(200, content=b'{"issuer":"https://op.example","issuer":"https://op.example"}'),
    httpx2.ConnectError("refused"),
]


@pytest.mark.parametrize("answer", NO_METADATA, ids=str)
async def test_without_metadata_a_login_is_unavailable(answer: httpx2.Response | Exception) -> None:
    op = TinyOp(bent={DISCOVERY: answer})
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await begin(op, directory)
    assert set(op.calls) == {DISCOVERY}


GOOD_ISSUERS = [
    ("https://id.example", False),
    ("https://id.example/realms/one", False),
    ("http://127.0.0.1:8080/dev", True),
    ("http://localhost", True),
    ("http://[::1]:8080", True),
]
BAD_ISSUERS = [
    ("http://127.0.0.1:8080", False),
    ("http://id.example", True),
    ("http://127.0.0.1.evil.example", True),
    ("https://id.example?x=1", False),
    ("https://id.example#x", False),
    ("https://me@id.example", False),
    ("id.example", False),
    ("", True),
]


@pytest.mark.parametrize(("issuer", "for_development"), GOOD_ISSUERS)
def test_the_issuer_is_an_https_url_or_for_development_on_loopback(issuer: str, for_development: bool) -> None:
    directory = OidcDirectory(issuer, CLIENT, for_development=for_development)
    assert (directory.issuer, directory.is_for_development) == (issuer, for_development)


@pytest.mark.parametrize(("issuer", "for_development"), BAD_ISSUERS)
def test_another_issuer_is_refused_at_once(issuer: str, for_development: bool) -> None:
    with pytest.raises(ValueError, match=r"^issuer: "):
        OidcDirectory(issuer, CLIENT, for_development=for_development)


async def test_a_slash_at_the_end_of_the_issuer_stays_in_it_but_not_in_the_address() -> None:
    op = TinyOp(metadata={"issuer": f"{ISSUER}/realm/"})
    op.bent["/realm/.well-known/openid-configuration"] = lambda _: op._good(DISCOVERY)
    async with OidcDirectory(f"{ISSUER}/realm/", CLIENT, transport=op, clock=op.clock) as directory:
        assert (await begin(op, directory)).startswith(f"{ISSUER}/authorize")


async def test_metadata_is_kept_for_an_hour() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await begin(op, directory)
        op.clock.advance(HOUR - 1)
        await begin(op, directory)
        assert op.calls[DISCOVERY] == 1


async def test_old_metadata_is_renewed_behind_the_scenes() -> None:
    op, asked, go_on = TinyOp(), anyio.Event(), anyio.Event()

    async def slow(_: httpx2.Request) -> httpx2.Response:
        asked.set()
        await go_on.wait()
        return op._good(DISCOVERY)

    async with op.directory() as directory:
        await begin(op, directory)
        op.clock.advance(HOUR)
        op.bent[DISCOVERY] = slow
        op.metadata["authorization_endpoint"] = f"{ISSUER}/new"
        urls = [await begin(op, directory) for _ in range(3)]
        await asked.wait()
        urls.append(await begin(op, directory))
        go_on.set()
        await anyio.wait_all_tasks_blocked()
        assert all(url.startswith(f"{ISSUER}/authorize") for url in urls)
        assert (await begin(op, directory)).startswith(f"{ISSUER}/new")
    assert op.calls[DISCOVERY] == 2


async def test_closing_the_directory_ends_what_goes_on_behind_the_scenes() -> None:
    op, asked = TinyOp(), anyio.Event()

    async def never(_: httpx2.Request) -> httpx2.Response:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with op.directory() as directory:
        await begin(op, directory)
        op.clock.advance(HOUR)
        op.bent[DISCOVERY] = never
        await begin(op, directory)
        await asked.wait()


@pytest.mark.parametrize("fault", ["down", "another issuer"])
async def test_the_last_good_metadata_serves_what_is_under_way_but_nobody_is_sent_there(fault: str) -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory)
        if fault == "down":
            op.bent[DISCOVERY] = httpx2.Response(404)
        else:
            op.metadata["issuer"] = "https://elsewhere.example"
        op.clock.advance(HOUR)
        await directory.refresh(grant, op.clock.now())
        await anyio.wait_all_tasks_blocked()
        assert op.calls[DISCOVERY] == 2
        await directory.refresh(grant, op.clock.now())
        with pytest.raises(Unavailable):
            await begin(op, directory)
        op.clock.advance(DAY * 30)
        await directory.refresh(grant, op.clock.now())
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Unavailable):
            await begin(op, directory)
        op.bent.clear()
        op.metadata.clear()
        op.clock.advance(10)
        assert await begin(op, directory)


async def test_many_logins_at_once_fetch_the_metadata_once_and_share_what_comes_of_it() -> None:
    for is_down in (False, True):
        op, outcomes = TinyOp(), list[str]()
        if is_down:
            op.metadata["issuer"] = "https://elsewhere.example"
        answer = op._good(DISCOVERY)

        async def slow(_: httpx2.Request, answer: httpx2.Response = answer) -> httpx2.Response:
            await anyio.wait_all_tasks_blocked()
            return answer

        op.bent[DISCOVERY] = slow
        async with op.directory() as directory, anyio.create_task_group() as tasks:

            async def one(
                op: TinyOp = op, directory: OidcDirectory = directory, outcomes: list[str] = outcomes
            ) -> None:
                try:
                    await begin(op, directory)
                    outcomes.append("sent")
                except Unavailable:
                    outcomes.append("unavailable")

            for _ in range(20):
                tasks.start_soon(one)
        assert outcomes == ["unavailable" if is_down else "sent"] * 20
        assert op.calls[DISCOVERY] == 1


async def test_a_caller_that_goes_away_does_not_spoil_the_fetch_for_those_who_wait() -> None:
    op, begun = TinyOp(), anyio.Event()

    async def hangs_once(_: httpx2.Request) -> httpx2.Response:
        if op.calls[DISCOVERY] == 1:
            begun.set()
            await anyio.sleep_forever()
        return op._good(DISCOVERY)

    op.bent[DISCOVERY] = hangs_once
    async with op.directory() as directory, anyio.create_task_group() as tasks:
        first = anyio.CancelScope()

        async def goes_away() -> None:
            with first:
                await begin(op, directory)

        tasks.start_soon(goes_away)
        await begun.wait()
        tasks.start_soon(begin, op, directory)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
    assert op.calls[DISCOVERY] == 2


async def test_ping_asks_now() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await directory.ping()
        await directory.ping()
        assert op.calls[DISCOVERY] == 2
        op.bent[DISCOVERY] = DOWN
        with pytest.raises(Unavailable):
            await directory.ping()


async def test_opening_the_directory_sends_nothing() -> None:
    op = TinyOp()
    async with op.directory():
        pass
    assert not op.requests


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
