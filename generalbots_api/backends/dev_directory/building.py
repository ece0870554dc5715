"""From arguments to a `Core`: everything is checked here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generalbots_api.backends.dev_directory.client import Client, loopback_parts
from generalbots_api.backends.dev_directory.codes import Codes
from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.lapses import Lapses
from generalbots_api.backends.dev_directory.people import People
from generalbots_api.backends.dev_directory.seed import built_in, read_seed
from generalbots_api.backends.dev_directory.sessions import BrowserSessions, Cookies
from generalbots_api.backends.dev_directory.signers import Signers
from generalbots_api.backends.dev_directory.signing import SigningKeys
from generalbots_api.backends.dev_directory.tokens import Tokens
from generalbots_api.clock import Clock


def client_of(
    client_id: str, secret: str, redirect_uris: Sequence[str] | None, backchannel_logout_uri: str | None
) -> Client:
    """Raises:
    ValueError: the argument that the message names.
    """
    if not client_id:
        raise ValueError("client_id: must not be empty")
    if isinstance(redirect_uris, str):
        raise ValueError("redirect_uris: must be a list of addresses")
    if backchannel_logout_uri is not None and loopback_parts(backchannel_logout_uri) is None:
        raise ValueError(f"backchannel_logout_uri: must be on loopback, not {backchannel_logout_uri!r}")
    return Client(
        id=client_id,
        secret=secret,
        redirect_uris=tuple(redirect_uris) if redirect_uris is not None else None,
        backchannel_logout_uri=backchannel_logout_uri,
    )


def checked_issuer(issuer: str) -> str:
    """Raises:
    ValueError: it is not the plain URL of something on this machine.
    """
    parts = loopback_parts(issuer)
    if parts is None or parts.query or issuer.endswith("?"):
        raise ValueError(f"issuer: the development directory stays on loopback, not {issuer!r}")
    return issuer


def people_of(users_file: str | Path | None, clock: Clock) -> People:
    """Raises:
    ValueError: the message names the file and the field.
    """
    if users_file is None:
        return People(built_in(), clock.now())
    try:
        return People(read_seed(Path(users_file)), clock.now())
    except ValueError as error:
        raise ValueError(f"users_file: {users_file}: {error}") from None


def core_of(
    issuer: str,
    *,
    signers: Signers,
    client: Client,
    project_id: str,
    people: People,
    keys: SigningKeys,
    clock: Clock,
) -> Core:
    """Raises:
    ValueError: the project's id is not digits.
    """
    if not (project_id.isascii() and project_id.isdigit()):
        raise ValueError(f"project_id: must be digits, not {project_id!r}")
    lapses = Lapses()
    return Core(
        issuer=issuer,
        project_id=project_id,
        client=client,
        people=people,
        lapses=lapses,
        tokens=Tokens(signers.new("token"), lapses, clock),
        codes=Codes(lapses, clock),
        sessions=BrowserSessions(signers.new("session"), Cookies(issuer), people, lapses, clock),
        keys=keys,
        clock=clock,
    )
