"""Answers of the Directory that nobody thought of, and Directories with bugs."""

from __future__ import annotations

import anyio
import httpx2
import pytest

from generalbots_api.testing.faulty_op import Endpoint, Trouble
from generalbots_api.ws.service import Sockets
from tests.login_checks.stage import staged
from tests.support.promises import check_error
from tests.support.service import running_service
from tests.support.wire import Wire, status

pytestmark = pytest.mark.anyio
STATUS = "/api/admin/system/status"
ANSWERS = {
    "not allowed": status(403, code="permission_denied", message="words of Zitadel"),
    "refused": status(400, code="invalid_argument", message="words of Zitadel"),
    "aborted": status(409, code="aborted", message="words of Zitadel"),
}


@pytest.mark.parametrize("answer", list(ANSWERS))
async def test_roles_that_the_directory_does_not_tell_are_old_ones_and_503_for_admin_calls(
    answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire()
    async with running_service(wire=wire) as service:
        admin = await service.bearer("admin")
        wire.answers["/GetUserByID"] = ANSWERS[answer]
        service.clock.advance(301)
        asked = wire.count("/GetUserByID")
        for _ in range(5):
            assert (await admin.get("/api/session")).status_code == 200
        assert wire.count("/GetUserByID") == asked + 1
        check_error(await admin.get(STATUS), 503, "SERVER_ERROR")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("trouble", list(Trouble))
async def test_a_revocation_that_goes_wrong_in_any_way_costs_nothing_but_itself(trouble: Trouble) -> None:
    async with staged() as stage:
        await stage.log_in_well()
        stage.trouble(Endpoint.REVOKE, trouble)
        answer = await stage.browser.post("/auth/logout", headers={"origin": "http://127.0.0.1:8080"})
        assert answer.status_code == 200, answer.text
        stage.clock.advance(5)
        revocations = stage.gb._services.revocations
        assert revocations is not None
        await revocations.try_next()


async def test_a_bug_in_a_directory_does_not_end_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_service() as service:
        alice = await service.bearer("alice")
        revocations = service.gb._services.revocations
        assert revocations is not None
        calls: list[object] = []

        async def buggy(grant: object) -> None:
            calls.append(grant)
            raise ValueError("a bug")

        monkeypatch.setattr(service.gb._services.directory, "revoke", buggy)
        answer = await alice.post("/auth/logout")
        assert (answer.status_code, answer.json()["directory_revoked"]) == (200, False)
        service.clock.advance(60)
        assert not await revocations.try_next()
        assert len(calls) == 2


@pytest.mark.parametrize("number", [401, 403])
async def test_a_userinfo_that_is_barred_costs_the_call_and_keeps_the_session(number: int) -> None:
    """A page is no word of the Directory: a firewall in front of it must not log everybody out."""
    async with staged() as stage:
        await stage.log_in_well()
        inner = stage.directory._transport._inner
        stage.directory._transport._inner = barred = Wire(inner)
        barred.answers["/userinfo"] = lambda request: httpx2.Response(
            number, html="<h1>Forbidden</h1>", request=request
        )
        check_error(await stage.browser.get("/api/users/me"), 503, "SERVER_ERROR")
        stage.clock.advance(301)
        assert (await stage.browser.get("/api/session")).status_code == 200
        barred.answers.clear()
        assert (await stage.browser.get("/api/users/me")).status_code == 200


async def test_a_bug_behind_the_scenes_is_logged_and_the_work_begins_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A catalogue of bots, a bus or a storage of the host's own may raise anything."""
    begun, began_again = anyio.Event(), anyio.Event()

    async def buggy(sockets: Sockets) -> None:
        if begun.is_set():
            began_again.set()
            await anyio.sleep_forever()
        begun.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr(Sockets, "watch", buggy)
    monkeypatch.setattr("generalbots_api.upkeep.AGAIN_SECONDS", 0)
    async with running_service() as service:
        with anyio.fail_after(5):
            await began_again.wait()
        assert (await service.client().get("/ready")).status_code == 200
    assert "upkeep.failed" in caplog.text
