"""The deployment page says what the runner takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from runner.cli import main
from runner.options import options

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_every_flag_on_it_is_one() -> None:
    known = {option.flag for option in options()} | {"--config", "--check"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE)) <= known


def test_its_settings_file_passes_the_check_of_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
    storage = tomllib.loads(block)["storage"]
    (tmp_path / "generalbots.toml").write_text(block.replace(storage, "sqlite:///generalbots.db"))
    secrets = {"GB_SECRET_KEYS": "k" * 32, "GB_CLIENT_SECRET": "hush"}
    assert main(["--check"], secrets) == 0, capsys.readouterr().err
