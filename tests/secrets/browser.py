"""A browser that logs nothing itself: the standard library's client, in a thread, and a list of all answers."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

import anyio.to_thread


@dataclass
class Answer:
    method: str
    path: str  # without the query
    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name), "")


@dataclass
class Browser:
    base: str
    cookies: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)  # of the service; the Directory's pages are its own business

    async def ask(
        self, method: str, url: str, body: object = None, headers: dict[str, str] | None = None, *, form: bool = False
    ) -> Answer:
        where = urlsplit(urljoin(self.base, url))
        sent = {**({"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())} if self.cookies else {})}
        data = None
        if body is not None:
            data = urlencode(body) if form else body if isinstance(body, str) else json.dumps(body)  # type: ignore[arg-type] # a form is a dict
            sent["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        target = where.path + (f"?{where.query}" if where.query else "")
        answer = await anyio.to_thread.run_sync(self._ask, method, target, data, {**sent, **(headers or {})})
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                for cookie in SimpleCookie(value).values():
                    self.cookies[cookie.key] = cookie.value
                    if not cookie.value:
                        del self.cookies[cookie.key]
        if not answer.path.startswith("/dev-directory"):
            self.answers.append(answer)
        return answer

    def _ask(self, method: str, target: str, data: str | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc)
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            return Answer(method, target.partition("?")[0], response.status, response.getheaders(), text)
        finally:
            connection.close()

    async def log_in(self, username: str) -> tuple[str, Answer]:
        """The URL of the callback, and its answer."""
        begun = (await self.ask("GET", "/auth/login")).header("location")
        page = await self.ask("GET", begun)
        if page.status != 302:
            form = re.search(r'name="form" value="([^"]+)"', page.body)
            action = re.search(r'action="([^"]+)"', page.body)
            assert form is not None
            assert action is not None
            fields = {"form": form[1], "username": username, "password": username}
            page = await self.ask("POST", urljoin(begun, action[1]), fields, form=True)
        back = page.header("location")
        return back, await self.ask("GET", back)
