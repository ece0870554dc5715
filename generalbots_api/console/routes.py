"""HTTP door to the page: static files of this package, no build step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from generalbots_api.errors import NotFound
from generalbots_api.web.endpoint import Docs, Endpoint
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
    b"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class ConsoleRoutes:
    """Not counted against the quota: the page's files are not the API, and are read only once."""

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
        return self._reply(request, "index.html")

    async def file(self, request: ApiRequest) -> Reply:
        """A file of the page."""
        return self._reply(request, request.path_param("file"))

    def _reply(self, request: ApiRequest, name: str) -> Reply:
        found = self._files.get(name)
        if found is None:
            raise NotFound("There is no such file")
        content_type, body, etag = found
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
    def _files(self) -> dict[str, tuple[bytes, bytes, bytes]]:
        found = {}
        for file in files("generalbots_api.console").joinpath("static").iterdir():
            content_type = _TYPES.get(file.name.rpartition(".")[2])
            if content_type is not None:
                body = file.read_bytes()
                found[file.name] = (
                    content_type,
                    body,
                    b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode(),
                )
        return found
