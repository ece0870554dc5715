"""How the directory says no: on a page, by a redirect, in OAuth's JSON, in a service's JSON."""

from __future__ import annotations


class ShownError(Exception):
    """Told to the person, on a page: there is no address that may be trusted with it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class AuthorizationError(Exception):
    """Told to the client by a redirect. Source: RFC 6749, section 4.1.2.1; OIDC Core 3.1.2.6."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class OAuthError(Exception):
    """Told to the client in JSON. Source: RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status


class ServiceError(Exception):
    """Told to the caller of a service, by a code of the Connect protocol."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
