"""The client: one origin, one login, every endpoint."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import Self

import httpx2

from generalbots_api.client.account import AccountCalls
from generalbots_api.client.backoff import Backoff
from generalbots_api.client.conversation import Conversation
from generalbots_api.client.driver import Driver
from generalbots_api.client.groups import GroupCalls
from generalbots_api.client.machine import new_machine
from generalbots_api.client.model import Rate
from generalbots_api.client.operations import OperationCalls
from generalbots_api.client.origin import Origin
from generalbots_api.client.requests import Requests
from generalbots_api.client.sockets import Connect, connector
from generalbots_api.client.talks import ConversationCalls
from generalbots_api.client.tokens import LogIn, Tokens
from generalbots_api.clock import Clock, SystemClock


class Client(AccountCalls, GroupCalls, ConversationCalls, OperationCalls):
    """Talks to one General Bots API, as one user, on asyncio; close it, or use it by `async with`.

    `token` is the session token; `log_in` is asked for one when there is none,
    and once for all when the one in use is refused. `http` is a client of your
    own (proxies, certificates), which stays open; `connect` opens sockets in
    the place of the package `websockets`; `timeout` is in seconds
    without a sign of life from the server. The token goes into the
    Authorization header, to this origin only; redirects are not followed.

    Raises:
        ValueError: a base URL or a token that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        log_in: LogIn | None = None,
        backoff: Backoff | None = None,
        timeout: float = 30.0,
        http: httpx2.AsyncClient | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        connect: Connect | None = None,
    ) -> None:
        self._own_http = http is None
        self._requests = Requests(
            http=http or httpx2.AsyncClient(verify=tls if tls is not None else True),
            origin=Origin(base_url),
            tokens=Tokens(token, log_in),
            backoff=backoff or Backoff(),
            clock=clock or SystemClock(),
            random=random or Random(),  # noqa: S311 # jitter, not a secret
            sleep=sleep,
            timeout=timeout,
        )
        self._connect = connect or connector(clock=self._requests.clock, timeout=timeout, tls=tls)

    @property
    def rate(self) -> Rate | None:
        """The quota as the newest answer told it; None before the first."""
        return self._requests.rate

    def conversation(
        self,
        session_id: str,
        *,
        after_seq: int | None = None,
        epoch: str | None = None,
        open_timeout: float = 30.0,
        ack_timeout: float = 30.0,
        max_events: int = 256,
    ) -> Conversation:
        """A live conversation, for `async with`; entering raises what makes it impossible.

        `after_seq` is where to begin: None with what comes from now on, 0 with
        the first message, another place (with its `epoch`) behind that one.
        Times are in seconds; `max_events` wait for the reader at most.
        """
        machine = new_machine(
            session_id,
            after_seq=after_seq,
            epoch=epoch,
            renewable=self._requests.tokens.renewable,
            ack_timeout=ack_timeout,
            max_events=max_events,
        )
        driver = Driver(machine=machine, requests=self._requests, rest=self, connect=self._connect)
        return Conversation(driver, open_timeout=open_timeout)

    async def close(self) -> None:
        await self._requests.tokens.close()
        if self._own_http:
            await self._requests.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
