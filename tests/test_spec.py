"""The spec, in its order: every path, header and code of `api-endpoints.txt`, one promise a test, on each storage."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx2 import AsyncClient as Client

from generalbots_api.storage import Storage
from tests.support.promises import check_error, hear, opened, refusal, say, token_of
from tests.support.service import BASE, Service, log_in, running_service

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio

NOON, ONE = "2026-01-20T12:00:00Z", "2026-01-20T13:00:00Z"


# Authentication Endpoints: OAuth Login


async def test_login_redirects_to_the_directory_with_code_flow_pkce_state_and_nonce(nobody: Client) -> None:
    answer = await nobody.get("/auth/login")
    url = urlsplit(answer.headers["location"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert answer.status_code == 302
    assert f"{url.scheme}://{url.netloc}{url.path}".startswith(f"{BASE}/dev-directory/")
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert query["redirect_uri"] == f"{BASE}/auth/callback"
    assert "openid" in query["scope"].split()
    assert all(len(query[name]) >= 43 for name in ("state", "nonce", "code_challenge"))


async def test_login_needs_no_authentication_and_no_body(nobody: Client) -> None:
    assert (await nobody.get("/auth/login", headers={"Authorization": "Bearer nonsense"})).status_code == 302


# OAuth Callback


async def test_callback_sets_the_session_cookie_and_redirects_to_the_main_interface(service: Service) -> None:
    async with service.client() as browser:
        answer = await log_in(browser, "alice")
        session = await browser.get("/api/session")
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("gb_session="))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert session.json()["user_id"] == service.dev.user_id("alice")


# Logout


async def test_logout_confirms_in_json_and_clears_the_cookie(alice: Client) -> None:
    answer = await alice.post("/auth/logout")
    body = answer.json()
    assert (answer.status_code, body["success"], body["message"]) == (200, True, "Logged out successfully")
    assert body["directory_revoked"] is True
    assert body["logout_url"].startswith(f"{BASE}/dev-directory/")
    assert "gb_session=; " in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/api/session", "/api/bots", "/api/users/me"])
async def test_after_logout_the_token_is_401(alice: Client, path: str) -> None:
    await alice.post("/auth/logout")
    answer = await alice.get(path)
    check_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_logout_without_a_token_is_401(nobody: Client) -> None:
    answer = await nobody.post("/auth/logout")
    check_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == "Bearer"


# Session Validation


async def test_validate_tells_validity_user_and_expiry(service: Service, alice: Client) -> None:
    answer = await alice.get("/auth/validate")
    assert answer.status_code == 200
    assert answer.json() == {"valid": True, "user_id": service.dev.user_id("alice"), "expires_at": ONE}


@pytest.mark.parametrize("token", ["gbs_" + "A" * 43, "nonsense", "gbs_"])
async def test_validate_of_an_unknown_token_is_200_and_not_valid(nobody: Client, token: str) -> None:
    answer = await nobody.get("/auth/validate", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (200, {"valid": False, "user_id": None, "expires_at": None})


async def test_validate_of_an_ended_token_is_200_and_not_valid(alice: Client) -> None:
    await alice.post("/auth/logout")
    assert (await alice.get("/auth/validate")).json() == {"valid": False, "user_id": None, "expires_at": None}


async def test_validate_without_a_token_is_401(nobody: Client) -> None:
    check_error(await nobody.get("/auth/validate"), 401, "UNAUTHORIZED")


# Session Management: Current Session Information


async def test_session_tells_its_id_user_bot_and_times(service: Service, alice: Client) -> None:
    answer = await alice.get("/api/session")
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"session_id", "user_id", "bot_id", "created_at", "expires_at"}
    assert (body["user_id"], body["bot_id"]) == (service.dev.user_id("alice"), None)
    assert (body["created_at"], body["expires_at"]) == (NOON, ONE)


async def test_session_tells_the_bot_of_the_newest_active_bot_session(service: Service, alice: Client) -> None:
    await opened(alice, "echo")
    service.clock.advance(1)
    newest = await opened(alice, "staff")
    assert (await alice.get("/api/session")).json()["bot_id"] == "staff"
    await alice.delete(f"/api/session/{newest}")
    assert (await alice.get("/api/session")).json()["bot_id"] == "echo"


# Creating Bot Sessions


async def test_session_create_links_the_user_to_the_bot(service: Service, alice: Client) -> None:
    answer = await alice.post("/api/session/create", json={"bot_id": "echo", "unknown": 1})
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {"session_id", "bot_id", "status", "user_id", "created_at", "expires_at"}
    assert (body["bot_id"], body["status"], body["created_at"]) == ("echo", "active", NOON)
    assert body["user_id"] == service.dev.user_id("alice")
    assert body["session_id"] != (await alice.get("/api/session")).json()["session_id"]


async def test_session_create_is_404_without_such_a_bot(alice: Client) -> None:
    check_error(await alice.post("/api/session/create", json={"bot_id": "none"}), 404, "NOT_FOUND")


async def test_session_create_is_403_for_a_bot_of_others(bob: Client) -> None:
    check_error(await bob.post("/api/session/create", json={"bot_id": "staff"}), 403, "FORBIDDEN")


# Terminating Sessions


async def test_delete_ends_one_s_own_bot_session_once(alice: Client) -> None:
    id = await opened(alice)
    answer = await alice.delete(f"/api/session/{id}")
    assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Session terminated"})
    check_error(await alice.delete(f"/api/session/{id}"), 404, "NOT_FOUND")
    assert (await alice.get("/api/session")).status_code == 200


async def test_delete_of_one_s_own_login_session_is_a_logout(alice: Client) -> None:
    id = (await alice.get("/api/session")).json()["session_id"]
    assert (await alice.delete(f"/api/session/{id}")).json() == {"success": True, "message": "Session terminated"}
    check_error(await alice.get("/api/session"), 401, "UNAUTHORIZED")


async def test_delete_of_somebody_else_s_sessions_is_403(alice: Client, admin: Client) -> None:
    for id in (await opened(alice), (await alice.get("/api/session")).json()["session_id"]):
        check_error(await admin.delete(f"/api/session/{id}"), 403, "FORBIDDEN")
    assert (await alice.get("/api/session")).json()["bot_id"] == "echo"


async def test_delete_of_an_unknown_session_is_404(alice: Client) -> None:
    check_error(await alice.delete("/api/session/unknown"), 404, "NOT_FOUND")


# User Management: Retrieving User Information


async def test_users_me_tells_the_profile_from_the_directory(service: Service, alice: Client) -> None:
    answer = await alice.get("/api/users/me")
    assert answer.status_code == 200
    assert answer.json() == {
        "user_id": service.dev.user_id("alice"),
        "id": service.dev.user_id("alice"),
        "username": "alice",
        "email": "alice@generalbots.example",
        "email_verified": True,
        "first_name": "Alice",
        "last_name": "Liddell",
        "display_name": "Alice Liddell",
        "roles": ["user"],
        "created_at": NOON,
    }


# Profile Updates


async def test_profile_updates_reach_the_directory(alice: Client) -> None:
    answer = await alice.put("/api/users/me", json={"first_name": "Alicia", "last_name": "L."})
    body = answer.json()
    assert (answer.status_code, body["updated_fields"]) == (200, ["first_name", "last_name"])
    assert body["verification_required"] is False
    me = (await alice.get("/api/users/me")).json()
    assert (me["first_name"], me["last_name"], me["email"]) == ("Alicia", "L.", "alice@generalbots.example")


@pytest.mark.parametrize(
    "body",
    [
        *(
            {},
            {"email": "nonsense"},
            {"email": ""},
            {"first_name": " "},
            {"last_name": "a\nb"},
            {"first_name": "x" * 201},
        ),
        *(
            {"email": None},
            {"first_name": 1},
            {"roles": ["admin"]},
            {"first_name": "A", "username": "root"},
            [],
            "x",
            1,
        ),
    ],
)
async def test_profile_updates_that_are_invalid_are_400_and_change_nothing(alice: Client, body: object) -> None:
    before = (await alice.get("/api/users/me")).json()
    check_error(await alice.put("/api/users/me", json=body), 400, "INVALID_REQUEST")
    assert (await alice.get("/api/users/me")).json() == before


async def test_an_email_of_somebody_else_is_409(alice: Client) -> None:
    check_error(await alice.put("/api/users/me", json={"email": "bob@generalbots.example"}), 409, "CONFLICT")


# Bot Interaction: WebSocket Communication


async def test_ws_takes_a_message_for_a_session_and_answers_on_the_same_socket(service: Service, alice: Client) -> None:
    id = await opened(alice)
    async with service.socket(token_of(alice)) as socket:
        await say(socket, {"type": "message", "content": "Hello", "session_id": id})
        answer = await hear(socket)
    assert (answer["type"], answer["sender"], answer["content"], answer["session_id"]) == (
        "message",
        "bot",
        "Hello",
        id,
    )
    assert {"message_id", "seq", "timestamp", "suggestions"} <= set(answer)


async def test_ws_is_refused_by_a_response_without_a_valid_token(service: Service) -> None:
    check_error(await refusal(service, "gbs_" + "A" * 43), 401, "UNAUTHORIZED")


async def test_ws_answers_what_it_does_not_understand_with_an_error_in_the_one_format(
    service: Service, alice: Client
) -> None:
    async with service.socket(token_of(alice)) as socket:
        await say(socket, {"type": "nonsense"})
        answer = await hear(socket)
    assert (answer["type"], answer["error"]["code"]) == ("error", "INVALID_REQUEST")
    assert set(answer["error"]) == {"code", "message", "details"}


async def test_ws_keeps_the_context_of_the_conversation(service: Service, alice: Client) -> None:
    id = await opened(alice)
    async with service.socket(token_of(alice)) as socket:
        for number in range(3):
            await say(socket, {"type": "message", "content": f"m{number}", "session_id": id})
            assert (await hear(socket))["seq"] == 2 * number + 2
    history = (await alice.get(f"/api/conversations/{id}/history")).json()["messages"]
    assert [one["content"] for one in history] == ["m0", "m0", "m1", "m1", "m2", "m2"]


# Bot Discovery


async def test_bots_lists_id_name_description_and_status(alice: Client) -> None:
    answer = await alice.get("/api/bots")
    assert answer.status_code == 200
    assert [set(bot) for bot in answer.json()["bots"]] == [{"id", "name", "description", "status"}] * 2
    staff = {"id": "staff", "name": "Staff desk", "description": "For people who work here.", "status": "online"}
    assert staff in answer.json()["bots"]


@pytest.mark.parametrize(
    ("who", "bots"), [("alice", ["echo", "staff"]), ("bob", ["echo"]), ("admin", ["echo", "staff"])]
)
async def test_bots_lists_only_those_that_the_user_may_use(service: Service, who: str, bots: list[str]) -> None:
    async with await service.bearer(who) as client:
        assert [bot["id"] for bot in (await client.get("/api/bots")).json()["bots"]] == bots


# Administrative Endpoints


async def test_status_tells_the_health_of_every_component(admin: Client) -> None:
    answer = await admin.get("/api/admin/system/status")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "healthy")
    assert {"version", "uptime_seconds", "started_at", "components"} <= set(body)
    assert {"storage", "directory", "limiter", "bus"} <= {one["name"] for one in body["components"]}
    for one in body["components"]:
        assert set(one) == {"name", "status", "latency_ms", "message", "checked_at"}
        assert one["status"] == "up"


async def test_metrics_tells_the_figures(admin: Client) -> None:
    await opened(admin)
    answer = await admin.get("/api/admin/system/metrics")
    body = answer.json()
    assert answer.status_code == 200
    assert {"uptime_seconds", "errors_total", "rate_limited_total", "open_sockets", "running_replies"} <= set(body)
    assert {"messages_total", "memory_rss_bytes", "cpu_seconds", "event_loop_lag_ms"} <= set(body)
    assert set(body["latency_ms"]) == {"p50", "p95", "p99"}
    assert body["requests_total"] >= 3
    assert body["active_sessions"] == 1


ADMIN = pytest.mark.parametrize("path", ["/api/admin/system/status", "/api/admin/system/metrics"])


@ADMIN
async def test_admin_endpoints_are_403_for_users(alice: Client, path: str) -> None:
    check_error(await alice.get(path), 403, "FORBIDDEN")


@ADMIN
async def test_admin_endpoints_are_401_for_nobody(nobody: Client, path: str) -> None:
    check_error(await nobody.get(path), 401, "UNAUTHORIZED")


@ADMIN
async def test_admin_roles_come_from_the_directory_and_are_a_minute_old_at_most(
    service: Service, admin: Client, path: str
) -> None:
    service.dev.set_roles("admin", ["administrator", "Admin", "user"])
    service.clock.advance(61)
    check_error(await admin.get(path), 403, "FORBIDDEN")


@ADMIN
async def test_admin_endpoints_are_503_when_the_roles_cannot_be_confirmed(
    service: Service, admin: Client, path: str
) -> None:
    service.dev.set_down(True)
    service.clock.advance(59)
    assert (await admin.get(path)).status_code == 200
    service.clock.advance(2)
    check_error(await admin.get(path), 503, "SERVER_ERROR")


# Group Management


@pytest.mark.parametrize("kind", ["json", "data"])
async def test_groups_create_establishes_a_group(service: Service, admin: Client, kind: str) -> None:
    wanted = {"name": "Sales", "description": "They sell", "members": [service.dev.user_id("bob")]}
    answer = await admin.post("/api/groups/create", **{kind: wanted})
    body = answer.json()
    assert (answer.status_code, body["success"], body["name"], body["member_count"]) == (201, True, "Sales", 1)
    assert set(body) == {"id", "group_id", "name", "description", "member_count", "created_at", "success", "message"}
    assert body["id"] == body["group_id"]


async def test_groups_create_is_403_for_users(alice: Client) -> None:
    check_error(await alice.post("/api/groups/create", json={"name": "Mine"}), 403, "FORBIDDEN")


async def test_groups_create_is_409_for_a_name_that_is_taken(admin: Client) -> None:
    check_error(await admin.post("/api/groups/create", json={"name": "Staff"}), 409, "CONFLICT")


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 201}, {"name": "x", "description": "x" * 201}])
async def test_groups_create_is_400_for_what_no_group_is_made_of(admin: Client, body: dict[str, Any]) -> None:
    assert check_error(await admin.post("/api/groups/create", json=body), 400, "INVALID_REQUEST")["fields"]


@pytest.mark.parametrize(("who", "groups"), [("alice", ["staff"]), ("bob", ["Sales"]), ("admin", ["Sales", "staff"])])
async def test_groups_list_gives_the_groups_that_the_user_may_see(
    service: Service, admin: Client, who: str, groups: list[str]
) -> None:
    await admin.post("/api/groups/create", json={"name": "Sales", "members": [service.dev.user_id("bob")]})
    async with await service.bearer(who) as client:
        body = (await client.get("/api/groups/list")).json()
    assert [one["name"] for one in body["groups"]] == groups
    assert (body["total"], body["limit"], body["offset"]) == (len(groups), 20, 0)
    assert all(set(one) == {"id", "name", "description", "member_count", "created_at"} for one in body["groups"])


async def staff_id(client: Client) -> str:
    groups = (await client.get("/api/groups/list?search=staff")).json()["groups"]
    return str(groups[0]["id"])


async def test_group_members_can_be_queried_by_members(service: Service, alice: Client) -> None:
    answer = await alice.get(f"/api/groups/{await staff_id(alice)}/members")
    assert (answer.status_code, answer.json()["total"]) == (200, 1)
    member = answer.json()["members"][0]
    assert set(member) == {"user_id", "username", "email", "role", "joined_at"}
    assert (member["user_id"], member["username"]) == (service.dev.user_id("alice"), "alice")


# Rate Limiting


@pytest.mark.parametrize(("who", "limit"), [(None, "60"), ("alice", "1000"), ("admin", "5000")])
async def test_limits_are_60_for_nobody_1000_for_users_and_5000_for_admins(
    service: Service, who: str | None, limit: str
) -> None:
    async with await service.bearer(who) if who else service.client() as client:
        assert (await client.get("/health")).headers["x-ratelimit-limit"] == limit


async def test_rate_headers_count_down_and_tell_when_the_limit_resets(service: Service, alice: Client) -> None:
    answers = [await alice.get(path) for path in ("/health", "/api/session", "/nowhere", "/api/bots")]
    assert [one.headers["x-ratelimit-remaining"] for one in answers] == ["999", "998", "997", "996"]
    resets = {int(one.headers["x-ratelimit-reset"]) for one in answers}
    assert len(resets) == 1
    assert 0 < resets.pop() - service.clock.unix() <= 3_600


async def test_past_the_limit_requests_are_429_until_the_window_ends(service: Service, nobody: Client) -> None:
    statuses = [(await nobody.get("/health")).status_code for _ in range(60)]
    answer = await nobody.get("/health")
    assert statuses == [200] * 60
    check_error(answer, 429, "RATE_LIMITED")
    assert answer.headers["x-ratelimit-remaining"] == "0"
    wait = int(answer.headers["retry-after"])
    assert service.clock.unix() + wait == int(answer.headers["x-ratelimit-reset"])
    service.clock.advance(wait)
    assert (await nobody.get("/health")).headers["x-ratelimit-remaining"] == "59"


# Error Handling


async def test_a_path_that_is_not_there_is_404(nobody: Client, alice: Client) -> None:
    check_error(await nobody.get("/nowhere"), 404, "NOT_FOUND")
    check_error(await alice.get("/api/nowhere"), 404, "NOT_FOUND")


# Cross-Origin Resource Sharing

PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "DELETE"}


@pytest.mark.parametrize(("origins", "allowed"), [(["*"], "*"), (["https://app.example"], "https://app.example")])
async def test_preflights_allow_the_methods_and_headers_of_the_spec(
    storage: Storage, origins: list[str], allowed: str
) -> None:
    settings = {"cors_origins": origins}
    async with running_service(storage=storage, settings=settings) as service, service.client() as client:
        answer = await client.options("/api/session/create", headers=PREFLIGHT)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, allowed)
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, OPTIONS"
    assert answer.headers["access-control-allow-headers"].startswith("Content-Type, Authorization")


# Health Monitoring


async def test_health_needs_no_authentication_and_tells_status_and_time(service: Service, nobody: Client) -> None:
    service.dev.set_down(True)
    answer = await nobody.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy", "timestamp": NOON})


# Security Considerations

CALLS = [("GET", path) for path in ("/api/session", "/api/users/me", "/api/bots", "/api/groups/list")]
CALLS += [("POST", path) for path in ("/auth/logout", "/api/session/create", "/api/groups/create")]
CALLS += [("GET", "/api/groups/x/members"), ("DELETE", "/api/session/x"), ("PUT", "/api/users/me"), ("GET", "/api/x")]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_every_api_call_needs_valid_authentication(nobody: Client, method: str, path: str) -> None:
    answer = await nobody.request(method, path, json={})
    check_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api/session", "/api/users/me", "/api/nowhere", "/auth/validate"])
async def test_answers_are_not_kept_by_caches(alice: Client, path: str) -> None:
    assert (await alice.get(path)).headers["cache-control"] == "no-store"


# Recommended Practices


async def test_the_list_of_bots_can_be_cached_and_revalidated(alice: Client) -> None:
    first = await alice.get("/api/bots")
    again = await alice.get("/api/bots", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["x-ratelimit-remaining"] == "998"
