"""The table, printed at the end, and a runner that the gentler faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stage import OPTIONS
from tests.faults.table import TABLE, Table, table_of
from tests.support.process import Runner, running_runner


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    return table_of(request)


@pytest.fixture(scope="package")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """On SQLite, with the echo bot, the talker and the flood; whoever harms it must see that it has recovered."""
    with running_runner(*OPTIONS, folder=tmp_path_factory.mktemp("faults")) as runner:
        yield runner


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash.get(TABLE, None)
    if table is not None and config.getoption("markexpr") != "not long":
        terminalreporter.write_line("")
        terminalreporter.write_line(table.printed())
