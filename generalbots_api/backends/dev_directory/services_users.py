"""`zitadel.user.v2.UserService`: look a user up, change oneself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from generalbots_api.backends.dev_directory.core import Core
from generalbots_api.backends.dev_directory.errors import ServiceError
from generalbots_api.backends.dev_directory.messages import Empty, Json, Message, check_length
from generalbots_api.backends.dev_directory.people import ORGANIZATION_ID, User
from generalbots_api.backends.dev_directory.rpc import Method, hidden, rpc

SERVICE = "zitadel.user.v2.UserService"


class GetUserByID(Message, frozen=True):
    user_id: str = ""


class ProfileChange(Message, frozen=True):
    given_name: str | None = None
    family_name: str | None = None
    display_name: str | None = None


class EmailChange(Message, frozen=True):
    email: str | None = None
    send_code: Empty | None = None
    return_code: Empty | None = None
    is_verified: bool | None = None


class HumanChange(Message, frozen=True):
    profile: ProfileChange | None = None
    email: EmailChange | None = None


class VerifyEmail(Message, frozen=True):
    user_id: str = ""
    verification_code: str = ""


class UpdateUser(Message, frozen=True):
    user_id: str = ""
    username: str | None = None
    human: HumanChange | None = None


@dataclass(frozen=True, slots=True)
class UserService:
    core: Core

    def methods(self) -> dict[str, Method]:
        return {
            f"{SERVICE}/GetUserByID": rpc(GetUserByID, self._get),
            f"{SERVICE}/UpdateUser": rpc(UpdateUser, self._update),
            f"{SERVICE}/VerifyEmail": rpc(VerifyEmail, self._verify_email),
        }

    def _get(self, caller: User, asked: GetUserByID) -> Json:
        check_length("userId", asked.user_id, 1, 200)
        user = self._seen_by(caller, asked.user_id)
        return {"details": details(user), "user": shown(user)}

    def _update(self, caller: User, asked: UpdateUser) -> Json:
        """All of it or, if anything is wrong, nothing."""
        check_length("userId", asked.user_id, 1, 200)
        human = asked.human or HumanChange()
        profile, email = human.profile or ProfileChange(), human.email or EmailChange()
        _check(asked, profile, email)
        user = self._seen_by(caller, asked.user_id)
        self._check_free(user, asked.username, email.email)
        self._apply_profile(user, profile)
        if email.email is not None and email.email != user.email:
            user.email, user.is_email_verified = email.email, False
            user.email_code = secrets.token_hex(3).upper()
        if asked.username is not None and asked.username != user.username:
            user.username = asked.username
            self.core.lapses.end_user(user.id)  # as in Zitadel, whose tokens hang on the login name
        user.changed_at = self.core.clock.now()
        return {"changeDate": user.changed_at}

    def _verify_email(self, caller: User, asked: VerifyEmail) -> Json:
        """The code works once."""
        check_length("userId", asked.user_id, 1, 200)
        check_length("verificationCode", asked.verification_code, 1, 20)
        user = self._seen_by(caller, asked.user_id)
        if user.email_code is None:
            raise ServiceError("failed_precondition", "Errors.User.Code.NotFound (EMAIL-2M9fs)")
        if not secrets.compare_digest(user.email_code.encode(), asked.verification_code.encode()):
            raise ServiceError("invalid_argument", "Errors.User.Code.Invalid (CODE-woT0xc)")
        user.is_email_verified, user.email_code = True, None
        user.changed_at = self.core.clock.now()
        return {"details": details(user)}

    def _seen_by(self, caller: User, user_id: str) -> User:
        """Oneself; an admin sees everyone.

        Raises:
            ServiceError: `not_found`, also for want of permission.
        """
        user = self.core.people.users.get(user_id)
        if user is None or (user is not caller and not caller.is_admin):
            raise hidden("User could not be found (QUERY-Dfbg2)")
        return user

    def _check_free(self, user: User, username: str | None, email: str | None) -> None:
        holder = self.core.people.find(username) if username is not None else None
        if (holder is not None and holder is not user) or (email and self.core.people.has_email(email, but=user)):
            raise ServiceError("already_exists", "User already exists (V3-DKcYh)")

    def _apply_profile(self, user: User, change: ProfileChange) -> None:
        """`display_name` does not follow the names by itself."""
        user.first_name = change.given_name if change.given_name is not None else user.first_name
        user.last_name = change.family_name if change.family_name is not None else user.last_name
        user.display_name = change.display_name if change.display_name is not None else user.display_name


def _check(asked: UpdateUser, profile: ProfileChange, email: EmailChange) -> None:
    """Raises:
    ServiceError: a value is wrong, or the caller says himself that his address is confirmed.
    """
    named = {
        "username": asked.username,
        "givenName": profile.given_name,
        "familyName": profile.family_name,
        "displayName": profile.display_name,
        "email": email.email,
    }
    for field, value in named.items():
        if value is not None:
            check_length(field, value, 1, 200)
    if email.email is not None and ("@" not in email.email or set(email.email) & set(" \t\r\n")):
        raise ServiceError("invalid_argument", "EMAIL-599BI: Errors.User.Email.Invalid")
    if email.is_verified is not None or email.return_code is not None:
        raise ServiceError("permission_denied", "No matching permissions found (AUTH-AWfge)")


def details(user: User) -> Json:
    return {
        "sequence": 1,
        "changeDate": user.changed_at,
        "resourceOwner": ORGANIZATION_ID,
        "creationDate": user.created_at,
    }


def shown(user: User) -> Json:
    return {
        "userId": user.id,
        "details": details(user),
        "state": "USER_STATE_ACTIVE" if user.is_active else "USER_STATE_INACTIVE",
        "username": user.username,
        "loginNames": [user.username],
        "preferredLoginName": user.username,
        "human": {
            "profile": {
                "givenName": user.first_name,
                "familyName": user.last_name,
                "displayName": user.display_name,
            },
            "email": {"email": user.email, "isVerified": user.is_email_verified},
        },
    }
