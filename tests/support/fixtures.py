"""Fixtures of the promises: a service on each storage, and people who use it. By `pytest_plugins` in a test module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from generalbots_api.storage import Storage
from tests.support.promises import STORAGES, new_storage
from tests.support.service import Service, running_service


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return new_storage(request.param, tmp_path)


@pytest.fixture
async def service(storage: Storage) -> AsyncIterator[Service]:
    async with running_service(storage=storage) as service:
        yield service


@pytest.fixture
async def nobody(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with service.client() as client:
        yield client


@pytest.fixture
async def browser(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """Alice's, with the session in its cookie."""
    async with service.client() as client:
        yield await service.log_in("alice", client)


@pytest.fixture
async def alice(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with await service.bearer("alice") as client:
        yield client


@pytest.fixture
async def bob(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with await service.bearer("bob") as client:
        yield client


@pytest.fixture
async def admin(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with await service.bearer("admin") as client:
        yield client
