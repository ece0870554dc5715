"""The rules for id tokens, logout tokens and the id tokens of a refresh, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import Key

from generalbots_api.backends.oidc.id_token import (
    ALGORITHMS,
    LOGOUT_EVENT,
    Expected,
    check_id_token,
    expected_algorithms,
)
from generalbots_api.backends.oidc.signature import KeyUnknown, Refused
from tests.backends.oidc_forge import ACCESS, CLIENT, ISSUER, NOW, forged, half_hash, id_claims, new_key, part

AT = datetime.fromtimestamp(NOW, UTC)
OURS = Expected(issuer=ISSUER, client_id=CLIENT, algorithms=ALGORITHMS)


def checked(token: str, keys: list[Key] | None = None, **changes: Any) -> dict[str, Any]:
    given = {"nonce": "the nonce", "begun_at": AT - timedelta(seconds=5), "now": AT, "access_token": ACCESS}
    expected = changes.pop("expected", OURS)
    return check_id_token(token, keys or [new_key("2048")], expected, **{**given, **changes})


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        *((f"{family}{size}", "2048") for family in ("RS", "PS") for size in (256, 384, 512)),
        *(("ES256", "ES"), ("ES384", "ES384"), ("ES512", "ES512"), ("EdDSA", "Ed"), ("Ed25519", "Ed")),
    ],
)
def test_every_algorithm_of_the_list_is_taken(algorithm: str, kind: str) -> None:
    key = new_key(kind)
    digest = {"256": "sha256", "384": "sha384"}.get(algorithm[-3:], "sha512")
    claims = id_claims(at_hash=half_hash(ACCESS, digest))
    assert checked(forged(claims, {"alg": algorithm}, key), [key]) == claims


GOOD: dict[str, dict[str, Any]] = {
    "aud as a string": {"aud": CLIENT},
    "azp is ours": {"azp": CLIENT},
    "more audiences and azp": {"aud": ["project", CLIENT], "azp": CLIENT},
    "expired within the leeway": {"exp": NOW - 29},
    "issued by a clock that is ahead": {"iat": NOW + 30},
    "issued by a clock that is behind": {"iat": NOW - 35},
    "valid from a moment ahead": {"nbf": NOW + 30},
    "fractions of a second": {"exp": NOW + 0.5},
    "sub of 255 characters": {"sub": "x" * 255},
    "at_hash": {"at_hash": half_hash(ACCESS)},
    "claims that nobody knows": {"jwk": {}, "urn:zitadel:iam:user:resourceowner:id": "1"},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_good_id_token_is_taken(changes: dict[str, Any]) -> None:
    assert checked(forged(id_claims(**changes))) == id_claims(**changes)


BAD: list[tuple[str, dict[str, Any]]] = [
    *(("iss", {"iss": iss}) for iss in (None, "", f"{ISSUER}/", ISSUER.upper(), "https://elsewhere.example", [ISSUER])),
    *(("aud", {"aud": aud}) for aud in (None, [], "", "another", ["another"], CLIENT + "x", {CLIENT: 1}, [[CLIENT]])),
    ("aud", {"aud": "another", "azp": CLIENT}),
    ("azp", {"aud": [CLIENT, "another"]}),
    ("azp", {"aud": [CLIENT, "another"], "azp": "another"}),
    ("azp", {"aud": [CLIENT, "another"], "azp": [CLIENT]}),
    ("azp", {"aud": [CLIENT, "another"], "events": {LOGOUT_EVENT: {}}}),
    ("azp", {"azp": "another"}),
    *(("sub", {"sub": sub}) for sub in (None, "", 42, ["42"], "x" * 256, "a\tb")),
    *(("exp", {"exp": exp}) for exp in (None, "", str(NOW + 300), True, [NOW], NOW - 30, 0, -1, 10**12, 10**400)),
    *(("iat", {"iat": iat}) for iat in (None, str(NOW), False, NOW + 31, NOW - 36, 10**12)),
    *(("nbf", {"nbf": nbf}) for nbf in ("", True, NOW + 31)),
    *(("nonce", {"nonce": nonce}) for nonce in (None, "", "another", ["the nonce"], "THE NONCE")),
    *(("at_hash", {"at_hash": value}) for value in ("", "x", half_hash("another"), half_hash(ACCESS, "sha512"), 1)),
]


@pytest.mark.parametrize(("check", "changes"), BAD, ids=[f"{check} {str(bad)[:60]}" for check, bad in BAD])
def test_an_id_token_that_fails_a_check_is_refused_by_that_check(check: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"^{check}: "):
        checked(forged(id_claims(**changes)))


RAW = [
    b'{"sub":"42","sub":"43"}',
    b'{"exp":NaN}',
    b'{"sub":"\\u0000"}',
    b'{"sub":"\\ud800"}',
    b'{"sub":"\xff"}',
    b"[]",
    b"null",
    b"",
    b"[" * 12_000,
    b'{"exp":' + b"9" * 5_000 + b"}",
]


@pytest.mark.parametrize("raw", RAW, ids=[str(raw[:30]) for raw in RAW])
def test_claims_that_are_no_strict_json_object_are_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        checked(forged(raw))


def test_a_header_with_a_key_twice_is_refused() -> None:
    signature = forged(id_claims()).split(".")[2]
    header = part(b'{"alg":"RS256","kid":"k1","kid":"k2"}')
    with pytest.raises(Refused, match="not JSON"):
        checked(f"{header}.{part(id_claims())}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS256", "RS1", "rs256", None, ["RS256"], {"RS256": 1}, 5])
def test_other_algorithms_are_refused(algorithm: object) -> None:
    _, claims, signature = forged(id_claims()).split(".")
    for end in (signature, ""):
        with pytest.raises(Refused, match=r"^alg: ") as caught:
            checked(f"{part({'alg': algorithm, 'kid': 'k1'})}.{claims}.{end}")
        assert not isinstance(caught.value, KeyUnknown)


def test_a_mac_with_the_public_key_as_its_secret_is_refused() -> None:
    token = forged(id_claims(), {"alg": "HS256"}, new_key("HS"))
    with pytest.raises(Refused, match=r"^alg: "):
        checked(token, [new_key("2048"), new_key("HS")])


def test_only_algorithms_that_the_metadata_names_are_taken() -> None:
    assert expected_algorithms(["none", "HS256", "ES256", "XY"]) == {"ES256"}
    expected = Expected(issuer=ISSUER, client_id=CLIENT, algorithms=expected_algorithms(["none", "ES256"]))
    with pytest.raises(Refused, match=r"^alg: "):
        checked(forged(id_claims()), expected=expected)


def test_a_key_of_another_curve_or_kind_verifies_nothing() -> None:
    with pytest.raises(KeyUnknown):
        checked(forged(id_claims(), {"alg": "ES256"}, new_key("ES")), [new_key("ES384"), new_key("2048")])


def test_a_key_in_the_token_is_never_used() -> None:
    attacker = new_key("2048", "k2")
    inside = {"jwk": attacker.as_dict(private=False), "jku": "https://evil.example/keys", "x5u": "https://evil.example"}
    for kid in ("k1", "k2", None):
        with pytest.raises(KeyUnknown):
            checked(forged(id_claims(), {**inside, "kid": kid}, attacker))


def test_header_parameters_that_nobody_reads_are_ignored() -> None:
    unread = {"jwk": "no key", "jku": 5, "x5u": None, "x5c": ["x" * 2_000], "cty": 1, "own": {}, "typ": "JWT"}
    assert checked(forged(id_claims(), unread)) == id_claims()


@pytest.mark.parametrize("header", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": ["b64"], "b64": False}])
def test_a_critical_extension_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"^crit: "):
        checked(forged(id_claims(), header))


@pytest.mark.parametrize("change", ["one part", "two parts", "four parts", "long", "padding", "space", "umlaut", ""])
def test_what_is_not_a_token_of_three_parts_is_refused(change: str) -> None:
    token = forged(id_claims())
    header, claims, signature = token.split(".")
    bent = {
        "one part": header,
        "two parts": f"{header}.{claims}",
        "four parts": f"{token}.x",
        "long": forged(id_claims(pad="x" * 12_400)),
        "padding": f"{header}=.{claims}.{signature}",
        "space": f" {token}",
        "umlaut": f"ä{token}",
        "": "",
    }
    with pytest.raises(Refused):
        checked(bent[change])


def test_a_token_of_16_kib_is_taken() -> None:
    token = forged(id_claims(pad="x" * 11_500))
    assert 15_000 < len(token) <= 16_384
    assert checked(token)["pad"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_token_that_was_changed_after_it_was_signed_is_refused(at: int) -> None:
    parts = forged(id_claims(sub="42")).split(".")
    parts[at] = forged(id_claims(sub="1"), {"typ": "x"}).split(".")[at]
    with pytest.raises(KeyUnknown):
        checked(".".join(parts))


def test_the_key_is_chosen_by_its_id_and_without_one_the_fitting_are_tried() -> None:
    first, second, curve = new_key("2048"), new_key("2048", "k2"), new_key("ES", "k3")
    assert checked(forged(id_claims(), key=second), [curve, first, second])
    assert checked(forged(id_claims(), {"kid": None}, second), [curve, first, second])
    with pytest.raises(KeyUnknown):
        checked(forged(id_claims(), {"kid": "k1"}, second), [curve, first, second])
    with pytest.raises(KeyUnknown):
        checked(forged(id_claims(), {"kid": "unknown"}, second), [curve, first, second])


@pytest.mark.parametrize(("before", "is_tried"), [(9, True), (10, False)])
def test_without_a_key_id_ten_keys_are_tried_at_most(before: int, is_tried: bool) -> None:
    keys = [*[new_key("2048", "k2")] * before, new_key("2048")]
    token = forged(id_claims(), {"kid": None})
    if is_tried:
        assert checked(token, keys)
    else:
        with pytest.raises(KeyUnknown):
            checked(token, keys)
