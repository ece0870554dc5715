"""The promises of every store, on every backend."""

from generalbots_api.testing import (
    BotSessionStoreContract,
    ConversationLogContract,
    LoginStoreContract,
    PendingLoginStoreContract,
    ReplyContract,
    SeenTokenStoreContract,
    StorageContract,
)


class TestStorage(StorageContract): ...


class TestLogins(LoginStoreContract): ...


class TestPendingLogins(PendingLoginStoreContract): ...


class TestSeenTokens(SeenTokenStoreContract): ...


class TestBotSessions(BotSessionStoreContract): ...


class TestLog(ConversationLogContract): ...


class TestReplies(ReplyContract): ...
