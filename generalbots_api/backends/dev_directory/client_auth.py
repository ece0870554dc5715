"""Who the client is: client_secret_basic, client_secret_post, or none for a public client. RFC 6749, section 2.3."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from generalbots_api.backends.dev_directory.client import Client
from generalbots_api.backends.dev_directory.errors import OAuthError
from generalbots_api.backends.dev_directory.forms import form_of


async def client_form(request: Request, client: Client) -> dict[str, str]:
    """The form of a client that has shown who it is.

    Raises:
        OAuthError: it has not, or shows it in two ways.
    """
    form = await form_of(request)
    client_id, secret = _shown(request.headers.get("authorization"), form)
    is_right = secrets.compare_digest(secret.encode("utf-8", "replace"), client.secret.encode())
    if client_id != client.id or not is_right:
        raise OAuthError("invalid_client", "the client is not known, or its secret is wrong", 401)
    return form


def refused(error: OAuthError) -> Response:
    """Source: RFC 6749, section 5.2."""
    body = {"error": error.code, **({"error_description": error.description} if error.description else {})}
    headers = {"WWW-Authenticate": 'Basic realm="development directory"'} if error.status == 401 else {}
    return JSONResponse(body, error.status, headers=headers)


def _shown(header: str | None, form: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret; both are form-urlencoded in the header, before base64."""
    if header is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = header.partition(" ")
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise OAuthError("invalid_client", "the Authorization header cannot be read", 401)
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if "client_secret" in form or form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "the client shows who it is in two ways")
    return client_id, secret
