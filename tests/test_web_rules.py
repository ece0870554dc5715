"""What every endpoint does alike, and the finer promises on users, bots, groups and the administrator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx2 import AsyncClient as Client

from generalbots_api.storage import Storage
from tests.support.promises import check_error, opened, token_of
from tests.support.service import Service, running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

APP = "https://app.example"
PREFLIGHT = {"Origin": APP, "Access-Control-Request-Method": "DELETE"}
READ = [
    *("/api/session", "/api/users/me", "/api/bots", "/api/groups/list", "/api/groups/300000000000000001/members"),
    *("/api/admin/system/status", "/health", "/ready", "/openapi.json", "/asyncapi.json", "/auth/validate"),
]


@pytest.mark.parametrize("path", READ)
async def test_a_trailing_slash_makes_no_difference(admin: Client, path: str) -> None:
    without, with_one = await admin.get(path), await admin.get(f"{path}/")
    assert (without.status_code, with_one.status_code) == (200, 200)
    assert set(without.json()) == set(with_one.json())


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/session/create/", {"bot_id": "echo"}, 201),
        ("DELETE", "/api/session/unknown/", {}, 404),
        ("PUT", "/api/users/me/", {"first_name": "Ada"}, 200),
        ("POST", "/api/groups/create/", {"name": "Sales"}, 201),
        ("POST", "/auth/logout/", {}, 200),
    ],
)
async def test_a_change_works_with_a_trailing_slash(
    admin: Client, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await admin.request(method, path, json=body)).status_code == status


async def test_a_login_works_with_trailing_slashes(service: Service) -> None:
    async with service.client() as client:
        answer = await client.get("/auth/login/")
        assert "redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fauth%2Fcallback&" in answer.headers["location"] + "&"
        check_error(await client.get("/auth/callback/?state=x"), 400, "INVALID_REQUEST")


@pytest.mark.parametrize("path", [*READ, "/api/nowhere", "/nowhere"])
async def test_head_is_get_without_the_body(admin: Client, path: str) -> None:
    get, head = await admin.get(path), await admin.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert set(head.headers) == set(get.headers)


async def test_options_tells_the_methods(admin: Client) -> None:
    answer = await admin.options("/api/users/me")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (204, {"GET", "HEAD", "PUT", "OPTIONS"})


async def test_options_under_api_needs_a_session_unless_it_is_a_preflight(nobody: Client) -> None:
    check_error(await nobody.options("/api/users/me"), 401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/auth/login", "GET, HEAD, OPTIONS"),
        ("GET", "/auth/logout", "POST, OPTIONS"),
        ("PATCH", "/api/users/me", "GET, PUT, HEAD, OPTIONS"),
        ("GET", "/api/session/x", "DELETE, OPTIONS"),
        ("GET", "/api/groups/x/members/add", "POST, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_405_with_allow(admin: Client, method: str, path: str, allow: str) -> None:
    answer = await admin.request(method, path)
    check_error(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nowhere", "/api/users/me/x", "/api/groups/x", "/api//session"])
async def test_under_api_nobody_gets_401_before_404_and_405(
    nobody: Client, alice: Client, method: str, path: str
) -> None:
    check_error(await nobody.request(method, path), 401, "UNAUTHORIZED")
    check_error(await alice.request(method, path), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/nowhere", "/apis", "/apix/session", "/auth/nowhere", "/API/session", "/ws/x"])
async def test_elsewhere_an_unknown_path_is_404_for_everyone(nobody: Client, path: str) -> None:
    check_error(await nobody.get(path), 404, "NOT_FOUND")


async def test_a_sane_request_id_of_the_caller_is_kept(alice: Client) -> None:
    for id in ("a", "trace-1.2:3", "x" * 128):
        assert (await alice.get("/health", headers={"X-Request-Id": id})).headers["x-request-id"] == id


async def test_request_ids_of_ours_differ(alice: Client) -> None:
    ids = {(await alice.get("/health")).headers["x-request-id"] for _ in range(10)}
    assert len(ids) == 10


CROSS = {"Origin": APP}
ANSWERS: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/api/bots", {}, 200),
    ("GET", "/api/bots", {"headers": {"If-None-Match": "*"}}, 304),
    ("POST", "/api/session/create", {"json": {}}, 400),
    ("GET", "/api/session", {"headers": {"Authorization": "Bearer x"}}, 401),
    ("GET", "/api/admin/system/status", {}, 403),
    ("GET", "/api/nowhere", {}, 404),
    ("PATCH", "/api/bots", {}, 405),
    ("POST", "/api/session/create", {"content": b" " * 2_000_000}, 413),
    ("POST", "/api/session/create", {"content": b"{}"}, 415),
]


@pytest.mark.parametrize(("method", "path", "options", "status"), ANSWERS)
async def test_cors_headers_are_on_every_answer(
    storage: Storage, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    async with running_service(storage=storage, settings={"cors_origins": [APP]}) as service:
        client = await service.bearer("alice")
        answer = await client.request(method, path, **{**options, "headers": {**CROSS, **options.get("headers", {})}})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "X-Request-Id"} <= exposed
    assert "Origin" in ", ".join(answer.headers.get_list("vary"))


async def test_cors_headers_are_on_429_and_500(storage: Storage) -> None:
    settings = {"cors_origins": [APP], "limit_user": 1}
    async with running_service(storage=storage, settings=settings, bots=Broken()) as service:
        client = await service.bearer("alice")
        failed, refused = [await client.get("/api/bots", headers=CROSS) for _ in range(2)]
    assert (failed.status_code, refused.status_code) == (500, 429)
    for answer in (failed, refused):
        assert answer.headers["access-control-allow-origin"] == APP


async def test_with_any_origin_there_are_no_credentials(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"cors_origins": ["*"]}) as service:
        headers = (await service.client().get("/health", headers=CROSS)).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers


async def test_without_the_setting_there_are_no_cors_headers(nobody: Client) -> None:
    answer = await nobody.get("/health", headers=CROSS)
    assert not [name for name in answer.headers if name.startswith("access-control")]


class Broken:
    """A catalog whose database is gone."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*args: object) -> Any:
            raise RuntimeError("the password is swordfish")

        return fail


