"""What counts as a change of the code, and a runner that is started again by it."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from runner.reload import Watcher, folders_of
from tests.runner.ending import port_of, watched
from tests.support.process import END_TIMEOUT


def test_a_file_that_comes_goes_or_changes_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    bot, watcher = tmp_path / "deep" / "bot.py", Watcher((tmp_path,), (tmp_path / "generalbots.toml",))
    states = [watcher.state()]
    bot.write_text("x = 1")
    states.append(watcher.state())
    os.utime(bot, ns=(1, 1))
    states.append(watcher.state())
    (tmp_path / "generalbots.toml").write_text("")
    states.append(watcher.state())
    bot.unlink()
    states.append(watcher.state())
    assert all(one != other for one, other in pairwise(states))


@pytest.mark.parametrize("name", [".git/hook.py", "__pycache__/x.py", "site-packages/x.py", "env/x.py", "notes.txt"])
def test_what_is_not_the_users_code_is_not_looked_at(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if "env" in name:
        (path.parent / "pyvenv.cfg").touch()
    path.touch()
    assert Watcher((tmp_path,)).state() == {}


def test_the_folders_are_those_of_the_modules_that_are_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "single_bot.py").write_text("raise RuntimeError('not to be imported')")
    assert folders_of(["single_bot", "httpx2.websockets", "nowhere"]) == (tmp_path,)


@pytest.mark.server
def test_a_change_exchanges_the_worker_and_one_that_does_not_start_leaves_the_old_one(tmp_path: Path) -> None:
    bot = tmp_path / "my_bot.py"
    bot.write_text("from generalbots_api import EchoBot\nbot = EchoBot()\n")
    with watched("--bind", "127.0.0.1:0", "--reload", "--bots", "my_bot:bot", folder=tmp_path) as process:
        assert process.stderr is not None
        base = f"http://127.0.0.1:{port_of(process)}"
        bot.write_text("bot = nothing\n")
        said = [next(process.stderr) for _ in range(3)]
        assert f"rolling reason={bot}" in said[0]
        assert "NameError" in said[1]
        assert "roll.failed" in said[2]
        assert httpx2.get(f"{base}/health").status_code == 200
        bot.write_text("from generalbots_api import EchoBot\nbot = EchoBot()  # mended\n")
        said = [next(process.stderr) for _ in range(2)]
        assert "rolling" in said[0]
        assert "stopping signal=SIGTERM" in said[1]
        assert httpx2.get(f"{base}/health").status_code == 200
        process.terminate()
        assert process.wait(END_TIMEOUT) == 0
