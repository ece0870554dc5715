"""One request at a time, as the spec's "Recommended Practices" want it: token, repeats, re-login, cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2
import msgspec

from generalbots_api.client.backoff import Backoff, asked_wait
from generalbots_api.client.cache import AnswerCache, key_of
from generalbots_api.client.errors import ApiError, BadAnswer, ConnectionFailed, error_from_body
from generalbots_api.client.model import Rate
from generalbots_api.client.origin import Origin
from generalbots_api.client.tokens import Tokens
from generalbots_api.clock import Clock

_NEVER_ARRIVED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_PASSING = frozenset({502, 503, 504})  # the server, or one before it, is away for a moment
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked. `repeatable`: doing it twice is as doing it once."""

    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None  # JSON values
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    renews: bool = True  # a 401 is answered with a new login, if there is a hook
    wait: float = 0.0  # seconds for which the server may hold its answer back

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.method in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx2.Headers
    body: bytes


@dataclass(slots=True, kw_only=True)
class Requests:
    """Sends calls to one origin."""

    http: httpx2.AsyncClient
    origin: Origin
    tokens: Tokens
    backoff: Backoff
    clock: Clock
    random: Random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    timeout: float = 30.0  # seconds without a sign of life
    max_answer: int = 16 * 2**20  # bytes
    cache: AnswerCache = field(default_factory=AnswerCache)
    rate: Rate | None = None  # as the newest answer told it
    _used_up: tuple[str | None, float] = (None, 0.0)  # the token whose quota is, and until when (Unix seconds)

    async def send(self, call: Call) -> Answer:
        """The answer, below 400.

        Raises:
            ApiError: the API refused, and a repeat would not help or is not safe.
            ConnectionFailed: no answer.
            BadAnswer: an answer that is not this API's.
        """
        renewed = not (call.renews and self.tokens.renewable)
        attempt = 0
        while True:
            token = await self.tokens.current()
            if early := self._wait_for_quota(token):
                await self.sleep(early)
            try:
                return await self._once(call, token)
            except ApiError as error:
                if error.status == 401 and not renewed:
                    renewed = True
                    await self.tokens.renewed(token)
                    continue
                wait = self._wait_after(error, call, attempt)
                if wait is None:
                    raise
            except ConnectionFailed as failure:
                unsafe = not (call.may_repeat or isinstance(failure.__cause__, _NEVER_ARRIVED))
                if unsafe or attempt + 1 >= self.backoff.tries:
                    raise
                wait = self.backoff.delay(attempt, self.random)
            await self.sleep(wait)
            attempt += 1

    def _wait_after(self, error: ApiError, call: Call, attempt: int) -> float | None:
        """Seconds until the call may be sent again; None: not at all. A 429 was not carried out, so any call may."""
        if not (error.status == 429 or (error.status in _PASSING and call.may_repeat)):
            return None
        asked = error.retry_after or 0.0
        if attempt + 1 >= self.backoff.tries or asked > self.backoff.patience:
            return None
        return self.backoff.delay(attempt, self.random, at_least=asked)

    async def _once(self, call: Call, token: str | None) -> Answer:
        headers = {"Accept": "application/json", **call.headers}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        key = key_of(call.path, call.query, token)
        kept = self.cache.get(key) if call.method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept.etag
        answer = await self._exchange(call, headers)
        self._note_rate(answer.headers, token)
        if answer.status == 304 and kept is not None:
            return Answer(200, answer.headers, kept.body)
        if answer.status >= 400:
            wait = asked_wait(answer.headers, self.clock.unix()) if answer.status in (429, 503) else None
            request_id = answer.headers.get("x-request-id")
            raise error_from_body(answer.status, answer.body, request_id=request_id, retry_after=wait)
        if answer.status >= 300:
            raise BadAnswer(f"HTTP status {answer.status}: redirects are not followed")
        if call.method == "GET":
            self.cache.put(key, answer.headers.get("etag"), answer.body)
        return answer

    def _note_rate(self, headers: httpx2.Headers, token: str | None) -> None:
        if (rate := Rate.of(headers)) is not None:
            now = self.clock.unix()
            self.rate = rate
            self._used_up = (token, now + (asked_wait(headers, now) or 0.0) if rate.remaining == 0 else 0.0)

    def _wait_for_quota(self, token: str | None) -> float:
        """Seconds to wait instead of being refused. Source: spec, "monitor rate limit headers proactively"."""
        whose, until = self._used_up
        left = until - self.clock.unix()
        if whose != token or not 0 < left <= self.backoff.patience:
            return 0.0
        return self.backoff.delay(0, self.random, at_least=left)

    async def _exchange(self, call: Call, headers: dict[str, str]) -> Answer:
        content = None
        if call.body is not None:
            content, headers["Content-Type"] = _encode(call.body), "application/json"
        request = self.http.build_request(
            call.method,
            self.origin.url(call.path),
            params=call.query or None,
            content=content,
            headers=headers,
            timeout=httpx2.Timeout(self.timeout, read=self.timeout + call.wait),
        )
        try:
            response = await self.http.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                return Answer(response.status_code, response.headers, await self._body(response))
            finally:
                await response.aclose()
        except httpx2.DecodingError as error:
            raise BadAnswer("the answer cannot be decoded") from error
        except httpx2.TransportError as error:
            raise ConnectionFailed(f"{call.method} {call.path}: {type(error).__name__}") from error

    async def _body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self.max_answer:
                raise BadAnswer(f"the answer is over {self.max_answer} bytes")
        return bytes(body)
