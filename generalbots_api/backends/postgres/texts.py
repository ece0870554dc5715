"""Text as it lies in a column: PostgreSQL takes every character but NUL."""

from __future__ import annotations

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper


def adapt(adapters: AdaptersMap) -> None:
    """Escapes on the way in and out; one type for every int, so that a statement is prepared once."""
    adapters.register_dumper(str, TextDumper)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_loader("text", TextLoader)
    adapters.register_loader("text", TextBinaryLoader)


class TextDumper(Dumper):
    """NUL becomes 1 1, and 1 becomes 1 2: no text changes its place in code point order, nor what it begins with.

    Raises:
        UnicodeEncodeError: the text has a lone surrogate.
    """

    def dump(self, obj: str) -> Buffer:
        data = obj.encode()
        if b"\x00" in data or b"\x01" in data:
            return data.replace(b"\x01", b"\x01\x02").replace(b"\x00", b"\x01\x01")
        return data


class TextLoader(Loader):
    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)

    def load(self, data: Buffer) -> str:
        text = str(data, "utf-8")
        if "\x01" in text:
            return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
        return text


class TextBinaryLoader(TextLoader):
    format = Format.BINARY
