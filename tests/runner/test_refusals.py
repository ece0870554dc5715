"""A setting that is wrong: exit code 2, one line that names it, no secret in it, and nothing made."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli import main

PRODUCTION = ("--environment", "production", "--secret-keys", "k" * 32, "--public-url", "https://app.example")

OIDC = ("--directory", "oidc", "--issuer", "https://id.example", "--client-id", "x", "--client-secret", "hush")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it starts; whatever is refused must leave it as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, **environment: str) -> str:
    """What is said by a check that must fail."""
    assert main(["--check", *arguments], environment) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("generalbots: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--storrage", "x"), "unknown flag --storrage; did you mean --storage?"),
        (("--qqqq",), "unknown flag --qqqq; --help lists all"),
        (("stray",), "only flags are taken"),
        (("--limit-user",), "--limit-user: expected one argument"),
        (("--limit-user", "many"), "--limit-user: limit_user must be a whole number, not 'many'"),
        (("--limit-user", "0"), "limit_user: must be more than 0"),
        (("--turn-timeout", "nan"), "turn_timeout: must be more than 0"),
        (("--graceful-timeout", "-1"), "graceful_timeout: must be 0 or more"),
        (("--graceful-timeout", "nan"), "graceful_timeout: must be 0 or more"),
        (("--environment", "test"), "environment must be one of development, production"),
        (("--config", "nowhere.toml"), "config: there is no file nowhere.toml"),
        (("--bind", "rubbish"), "bind: must be HOST:PORT"),
        (
            ("--workers", "2"),
            "workers: 2 processes must share what they keep; set limiter = redis://…, bus = redis://… or",
        ),
        (("--workers", "2", "--storage", "memory://"), "set storage = postgresql://… or sqlite:///PATH, limiter ="),
        (("--workers", "2"), "directory = zitadel or oidc"),
        (("--workers", "0"), "workers: must be at least 1"),
        (("--storage", "mysql://x"), "storage: mysql:// is not supported; use memory:// or sqlite:///PATH"),
        (("--storage", "sqlite:///"), "storage: sqlite:/// needs the path of a file"),
        (("--storage", "sqlite:///nowhere/x.db"), "storage: there is no folder nowhere"),
        (("--limiter", "memcached://h"), "limiter: memcached:// is not supported; use memory:// or redis://"),
        (("--bus", "amqp://h"), "bus: amqp:// is not supported; use memory:// or postgresql:// or redis://"),
        (("--root-path", "bots"), "root_path: must begin with /"),
        (("--certfile", "c.pem"), "certfile, keyfile: give both or none"),
        (("--certfile", "c.pem", "--keyfile", "k.pem"), "c.pem and k.pem cannot be used"),
        (("--directory", "ldap"), "directory must be one of dev, oidc, zitadel"),
        (("--directory", "oidc"), "issuer: must be set with directory = oidc"),
        (("--directory", "zitadel", "--issuer", "https://id.example", "--client-id", "x"), "project_id: must be set"),
        (("--dev-directory-file", "nowhere.toml"), "dev_directory_file: nowhere.toml: No such file"),
        (("--bind", "192.0.2.1:80"), "bind: the dev directory is for this machine only"),
        (("--public-url", "https://app.example"), "public_url: the dev directory is for this machine only"),
        (("--cors-origins", "app.example"), "cors_origins: 'app.example' is not an origin"),
    ],
)
def test_it_is_named(capsys: pytest.CaptureFixture[str], folder: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal(capsys, *arguments)
    assert list(folder.iterdir()) == []


def test_an_unknown_variable_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "GB_STORRAGE: unknown setting; did you mean GB_STORAGE?" in refusal(capsys, GB_STORRAGE="memory://")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--environment", "production"), "secret_keys: must be set in production"),
        (PRODUCTION, "directory: dev must not be used in production"),
        ((*PRODUCTION, *OIDC, "--issuer", "http://127.0.0.1:1"), "https"),
        ((*PRODUCTION, *OIDC, "--cors-origins", "*"), "cors_origins: must not be * in production"),
        ((*PRODUCTION, *OIDC, "--secret-keys", "short"), "secret_keys: must be at least 32 bytes in production"),
        ((*PRODUCTION, *OIDC, "--public-url", "http://app.example"), "public_url: must be https in production"),
    ],
)
def test_production_is_strict(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal(capsys, *arguments)


def test_production_with_all_it_needs_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", *PRODUCTION, *OIDC], {}) == 0
    said = capsys.readouterr().out
    assert "hush" not in said
    assert "k" * 32 not in said


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("--storage", "mysql://user:hush@host/db"), ""),
        (("--client-secrt=hush",), ""),
        (("--client-secrt", "hush"), ""),
        ((), "client_secret = ['hush']"),
        ((), "secret_keys = [['hush']]"),
    ],
)
def test_a_refusal_tells_no_secret(
    capsys: pytest.CaptureFixture[str], folder: Path, arguments: tuple[str, ...], file: str
) -> None:
    (folder / "generalbots.toml").write_text(file)
    assert "hush" not in refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("code", "path", "said"),
    [
        ("", "broken", "must be module:attribute, not 'broken'"),
        ("", "nowhere:Bot", "No module named 'nowhere'"),
        ("", "broken1:Bot", "module 'broken1' has no attribute 'Bot'"),
        ("x = 1\ny = x.nothing", "broken2:Bot", "AttributeError: 'int' object has no attribute 'nothing'"),
        ("def (", "broken3:Bot", "SyntaxError"),
        ("class Bot:\n    def __init__(self):\n        raise OSError('no\\nkey')", "broken4:Bot", "OSError: no key"),
        ("bots = [1]", "broken5:bots", "gives 1, which is no bot"),
        ("class Bot:\n    info = 1", "broken6:Bot", "which is no bot: it needs info"),
    ],
)
def test_bots_that_cannot_be_had(
    capsys: pytest.CaptureFixture[str], folder: Path, code: str, path: str, said: str
) -> None:
    if "nowhere" not in path:
        (folder / f"{path.partition(':')[0]}.py").write_text(code)
    assert said in refusal(capsys, "--bots", path)
