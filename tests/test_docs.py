"""The documentation: its Python runs, its links lead somewhere, and the OpenAPI document says what is served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from generalbots_api import Caller, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.ids import UserId
from tests.support.service import running_service

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")


def blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for place, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            yield f"{page.name}-{place}", block


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in blocks()])
def test_python_in_the_documentation_is_python(block: str) -> None:
    compile(block.replace("…", "..."), "block", "exec", flags=0x2000)  # top-level await


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own README
    assert isinstance(names["gb"], GeneralBots)
    assert names["Greeter"].info.name == "Greeter"  # type: ignore[attr-defined] # of the second block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [one for one in targets if not (page.parent / one).exists()] == []


@pytest.mark.anyio
async def test_openapi_lists_every_endpoint_and_its_errors() -> None:
    async with running_service() as service, service.client() as client:
        document = (await client.get("/openapi.json")).json()
        mounted = {
            (endpoint.path, endpoint.method.lower())
            for mount in service.gb.mounts
            for endpoint in mount.table.endpoints
            if endpoint.method != "WEBSOCKET"
        }
    listed = {(path, method) for path, item in document["paths"].items() for method in item}
    assert document["openapi"] == "3.1.0"
    assert listed == mounted
    for path, item in document["paths"].items():
        for operation in item.values():
            assert "429" in operation["responses"], path
            assert ("401" in operation["responses"]) or operation["security"] == [], path


@pytest.mark.anyio
async def test_asyncapi_describes_the_socket() -> None:
    async with running_service() as service, service.client() as client:
        document = (await client.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["chat"]["address"] == "/ws"
    messages = set(document["channels"]["chat"]["messages"])
    assert {"SendFrame", "SubscribeFrame", "CancelFrame", "HelloFrame", "AckFrame", "MessageFrame"} <= messages


def test_a_host_without_any_login_is_refused_and_with_its_own_is_not() -> None:
    settings = Settings(secret_keys=["x"])
    with pytest.raises(ValueError, match="directory"):
        GeneralBots(settings, storage=MemoryStorage())

    async def authenticate(connection: object) -> Caller:
        return Caller(user_id=UserId("1"))

    assert GeneralBots(settings, storage=MemoryStorage(), authenticate=authenticate).mounts
