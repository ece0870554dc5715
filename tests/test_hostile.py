"""What a hostile client sends is refused by a 4xx in the one format, never a 5xx, on every endpoint and storage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import AsyncClient as Client

from generalbots_api import GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.storage import Storage
from tests.support.promises import check_refused, opened, raw, token_of
from tests.support.service import BASE, KEY, Service, log_in, running_service, session_token

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

MAX_BODY = 4_096
NO_LIMITS = {"limit_anonymous": 10**6, "limit_user": 10**6, "limit_admin": 10**6, "max_body": MAX_BODY}
JSON = {"content-type": "application/json"}

BODIES = {  # endpoint -> a body that is not refused
    ("POST", "/api/session/create"): {"bot_id": "echo"},
    ("PUT", "/api/users/me"): {"first_name": "Ada"},
    ("POST", "/api/groups/create"): {"name": "Sales"},
    ("POST", "/api/groups/300000000000000001/members/add"): {"user_id": "200000000000000003"},
    ("DELETE", "/api/groups/300000000000000001/members/remove"): {"user_id": "200000000000000003"},
}
STAFF = "300000000000000001"
DIRECTORY = ZitadelDirectory(f"{BASE}/dev-directory", "x", "x", project_id="1", for_development=True)
LIBRARY = GeneralBots(Settings(secret_keys=[KEY]), storage=MemoryStorage(), directory=DIRECTORY)
ENDPOINTS = {
    (one.method, one.path.replace("/groups/{id}", f"/groups/{STAFF}").replace("{id}", "x")): one
    for mount in LIBRARY.mounts
    for one in mount.table.endpoints
    if one.method != "WEBSOCKET"
}
"""Every endpoint that there is: a new one is attacked without being named here."""
EVERY = list(ENDPOINTS)
PROTECTED = [at for at, endpoint in ENDPOINTS.items() if not endpoint.is_public]
WITH_BODY = [at for at, endpoint in ENDPOINTS.items() if endpoint.docs.takes is not None]
NOWHERE = [("GET", "/api/nowhere"), ("GET", "/nowhere"), ("GET", "/auth/nowhere"), ("POST", "/")]
CONSOLE = [("GET", "/"), ("GET", "/console/app.js"), ("HEAD", "/"), ("OPTIONS", "/")]

with_body = pytest.mark.parametrize(("method", "path"), WITH_BODY)
everywhere = pytest.mark.parametrize(("method", "path"), [*EVERY, *NOWHERE])


@pytest.fixture
async def service(storage: Storage) -> AsyncIterator[Service]:
    settings = {**NO_LIMITS, "cors_origins": ["https://app.example"], "trusted_proxies": ["127.0.0.1"]}
    async with running_service(storage=storage, settings=settings) as service:
        yield service


# Bodies


def nested(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    """`levels` levels below the object that the body is."""
    return opening * levels + "1" + closing * levels


def spoilt(good: dict[str, Any]) -> dict[str, bytes]:
    """Bodies that are wrong, each in one way only where that can be."""
    text = json.dumps(good)
    inner = text[1:-1] or '"y": 0'
    values = {
        **{
            name: name
            for name in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "+1", "0x1", "1.", ".5", "'a'")
        },
        **{"lone high surrogate": '"\\ud800"', "lone low surrogate": '"\\udc00x"', "swapped pair": '"\\udc00\\ud800"'},
        **{"NUL": '"\\u0000"', "bare NUL": '"\x00"', "control": '"\x01"', "newline": '"a\nb"', "escape": '"\\x41"'},
        **{"2**63": str(2**63), "-2**63-1": str(-(2**63) - 1), "digits": "9" * 3_000, "undefined": "undefined"},
        **{"depth 33": nested(32), "depth 33 of lists": nested(32, "[", "]"), "depth 1000": nested(1_000, "[", "]")},
        "depth 33 in a mix": nested(16, '[{"a":', "}]"),
    }
    within = {name: f'{{{inner}, "x": {value}}}'.encode() for name, value in values.items()}
    whole = {
        **{"empty": b"", "space": b" ", "open": b"{", "cut": text[:-1].encode(), "twice": (text + text).encode()},
        **{"comma": f"{{{inner},}}".encode(), "comment": f"{text} // x".encode(), "garbage": text.encode() + b"\x00"},
        **{"null": b"null", "true": b"true", "number": b"1", "text": b'"x"', "list": f"[{text}]".encode(), "[]": b"[]"},
        **{"UTF-16": text.encode("utf-16"), "UTF-16LE": text.encode("utf-16-le"), "UTF-32": text.encode("utf-32")},
        **{
            "BOM": b"\xef\xbb\xbf" + text.encode(),
            "form": b"bot_id=echo&name=x&user_id=1",
            "latin-1": b'{"x": "\xe9"}',
        },
        **{"overlong": b'{"x": "\xc0\xaf"}', "coded surrogate": b'{"x": "\xed\xa0\x80"}', "brackets": b"[" * MAX_BODY},
        "duplicate key": f"{{{inner}, {inner}}}".encode(),
        "duplicate key below": f'{{{inner}, "x": [{{"a": 1, "a": 1}}]}}'.encode(),
        "duplicate key by escape": f'{{{inner}, "a": 1, "\\u0061": 1}}'.encode(),
        "surrogate in a key": f'{{{inner}, "\\ud800": 1}}'.encode(),
        "NUL in a key": f'{{{inner}, "\\u0000": 1}}'.encode(),
    }
    return within | whole


@with_body
async def test_malformed_bodies_are_400(admin: Client, method: str, path: str) -> None:
    for name, body in spoilt(BODIES.get((method, path), {})).items():
        answer = await admin.request(method, path, content=body, headers=JSON)
        check_refused(name, answer, *([400] if (method, path) in BODIES else [400, 404]))


@pytest.mark.parametrize(("method", "path"), [at for at in BODIES if at[0] != "PUT"])  # which refuses unknown fields
async def test_what_is_just_within_the_bounds_is_no_error(admin: Client, method: str, path: str) -> None:
    for value in (str(2**63 - 1), str(-(2**63) + 1), nested(31), '"\\ud83d\\ude00"', '"\U0001f600"', "1e308"):
        body = f"{json.dumps(BODIES[method, path])[:-1]}, {json.dumps(value[:9])}: {value}}}"
        answer = await admin.request(method, path, content=body.encode(), headers=JSON)
        assert answer.status_code in (200, 201, 409), (value, answer.text)


WRONG: dict[tuple[str, str], dict[str, list[Any]]] = {
    ("POST", "/api/session/create"): {"bot_id": ["", "x" * 256]},
    ("PUT", "/api/users/me"): {
        "first_name": ["", " "],
        "last_name": ["\t"],
        "email": ["", "a", "a@", "a@b@c", "a b@c.de"],
    },
    ("POST", "/api/groups/create"): {"name": ["", " ", "x" * 201, "a\x7fb"], "members": ["x", [""], [[]], ["1"] * 101]},
    ("POST", "/api/groups/300000000000000001/members/add"): {
        "user_id": [""],
        "user_ids": ["1", [""], [None], ["1"] * 101],
    },
    ("DELETE", "/api/groups/300000000000000001/members/remove"): {"user_id": [""], "user_ids": [{}, [1]]},
}


@pytest.mark.parametrize(("method", "path"), list(BODIES))
async def test_values_of_a_wrong_type_or_out_of_bounds_are_400(admin: Client, method: str, path: str) -> None:
    for field, wrong in WRONG[method, path].items():
        for value in (1, -1, 1.5, True, {"a": 1}, "x" * 1_000, *wrong):
            answer = await admin.request(method, path, json={**BODIES[method, path], field: value})
            check_refused((field, value), answer, 400)


@with_body
async def test_bodies_of_another_media_type_are_415(admin: Client, method: str, path: str) -> None:
    types = [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "json",
        "\xff",
    ]
    types += ["application/json-patch+json", "application/x-www-form-urlencodedx", ";", "text/json", "a" * 2_000]
    for media_type in types:
        body = json.dumps(BODIES.get((method, path), {})).encode()
        headers = [(b"authorization", admin.headers["authorization"].encode())]
        kind = [(b"content-type", media_type.encode("latin-1"))] if media_type else []
        answer = await admin.request(method, path, content=body, headers=[*headers, *kind])
        check_refused(media_type, answer, 415)


@with_body
async def test_forms_are_taken_by_the_creation_of_groups_only(admin: Client, method: str, path: str) -> None:
    for form in (b"", b"x=1", b"name=", b"name=a&name=b", b"name=%00", b"name=%ff", b"name=%ed%a0%80", b"a=1&" * 500):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await admin.request(method, path, content=form, headers=headers)
        check_refused(form, answer, 400 if path == "/api/groups/create" else 415)


@with_body
async def test_bodies_over_the_limit_are_413(service: Service, admin: Client, method: str, path: str) -> None:
    big = json.dumps({**BODIES.get((method, path), {}), "x": "x" * MAX_BODY}).encode()
    auth = [(b"authorization", admin.headers["authorization"].encode()), (b"content-type", b"application/json")]
    lies = [(b"content-length", b"5")]
    check_refused("declared", await admin.request(method, path, content=big, headers=JSON), 413)
    check_refused("chunked", await raw(service, method, path, auth, [big[:100], big[100:]]), 413)
    check_refused("drops", await raw(service, method, path, auth, [b" "] * (MAX_BODY + 1)), 413)
    check_refused("lies", await raw(service, method, path, [*auth, *lies], [big]), 413)


@everywhere
async def test_lengths_that_are_none_or_too_large_are_refused_everywhere(
    service: Service, admin: Client, method: str, path: str
) -> None:
    auth = (b"authorization", admin.headers["authorization"].encode())
    for length in (b"4097", b"9" * 30, b"9" * 5_000, b"-1", b"1e9", b"", b"abc", b"0x10", b"\xb2"):
        answer = await raw(service, method, path, [auth, (b"content-length", length)])
        check_refused(length, answer, 400, 413, 404, 405)


# Paths and methods

IDS = [
    *(
        "%00",
        "x%00y",
        "a%2Fb",
        "%2F",
        "%2e%2e",
        "..%2F..%2Fetc%2Fpasswd",
        quote("\U0001f600"),
        "x" * 60_000,
        "%0d%0aX:1",
    ),
    *("%ff", "%ed%a0%80", "%c0%af", "null", "undefined", "-1", "0", "'%20OR%201=1--", "%25s%25n", "*", "%20", "a:b"),
    *("__proto__", "{id}", "$(id)", "%7B%7B7*7%7D%7D", quote("ﷺ") * 100, "%e2%80%ae", "100000000000000000000000000"),
]
BY_ID = [
    *(("DELETE", "/api/session/{}"), ("GET", "/api/groups/{}/members"), ("GET", "/api/conversations/{}/history")),
    *(("POST", "/api/groups/{}/members/add"), ("DELETE", "/api/groups/{}/members/remove")),
]


@pytest.mark.parametrize("who", ["admin", "alice"])
@pytest.mark.parametrize(("method", "path"), BY_ID)
async def test_hostile_ids_are_404(service: Service, who: str, method: str, path: str) -> None:
    client = await service.bearer(who)
    service.app = service.gb  # a host's own router may refuse some itself
    client = service.client(headers=client.headers)
    for id in IDS:
        answer = await client.request(method, path.format(id), json={"user_id": "200000000000000003"})
        check_refused(id[:80], answer, 404, 405)


@pytest.mark.parametrize(("method", "path"), BY_ID)
async def test_paths_that_no_server_should_give_are_404_too(
    service: Service, admin: Client, method: str, path: str
) -> None:
    headers = [(b"authorization", admin.headers["authorization"].encode()), (b"content-type", b"application/json")]
    service.app = service.gb
    for id in ("\ud800", "\udcff", "\x00", "a\nb", "\u202e"):
        body = b'{"user_id": "200000000000000003"}'
        check_refused(ascii(id), await raw(service, method, path.format(id), headers, [body]), 404, 405)


@pytest.mark.parametrize("field", ["user_id", "user_ids"])
@pytest.mark.parametrize("path", ["add", "remove"])
async def test_hostile_user_ids_fail_one_by_one(admin: Client, field: str, path: str) -> None:
    method = "POST" if path == "add" else "DELETE"
    for id in ("unknown", "../x", "\U0001f600", "x" * 255, "-1", "' OR 1=1--", "a\r\nb", "\ufeff", "\x7f"):
        body = {field: id if field == "user_id" else [id]}
        answer = await admin.request(method, f"/api/groups/300000000000000001/members/{path}", json=body)
        if answer.status_code != 200:
            check_refused(id, answer, 400, 404)
            continue
        assert [one["status"] for one in answer.json()["results"]] in (["failed"], ["unchanged"]), id


@everywhere
async def test_wrong_methods_are_405_and_tell_the_right_ones(
    service: Service, admin: Client, method: str, path: str
) -> None:
    auth = [(b"authorization", admin.headers["authorization"].encode())]
    allowed = (await admin.options(path)).headers.get("allow", "")
    for other in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "get", "WEBSOCKET", "", "É"):
        if other in allowed.split(", "):
            continue
        answer = await raw(service, other, path, auth)
        if (method, path) in NOWHERE:
            check_refused(other, answer, 404, 405)
        else:
            check_refused(other, answer, 405)
            assert method in answer.headers["allow"].split(", ")
            assert "WEBSOCKET" not in answer.headers["allow"]


# Who it is


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_credentials_that_are_none_are_401_everywhere(
    service: Service, alice: Client, browser: Client, method: str, path: str
) -> None:
    token, other = token_of(alice), session_token(browser)
    session_id = (await alice.get("/api/session")).json()["session_id"]
    bot_session_id = await opened(alice)
    values = [
        *(b"", b"Bearer", b"Bearer ", b"Bearer \x00", b"Bearer \xff\xfe", b"Basic YTpi", b"Bearer " + b"x" * 65_536),
        *(b"Bearer " + token.encode() + b"x", b"Bearer " + token[:-1].encode(), b"Bearer " + token.upper().encode()),
        *(b"Token " + token.encode(), token.encode(), b"Bearer" + token.encode(), b"Bearer, Bearer " + token.encode()),
        *(f"Bearer {session_id}".encode(), f"Bearer gbs_{session_id}".encode(), f"Bearer {bot_session_id}".encode()),
        *(f"Bearer {token},{token}".encode(), f"Bearer {token} {token}".encode(), b"Bearer gbs_" + b"/" * 43),
        *(f'Bearer "{token}"'.encode(), b"Bearer gbs_" + b"\xc3" * 43, b"Bearer gbs_" + b"%00" * 14 + b"0"),
    ]
    good, mine = (b"authorization", f"Bearer {token}".encode()), (b"cookie", f"gb_session={other}".encode())
    sets = [
        *([(b"authorization", value)] for value in values),
        *(
            [good, good],
            [good, (b"authorization", b"Bearer x")],
            [(b"authorization", b""), good],
            [(b"authorization", b""), mine],
        ),
        *([mine, mine], [(b"cookie", mine[1] + b"; " + mine[1])], [(b"cookie", f"gb_session={session_id}".encode())]),
        *(
            [(b"cookie", b"GB_SESSION=" + other.encode())],
            [(b"x-authorization", good[1])],
            [(b"cookie", b"gb_session=")],
        ),
    ]
    for headers in sets:
        check_refused([value[:90] for _, value in headers], await raw(service, method, path, headers), 401)
    for name in ("access_token", "token", "session_token", "gb_session", "authorization", "api_key"):
        check_refused(name, await raw(service, method, path, query=f"{name}={token}".encode()), 401)


async def test_the_directory_s_tokens_are_no_session_tokens(service: Service, alice: Client) -> None:
    login = (await service.storage.logins.of_user(service.dev.user_id("alice")))[0]  # type: ignore[arg-type]
    vault = service.gb._services.vault
    assert vault is not None
    grant = vault.open(login.sealed_grant, login.id)
    for secret in (grant.access_token, grant.refresh_token, grant.id_token):
        assert secret is not None
        headers = {"Authorization": f"Bearer {secret.reveal()}"}
        check_refused("a token of the Directory", await alice.get("/api/session", headers=headers), 401)


# Queries


@pytest.mark.parametrize("path", ["/api/groups/list", "/api/groups/300000000000000001/members", "/api/bots"])
async def test_garbage_in_a_query_is_400(admin: Client, path: str) -> None:
    values = [
        "0",
        "-1",
        "1001",
        "abc",
        "1.5",
        "NaN",
        str(2**63),
        "9" * 5_000,
        "",
        "null",
        "0x1",
        "%20",
        "1%00",
        "%ff",
    ]
    for value in (*values, "%F0%9F%98%80", "1&limit=1", "true", "[]", "%D9%A3"):
        check_refused(value[:50], await admin.get(f"{path}?limit={value}"), 400)
    for value in ("-1", "abc", str(2**31 + 1), str(2**64), "", "1&offset=1", "1.5"):
        check_refused(value, await admin.get(f"{path}?offset={value}"), 400)
    for query in ("a=" + "x" * 9_000, "&".join(f"a{n}=1" for n in range(301)), "%ff=1", "a=%ed%a0%80", "%00=1"):
        check_refused(query[:50], await admin.get(f"{path}?{query}"), 400)


async def test_garbage_in_a_search_is_400_or_finds_nothing(admin: Client) -> None:
    for value in ("%00", "x" * 201, "%ff", "a&search=b"):
        check_refused(value, await admin.get(f"/api/groups/list?search={value}"), 400)
    for value in ("%25", "_", "'", "%5C", "%F0%9F%98%80", "*", ".*", "%E2%80%AE", "%7F", "$where"):
        answer = await admin.get(f"/api/groups/list?search={value}")
        assert (answer.status_code, answer.json()["groups"]) == (200, []), value


async def test_garbage_in_the_place_of_a_history_is_400(alice: Client) -> None:
    id = await opened(alice)
    for value in (
        "abc",
        "-1",
        "1.5",
        "9" * 400,
        "2026-01-20",
        "2026-01-20T10:00:00",
        "%00",
        "",
        str(2**53 + 1),
        "%D9%A3",
    ):
        check_refused(value, await alice.get(f"/api/conversations/{id}/history?before={value}"), 400)
    for query in ("before=1&after=1", "limit=0", "limit=101", "after=1&after=2", "after=9999-99-99T00:00:00Z"):
        check_refused(query, await alice.get(f"/api/conversations/{id}/history?{query}"), 400)
    for value in (str(2**53), "0", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"):
        answer = await alice.get(f"/api/conversations/{id}/history?after={value}")
        assert answer.status_code in (200, 400), (value, answer.text)


async def test_garbage_in_the_callback_is_400(nobody: Client) -> None:
    for value in (
        "%00",
        "x" * 5_000,
        "%ff",
        "%F0%9F%98%80",
        "a&state=b",
        "%0d%0a",
        "a&code=%00",
        "..%2F",
        "x" * 60_000,
    ):
        check_refused(value[:50], await nobody.get(f"/auth/callback?code=x&state={value}"), 400)


async def test_garbage_in_a_redirect_target_is_400_or_no_target_at_all(service: Service, nobody: Client) -> None:
    for value in ("%00", "%ff", "a&redirect=b", "x" * 9_000, "%ed%a0%80", "&" * 500):
        answer = await nobody.get(f"/auth/login?redirect={value}")
        if answer.status_code != 302:
            check_refused(value[:50], answer, 400)
    for value in (
        "%0d%0aSet-Cookie:a=b",
        "//evil.example",
        "%5C%5Cevil.example",
        "%F0%9F%98%80",
        "/%E2%80%AE",
        "%2F%09%2Fx",
    ):
        client = service.client()
        assert (await log_in(client, "alice", f"/auth/login?redirect={value}")).headers["location"] == "/", value


async def test_garbage_in_a_logout_token_is_400(nobody: Client) -> None:
    tokens = [
        "",
        "x",
        "a.b.c",
        "x" * 4_000,
        "..",
        "\U0001f600",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJhbGciOiJIUzI1NiJ9.e30.AA",
    ]
    for token in tokens:
        check_refused(token[:50], await nobody.post("/auth/backchannel-logout", data={"logout_token": token}), 400)
    for body in (b"", b"logout_token=a&logout_token=b", b"logout_token=%00", b"logout_token=%ff"):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        check_refused(body, await nobody.post("/auth/backchannel-logout", content=body, headers=headers), 400)


# Headers

HOSTILE_HEADERS = {
    b"x-request-id": [b"", b"a b", b"x" * 129, b"\xff", b"a\x00b", b"a\tb", b"\x7f"],
    b"x-forwarded-for": [
        b"",
        b",",
        b"x",
        b"1.2.3.4, x",
        b"::",
        b"[::1",
        b"1.2.3.4:99999",
        b"\xff",
        b"a," * 9_000,
        b"::1%eth0",
    ],
    b"origin": [b"", b"null", b"*", b"https://[", b"\xff", b"x" * 65_536, b"https://app.example, https://app.example"],
    b"cookie": [b"", b";;;", b"=", b"gb_session", b"\xff=\xfe", b"a=b; " * 9_000, b'gb_session="', b"gb_login_x=%00.a"],
    b"host": [b"", b"[", b"[]:x", b"a:b:c", b"\xff", b"evil.example:99999999", b"a/b", b"a@b", b"x" * 65_536, b"::1"],
    b"accept": [b"", b"\xff", b"*/*;q=x", b"text/plain;" * 9_000],
    b"if-none-match": [b"", b"*,", b'W/"', b"\xff", b'"' * 9_000],
    b"sec-fetch-site": [b"", b"\xff", b"cross-site"],
    b"user-agent": [b"", b"\xff" * 9_000, b"\x00"],
    b"access-control-request-method": [b"", b"\xff", b"EVIL"],
    b"content-type": [b"", b"\xff", b";" * 9_000],
}


@pytest.mark.parametrize(
    ("method", "path"), [*EVERY, *NOWHERE, *CONSOLE, ("OPTIONS", "/api/bots"), ("HEAD", "/api/bots")]
)
@pytest.mark.parametrize("is_known", [False, True], ids=["nobody", "admin"])
async def test_hostile_headers_are_no_5xx_and_are_not_sent_back(
    service: Service, method: str, path: str, is_known: bool
) -> None:
    token = await service.token("admin")
    for name, values in HOSTILE_HEADERS.items():
        for value in values:
            auth = [(b"authorization", f"Bearer {token}".encode())] if is_known else []
            answer = await raw(service, method, path, [*auth, (name, value)])
            if path == "/auth/logout" and answer.status_code == 200:
                token = await service.token("admin")
            assert answer.status_code < 500, (name, value[:80], answer.text)
            assert answer.headers["x-request-id"] not in ("", value.decode("latin-1")), (name, value[:80])
            if answer.status_code >= 400 and method != "HEAD":
                check_refused((name, value[:80]), answer, 400, 401, 403, 404, 405, 415)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "WEBSOCKET", "websocket"])
async def test_requests_at_the_socket_s_path_are_405(service: Service, alice: Client, method: str) -> None:
    answer = await raw(service, method, "/ws", [(b"authorization", alice.headers["authorization"].encode())])
    assert answer.status_code == 405
    assert "WEBSOCKET" not in answer.headers["allow"]