async def staff_id(client: Client) -> str:
    groups = (await client.get("/api/groups/list?search=staff")).json()["groups"]
    return str(groups[0]["id"])


@pytest.mark.parametrize("body", [{}, {"bot_id": ""}, {"bot_id": None}, {"bot_id": 7}, {"bot_id": "x" * 256}])
async def test_session_create_is_400_without_a_proper_bot_id(alice: Client, body: dict[str, Any]) -> None:
    answer = await alice.post("/api/session/create", json=body)
    assert "bot_id" in check_error(answer, 400, "INVALID_REQUEST")["fields"]


async def test_users_me_is_503_while_the_directory_is_down(service: Service, alice: Client) -> None:
    service.dev.set_down(True)
    for answer in (await alice.get("/api/users/me"), await alice.put("/api/users/me", json={"first_name": "A"})):
        check_error(answer, 503, "SERVER_ERROR")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_new_email_has_to_be_verified(alice: Client) -> None:
    body = (await alice.put("/api/users/me", json={"email": "new@generalbots.example"})).json()
    assert (body["email"], body["email_verified"], body["verification_required"]) == (
        "new@generalbots.example",
        False,
        True,
    )


async def test_bots_gives_pages(alice: Client) -> None:
    page = (await alice.get("/api/bots?limit=1&offset=1")).json()["bots"]
    assert [bot["id"] for bot in page] == ["staff"]


