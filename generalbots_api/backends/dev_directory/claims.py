"""What id tokens, userinfo and introspection say of a user, with Zitadel's own claims.

The project asserts its roles at each login, so that these claims are there
whatever scope was asked for; with no role they are left out, as Zitadel does.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.people import DOMAIN, ORGANIZATION_ID, ORGANIZATION_NAME, User
from generalbots_api.backends.dev_directory.tokens import Login

ID_LIFETIME = 3_600  # seconds
ZITADEL_PROJECT_ID = "100000000000000002"  # the project that stands for the services themselves
AUDIENCE_SCOPE = re.compile(r"urn:zitadel:iam:org:project:id:([0-9]+|zitadel):aud")
RESOURCE_OWNER = "urn:zitadel:iam:user:resourceowner"

Claims = dict[str, Any]


def id_token_claims(core: Core, user: User, login: Login, access_token: str, nonce: str | None) -> Claims:
    """Source: OIDC Core 2 and 12.2; `nonce` only at the first."""
    now = int(core.clock.unix())
    return {
        "iss": core.issuer,
        "sub": user.id,
        "aud": audiences(core.client.id, login.scopes),
        "azp": core.client.id,
        "client_id": core.client.id,
        "iat": now,
        "exp": now + ID_LIFETIME,
        "auth_time": login.auth_unix,
        "amr": ["pwd"],
        "sid": login.session,
        "at_hash": half_hash(access_token),
        **({"nonce": nonce} if nonce is not None else {}),
        **zitadel_claims(core.project_id, user, login.scopes),
    }


def userinfo_claims(core: Core, user: User, scopes: tuple[str, ...]) -> Claims:
    """Source: OIDC Core 5.4: profile and email by their scopes."""
    claims: Claims = {"sub": user.id}
    if "profile" in scopes:
        claims |= {
            "name": user.display_name,
            "given_name": user.first_name,
            "family_name": user.last_name,
            "preferred_username": user.username,
            "updated_at": int(user.changed_at.timestamp()),
        }
    if "email" in scopes:
        claims |= {"email": user.email, "email_verified": user.is_email_verified}
    return {**claims, **zitadel_claims(core.project_id, user, scopes)}


def zitadel_claims(project_id: str, user: User, scopes: tuple[str, ...]) -> Claims:
    claims: Claims = {}
    if RESOURCE_OWNER in scopes:
        claims |= {
            f"{RESOURCE_OWNER}:id": ORGANIZATION_ID,
            f"{RESOURCE_OWNER}:name": ORGANIZATION_NAME,
            f"{RESOURCE_OWNER}:primary_domain": DOMAIN,
        }
    if user.roles:
        roles = {role: {ORGANIZATION_ID: DOMAIN} for role in sorted(user.roles)}
        claims["urn:zitadel:iam:org:project:roles"] = roles
        claims[f"urn:zitadel:iam:org:project:{project_id}:roles"] = roles
    return claims


def audiences(client_id: str, scopes: tuple[str, ...]) -> list[str]:
    """The client, and the projects that the scopes name."""
    named = [found[1] for scope in scopes if (found := AUDIENCE_SCOPE.fullmatch(scope))]
    return [client_id, *(ZITADEL_PROJECT_ID if one == "zitadel" else one for one in named)]


def may_call_services(client_id: str, scopes: tuple[str, ...]) -> bool:
    return ZITADEL_PROJECT_ID in audiences(client_id, scopes)


def half_hash(text: str) -> str:
    """`at_hash` of RS256: OIDC Core 3.1.3.6."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()
