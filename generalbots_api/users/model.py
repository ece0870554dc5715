"""A user's profile, and what may be changed in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import UserId

MAX_NAME = 200
MAX_EMAIL = 200
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A user as the Directory has it."""

    user_id: UserId
    username: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str
    display_name: str
    created_at: datetime | None = None  # aware, UTC; None: the Directory does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """The fields to change; None leaves one as it is.

    Raises:
        InvalidRequest: nothing to change, or a value that no directory would take.
    """

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None

    def __post_init__(self) -> None:
        wrong = {}
        if self.email is not None and (len(self.email) > MAX_EMAIL or not _EMAIL.fullmatch(self.email)):
            wrong["email"] = "must be an email address"
        for field in ("first_name", "last_name"):
            value = getattr(self, field)
            if value is not None and not is_name(value):
                wrong[field] = f"must be 1 to {MAX_NAME} characters, without control characters"
        if wrong:
            raise InvalidRequest("The profile cannot be changed like this", fields=wrong)
        if not self.fields:
            raise InvalidRequest("Nothing to change: send email, first_name or last_name")

    @property
    def fields(self) -> list[str]:
        """The names of the fields that change, sorted."""
        return [f for f in ("email", "first_name", "last_name") if getattr(self, f) is not None]


def is_name(value: str) -> bool:
    return len(value.strip()) >= 1 and len(value) <= MAX_NAME and not _CONTROL.search(value)
