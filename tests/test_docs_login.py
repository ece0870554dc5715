"""The pages about logging in: their Python runs, and the tests that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generalbots_api import GeneralBots

ROOT = Path(__file__).parent.parent
NAME = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("page", ["zitadel.md", "oidc.md"])
def test_the_service_of_the_page_can_be_made(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, page, "exec"), names)  # noqa: S102 - our own page
    gb = names["gb"]
    assert isinstance(gb, GeneralBots)
    assert {"/auth/login", "/auth/callback", "/auth/backchannel-logout"} <= {
        one.path for one in gb.auth.table.endpoints
    }


def test_every_test_that_the_page_of_threats_names_is_there() -> None:
    named = set(NAME.findall((ROOT / "docs" / "threats.md").read_text(encoding="utf-8")))
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    there = {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}
    assert len(named) > 50
    assert named - there == set()


def test_every_threat_that_is_answered_names_a_test() -> None:
    text = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]
    assert [row for row in rows if not NAME.search(row)] == []
