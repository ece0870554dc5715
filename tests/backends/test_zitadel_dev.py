"""The production client against the development directory: the whole way, from the login page to the logout."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from generalbots_api.auth.model import AuthorizationAnswer, Grant, Identity, PendingLogin, Secret, Standing
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthorized, Unavailable
from generalbots_api.groups.model import GroupQuery, NewGroup
from generalbots_api.ids import GroupId, UserId
from generalbots_api.testing import ManualClock
from generalbots_api.users.model import ProfileChange

pytestmark = pytest.mark.anyio

BASE = "http://127.0.0.1:8080"
CALLBACK = f"{BASE}/auth/callback"


class Service:
    """A directory, its client, and a browser for each login."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.dev = DevDirectory(f"{BASE}/dev-directory", secret_keys=["s" * 32], clock=self.clock)
        self.client = ZitadelDirectory(
            self.dev.issuer,
            self.dev.client_id,
            self.dev.client_secret,
            project_id=self.dev.project_id,
            transport=self.dev.transport(),
            clock=self.clock,
            for_development=True,
        )

    async def begin(self, username: str) -> tuple[AuthorizationAnswer, PendingLogin]:
        """From the redirect to the directory to the redirect back."""
        now = self.clock.now()
        pending = PendingLogin(
            state_hash=b"",
            browser="b",
            nonce=secrets.token_urlsafe(32),
            verifier=Secret(secrets.token_urlsafe(32)),
            redirect_uri=CALLBACK,
            target="/",
            created_at=now,
            expires_at=now,
        )
        url = await self.client.authorization_url(pending, "the state")
        async with httpx2.AsyncClient(transport=self.dev.transport(), base_url=BASE) as browser:
            page = (await browser.get(url)).text
            form, action = (re.search(what, page) for what in (r'name="form" value="([^"]+)"', r'action="([^"]+)"'))
            assert form is not None
            assert action is not None
            fields = {"form": form[1], "username": username, "password": username}
            back = urlsplit((await browser.post(action[1], data=fields)).headers["location"])
        query = {name: values[0] for name, values in parse_qs(back.query).items()}
        assert back._replace(query="").geturl() == CALLBACK
        return AuthorizationAnswer(code=query["code"], state=query["state"], issuer=query.get("iss")), pending

    async def log_in(self, username: str) -> tuple[Grant, Identity]:
        answer, pending = await self.begin(username)
        assert answer.state == "the state"
        return await self.client.finish(answer, pending, self.clock.now())

    async def token(self, username: str) -> str:
        return (await self.log_in(username))[0].access_token.reveal()

    async def standing(self, username: str, grant: Grant | None = None) -> Standing:
        grant = grant or (await self.log_in(username))[0]
        return await self.client.standing(grant.access_token, self.id(username))

    def id(self, username: str) -> UserId:
        return UserId(self.dev.user_id(username))


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    async with service.client:
        yield service


async def test_logging_in_tells_who_it_is(service: Service) -> None:
    grant, identity = await service.log_in("alice")
    assert (identity.user_id, identity.organization_id) == (service.id("alice"), "100000000000000001")
    assert identity.directory_session
    assert None not in (grant.refresh_token, grant.id_token, grant.expires_at)


async def test_standing_is_roles_and_groups(service: Service) -> None:
    staff = (await service.client.groups(await service.token("admin"), GroupQuery(member=None))).groups[0].id
    assert await service.standing("admin") == Standing(roles=frozenset({"admin"}))
    assert await service.standing("alice") == Standing(roles=frozenset({"user"}), groups=frozenset({"staff", staff}))
    assert await service.standing("bob") == Standing()


async def test_a_change_of_roles_is_seen_at_the_next_look(service: Service) -> None:
    grant, _ = await service.log_in("alice")
    service.dev.set_roles("alice", ["admin", "user"])
    assert (await service.standing("alice", grant)).roles == {"admin", "user"}


async def test_a_code_works_once(service: Service) -> None:
    answer, pending = await service.begin("alice")
    await service.client.finish(answer, pending, service.clock.now())
    with pytest.raises(Unauthorized):
        await service.client.finish(answer, pending, service.clock.now())


@pytest.mark.parametrize("changes", [{"verifier": Secret("x" * 43)}, {"nonce": "x"}, {"redirect_uri": f"{CALLBACK}x"}])
async def test_an_answer_to_another_login_logs_nobody_in(service: Service, changes: dict[str, Any]) -> None:
    answer, pending = await service.begin("alice")
    fields = {name: getattr(pending, name) for name in PendingLogin.__dataclass_fields__}
    with pytest.raises(Unauthorized):
        await service.client.finish(answer, PendingLogin(**{**fields, **changes}), service.clock.now())


async def test_a_refresh_gives_tokens_that_work_and_the_old_refresh_token_works_no_more(service: Service) -> None:
    grant, _ = await service.log_in("alice")
    service.clock.advance(3_601)
    with pytest.raises(Unauthorized):
        await service.standing("alice", grant)
    new = await service.client.refresh(grant, service.clock.now())
    assert (await service.standing("alice", new)).roles == {"user"}
    with pytest.raises(Unauthorized):
        await service.client.refresh(grant, service.clock.now())
    with pytest.raises(Unauthorized):  # used twice, by us or by a thief: the whole login is over
        await service.client.refresh(new, service.clock.now())


async def test_a_key_that_was_rotated_is_found(service: Service) -> None:
    await service.log_in("alice")
    service.dev.rotate_key()
    service.clock.advance(11)
    await service.log_in("alice")


