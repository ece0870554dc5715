"""Answers that are none."""

from __future__ import annotations

import json

import httpx2
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from generalbots_api.testing.faulty_op.faults import Json, Trouble

TOO_LONG = 1_048_576  # bytes: with what is around them more than a client should read
AGAIN = "again"  # the parameter that redirects add: no trouble there
PAGE = "<!doctype html><title>A page</title><h1>It works!</h1>"


async def in_trouble(trouble: Trouble, request: Request, value: Json) -> Response:
    """What comes in place of `value`.

    Raises:
        httpx2.ConnectError: for DOWN; `httpx2.ASGITransport` hands it to the caller.
    """
    match trouble:
        case Trouble.DOWN:
            raise httpx2.ConnectError("Connection refused")
        case Trouble.SLOW:
            while (await request.receive())["type"] != "http.disconnect":
                continue
            return Response(status_code=499)
        case Trouble.ERROR:
            return HTMLResponse(PAGE, 500)
        case Trouble.BUSY:
            return JSONResponse({"error": "slow_down"}, 429)
        case Trouble.UNAUTHORIZED:
            return JSONResponse({"error": "invalid_token"}, 401)
        case Trouble.NOT_FOUND:
            return HTMLResponse(PAGE, 404)
        case Trouble.REDIRECT:
            return RedirectResponse(f"{request.url}?{AGAIN}=1", 307)
        case _:
            return _misshapen(trouble, value)


def in_json(value: object) -> Response:
    """Any value: what UTF-8 cannot spell is escaped, too."""
    return Response(json.dumps(value), media_type="application/json")


def _misshapen(trouble: Trouble, value: Json) -> Response:
    """With status 200."""
    text = json.dumps(value)
    match trouble:
        case Trouble.HTML:
            return HTMLResponse(PAGE)
        case Trouble.OVERSIZED:
            return in_json({**value, "padding": "x" * TOO_LONG})
        case Trouble.MALFORMED:
            return Response(text[:-1], media_type="application/json")
        case Trouble.NO_OBJECT:
            return in_json([value])
        case Trouble.REPEATED:
            return Response(f'{text[:-1]}, "a": 1, "a": 1}}', media_type="application/json")
    return Response(media_type="application/json")
