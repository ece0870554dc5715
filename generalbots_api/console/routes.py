"""HTTP door to the page: static files of this package, no build step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib.resources import files

from generalbots_api.errors import NotFound
from generalbots_api.settings import Settings
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.origin import public_base
from generalbots_api.web.reply import Reply
from generalbots_api.web.request import ApiRequest

_TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class ConsoleRoutes:
    """Not counted against the quota: the page's files are not the API."""

    settings: Settings

    def endpoints(self) -> list[Endpoint]:
        docs = Docs(content_type="text/html")
        return [
            Endpoint(
                method="GET",
                path="/",
                handler=self.page,
                is_public=True,
                is_counted=False,
                is_use=False,
                docs=docs,
            ),
            Endpoint(
                method="GET",
                path="/console/{file}",
                handler=self.file,
                is_public=True,
                is_counted=False,
                is_use=False,
                docs=docs,
            ),
        ]

    async def page(self, request: ApiRequest) -> Reply:
        """The page: log in, chat, and see how the service is."""
        content_type, body = self._files["index.html"]
        base = escape(public_base(self.settings, request.scope) + "/").encode()
        return self._reply(request, content_type, body.replace(b"<head>", b'<head><base href="%b">' % base))

    async def file(self, request: ApiRequest) -> Reply:
        """A file of the page."""
        found = self._files.get(request.path_param("file"))
        if found is None:
            raise NotFound("There is no such file")
        return self._reply(request, *found)

    def _reply(self, request: ApiRequest, content_type: bytes, body: bytes) -> Reply:
        etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        headers = [
            (b"etag", etag),
            (b"cache-control", b"no-cache"),
            (b"content-security-policy", _POLICY),
            (b"referrer-policy", b"no-referrer"),
        ]
        if request.headers.get("if-none-match", "").encode() == etag:
            return Reply(b"", 304, content_type, headers, True)
        return Reply(body, 200, content_type, headers, True)

    @cached_property
    def _files(self) -> dict[str, tuple[bytes, bytes]]:
        """The content type and the body of each file, read once."""
        found = {}
        for file in files("generalbots_api.console").joinpath("static").iterdir():
            content_type = _TYPES.get(file.name.rpartition(".")[2])
            if content_type is not None:
                found[file.name] = (content_type, file.read_bytes())
        return found
