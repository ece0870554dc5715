"""A whole story, with every error in it, and not one secret in a log line, a wrong answer, a metric or the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient

from generalbots_api import Settings
from generalbots_api.auth.model import Secret
from tests.secrets.browser import Answer, Browser
from tests.secrets.stage import Stage, staged
from tests.support.service import KEY

pytestmark = pytest.mark.anyio

CONTENT = "The words of Alice to her bot"
SESSION = "gb_session"
STATUS, METRICS = "/api/admin/system/status", "/api/admin/system/metrics"
ADMIN = {"Accept": "text/plain"}

PLACES = {  # where a secret may be seen: the path of the answer, and the header, or its body
    "session token": {("/auth/callback", "set-cookie")},
    "login cookie": {("/auth/login", "set-cookie")},
    "state": {("/auth/login", "location")},
    "nonce": {("/auth/login", "location")},
    "id_token": {("/auth/logout", "body")},
    "logout state": {("/auth/logout", "body")},
}


class Story:
    """Told by Alice's browser, and that of an admin."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.alice, self.admin = Browser(stage.base), Browser(stage.base)
        self.files: list[bytes] = []

    def note(self, kind: str, value: str) -> None:
        self.stage.directory.note(kind, value)

    def look_at_the_file(self) -> None:
        self.files.append(self.stage.stored())

    async def log_in(self, browser: Browser, name: str) -> str:
        back, answer = await browser.log_in(name)
        begun = [one for one in browser.answers if one.path == "/auth/login"][-1]
        query = parse_qs(urlsplit(begun.header("location")).query)
        self.note("state", query["state"][0])
        self.note("nonce", query["nonce"][0])
        self.note("code", parse_qs(urlsplit(back).query)["code"][0])
        values = [value.partition("=")[2].partition(";")[0] for name, value in begun.headers if name == "set-cookie"]
        self.note("login cookie", next(value for value in values if value))  # others are dropped by the same answer
        if answer.status == 303:
            self.note("session token", browser.cookies[SESSION])
        return back

    async def refused_logins(self) -> None:
        stage, alice = self.stage, self.alice
        stage.dev.set_down(True)
        assert (await alice.ask("GET", "/auth/login")).status == 503
        stage.dev.set_down(False)
        stage.clock.advance(60)
        for status, text in ((400, b'{"error":"invalid_grant"}'), (500, b"<h1>"), (200, b"{}"), (200, b"nonsense")):
            stage.directory.lies["/token"] = status, text
            await self.log_in(alice, "alice")
            assert alice.answers[-1].status >= 400
            stage.clock.advance(60)
        stage.directory.lies["/userinfo"] = 200, b'{"sub":"another"}'
        await self.log_in(alice, "alice")
        assert alice.answers[-1].status >= 400
        stage.clock.advance(60)

    async def chat(self) -> None:
        alice = self.alice
        for bot in ("echo", "angry"):
            made = await alice.ask("POST", "/api/session/create", {"bot_id": bot})
            session = json.loads(made.body)["session_id"]
            headers = {"Cookie": f"{SESSION}={alice.cookies[SESSION]}", "Origin": alice.base}
            async with (
                httpx2.AsyncClient() as client,
                AsyncWebSocketClient(client).connect(alice.base.replace("http", "ws") + "/ws", headers=headers) as ws,
            ):
                await ws.send_text(json.dumps({"type": "message", "content": CONTENT, "session_id": session}))
                await ws.receive_text()
                await ws.send_text('{"type": "message", "content": 5}')
                await ws.receive_text()
            assert CONTENT in (await alice.ask("GET", f"/api/conversations/{session}/history")).body

    async def use(self) -> None:
        alice = self.alice
        for method, path, body in (
            ("GET", "/api/session", None),
            ("GET", "/api/users/me", None),
            ("PUT", "/api/users/me", {"first_name": "Alicia", "email": "alicia@example.org"}),
            ("GET", "/api/users/me/sessions", None),
            ("GET", "/api/groups/list", None),
            ("GET", "/auth/validate", None),
        ):
            assert (await alice.ask(method, path, body)).status == 200, path

    async def errors(self, back: str) -> None:
        alice, token = self.alice, self.alice.cookies[SESSION]
        cross = {"Origin": "https://evil.example"}
        assert (await alice.ask("GET", back)).status == 400  # used
        assert (await alice.ask("GET", back + "&state=again")).status == 400
        assert (await alice.ask("GET", STATUS)).status == 403
        assert (await alice.ask("POST", "/api/session/create", {"bot_id": "x"}, cross)).status == 403
        assert (await alice.ask("POST", "/api/session/create", '{"bot_id": "' + token)).status == 400
        assert (await alice.ask("PUT", "/api/users/me", {"token": token})).status == 400
        assert (await alice.ask("DELETE", "/api/session/unknown")).status == 404
        stranger = Browser(alice.base, answers=alice.answers)
        for headers in (
            {"Authorization": f"Bearer {token}x"},
            {"Authorization": f"Basic {token}"},
            {"Cookie": f"{SESSION}={token}; {SESSION}={token}"},
        ):
            assert (await stranger.ask("GET", "/api/session", headers=headers)).status == 401
        assert (await stranger.ask("GET", f"/api/session?access_token={token}&token={token}")).status == 401
        for end, status, text in (("/GetUserByID", 500, b"{"), ("/GetUserByID", 200, b"<p>"), ("/userinfo", 200, b"[")):
            for _ in range(3):
                self.stage.directory.lies[end] = status, text
                await alice.ask("GET", "/api/users/me")
            self.stage.clock.advance(60)
        self.stage.directory.lies.clear()

    async def refresh(self) -> None:
        stage, alice = self.stage, self.alice
        stage.clock.advance(3_000)
        await alice.ask("GET", "/api/session")
        stage.clock.advance(600)
        for path, status in (("/api/session", 200), ("/api/users/me", 503)):  # the roles may be old, the profile not
            stage.directory.lies["/token"] = 503, b"busy"
            assert (await alice.ask("GET", path)).status == status
        stage.clock.advance(60)
        assert (await alice.ask("GET", "/api/users/me")).status == 200
        assert len(stage.directory.secrets["refresh_token"]) > 1

    async def administer(self) -> None:
        await self.log_in(self.admin, "admin")
        assert (await self.admin.ask("GET", STATUS)).status == 200
        assert (await self.admin.ask("GET", METRICS)).status == 200
        assert (await self.admin.ask("GET", METRICS, headers=ADMIN)).status == 200

    async def log_out(self) -> None:
        stage, alice = self.stage, self.alice
        stage.directory.lies["/revoke"] = 500, b"no"
        answer = await alice.ask("POST", "/auth/logout", headers={"Origin": alice.base})
        assert json.loads(answer.body)["directory_revoked"] is False
        self.note("logout state", parse_qs(urlsplit(json.loads(answer.body)["logout_url"]).query)["state"][0])
        self.look_at_the_file()
        stage.clock.advance(60)
        revocations = stage.gb._services.revocations
        assert revocations is not None
        assert await revocations.try_next() is True
        for what in ({"keep_current": "true"}, {}):
            await self.log_in(alice, "alice")
            path = "/api/users/me/sessions" + ("?keep_current=true" if what else "")
            assert (await alice.ask("DELETE", path, headers={"Origin": alice.base})).status == 200

    async def be_logged_out(self) -> None:
        await self.log_in(self.alice, "alice")
        token = self.stage.dev.logout_token("alice")
        self.note("logout token", token)
        for sent, status in ((token, 200), (token, 400), (token[:-4] + "AAAA", 400), ("x", 400)):
            answer = await self.admin.ask(
                "POST", "/auth/backchannel-logout", {"logout_token": sent}, {"Origin": self.admin.base}, form=True
            )
            assert answer.status == status
        assert (await self.alice.ask("GET", "/api/session")).status == 401

    async def be_refused(self) -> None:
        await self.log_in(self.alice, "alice")
        self.stage.dev.revoke_everything()
        assert (await self.alice.ask("GET", "/api/users/me")).status == 401