async def test_who_was_locked_out_is_refused_everywhere(service: Service) -> None:
    grant, _ = await service.log_in("alice")
    service.dev.set_active("alice", is_active=False)
    with pytest.raises(Unauthorized):
        await service.standing("alice", grant)
    with pytest.raises(Unauthorized):
        await service.client.refresh(grant, service.clock.now())


async def test_revoking_ends_every_token_of_the_login(service: Service) -> None:
    grant, _ = await service.log_in("alice")
    await service.client.revoke(grant)
    await service.client.revoke(grant)
    with pytest.raises(Unauthorized):
        await service.standing("alice", grant)
    with pytest.raises(Unauthorized):
        await service.client.refresh(grant, service.clock.now())


async def test_the_browser_is_sent_to_end_its_session_and_comes_back(service: Service) -> None:
    grant, _ = await service.log_in("alice")
    url = await service.client.logout_url(grant, f"{BASE}/bye")
    assert url is not None
    async with httpx2.AsyncClient(transport=service.dev.transport()) as browser:
        answer = await browser.get(url)
    assert (answer.status_code, answer.headers["location"]) == (302, f"{BASE}/bye")


async def test_a_backchannel_logout_names_the_session(service: Service) -> None:
    _, identity = await service.log_in("alice")
    token = service.dev.logout_token("alice", identity.directory_session)
    notice = await service.client.logout_notice(token, service.clock.now())
    assert (notice.user_id, notice.directory_session) == (identity.user_id, identity.directory_session)
    with pytest.raises(InvalidRequest):
        await service.client.logout_notice(service.dev.logout_token("alice", nonce="x"), service.clock.now())


async def test_a_profile_is_read_and_changed(service: Service) -> None:
    token, me = await service.token("alice"), service.id("alice")
    before = await service.client.profile(token, me)
    change = ProfileChange(first_name="Alicia", email="alicia@generalbots.example")
    changed = await service.client.change_profile(token, me, change)
    assert (before.username, before.first_name, before.email_verified) == ("alice", "Alice", True)
    assert (changed.first_name, changed.last_name, changed.email) == ("Alicia", "Liddell", change.email)
    assert not changed.email_verified
    assert (await service.client.profile(token, me)).first_name == "Alicia"
    with pytest.raises(Conflict):
        await service.client.change_profile(token, me, ProfileChange(email="BOB@generalbots.example"))
    with pytest.raises(NotFound):
        await service.client.change_profile(token, service.id("bob"), ProfileChange(first_name="x"))
    with pytest.raises(NotFound):
        await service.client.profile(token, service.id("bob"))


async def test_a_group_is_made_filled_searched_and_emptied(service: Service) -> None:
    admin, bob = await service.token("admin"), service.id("bob")
    client, organization = service.client, "100000000000000001"
    made = await client.create_group(admin, organization, NewGroup(name="Board", description="The board"))
    await client.change_members(admin, made.id, [bob], True)
    service.clock.advance(1)
    await client.change_members(admin, made.id, [bob, service.id("alice")], True)
    page = await client.groups(admin, GroupQuery(member=None))
    assert [(one.name, one.member_count) for one in page.groups] == [("Board", 2), ("staff", 1)]
    assert page.total == 2
    found = await client.groups(admin, GroupQuery(member=None, search="BOA"))
    own = await client.groups(await service.token("bob"), GroupQuery(member=bob))
    assert [one.name for one in found.groups] == [one.name for one in own.groups] == ["Board"]
    members = await client.group_members(admin, made.id, 1, 1)
    assert members is not None
    assert [(one.username, one.email) for one in members.members] == [("alice", "alice@generalbots.example")]
    assert members.total == 2
    await client.change_members(admin, made.id, [bob], False)
    assert not await client.is_member(admin, made.id, bob)
    with pytest.raises(Conflict):
        await client.create_group(admin, organization, NewGroup(name="bOARD"))


async def test_who_may_not_write_groups_is_told_so(service: Service) -> None:
    token, client = await service.token("alice"), service.client
    staff = (await client.groups(token, GroupQuery(member=service.id("alice")))).groups[0].id
    with pytest.raises(Forbidden):
        await client.create_group(token, "100000000000000001", NewGroup(name="Mine"))
    with pytest.raises(Forbidden):
        await client.change_members(token, staff, [service.id("bob")], True)


async def test_an_unknown_group_is_not_found(service: Service) -> None:
    token, unknown = await service.token("admin"), GroupId("999")
    assert await service.client.group_members(token, unknown, 10, 0) is None
    assert not await service.client.is_member(token, unknown, service.id("alice"))
    with pytest.raises(NotFound):
        await service.client.change_members(token, unknown, [service.id("alice")], True)


async def test_a_directory_that_is_down_is_unavailable_and_works_again_when_it_is_back(service: Service) -> None:
    grant, _ = await service.log_in("alice")
    service.dev.set_down(True)
    token, me = grant.access_token.reveal(), service.id("alice")
    for call in (
        service.client.ping(),
        service.client.refresh(grant, service.clock.now()),
        service.client.revoke(grant),
        service.client.profile(token, me),
        service.client.change_members(token, GroupId("1"), [me], True),
    ):
        with pytest.raises(Unavailable):
            await call
    service.dev.set_down(False)
    await service.client.ping()
    assert (await service.standing("alice", await service.client.refresh(grant, service.clock.now()))).active
