"""The way out of a bot: pooled connections, bounded waiting, bounded answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio
import httpx2

log = logging.getLogger("generalbots_api.bots")

REST_TIMEOUT = 1.0  # seconds to read what follows the last piece, so that the connection can be used again


class UpstreamError(RuntimeError):
    """What the bot speaks to cannot be reached, or answers wrongly. Names nothing that came from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds."""

    connect: float
    first: float  # for the first piece, from the request on
    between: float  # for each piece after that
    total: float | None = None  # for all of it

    def __post_init__(self) -> None:
        for name in ("connect", "first", "between", "total"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}_timeout: must be more than 0 seconds")


@dataclass(slots=True)
class Answer:
    """The body of an answer that has begun."""

    response: httpx2.Response
    chunks: AsyncIterator[bytes]
    patience: Patience
    max_bytes: int
    due: float
    due_in_all: float
    size: int = 0

    @property
    def media_type(self) -> str:
        return self.response.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def read(self) -> bytes | None:
        """More of it; None at the end.

        Raises:
            TimeoutError: no piece came in time.
            UpstreamError: the connection broke, or the answer is too long.
        """
        try:
            with anyio.fail_after(min(self.due, self.due_in_all) - anyio.current_time()):
                chunk = await anext(self.chunks, None)
        except TimeoutError:
            raise TimeoutError("no piece of the answer came in time") from None
        except httpx2.HTTPError as error:
            raise UpstreamError(f"the answer broke off: {type(error).__name__}") from None  # it may quote what came
        self.size += len(chunk or b"")
        if self.size > self.max_bytes:
            raise UpstreamError(f"the answer is over {self.max_bytes} bytes")
        return chunk

    def heard(self) -> None:
        """A piece came, and the waiting for the next begins. Bytes alone are none: keep-alives may go on for ever."""
        self.due = anyio.current_time() + self.patience.between

    async def read_all(self) -> bytes:
        chunks = []
        while (chunk := await self.read()) is not None:
            chunks.append(chunk)
        return b"".join(chunks)

    async def read_rest(self) -> None:
        """Past the last piece, to the end if it comes at once."""
        with anyio.move_on_after(REST_TIMEOUT):
            while await self.read() is not None:
                pass


@dataclass(slots=True)
class Connections:
    """Kept while somebody holds them `open`; a call without that makes one of its own."""

    patience: Patience
    max_bytes: int
    max_connections: int
    _pool: httpx2.AsyncHTTPTransport | None = None
    _users: int = 0

    async def open(self) -> None:
        """Counted: each opening wants its closing."""
        self._users += 1
        if self._pool is None:
            self._pool = self._new_pool()

    async def close(self) -> None:
        self._users -= 1
        if self._users == 0 and self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.aclose()

    @asynccontextmanager
    async def call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[Answer]:
        """Send a request; the connection is closed at once if its answer is not read to the end.

        Raises:
            TimeoutError: no answer came in time.
            UpstreamError: no answer, or one that is encoded.
        """
        async with self._a_pool() as pool:
            now, patience = anyio.current_time(), self.patience
            due_in_all = float("inf") if patience.total is None else now + patience.total
            due = now + patience.first
            request = httpx2.Request(
                method,
                url,
                headers={**headers, "accept-encoding": "identity"},  # nothing may inflate past the bound
                content=body,
                extensions={"timeout": {"connect": patience.connect, "pool": patience.connect}},
            )
            try:
                with anyio.fail_after(min(due, due_in_all) - now):
                    response = await _sent(pool, request)
            except TimeoutError:
                raise TimeoutError("no answer came in time") from None
            try:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise UpstreamError("the answer is compressed, though that was not asked for")
                async with aclosing(response.aiter_raw()) as chunks:
                    yield Answer(response, chunks, patience, self.max_bytes, due, due_in_all)
            finally:
                await response.aclose()

    @asynccontextmanager
    async def _a_pool(self) -> AsyncIterator[httpx2.AsyncHTTPTransport]:
        if self._pool is not None:
            yield self._pool
            return
        async with self._new_pool() as pool:
            yield pool

    def _new_pool(self) -> httpx2.AsyncHTTPTransport:
        """Without the client around it, which would log every URL, follow redirects, and look for proxies."""
        limits = httpx2.Limits(max_connections=self.max_connections, max_keepalive_connections=self.max_connections)
        return httpx2.AsyncHTTPTransport(limits=limits, trust_env=False)


async def _sent(pool: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
    """The head of the answer. Tried again once if the connection was refused, or had been closed while it was idle."""
    try:
        try:
            return await pool.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.RemoteProtocolError) as error:
            log.info("bot.sent_again", extra={"error": type(error).__name__})
            return await pool.handle_async_request(request)
    except httpx2.ConnectError as error:
        raise UpstreamError("no answer: ConnectError") from error
    except httpx2.HTTPError as error:
        raise UpstreamError(f"no answer: {type(error).__name__}") from None  # it may quote what came


def checked_url(url: str, name: str) -> str:
    """Raises:
    ValueError: it is no http(s) URL, or holds a user name or password.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        raise ValueError(f"{name}: is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{name}: must be an http or https URL")
    if parsed.userinfo:
        raise ValueError(f"{name}: must hold no user name or password")
    return url
