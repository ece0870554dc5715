"""OpenAPI 3.1 and AsyncAPI 3, made from the types that decode and encode."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from generalbots_api.errors import ApiError, PayloadTooLarge, RateLimited, Unauthorized, UnsupportedMediaType
from generalbots_api.web.endpoint import Endpoint
from generalbots_api.web.errors import ErrorBody, status_of

REF = "#/components/schemas/{name}"
EVENTS = "text/event-stream"
_RATE_HEADERS = {
    "X-RateLimit-Limit": "Requests allowed in the window",
    "X-RateLimit-Remaining": "Requests left in the window",
    "X-RateLimit-Reset": "Unix time at which the window ends, in whole seconds",
    "X-Request-Id": "Names this request in the server's log",
}


def openapi_document(endpoints: Iterable[Endpoint], *, title: str, version: str, server: str) -> bytes:
    """The document of every HTTP endpoint, as JSON."""
    listed = [endpoint for endpoint in endpoints if endpoint.method != "WEBSOCKET"]
    types = _types(listed)
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in listed:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of, components)
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in _RATE_HEADERS.items()
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.encode(document)


def _types(endpoints: list[Endpoint]) -> list[type]:
    named: list[type | None] = [ErrorBody]
    for endpoint in endpoints:
        docs = endpoint.docs
        named += [docs.takes, docs.takes_form, docs.gives, docs.query]
    return list(dict.fromkeys(type_ for type_ in named if type_ is not None))


def _operation(endpoint: Endpoint, schema_of: dict[type, Any], components: dict[str, Any]) -> dict[str, Any]:
    docs = endpoint.docs
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        "summary": (endpoint.handler.__doc__ or "").strip().split("\n")[0],
        "security": [] if endpoint.is_public else [{"bearer": []}],
        "parameters": [
            *_path_parameters(endpoint.path),
            *_query_parameters(docs.query, components),
            *[{"name": name, "in": "header", "schema": {"type": "string"}} for name in docs.headers],
        ],
        "responses": {
            **{
                str(status): _success(endpoint, status, schema_of)
                for status in sorted({docs.status, *docs.also_statuses})
            },
            **_errors(endpoint, schema_of),
        },
    }
    content = {}
    if docs.takes is not None:
        content["application/json"] = {"schema": schema_of[docs.takes]}
    form = docs.takes_form or (docs.takes if docs.also_form else None)
    if form is not None:
        content["application/x-www-form-urlencoded"] = {"schema": schema_of[form]}
    if content:
        operation["requestBody"] = {"required": not docs.is_body_optional, "content": content}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(query: type | None, components: dict[str, Any]) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = components[query.__name__]
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _headers() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _RATE_HEADERS}


def _success(endpoint: Endpoint, status: int, schema_of: dict[type, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "Success", "headers": _headers()}
    if endpoint.docs.gives is not None:
        response["content"] = {endpoint.docs.content_type: {"schema": schema_of[endpoint.docs.gives]}}
        if endpoint.docs.also_events and status == HTTPStatus.OK:
            response["content"][EVENTS] = {"schema": {"type": "string"}}
    elif endpoint.docs.content_type == EVENTS:
        response["content"] = {EVENTS: {"schema": {"type": "string"}}}
    elif status in (302, 303):
        response["description"] = "A redirect"
        response["headers"]["Location"] = {"schema": {"type": "string"}}
    return response


def _errors(endpoint: Endpoint, schema_of: dict[type, Any]) -> dict[str, Any]:
    kinds: list[type[ApiError]] = [RateLimited, *endpoint.docs.raises]
    if not endpoint.is_public:
        kinds.append(Unauthorized)
    if endpoint.docs.takes or endpoint.docs.takes_form:
        kinds += [PayloadTooLarge, UnsupportedMediaType]
    content = {"application/json": {"schema": schema_of[ErrorBody]}}
    found = {}
    for kind in kinds:
        error = kind.__new__(kind)
        description = " ".join((kind.__doc__ or "").strip().split("\n")[0].split())
        found[str(status_of(error))] = {"description": description, "headers": _headers(), "content": content}
    return found


def asyncapi_document(received: Iterable[type], sent: Iterable[type], *, title: str, version: str, path: str) -> bytes:
    """The document of the socket at `path`: what the server receives and what it sends."""
    received, sent = list(received), list(sent)
    types = list(dict.fromkeys([*received, *sent]))
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    messages = {type_.__name__: {"payload": schema} for type_, schema in zip(types, schemas, strict=True)}

    def refs(names: Iterable[type]) -> list[dict[str, str]]:
        return [{"$ref": f"#/channels/chat/messages/{type_.__name__}"} for type_ in names]

    channel = {"$ref": "#/channels/chat"}
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "channels": {
            "chat": {
                "address": path,
                "messages": messages,
                "bindings": {"ws": {"method": "GET", "query": _SESSION_QUERY}},
            }
        },
        "operations": {
            "receive": {"action": "receive", "channel": channel, "messages": refs(received)},
            "send": {"action": "send", "channel": channel, "messages": refs(sent)},
        },
        "components": {"schemas": components},
    }
    return msgspec.json.encode(document)


_SESSION_QUERY = {
    "type": "object",
    "properties": {"session_id": {"type": "string", "description": "The session of messages that name none"}},
}
