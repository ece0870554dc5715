"""Several workers of the whole service, on one database, with a limiter and a bus that they share."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from redis import Redis

from tests.support.process import running_runner
from tests.support.redis import URL, needs_server

pytestmark = pytest.mark.server
DATABASE = 13  # the runner's keys have their usual names, so they are kept apart
LIMIT = 20


@pytest.fixture
def shared() -> Iterator[str]:
    needs_server()
    url = urlsplit(URL)._replace(path=f"/{DATABASE}").geturl()
    with Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def test_two_workers_count_together_roll_without_a_failure_and_end_with_code_0(tmp_path: Path, shared: str) -> None:
    arguments = ("--workers", "2", "--limiter", shared, "--bus", shared, "--limit-anonymous", str(LIMIT))
    oidc = ("--directory", "oidc", "--issuer", "https://127.0.0.1:1", "--client-id", "x")
    with running_runner(*arguments, *oidc, folder=tmp_path) as runner:
        answers = Counter(httpx2.get(f"{runner.base}/nowhere").status_code for _ in range(LIMIT + 10))
        assert answers == {404: LIMIT, 429: 10}
        runner.process.send_signal(signal.SIGHUP)
        while "".join(runner.errors).count("stopping") < 2:
            assert httpx2.get(f"{runner.base}/health").status_code == 429  # an answer, of any worker
        assert runner.end() == 0
    assert runner.started.count("General Bots API") == 1
    said = "".join(runner.errors)
    assert "rolling reason=SIGHUP" in said
    assert "Traceback" not in said
