"""The promises of every store, on every backend."""

from generalbots_api.testing import (
    BotRecordStoreContract,
    BotSessionStoreContract,
    ConversationLogContract,
    EndOfSessionContract,
    LeaseStoreContract,
    LoginStoreContract,
    PendingLoginStoreContract,
    ReplyContract,
    RevocationStoreContract,
    SeenTokenStoreContract,
    StorageContract,
    SummaryContract,
    WaitingContract,
)


class TestStorage(StorageContract): ...


class TestLogins(LoginStoreContract): ...


class TestPendingLogins(PendingLoginStoreContract): ...


class TestSeenTokens(SeenTokenStoreContract): ...


class TestBotSessions(BotSessionStoreContract): ...


class TestLog(ConversationLogContract): ...


class TestReplies(ReplyContract): ...


class TestLeases(LeaseStoreContract): ...


class TestRevocations(RevocationStoreContract): ...


class TestBotRecords(BotRecordStoreContract): ...


class TestWaiting(WaitingContract): ...


class TestEndOfSession(EndOfSessionContract): ...


class TestSummaries(SummaryContract): ...
