"""The development directory: its arguments, its users file, and the signing key that is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from generalbots_api.backends.dev_directory import DevDirectory
from tests.backends.dev_provider import (
    ISSUER,
    KEY,
    answer_of,
    asking,
    browser_of,
    claims_of,
    directory,
    signing_key,
    submit,
    tokens_of,
    userinfo,
)

pytestmark = pytest.mark.anyio

WONDERLAND = """
[[users]]
username = "alice"
password = "wonderland"
id = "2870"
first_name = "Alice"
last_name = "Liddell"
display_name = "Alice L."
email = "alice@wonder.example"
email_verified = false
roles = ["user", "player"]

[[users]]
username = "hatter"

[[users]]
username = "queen"
active = false

[[groups]]
name = "Tea party"
description = "No room"
members = ["alice", "hatter"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "users.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "issuer",
    [
        *(
            "https://id.example",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://10.0.0.1:8080",
        ),
        *("", "localhost:8080", "ftp://localhost", "http://localhost/x?y", "http://localhost/#x", "http://localhost:x"),
    ],
)
def test_an_issuer_that_is_not_on_loopback_is_refused(issuer: str) -> None:
    with pytest.raises(ValueError, match=r"^issuer: "):
        DevDirectory(issuer, secret_keys=[KEY])


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:1", "http://localhost/x", "https://[::1]:8443", "http://a.localhost"]
)
def test_an_issuer_on_loopback_is_taken_as_it_is(issuer: str) -> None:
    assert DevDirectory(issuer, secret_keys=[KEY]).issuer == issuer


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"secret_keys": []}, "secret_keys"),
        ({"secret_keys": [""]}, "secret_keys"),
        ({"client_id": ""}, "client_id"),
        ({"project_id": "x1"}, "project_id"),
        ({"redirect_uris": "http://localhost/cb"}, "redirect_uris"),
        ({"backchannel_logout_uri": "https://app.example/logout"}, "backchannel_logout_uri"),
        ({"signing_key": "nonsense"}, "signing_key"),
        ({"signing_key": "{}"}, "signing_key"),
        ({"signing_key": RSAKey.generate_key(2048).as_pem(private=False)}, "signing_key"),
        ({"signing_key": ECKey.generate_key("P-256").as_pem(private=True)}, "signing_key"),
        ({"users_file": "/nowhere/users.toml"}, "users_file"),
    ],
)
def test_a_wrong_argument_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        directory(**options)


def test_the_client_s_secret_follows_from_the_secret_keys() -> None:
    secrets = [
        directory(secret_keys=keys).client_secret for keys in ([KEY], [KEY.encode()], ["x" * 32, KEY], ["x" * 32])
    ]
    assert secrets[0] == secrets[1] == secrets[2] != secrets[3]
    assert KEY not in secrets[0]
    assert directory(client_secret="mine").client_secret == "mine"


@pytest.mark.parametrize("form", ["pem", "pem bytes", "jwk"])
async def test_a_signing_key_that_is_given_signs_and_is_the_same_after_a_restart(form: str) -> None:
    pem = signing_key().as_pem(private=True)
    jwk = json.dumps(signing_key().as_dict(private=True))
    forms: dict[str, str | bytes] = {"pem": pem.decode(), "pem bytes": pem, "jwk": jwk}
    given = forms[form]
    token = (await tokens_of(directory(signing_key=given)))["id_token"]
    assert (await claims_of(directory(signing_key=given), token))["iss"] == ISSUER


async def test_the_seed_is_admin_alice_and_bob_with_their_names_as_passwords() -> None:
    dev = directory()
    assert dev.usernames == ["admin", "alice", "bob"]
    assert len({dev.user_id(name) for name in dev.usernames}) == 3
    for name in dev.usernames:
        assert (await tokens_of(dev, name))["access_token"]


async def test_the_users_file_says_who_is_there(tmp_path: Path) -> None:
    dev = directory(users_file=written(tmp_path, WONDERLAND))
    async with browser_of(dev) as browser:
        page = await browser.get(asking())
        assert (await submit(browser, page, "alice", "alice")).status_code == 403
        assert (await submit(browser, page, "queen", "queen")).status_code == 403
        assert "code" in answer_of(await submit(browser, page, " Alice ", "wonderland"))
    info = (await userinfo(dev, (await tokens_of(dev, "hatter"))["access_token"])).json()
    assert (info["name"], info["email"]) == ("Hatter", "hatter@generalbots.example")
    assert dev.user_id("alice") == "2870"
    assert dev.user_id("hatter").isdigit()


def test_ids_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    users = [f'[[users]]\nusername = "{name}"\n' for name in ("one", "two", "three")]
    ids = []
    for text in ("".join(users), "".join(users[::-1])):
        dev = directory(users_file=written(tmp_path, text))
        ids.append({name: dev.user_id(name) for name in dev.usernames})
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("users = [", "not TOML"),
        ("", "users"),
        ("users = 1", "users"),
        ("[[users]]\npassword = 'x'", r"users\[0\]: .*username"),
        ("[[users]]\nusername = 1", r"users\[0\]\.username"),
        ("[[users]]\nusername = ''", r"users\[0\]\.username"),
        ("[[users]]\nusername = 'a'\nrole = 'admin'", r"users\[0\]: .*role"),
        ("[[users]]\nusername = 'a'\nroles = 'admin'", r"users\[0\]\.roles"),
        ("[[users]]\nusername = 'a'\nroles = ['']", r"users\[0\]\.roles"),
        ("[[users]]\nusername = 'a'\nid = 'x'", r"users\[0\]\.id"),
        ("[[users]]\nusername = 'a'\nemail = 'x'", r"users\[0\]\.email"),
        ("[[users]]\nusername = 'a'\n[[users]]\nusername = 'A'", r"users\[1\]\.username"),
        ("[[users]]\nusername = 'a'\nid='1'\n[[users]]\nusername = 'b'\nid='1'", r"users\[1\]\.id"),
        ("[[users]]\nusername='a'\nemail='x@y'\n[[users]]\nusername='b'\nemail='X@y'", r"users\[1\]\.email"),
        ("[[users]]\nusername = 'a'\n[[groups]]\nname = ' '", r"groups\[0\]\.name"),
        ("[[users]]\nusername = 'a'\n[[groups]]\nname = 'g'\n[[groups]]\nname = 'G'", r"groups\[1\]\.name"),
        ("[[users]]\nusername = 'a'\n[[groups]]\nname = 'g'\nmembers = ['b']", r"groups\[0\]\.members"),
    ],
)
def test_what_is_wrong_with_a_users_file_is_said_with_file_and_field(tmp_path: Path, text: str, field: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=f"^users_file: {path}: .*{field}"):
        directory(users_file=path)


def test_a_user_that_is_not_there_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'carol'"):
        directory().set_roles("carol", [])
