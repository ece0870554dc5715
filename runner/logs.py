"""The log on stderr, as text or as JSON lines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
QUIET = ("httpx2", "httpcore2", "hypercorn", "h2", "hpack", "authlib", "joserfc", "asyncio")
SILENT = ("psycopg",)  # it warns at each attempt to connect; the storage tells when the server goes and when it is back
"""They would tell of URLs, headers and tokens, or of every poll; so only of trouble."""


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What `extra=` carried."""
    return {name: value for name, value in record.__dict__.items() if name not in _PLAIN}


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        extra = " ".join(f"{name}={_word(str(value))}" for name, value in fields_of(record).items())
        line = f"{at} {record.levelname.lower():7} {_line(record.getMessage())} {extra}".rstrip()
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            **fields_of(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str, form: str) -> None:
    """Set up the root logger; the libraries below speak from warnings on, at any level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for names, least in ((QUIET, logging.WARNING), (SILENT, logging.ERROR)):
        for name in names:
            logging.getLogger(name).setLevel(max(least, logging.getLogger().level))


def _line(text: str) -> str:
    """One line, whatever is in it."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _word(text: str) -> str:
    """One word, or in quotes: a value with a space in it must not look like two fields."""
    is_word = text.isprintable() and text and not set(text) & set(' "')
    return text if is_word else json.dumps(text)
