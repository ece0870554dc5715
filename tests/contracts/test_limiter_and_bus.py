"""The promises of limiters and buses, on every backend."""

from generalbots_api.testing import BusContract, LimiterContract


class TestLimiter(LimiterContract): ...


class TestBus(BusContract): ...
