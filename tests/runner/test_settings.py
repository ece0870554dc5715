"""Settings in layers: command line, environment, file, default."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path

import pytest

from generalbots_api import Settings
from runner.cli import main
from runner.keys import NAME, kept_key
from runner.layers import SettingsError, Value, layered
from runner.options import OWN, options, text


def values(
    flags: dict[str, str] | None = None, environment: dict[str, str] | None = None, file: Path | None = None
) -> dict[str, Value]:
    return layered(options(), flags or {}, environment or {}, file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "generalbots.toml"
    path.write_text('limit_user = 1\nlog_level = "debug"\nadmin_roles = ["boss"]\n')
    return path


def test_each_layer_wins_over_the_ones_below(file: Path) -> None:
    found = values({"limit_user": "3"}, {"GB_LIMIT_USER": "2", "GB_LOG_LEVEL": "error"}, file)
    assert found["limit_user"] == Value(3, "command line")
    assert found["log_level"] == Value("error", "GB_LOG_LEVEL")
    assert found["admin_roles"] == Value(["boss"], str(file))
    assert found["limit_admin"] == Value(5000, "default")


def test_lists_are_separated_by_commas() -> None:
    assert values({}, {"GB_CORS_ORIGINS": "https://a.example, https://b.example"})["cors_origins"].value == [
        "https://a.example",
        "https://b.example",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("storrage = 'x'", "did you mean storage"),
        ("limit_user = 'x'", "must be a whole number"),
        ("limit_user = true", "must be a whole number"),
        ("log_level = 'loud'", "must be one of debug"),
        ("bots = [1]", "must be a list of texts"),
        ("[storage]", "must be text"),
        ("= broken", "generalbots.toml"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "generalbots.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        values(file=path)


def test_check_prints_values_and_sources_and_masks_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key = "a key that nobody may read in a terminal"
    assert main(["--check", "--storage", "memory://"], {"GB_SECRET_KEYS": key}) == 0
    said = capsys.readouterr().out
    assert key not in said
    line = next(line for line in said.splitlines() if line.startswith("secret_keys"))
    assert line.split() == ["secret_keys", "***", "GB_SECRET_KEYS"]


@pytest.mark.parametrize(
    "url", ["postgresql://user:hush@host/db", "postgresql://user@host/db?password=hush&sslmode=require"]
)
def test_check_shows_no_password_of_a_url(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert main(["--check", "--storage", url, "--bus", url], {}) == 0
    said = capsys.readouterr().out
    assert "postgresql://***@host/db" in said
    assert "hush" not in said


def test_check_of_a_wrong_setting_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--storage", "memory://", "--limit-user", "0"], {}) == 2
    assert "limit_user: must be more than 0" in capsys.readouterr().err


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"], {})
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(option.flag in said and option.help for option in options())


def test_every_field_of_the_library_is_an_option_of_its_type() -> None:
    known = {option.name: option for option in options()[len(OWN) :]}
    assert list(known) == [field.name for field in dataclasses.fields(Settings)]
    assert known["admin_roles"].kind is list
    assert known["cors_origins"].kind is list
    assert known["limit_user"].kind is int
    assert known["turn_timeout"].kind is float
    assert known["public_url"].kind is str
    assert known["environment"].choices == ("development", "production")
    assert known["limiter_failure"].choices == ("open", "closed", "local")


def test_check_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--check"], {}) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    first = kept_key(tmp_path)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert kept_key(tmp_path) == first


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    barrier, keys = threading.Barrier(8), list[str]()

    def start() -> None:
        barrier.wait()
        keys.append(kept_key(tmp_path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert os.listdir(tmp_path) == [NAME]


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    with pytest.raises(SettingsError, match="delete it"):
        kept_key(tmp_path)


def test_the_settings_page_has_every_option_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    for option in options():
        assert f"| `{option.name}` | {shown_default(option.default)} |" in page


def shown_default(value: object) -> str:
    return f"`{text(value)}`" if value not in (None, "", []) else ""
