"""For people who test with this library, or write a backend of their own for it.

`ManualClock` is a clock that a test sets; `answer_of(bot, ManualTurn("Hello"))` is
what a bot answers, without a service. The contracts state every promise of
the stores, of the limiter and of the bus, as tests that run on yours:

    import pytest
    from generalbots_api.testing import ConversationLogContract, LoginStoreContract
    from mine import MyStorage

    class MyStores:
        @pytest.fixture
        async def storage(self, anyio_backend, tmp_path):
            async with MyStorage(tmp_path / "test.db") as storage:
                yield storage

    class TestLogins(MyStores, LoginStoreContract): ...
    class TestLog(MyStores, ConversationLogContract): ...

A storage, which `StorageContract` and each store's contract test, is an empty
and open `generalbots_api.storage.Storage`. `LimiterContract` wants a fixture
`limiter`, and `BusContract` one named `bus`. `DirectoryContract` wants an open
`directory`, and a `user` who can log in to it. They run by anyio's pytest plugin.

`generalbots_api.testing.faulty_op` is an OpenID Provider that lies as it is
told, to see what your settings of a directory let through.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"generalbots_api.testing.{name}"
        for name in (
            "logins",
            "pending",
            "sessions",
            "log",
            "replies",
            "limiter",
            "bus",
            "storage",
            "leases",
            "waiting",
            "directory",
            "visit",
        )
    )
)

from generalbots_api.testing.bus import BusContract  # noqa: E402 # what is to be rewritten comes after that call
from generalbots_api.testing.clock import ManualClock  # noqa: E402
from generalbots_api.testing.directory import DirectoryContract  # noqa: E402
from generalbots_api.testing.leases import (  # noqa: E402
    BotRecordStoreContract,
    LeaseStoreContract,
    RevocationStoreContract,
)
from generalbots_api.testing.limiter import LimiterContract  # noqa: E402
from generalbots_api.testing.log import ConversationLogContract  # noqa: E402
from generalbots_api.testing.logins import LoginStoreContract  # noqa: E402
from generalbots_api.testing.pending import PendingLoginStoreContract, SeenTokenStoreContract  # noqa: E402
from generalbots_api.testing.replies import ReplyContract  # noqa: E402
from generalbots_api.testing.sessions import BotSessionStoreContract  # noqa: E402
from generalbots_api.testing.storage import StorageContract  # noqa: E402
from generalbots_api.testing.turn import ManualTurn, answer_of  # noqa: E402
from generalbots_api.testing.visit import KnownUser  # noqa: E402
from generalbots_api.testing.waiting import (  # noqa: E402
    EndOfSessionContract,
    SummaryContract,
    WaitingContract,
)

__all__ = [
    "BotRecordStoreContract",
    "BotSessionStoreContract",
    "BusContract",
    "ConversationLogContract",
    "DirectoryContract",
    "EndOfSessionContract",
    "KnownUser",
    "LeaseStoreContract",
    "LimiterContract",
    "LoginStoreContract",
    "ManualClock",
    "ManualTurn",
    "PendingLoginStoreContract",
    "ReplyContract",
    "RevocationStoreContract",
    "SeenTokenStoreContract",
    "StorageContract",
    "SummaryContract",
    "WaitingContract",
    "answer_of",
]
