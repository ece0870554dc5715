"""The promises of a `Directory`, from the first redirect to the logout."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from generalbots_api.auth.model import Secret
from generalbots_api.directory import Directory
from generalbots_api.errors import Forbidden, InvalidRequest, NotSupported, Unauthorized
from generalbots_api.groups.model import GroupQuery, NewGroup
from generalbots_api.ids import GroupId
from generalbots_api.testing.contract import Contract
from generalbots_api.testing.visit import STATE, KnownUser, Visit
from generalbots_api.users.model import ProfileChange

UNKNOWN = Secret("no-token-of-anybody")


class DirectoryContract(Contract):
    """Wants the fixtures `directory`, open, and `user`, a `KnownUser` of it."""

    @pytest.fixture
    async def visit(self, directory: Directory, user: KnownUser) -> Visit:
        return Visit(directory, user)

    async def test_it_answers_and_says_who_it_is(self, directory: Directory) -> None:
        await directory.ping()
        parts = urlsplit(directory.issuer)
        assert parts.scheme == "https" or directory.is_for_development
        assert parts.netloc

    async def test_the_browser_takes_along_state_nonce_and_pkce(self, visit: Visit) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(await visit.begin()).query).items()}
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert (query["state"], query["nonce"]) == (STATE, visit.pending.nonce)
        assert query["redirect_uri"] == visit.user.redirect_uri
        assert "openid" in query["scope"].split()
        assert visit.pending.verifier.reveal() not in str(query)

    async def test_a_login_tells_who_it_is_and_gives_tokens(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        assert identity.user_id == visit.user.user_id
        assert grant.access_token.reveal()
        assert grant.refresh_token is not None
        assert grant.expires_at is None or grant.expires_at > visit.user.clock.now()
        assert grant.access_token.reveal() not in repr(grant)

    async def test_a_code_works_once(self, visit: Visit) -> None:
        await visit.whole()
        with pytest.raises(Unauthorized):
            await visit.finish()

    @pytest.mark.parametrize("lie", [{"issuer": "https://elsewhere.example"}, {"error": "access_denied"}])
    async def test_an_answer_of_another_issuer_or_an_error_logs_nobody_in(
        self, visit: Visit, lie: dict[str, str]
    ) -> None:
        await visit.go()
        visit.answer = replace(visit.answer, **lie)
        with pytest.raises(Unauthorized):
            await visit.finish()

    async def test_a_code_that_is_none_logs_nobody_in(self, visit: Visit) -> None:
        await visit.go()
        for code in ("unknown", "", None):
            with pytest.raises(Unauthorized):
                await visit.directory.finish(replace(visit.answer, code=code), visit.pending, visit.user.clock.now())

    async def test_a_code_is_of_no_use_to_another_login(self, visit: Visit) -> None:
        await visit.go()
        visit.pending = replace(visit.pending, verifier=Secret("another-verifier-that-is-43-characters-long"))
        with pytest.raises(Unauthorized):
            await visit.finish()

    async def test_tokens_of_another_login_log_nobody_in(self, visit: Visit) -> None:
        await visit.go()
        visit.pending = replace(visit.pending, nonce="another nonce")
        with pytest.raises(Unauthorized):
            await visit.finish()

    async def test_the_roles_and_groups_are_those_of_the_user(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        standing = await visit.directory.standing(grant.access_token, identity.user_id)
        assert standing.active
        assert standing.roles == visit.user.roles
        assert standing.groups >= visit.user.groups

    async def test_the_profile_is_that_of_the_user(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        profile = await visit.directory.profile(grant.access_token.reveal(), identity.user_id)
        assert (profile.user_id, profile.email) == (visit.user.user_id, visit.user.email)
        assert profile.username

    async def test_a_token_of_nobody_opens_nothing(self, directory: Directory, user: KnownUser) -> None:
        with pytest.raises(Unauthorized):
            await directory.standing(UNKNOWN, user.user_id)
        with pytest.raises(Unauthorized):
            await directory.profile(UNKNOWN.reveal(), user.user_id)

    async def test_a_refresh_gives_an_access_token_that_works(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        for _ in range(2):
            new = await visit.directory.refresh(grant, visit.user.clock.now())
            assert new.access_token != grant.access_token
            assert new.refresh_token is not None
            assert (new.id_token is None) == (grant.id_token is None)
            assert (await visit.directory.standing(new.access_token, identity.user_id)).active
            grant = new

    async def test_a_refresh_token_of_nobody_means_that_the_login_is_over(self, visit: Visit) -> None:
        grant, _ = await visit.whole()
        for token in (UNKNOWN, None):
            with pytest.raises(Unauthorized):
                await visit.directory.refresh(replace(grant, refresh_token=token), visit.user.clock.now())

    async def test_revoked_tokens_open_nothing_and_may_be_revoked_again(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        await visit.directory.revoke(grant)
        with pytest.raises(Unauthorized):
            await visit.directory.refresh(grant, visit.user.clock.now())
        with pytest.raises(Unauthorized):
            await visit.directory.standing(grant.access_token, identity.user_id)
        await visit.directory.revoke(grant)

    async def test_what_one_login_revokes_leaves_the_other_alone(self, visit: Visit) -> None:
        first, identity = await visit.whole()
        second, _ = await Visit(visit.directory, visit.user).whole()
        await visit.directory.revoke(first)
        assert (await visit.directory.standing(second.access_token, identity.user_id)).active

    async def test_a_logout_leads_back_to_where_it_is_asked_to(self, visit: Visit) -> None:
        grant, _ = await visit.whole()
        url = await visit.directory.logout_url(grant, visit.user.return_to)
        if visit.user.return_to is None:
            return
        assert url is not None
        query = dict(parse_qsl(urlsplit(url).query))
        assert query["post_logout_redirect_uri"] == visit.user.return_to
        assert grant.access_token.reveal() not in url

    async def test_a_logout_token_tells_whose_session_ends(self, visit: Visit) -> None:
        if visit.user.log_out is None:
            pytest.skip("this directory sends no logout tokens")
        grant, identity = await visit.whole()
        url = await visit.directory.logout_url(grant, visit.user.return_to)
        token = await visit.user.log_out(url or "")
        notice = await visit.directory.logout_notice(token, visit.user.clock.now())
        assert notice.user_id in (None, identity.user_id)
        assert notice.directory_session in (None, identity.directory_session)
        assert notice.user_id or notice.directory_session
        assert notice.token_id
        assert notice.expires_at > visit.user.clock.now()

    async def test_what_is_no_logout_token_is_refused(self, visit: Visit) -> None:
        grant, _ = await visit.whole()
        id_token = grant.id_token.reveal() if grant.id_token else "x.y.z"
        for token in ("", "x", "x.y.z", id_token):
            with pytest.raises(InvalidRequest):
                await visit.directory.logout_notice(token, visit.user.clock.now())

    async def test_a_profile_that_is_changed_is_given_as_written_or_cannot_be(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        try:
            changed = await visit.directory.change_profile(
                grant.access_token.reveal(), identity.user_id, ProfileChange(first_name="Augusta")
            )
        except NotSupported:
            return
        assert (changed.user_id, changed.first_name) == (identity.user_id, "Augusta")

    async def test_groups_come_in_pages_or_cannot_be_told(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        token = grant.access_token.reveal()
        page = await visit.directory.groups(token, GroupQuery(member=identity.user_id, limit=1))
        assert len(page.groups) <= 1
        assert page.total >= len(page.groups)
        try:
            assert await visit.directory.group_members(token, GroupId("no group of anybody"), 20, 0) is None
        except NotSupported:
            return

    async def test_a_group_is_made_by_whoever_may_or_not_at_all(self, visit: Visit) -> None:
        grant, identity = await visit.whole()
        try:
            made = await visit.directory.create_group(
                grant.access_token.reveal(), identity.organization_id, NewGroup(name="Contract")
            )
        except (NotSupported, Forbidden):
            return
        assert made.name == "Contract"