async def test_status_tells_that_the_directory_is_down(service: Service, admin: Client) -> None:
    service.dev.set_down(True)
    body = (await admin.get("/api/admin/system/status")).json()
    assert body["status"] == "degraded"
    assert {one["name"]: one["status"] for one in body["components"]}["directory"] == "down"


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
async def test_metrics_speaks_prometheus(admin: Client, accept: str) -> None:
    answer = await admin.get("/api/admin/system/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(accept)
    assert "# TYPE" in answer.text


async def test_groups_list_gives_pages_and_searches(admin: Client) -> None:
    await admin.post("/api/groups/create", json={"name": "Sales"})
    page = (await admin.get("/api/groups/list?limit=1&offset=1")).json()
    found = (await admin.get("/api/groups/list?search=SAL")).json()
    assert ([one["name"] for one in page["groups"]], page["total"]) == (["staff"], 2)
    assert ([one["name"] for one in found["groups"]], found["total"]) == (["Sales"], 1)


async def test_a_group_that_one_may_not_see_looks_like_one_that_is_not_there(admin: Client, bob: Client) -> None:
    answers = [await bob.get(f"/api/groups/{id}/members") for id in (await staff_id(admin), "unknown")]
    for answer in answers:
        check_error(answer, 404, "NOT_FOUND")
    assert answers[0].content == answers[1].content


async def test_group_members_are_added_and_removed(service: Service, admin: Client) -> None:
    id, bob = await staff_id(admin), service.dev.user_id("bob")
    for method, path, status in (
        ("POST", "add", "added"),
        ("POST", "add", "unchanged"),
        ("DELETE", "remove", "removed"),
        ("DELETE", "remove", "unchanged"),
    ):
        answer = await admin.request(method, f"/api/groups/{id}/members/{path}", json={"user_id": bob})
        assert (answer.status_code, answer.json()["results"]) == (200, [{"user_id": bob, "status": status}])


async def test_group_membership_gives_permissions_at_once(service: Service, admin: Client, bob: Client) -> None:
    change = {"user_ids": [service.dev.user_id("bob")]}
    await admin.post(f"/api/groups/{await staff_id(admin)}/members/add", json=change)
    assert (await bob.post("/api/session/create", json={"bot_id": "staff"})).status_code == 201


async def test_group_members_are_changed_by_admins_only(service: Service, alice: Client) -> None:
    path = f"/api/groups/{await staff_id(alice)}/members/add"
    check_error(await alice.post(path, json={"user_id": service.dev.user_id("bob")}), 403, "FORBIDDEN")


async def test_internal_failures_are_500_and_tell_nothing_but_the_request_id(storage: Storage) -> None:
    async with running_service(storage=storage, bots=Broken()) as service, await service.bearer("alice") as client:
        answer = await client.get("/api/bots")
    details = check_error(answer, 500, "SERVER_ERROR")
    assert details == {"request_id": answer.headers["x-request-id"]}
    assert "swordfish" not in answer.text


async def test_other_origins_are_not_allowed_across(storage: Storage) -> None:
    settings = {"cors_origins": [APP]}
    async with running_service(storage=storage, settings=settings) as service, service.client() as client:
        for origin in ("https://evil.example", "https://app.example.evil.example", "null", "http://app.example"):
            preflight = await client.options("/api/bots", headers={**PREFLIGHT, "Origin": origin})
            answer = await client.get("/health", headers={"Origin": origin})
            assert "access-control-allow-origin" not in preflight.headers
            assert "access-control-allow-origin" not in answer.headers


async def test_tokens_are_neither_logged_nor_shown(
    service: Service, caplog: pytest.LogCaptureFixture, alice: Client
) -> None:
    caplog.set_level("DEBUG", logger="generalbots_api")
    answers = [await alice.get(path) for path in ("/api/session", "/api/users/me", "/auth/validate", "/api/x")]
    told = json.dumps([[one.text, str(one.headers)] for one in answers]) + caplog.text + repr(service.gb.settings)
    assert token_of(alice) not in told


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_members_of_a_group_that_is_not_there_cannot_be_changed(admin: Client, method: str) -> None:
    path = f"/api/groups/unknown/members/{'add' if method == 'POST' else 'remove'}"
    check_error(await admin.request(method, path, json={"user_id": "200000000000000003"}), 404, "NOT_FOUND")


async def test_of_several_members_each_gets_its_result(service: Service, admin: Client) -> None:
    alice, bob = service.dev.user_id("alice"), service.dev.user_id("bob")
    change = {"user_id": bob, "user_ids": [alice, "unknown", bob]}
    body = (await admin.post(f"/api/groups/{await staff_id(admin)}/members/add", json=change)).json()
    assert [(one["user_id"], one["status"]) for one in body["results"]] == [
        (bob, "added"),
        (alice, "unchanged"),
        ("unknown", "failed"),
    ]
    assert body["success"] is False
    assert body["results"][2]["error"]["code"] == "NOT_FOUND"


async def test_readiness_ends_when_the_service_drains(service: Service, nobody: Client) -> None:
    assert (await nobody.get("/ready")).status_code == 200
    await service.gb.drain()
    check_error(await nobody.get("/ready"), 503, "SERVER_ERROR")
    assert (await nobody.get("/health")).status_code == 200


async def test_roles_given_at_the_directory_come_into_force_within_the_settings_time(
    service: Service, bob: Client
) -> None:
    service.dev.set_roles("bob", ["admin"])
    service.clock.advance(301)
    assert (await bob.get("/api/bots")).json()["bots"][-1]["id"] == "staff"
    assert (await bob.get("/api/bots")).headers["x-ratelimit-limit"] == "5000"


async def test_a_bot_session_ends_after_its_lifetime(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"bot_session_lifetime": 100}) as service:
        client = await service.bearer("alice")
        id = await opened(client)
        service.clock.advance(99)
        assert (await client.get("/api/session")).json()["bot_id"] == "echo"
        service.clock.advance(1)
        assert (await client.get("/api/session")).json()["bot_id"] is None
        check_error(await client.delete(f"/api/session/{id}"), 404, "NOT_FOUND")


async def test_past_the_bot_sessions_of_a_user_the_oldest_ends_and_stays_readable(storage: Storage) -> None:
    async with running_service(storage=storage, settings={"bot_sessions_per_user": 2}) as service:
        client = await service.bearer("alice")
        ids = []
        for _ in range(3):
            ids.append(await opened(client))
            service.clock.advance(1)
        assert (await client.get(f"/api/conversations/{ids[0]}/history")).status_code == 200
        statuses = [(await client.delete(f"/api/session/{id}")).status_code for id in ids]
    assert statuses == [404, 200, 200]


async def test_each_of_many_logins_sees_the_bot_sessions_of_the_user(service: Service, alice: Client) -> None:
    id = await opened(alice)
    other = await service.bearer("alice")
    assert (await other.get("/api/session")).json()["bot_id"] == "echo"
    assert (await other.delete(f"/api/session/{id}")).status_code == 200
    assert (await alice.get("/api/session")).json()["bot_id"] is None
