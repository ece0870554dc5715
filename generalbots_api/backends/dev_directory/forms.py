"""Bodies: read within a bound; URL-encoded forms, in which no field comes twice."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from generalbots_api.backends.dev_directory.errors import OAuthError

MAX_BODY = 65_536  # bytes
MAX_FIELDS = 50
FORM_TYPE = "application/x-www-form-urlencoded"


async def body_of(request: Request) -> bytes:
    """Raises:
    OAuthError: it is over the bound.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise OAuthError("invalid_request", "the body is too long", 413)
    return bytes(body)


async def pairs_of(request: Request) -> list[tuple[str, str]]:
    """The fields in their order. The multipart kind is not for these endpoints.

    Raises:
        OAuthError: it is no form, or too much of one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise OAuthError("invalid_request", f"the body must be {FORM_TYPE}")
    try:
        text = (await body_of(request)).decode()
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:  # UnicodeDecodeError is one
        raise OAuthError("invalid_request", "the form cannot be read") from None


async def form_of(request: Request) -> dict[str, str]:
    """Raises:
    OAuthError: it is no form, or a field comes twice (RFC 6749, section 3.2).
    """
    pairs = await pairs_of(request)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a field comes twice")
    return form


def bearer_of(request: Request) -> str:
    """The token of the Authorization header, "" if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
