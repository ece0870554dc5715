"""The door to Zitadel's services: the Connect protocol, unary, over JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from generalbots_api.backends.dev_directory.claims import may_call_services
from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import OAuthError, ServiceError
from generalbots_api.backends.dev_directory.forms import bearer_of, body_of
from generalbots_api.backends.dev_directory.lever import Levers
from generalbots_api.backends.dev_directory.messages import encoded
from generalbots_api.backends.dev_directory.people import User
from generalbots_api.backends.dev_directory.rpc import Method

STATUSES = {
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "already_exists": 409,
    "resource_exhausted": 429,
}


@dataclass(frozen=True, slots=True)
class Services:
    levers: Levers
    methods: Callable[[Core], Mapping[str, Method]]  # by `package.Service/Method`

    async def call(self, request: Request) -> Response:
        service, name = request.path_params["service"], request.path_params["method"]
        core = self.levers.core_for(service, name)
        method = self.methods(core).get(f"{service}/{name}") if core is not None else None
        if core is None or method is None:  # as where a whole service is missing, in an older Zitadel
            return PlainTextResponse("404 page not found\n", 404)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return Response(status_code=415, headers={"Accept-Post": "application/json"})
        try:
            answer = encoded(method(_caller(core, request), await body_of(request)))
        except ServiceError as error:
            return failed(error)
        except OAuthError as error:  # of the body's bound
            return failed(ServiceError("resource_exhausted", error.description))
        return Response(answer, media_type="application/json")


def _caller(core: Core, request: Request) -> User:
    """Raises:
    ServiceError: no token, or none that is good here: it must have been asked for with the audience of Zitadel.
    """
    token = bearer_of(request)
    if not token:
        raise ServiceError("unauthenticated", "auth header missing")
    found = core.user_of(token)
    if found is None or not may_call_services(core.client.id, found[1].login.scopes):
        raise ServiceError("unauthenticated", "Errors.Token.Invalid (AUTH-7fs1e)")
    return found[0]


def failed(error: ServiceError) -> Response:
    body: dict[str, object] = {"code": error.code, "message": error.message, "details": []}
    return Response(msgspec.json.encode(body), STATUSES[error.code], media_type="application/json")
