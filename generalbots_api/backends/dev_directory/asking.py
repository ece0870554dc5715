"""The authorization request, taken apart and checked: OIDC Core 3.1.2, RFC 7636."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from generalbots_api.backends.dev_directory.client import Client
from generalbots_api.backends.dev_directory.errors import AuthorizationError, ShownError

MAX_VALUE = 2_048  # characters
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
Pairs = list[tuple[str, str]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is in order. It travels through the login form."""

    redirect_uri: str
    state: str | None
    nonce: str | None
    challenge: str
    scopes: tuple[str, ...]
    prompt: tuple[str, ...] = ()
    max_age: int | None = None  # seconds
    login_hint: str = ""


def answer_address(pairs: Pairs, client: Client) -> str:
    """Where the client may be answered.

    Raises:
        ShownError: it is not to be trusted; nothing is sent there, errors neither.
    """
    for name in ("client_id", "redirect_uri"):
        if len([value for key, value in pairs if key == name]) > 1:
            raise ShownError(f"The parameter {name} comes twice.")
    asked = dict(pairs)
    if asked.get("client_id") != client.id:
        raise ShownError("This application is not known here.")
    redirect_uri = asked.get("redirect_uri", "")
    if len(redirect_uri) > MAX_VALUE or not client.may_be_answered_at(redirect_uri):
        raise ShownError("This address to return to (redirect_uri) is not allowed.")
    return redirect_uri


def state_of(pairs: Pairs) -> str | None:
    """The state that an answer carries, errors too; none if there are several."""
    states = [value for key, value in pairs if key == "state"]
    return states[0] if len(states) == 1 and len(states[0]) <= MAX_VALUE else None


def asked_of(pairs: Pairs, redirect_uri: str) -> Asked:
    """Raises:
    AuthorizationError: something about the request is wrong.
    """
    _check_form(pairs)
    asked = {name: value for name, value in pairs if value}  # an empty one counts as left out: RFC 6749, section 3.1
    if asked.get("response_type") != "code":
        raise AuthorizationError("unsupported_response_type", "only the code flow is supported")
    if asked.get("response_mode", "query") != "query":
        raise AuthorizationError("invalid_request", "only the response mode query is supported")
    scopes = tuple(dict.fromkeys(asked.get("scope", "").split()))
    if "openid" not in scopes:
        raise AuthorizationError("invalid_scope", "the scope openid is missing")
    challenge = asked.get("code_challenge", "")
    if asked.get("code_challenge_method") != "S256" or CHALLENGE.fullmatch(challenge) is None:
        raise AuthorizationError("invalid_request", "PKCE with S256 is required")
    return Asked(
        redirect_uri=redirect_uri,
        state=asked.get("state"),
        nonce=asked.get("nonce"),
        challenge=challenge,
        scopes=scopes,
        prompt=_prompt(asked.get("prompt", "")),
        max_age=_max_age(asked.get("max_age")),
        login_hint=asked.get("login_hint", ""),
    )


def _check_form(pairs: Pairs) -> None:
    names = Counter(name for name, _ in pairs)
    if any(times > 1 for times in names.values()) or any(len(value) > MAX_VALUE for _, value in pairs):
        raise AuthorizationError("invalid_request", "a parameter comes twice, or is too long")
    for name in ("request", "request_uri", "registration"):
        if name in names:
            raise AuthorizationError(f"{name}_not_supported", f"the parameter {name} is not supported")


def _prompt(value: str) -> tuple[str, ...]:
    prompt = tuple(value.split())
    if not set(prompt) <= {"none", "login", "consent", "select_account"} or ("none" in prompt and len(prompt) > 1):
        raise AuthorizationError("invalid_request", "the prompt makes no sense")
    return prompt


def _max_age(value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise AuthorizationError("invalid_request", "max_age must be a number of seconds")
    return int(value)
