"""JSON of the Directory, read strictly."""

from __future__ import annotations

import httpx2
import pytest

from generalbots_api.backends.oidc.http import json_object
from generalbots_api.backends.oidc.strict import strict_object
from generalbots_api.errors import BadGateway


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'"x"',
        b"{}x",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\\u0000"}',
        b'{"\\ud800":1}',
        b'{"a":[["\\udfff"]]}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":' * 100_000,
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
    ids=lambda raw: str(raw[:24]),
)
def test_json_that_is_not_strict_is_refused(raw: bytes) -> None:
    with pytest.raises(BadGateway):
        json_object(httpx2.Response(200, content=raw))


def test_strict_json_is_read() -> None:
    assert strict_object('{"a":[1,{"b":"ä\\u00e4\\ud83d\\ude00"}],"c":null}'.encode()) == {
        "a": [1, {"b": "ää😀"}],
        "c": None,
    }
