"""Zitadel's errors as ours: both of their forms, and what is no error of its own."""

from __future__ import annotations

import json
import logging

import httpx2
import pytest

from generalbots_api.backends.zitadel.errors import ServiceMissing, error_of
from generalbots_api.errors import (
    ApiError,
    BadGateway,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unavailable,
)
from tests.backends.zitadel_stub import GET_USER, LIST_GROUPS, ME, Zitadel

pytestmark = pytest.mark.anyio

THEIRS = "Errors.User.NotFound (QUERY-Dfbg2)"
CODES: list[tuple[str, int, int, type[ApiError]]] = [
    ("canceled", 1, 499, Unavailable),
    ("unknown", 2, 500, Unavailable),
    ("invalid_argument", 3, 400, InvalidRequest),
    ("deadline_exceeded", 4, 504, Unavailable),
    ("not_found", 5, 404, NotFound),
    ("already_exists", 6, 409, Conflict),
    ("permission_denied", 7, 403, Forbidden),
    ("resource_exhausted", 8, 429, Unavailable),
    ("failed_precondition", 9, 400, InvalidRequest),
    ("aborted", 10, 409, Conflict),
    ("out_of_range", 11, 400, InvalidRequest),
    ("unimplemented", 12, 501, ServiceMissing),
    ("internal", 13, 500, Unavailable),
    ("unavailable", 14, 503, Unavailable),
    ("data_loss", 15, 500, Unavailable),
    ("unauthenticated", 16, 401, Unauthorized),
    ("something_new", 99, 400, Unavailable),
]


@pytest.mark.parametrize(("name", "number", "status", "raised"), CODES, ids=[code[0] for code in CODES])
def test_a_code_is_one_of_our_errors_in_both_forms_and_in_our_words(
    name: str, number: int, status: int, raised: type[ApiError]
) -> None:
    for code in (name, number):
        body = json.dumps({"code": code, "message": THEIRS, "details": [{"debug": THEIRS}]}).encode()
        error = error_of(status, body, GET_USER)
        assert isinstance(error, raised)
        assert THEIRS not in f"{error.message} {error.details}"


def test_a_used_up_quota_says_when_to_try_again() -> None:
    error = error_of(429, b'{"code":"resource_exhausted"}', GET_USER)
    assert isinstance(error, Unavailable)
    assert error.retry_after == 30


NO_CODES: list[tuple[int, bytes, type[ApiError]]] = [
    (400, b"<h1>Bad Request</h1>", BadGateway),
    (403, b"blocked", BadGateway),
    (401, b"", BadGateway),
    (409, b"[]", BadGateway),
    (400, b"[" * 100_000, BadGateway),
    (404, b"404 page not found", ServiceMissing),
    (429, b"local_rate_limited", Unavailable),
    (500, b"", Unavailable),
    (502, b"<h1>Bad Gateway</h1>", Unavailable),
    (503, b"<h1>Service Unavailable</h1>", Unavailable),
    (400, b'{"message":"x"}', Unavailable),
    (400, b'{"code":null}', Unavailable),
    (400, b'{"code":["not_found"]}', Unavailable),
]


@pytest.mark.parametrize(("status", "body", "raised"), NO_CODES, ids=[f"{s} {b[:20]!r}" for s, b, _ in NO_CODES])
def test_an_answer_without_a_code_is_judged_by_its_status(status: int, body: bytes, raised: type[ApiError]) -> None:
    assert type(error_of(status, body, GET_USER)) is raised


@pytest.mark.parametrize("body", [b'{"code":5}', b'{"code":"not_found"}', b'{"code":12}', b"404 page not found"])
def test_a_list_that_is_not_there_is_a_service_that_is_not_there(body: bytes) -> None:
    error = error_of(404, body, LIST_GROUPS)
    assert isinstance(error, ServiceMissing)
    assert "GroupService" in error.message


ANSWERS: list[tuple[httpx2.Response, type[ApiError]]] = [
    (httpx2.Response(200, text="<h1>hello</h1>"), BadGateway),
    (httpx2.Response(200, json=[]), BadGateway),
    (httpx2.Response(200, content=b'{"user":{},"user":{}}'), BadGateway),
    (httpx2.Response(200, json={}), BadGateway),
    (httpx2.Response(200, json={"user": "x"}), BadGateway),
    (httpx2.Response(200, json={"user": {"userId": "somebody else"}}), BadGateway),
    (httpx2.Response(302, headers={"location": "/login"}), BadGateway),
    (httpx2.Response(404, json={"code": 5, "message": THEIRS}), NotFound),
]


@pytest.mark.parametrize(("answer", "raised"), ANSWERS, ids=[str(n) for n in range(len(ANSWERS))])
async def test_an_answer_that_makes_no_sense_is_an_error_and_their_words_stay_there(
    answer: httpx2.Response, raised: type[ApiError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    zitadel = Zitadel({GET_USER: answer})
    async with zitadel.directory() as directory:
        with pytest.raises(raised) as caught:
            await directory.profile("access", ME)
    assert type(caught.value) is raised
    assert THEIRS not in str([caught.value.message, *(vars(record) for record in caplog.records)])