def seen(answers: list[Answer], secret: str) -> Iterator[tuple[str, str]]:
    for answer in answers:
        for name, value in answer.headers:
            if secret in value:
                yield answer.path, name.lower()
        if secret in answer.body:
            yield answer.path, "body"


def forms(secret: str) -> set[str]:
    """As it is, and as it looks in a URL."""
    return {secret, quote(secret, safe="")}


async def test_no_secret_leaves_its_place(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        story = Story(stage)
        await story.refused_logins()
        back = await story.log_in(story.alice, "alice")
        await story.alice.ask("GET", "/auth/login")  # one that is under way
        story.look_at_the_file()
        await story.use()
        await story.chat()
        await story.errors(back)
        await story.refresh()
        story.look_at_the_file()
        await story.administer()
        await story.log_out()
        await story.be_logged_out()
        await story.be_refused()
        story.look_at_the_file()
    secrets = {**stage.directory.secrets, "secret key": {KEY}}
    secrets.setdefault("client_secret", set()).add(stage.dev.client_secret)
    check(secrets, story)
    check_log(stage, secrets)


def check(secrets: dict[str, set[str]], story: Story) -> None:
    kinds = {"session token", "login cookie", "state", "nonce", "code", "code_verifier", "access_token"}
    kinds |= {"refresh_token", "id_token", "client_secret", "secret key", "logout token", "credentials", "logout state"}
    assert set(secrets) == kinds
    answers = [*story.alice.answers, *story.admin.answers]
    assert any(answer.status == status for status in (502, 503) for answer in answers)
    for kind, values in secrets.items():
        assert all(len(secret) > 15 for secret in values), kind
        found = {form: set(seen(answers, form)) for secret in values for form in forms(secret)}
        assert set().union(*found.values()) == PLACES.get(kind, set()), kind
        for number, file in enumerate(story.files):
            clear = [form for form in found if form.encode() in file]
            assert not clear, f"{kind} in clear in the file, at look {number}"


def check_log(stage: Stage, secrets: dict[str, set[str]]) -> None:
    said = "\n".join(stage.ears.lines)
    assert {"generalbots_api", "httpx2", "httpcore2", "hypercorn"} <= stage.ears.loggers
    for kind, values in secrets.items():
        for form in {form for secret in values for form in forms(secret)}:
            lines = [line for line in stage.ears.lines if form in line]
            assert not lines, (kind, lines[0][:300])
    assert CONTENT not in said
    assert "auth/callback?" not in said
    assert "RuntimeError: enough" in said  # the log is read at all


def test_values_that_hold_secrets_do_not_show_them() -> None:
    assert KEY not in repr(Settings(secret_keys=[KEY]))
    secret = Secret("the text")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", repr([secret]), "%s" % secret):  # noqa: UP031 - as logging does
        assert "the text" not in shown
