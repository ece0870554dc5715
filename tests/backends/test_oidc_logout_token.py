"""The rules for logout tokens, and for the id token of a refresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from generalbots_api.auth.model import LogoutNotice
from generalbots_api.backends.oidc.id_token import (
    ALGORITHMS,
    LOGOUT_EVENT,
    Expected,
    check_id_token,
    check_logout_token,
    check_refreshed,
)
from generalbots_api.backends.oidc.signature import Refused
from tests.backends.oidc_forge import ACCESS, CLIENT, ISSUER, NOW, forged, id_claims, new_key

AT = datetime.fromtimestamp(NOW, UTC)
OURS = Expected(issuer=ISSUER, client_id=CLIENT, algorithms=ALGORITHMS)


def logout_claims(**changes: Any) -> dict[str, Any]:
    claims = id_claims(nonce=None, jti="j1", sid="s1", events={LOGOUT_EVENT: {}})
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def noticed(changes: dict[str, Any], header: dict[str, Any] | None = None) -> LogoutNotice:
    token = forged(logout_claims(**changes), {"typ": "logout+jwt", **(header or {})})
    return check_logout_token(token, [new_key("2048")], OURS, now=AT)


@pytest.mark.parametrize(
    ("changes", "user_id", "sid"),
    [({}, "42", "s1"), ({"sid": None}, "42", None), ({"sub": None}, None, "s1"), ({"aud": [CLIENT, "x"]}, "42", "s1")],
)
def test_a_good_logout_token_tells_whose_session_ends(
    changes: dict[str, Any], user_id: str | None, sid: str | None
) -> None:
    expires_at = AT + timedelta(seconds=330)
    expected = LogoutNotice(token_id="j1", user_id=user_id, directory_session=sid, expires_at=expires_at)  # type: ignore[arg-type] # a UserId
    assert noticed(changes) == expected
    assert noticed(changes, {"typ": None}) == expected


BAD_LOGOUT: list[tuple[str, dict[str, Any]]] = [
    ("iss", {"iss": "https://elsewhere.example"}),
    ("aud", {"aud": "another"}),
    *(("iat", {"iat": iat}) for iat in (None, NOW + 31)),
    *(("exp", {"exp": exp}) for exp in (None, NOW - 30)),
    *(("events", {"events": events}) for events in (None, {}, [LOGOUT_EVENT], {LOGOUT_EVENT: True}, {"other": {}})),
    *(("nonce", {"nonce": nonce}) for nonce in ("x", "", 0)),
    *(("jti", {"jti": jti}) for jti in (None, "", 5, "x" * 256)),
    *(("sub, sid", change) for change in ({"sub": None, "sid": None}, {"sub": 5}, {"sid": []}, {"sid": ""})),
]


@pytest.mark.parametrize(("check", "changes"), BAD_LOGOUT, ids=[f"{c} {str(b)[:60]}" for c, b in BAD_LOGOUT])
def test_a_logout_token_that_fails_a_check_is_refused_by_that_check(check: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"^{check}: "):
        noticed(changes)


def test_a_token_of_another_type_is_no_logout_token() -> None:
    for typ in ("at+jwt", "secevent+jwt", "", 5):
        with pytest.raises(Refused, match=r"^typ: "):
            noticed({}, {"typ": typ})


def test_an_id_token_is_no_logout_token_nor_the_other_way_round() -> None:
    with pytest.raises(Refused):
        check_logout_token(forged(id_claims()), [new_key("2048")], OURS, now=AT)
    with pytest.raises(Refused):
        check_id_token(
            forged(logout_claims()),
            [new_key("2048")],
            OURS,
            nonce="the nonce",
            begun_at=AT,
            now=AT,
            access_token=ACCESS,
        )


def test_the_id_token_of_a_refresh_is_of_the_same_login() -> None:
    before = forged(id_claims())
    assert check_refreshed(forged(id_claims(nonce=None, iat=NOW + 900)), before, OURS)["iat"] == NOW + 900
    for changes in ({"sub": "43"}, {"sub": None}, {"iss": "https://elsewhere.example"}, {"aud": "x"}, {"azp": "x"}):
        with pytest.raises(Refused):
            check_refreshed(forged(id_claims(**changes)), before, OURS)
    with pytest.raises(Refused):
        check_refreshed("no token", before, OURS)
