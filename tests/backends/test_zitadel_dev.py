"""The production client against the development directory: the whole way, from the login page to the logout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from generalbots_api.auth.model import PendingLogin, Secret, Standing
from generalbots_api.errors import Conflict, InvalidRequest, NotFound, Unauthorized, Unavailable
from generalbots_api.groups.model import GroupQuery
from generalbots_api.ids import GroupId
from generalbots_api.users.model import ProfileChange
from tests.backends.zitadel_dev_service import BASE, CALLBACK, Service

pytestmark = pytest.mark.anyio


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
    back, _, state = answer.headers["location"].partition("?state=")
    assert (answer.status_code, back) == (302, f"{BASE}/bye")
    assert state
    assert f"state={state}" in url


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
    service.clock.advance(10)  # the circuit is open until then
    await service.client.ping()
    assert (await service.standing("alice", await service.client.refresh(grant, service.clock.now()))).active
