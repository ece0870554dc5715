"""A service with a puppet, and one who talks with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from generalbots_api.storage import Storage
from tests.support.puppet import Puppet, new_session
from tests.support.service import Service, running_service


@dataclass
class Stage:
    """A service with one puppet, alice's login, and her session with the puppet."""

    service: Service
    puppet: Puppet
    token: str
    client: httpx2.AsyncClient
    session: str


@pytest.fixture
async def stage(storage: Storage) -> AsyncIterator[Stage]:
    puppet = Puppet()
    async with running_service(bots=[puppet], storage=storage) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            yield Stage(service, puppet, token, client, await new_session(client))
