"""What the log says, and what it does not say."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from runner.access_log import with_access_log
from runner.logs import QUIET, JsonFormatter, TextFormatter, configure


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "here", "created": 0.5})
    made.__dict__.update(extra)
    return made


def test_text_has_one_word_for_a_value() -> None:
    said = TextFormatter().format(record("request", path="/a", agent="x status=200", empty=""))
    assert said == '00:00:00.500 info    request path=/a agent="x status=200" empty=""'


def test_what_a_client_sends_makes_no_new_line() -> None:
    said = TextFormatter().format(record("a\r\nb", path="c\nd\x1b[31m\u2028"))
    assert said == r'00:00:00.500 info    a\r\nb path="c\nd\u001b[31m\u2028"'


def test_json_has_one_object_a_line_and_keeps_its_own_names() -> None:
    said = JsonFormatter().format(record("a\nb", level="forged", count=3))
    assert "\n" not in said
    assert json.loads(said) == {
        "time": "1970-01-01T00:00:00.500000Z",
        "level": "info",
        "logger": "here",
        "event": "a\nb",
        "count": 3,
    }


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """`configure` is for a process; here it is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    known = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    levels = {one.name: one.level for one in known} | {name: logging.getLogger(name).level for name in QUIET}
    for one in known:
        one.setLevel(logging.NOTSET)  # a server that another test has started may have set its own
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


@pytest.mark.usefixtures("logging_as_it_was")
def test_libraries_that_would_tell_headers_and_tokens_are_quiet_even_at_debug() -> None:
    configure("debug", "text")
    for name in ("httpx2", "httpcore2.http11", "hpack.hpack", "h2.connection", "authlib.oauth2", "hypercorn.error"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger("generalbots_api").isEnabledFor(logging.DEBUG)


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_level_holds_for_libraries_too() -> None:
    configure("error", "json")
    assert not logging.getLogger("hypercorn.error").isEnabledFor(logging.WARNING)
    assert logging.getLogger("hypercorn.error").isEnabledFor(logging.ERROR)


async def logged(scope: dict[str, Any], answers: list[Message], caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The fields of the line that one request gives."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["gb.request_id"] = b"r-1"
        for answer in answers:
            await send(answer)

    async def send(message: Message) -> None:
        return

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    caplog.set_level(logging.INFO, "generalbots_api.access")
    await with_access_log(app)(scope, receive, send)
    [line] = caplog.records
    return {name: line.__dict__[name] for name in ("method", "path", "status", "bytes", "request_id")}


HTTP = {"type": "http", "method": "GET", "query_string": b"code=secret", "headers": [(b"cookie", b"gb_session=secret")]}


@pytest.mark.anyio
async def test_a_request_is_logged_without_query_and_cookie(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Message] = [
        {"type": "http.response.start", "status": 302, "headers": []},
        {"type": "http.response.body", "body": b"four", "more_body": True},
        {"type": "http.response.body", "body": b"more"},
    ]
    fields = await logged({**HTTP, "path": "/auth/callback"}, answers, caplog)
    assert fields == {"method": "GET", "path": "/auth/callback", "status": 302, "bytes": 8, "request_id": "r-1"}
    assert "secret" not in str(caplog.records[0].__dict__)


@pytest.mark.anyio
async def test_a_path_is_logged_as_it_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    fields = await logged({**HTTP, "path": "/a\r\nb status=200"}, [], caplog)
    assert (fields["path"], fields["status"]) == ("/a%0D%0Ab%20status%3D200", 0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([{"type": "websocket.accept"}, {"type": "websocket.send", "text": "hi"}, {"type": "websocket.close"}], 101),
        ([{"type": "websocket.http.response.start", "status": 401, "headers": []}], 401),
        ([{"type": "websocket.close"}], 403),
    ],
)
async def test_a_socket_is_logged_once(caplog: pytest.LogCaptureFixture, answers: list[Message], status: int) -> None:
    fields = await logged({"type": "websocket", "path": "/ws", "headers": []}, answers, caplog)
    assert (fields["method"], fields["status"]) == ("WEBSOCKET", status)
