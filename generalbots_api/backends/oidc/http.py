"""The way out: every call to the Directory passes here, bounded in time and size."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import anyio
import httpx2

from generalbots_api.backends.oidc.breaker import Attempt, Breaker, NotSent
from generalbots_api.backends.oidc.slots import CALLS, Slots
from generalbots_api.backends.oidc.strict import Json, strict_object
from generalbots_api.clock import Clock, SystemClock
from generalbots_api.errors import BadGateway, Unavailable

log = logging.getLogger("generalbots_api.directory")

CONNECT_TIMEOUT = 2.0  # seconds
READ_TIMEOUT = 5.0
TOTAL_TIMEOUT = 10.0  # of a call, with all its tries
MAX_ANSWER = 1_048_576  # bytes
RETRIES = 2
BACKOFF = 0.2  # seconds; doubles, with full jitter
DEADLINE = "generalbots_deadline"  # of a request's extensions: when all its tries are over, by the event loop's time

DOWN = "The Directory Service cannot be reached"
NONSENSE = "The Directory Service gave an answer that makes no sense"


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Reads whole answers within the bounds; network trouble becomes `Unavailable`.

    `inner` None: real connections, made by `opened`, as a TLS context is dear
    and belongs to nobody's import. Every call passes `handle_async_request`:
    Authlib's, and those of `Outgoing`.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport | None,
        *,
        clock: Clock | None = None,
        timeout: float = TOTAL_TIMEOUT,
        slots: Slots | None = None,
    ) -> None:
        self.timeout = timeout  # seconds, for one request and for a call with all its tries
        self.breaker = Breaker((clock or SystemClock()).monotonic)
        self.slots = slots or Slots()
        self.is_doubtful = False  # the last call failed, or its answer made no sense
        self._given = inner
        self._inner = inner

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Connections for as long as this lasts. A transport that was given is left to its owner."""
        if self._given is not None:
            yield
            return
        limits = httpx2.Limits(max_connections=CALLS, max_keepalive_connections=20)
        async with httpx2.AsyncHTTPTransport(trust_env=False, limits=limits) as inner:
            self._inner = inner
            try:
                yield
            finally:
                self._inner = None

    async def __aenter__(self) -> Self:
        """Every client enters and leaves its transport, with each call: the connections stay."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """See `__aenter__`."""

    async def aclose(self) -> None:
        """See `__aenter__`."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises:
        NotSent: it may not go out now.
        Unavailable: no answer within the bounds.
        BadGateway: the answer is out of bounds.
        """
        inner = self._inner
        if inner is None:
            raise NotSent("The Directory Service is not connected: the lifespan is not running")
        request.headers["accept-encoding"] = "identity"  # nothing may inflate past the bound
        deadline = request.extensions.get(DEADLINE, anyio.current_time() + self.timeout)
        self.breaker.check()  # before waiting for a slot, and again after
        async with self.slots.held():
            with self.breaker.attempt() as attempt:
                response = await self._answer(inner, request, deadline, attempt)
        self.is_doubtful = attempt.is_failure is True or not _is_plausible(response)
        return response

    async def _answer(
        self, inner: httpx2.AsyncBaseTransport, request: httpx2.Request, deadline: float, attempt: Attempt
    ) -> httpx2.Response:
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                response = await inner.handle_async_request(request)
                body = await _read(response)
        except (httpx2.TransportError, OSError, TimeoutError) as error:
            attempt.is_failure = self.is_doubtful = True
            raise Unavailable(DOWN) from error
        except BadGateway:
            attempt.is_failure, self.is_doubtful = False, True
            raise
        attempt.is_failure = is_failure(response.status_code)
        return httpx2.Response(response.status_code, headers=response.headers, content=body, request=request)


def is_failure(status: int) -> bool:
    """Whether another try may help. 501 is an answer: it cannot be done there."""
    return status >= 500 and status != 501


def _is_plausible(response: httpx2.Response) -> bool:
    """What a page with status 200 is not: somebody else answers for the Directory then."""
    is_good = response.status_code < 400 and bool(response.content)
    return not is_good or "json" in response.headers.get("content-type", "")


def is_page(response: httpx2.Response) -> bool:
    """For people: of a proxy or firewall in front, which does not know whether a login is over."""
    return "html" in response.headers.get("content-type", "")


async def _read(response: httpx2.Response) -> bytes:
    chunks, size = [], 0
    try:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BadGateway(NONSENSE)
        stream = response.stream
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise BadGateway(NONSENSE)
        async for chunk in stream:
            size += len(chunk)
            if size > MAX_ANSWER:
                raise BadGateway("The Directory Service gave too long an answer")
            chunks.append(chunk)
    finally:
        await response.aclose()
    return b"".join(chunks)


@dataclass(slots=True)
class Outgoing:
    """Plain JSON calls. Reads are tried three times, with full jitter; nothing else is repeated."""

    transport: BoundedTransport
    random: random.Random = field(default_factory=random.SystemRandom)

    async def get(self, url: str, *, access_token: str | None = None) -> httpx2.Response:
        return await self.call("GET", url, access_token=access_token, is_read=True)

    async def call(
        self,
        method: str,
        url: str,
        *,
        access_token: str | None = None,
        body: Json | None = None,
        is_read: bool = False,
    ) -> httpx2.Response:
        """The answer, whatever its status; 5xx of a read only after the last try.

        Raises:
            Unavailable: no answer.
        """
        headers = {"Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        deadline = anyio.current_time() + self.transport.timeout
        async with new_client(self.transport) as client:
            request = client.build_request(method, url, headers=headers, json=body, extensions={DEADLINE: deadline})
            for tried in range(RETRIES if is_read else 0):
                try:
                    response = await client.send(request)
                    if not is_failure(response.status_code):
                        return response
                except NotSent:
                    raise
                except Unavailable as error:
                    log.info("directory.tried_again", extra={"reason": error.message})
                await self._pause(tried, deadline)
            return await client.send(request)

    async def _pause(self, tried: int, deadline: float) -> None:
        pause = self.random.uniform(0, BACKOFF * 2**tried)
        if anyio.current_time() + pause >= deadline:
            raise Unavailable(DOWN)
        await anyio.sleep(pause)


def new_client(transport: BoundedTransport) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=transport, **client_options())


def client_options() -> dict[str, Any]:
    return {
        "timeout": httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
        "follow_redirects": False,
        "trust_env": False,
    }


def json_object(response: httpx2.Response) -> Json:
    """The body as a JSON object.

    Raises:
        BadGateway: it is something else.
    """
    try:
        return strict_object(response.content)
    except ValueError:
        raise BadGateway(NONSENSE) from None
