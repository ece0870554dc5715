"""The request that a route gets: its caller and typed input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from generalbots_api.caller import Caller
from generalbots_api.errors import InvalidRequest, PayloadTooLarge, Unauthorized, UnsupportedMediaType
from generalbots_api.ids import TokenHash
from generalbots_api.web.address import Addresses
from generalbots_api.web.head import Head
from generalbots_api.web.paths import route_path
from generalbots_api.web.strict_json import decode, invalid

MAX_QUERY = 8_192
MAX_FORM_FIELDS = 300
FORM = "application/x-www-form-urlencoded"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """How requests are read: the same for all of them."""

    max_body: int  # bytes
    addresses: Addresses


class ApiRequest(msgspec.Struct):
    """One request, already identified and counted; a value of msgspec, which is made in a quarter of the time.

    `optional_caller` is None for a request without a valid session, which only
    public endpoints see; `caller` is there for all others.
    """

    scope: Scope
    receive: Receive
    head: Head
    reading: Reading
    optional_caller: Caller | None
    token_hash: TokenHash | None  # None: no session token of ours was sent

    @property
    def headers(self) -> Headers:
        """All of them, for what the head does not hold."""
        return Headers(scope=self.scope)

    @property
    def caller(self) -> Caller:
        if self.optional_caller is None:
            raise Unauthorized
        return self.optional_caller

    @property
    def request_id(self) -> str:
        raw: bytes = self.scope["gb.request_id"]
        return raw.decode()

    @property
    def address(self) -> str:
        """The client's address, with trusted proxies taken off."""
        return self.reading.addresses.client(self.scope, self.head)

    @property
    def route_path(self) -> str:
        """The path below the mount's prefix."""
        return route_path(self.scope)

    @property
    def whole_path(self) -> str:
        """The path as browsers see it, the prefix included, percent-encoded."""
        return quote(str(self.scope.get("root_path", "")).rstrip("/") + self.route_path)

    def path_param(self, name: str) -> str:
        return str(self.scope["path_params"][name])

    @property
    def media_type(self) -> str:
        value = (self.head.content_type or b"").decode("latin-1")
        return value.partition(";")[0].strip().lower()

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            PayloadTooLarge: over `Settings.max_body`, by its length or as it comes.
        """
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self.reading.max_body:
                raise PayloadTooLarge("The body is too large", max_bytes=self.reading.max_body)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def json(self, type_: type[T]) -> T:
        """The body as a msgspec type.

        Raises:
            UnsupportedMediaType, PayloadTooLarge, InvalidRequest.
        """
        if self.media_type != "application/json":
            raise UnsupportedMediaType("The body must be application/json", accepted=["application/json"])
        return decode(await self.body(), type_)

    async def optional_json(self, type_: type[T]) -> T:
        """The body as a msgspec type all of whose fields have defaults; no body at all is an empty one.

        Raises:
            UnsupportedMediaType, PayloadTooLarge, InvalidRequest.
        """
        if self.head.content_type is None and not await self.body():
            return decode(b"{}", type_)
        return await self.json(type_)

    async def form(self) -> dict[str, list[str]]:
        """The fields of a URL-encoded form, in order."""
        if self.media_type != FORM:
            raise UnsupportedMediaType(f"The body must be {FORM}", accepted=[FORM])
        return _pairs(await self.body())

    def query(self, type_: type[T]) -> T:
        """The query as a msgspec type; each parameter once.

        Raises:
            InvalidRequest: a parameter that is wrong or comes twice.
        """
        return _convert(self.query_values(), type_)

    def query_values(self) -> dict[str, str]:
        raw = self.scope.get("query_string", b"")
        if len(raw) > MAX_QUERY:
            raise InvalidRequest("The query is too long")
        fields = _pairs(raw)
        for name, values in fields.items():
            if len(values) > 1:
                raise InvalidRequest("A query parameter comes twice", fields={name: "comes more than once"})
        return {name: values[0] for name, values in fields.items()}


def _pairs(raw: bytes) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), True, encoding="utf-8", errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise InvalidRequest("The fields are not URL-encoded UTF-8") from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise InvalidRequest("Text must not hold NUL")
        fields.setdefault(name, []).append(value)
    return fields


def _convert(values: dict[str, str], type_: type[T]) -> T:
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
